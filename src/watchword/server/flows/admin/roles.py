"""Roles, as an operator makes them: a scope that some role names needs such a role."""

import re
from collections.abc import Sequence

from watchword.protocol.scope import OPENID_SCOPES, Scope
from watchword.server.domain.audit import Administered
from watchword.server.flows.admin.refusal import Refused, listing
from watchword.server.flows.parts import Parts
from watchword.server.ports.already_there import AlreadyThere

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}\Z", re.ASCII)


async def create(parts: Parts, name: str, *, scopes: Sequence[str]) -> tuple[str, Scope]:
    """Make a role. From now on only users with a role that names them get these scopes.

    Raises:
        Refused: name or scopes will not do, or the name is taken.
    """
    now = parts.clock.now()
    if _NAME.match(name) is None:
        raise Refused("a role's name is 1 to 64 letters, digits and ._:- and starts with a letter or digit")
    try:
        scope = Scope.of(scopes)
    except ValueError as error:
        raise Refused(str(error)) from None
    if not scope:
        raise Refused("a role gives at least one scope: name it with --scope")
    if reserved := scope & OPENID_SCOPES:
        raise Refused(f"{min(reserved)} is a scope of OpenID Connect, which is open to every user")
    try:
        async with parts.storage.write() as tx:
            known: set[str] = set().union(*(api.scope for api in (await tx.catalog()).apis.values()))
            if unknown := scope - known:
                raise Refused(f"no API has the scope {min(unknown)!r}: {listing(known)}")
            await tx.add_role(name, sorted(scope))
            await tx.record(Administered(what="role.created", subject=name), now=now)
    except AlreadyThere:
        raise Refused(f"there is a role {name!r} already") from None
    return name, scope


async def listed(parts: Parts) -> list[tuple[str, Scope]]:
    """All roles by name, with their scopes."""
    async with parts.storage.read() as reading:
        catalog = await reading.catalog()
    return sorted(catalog.roles.items())
