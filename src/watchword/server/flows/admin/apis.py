"""APIs, as an operator registers them.

Implements: RFC 8707 §2 (form of the audience); RFC 6749 §3.3 (scopes).
"""

from collections.abc import Sequence

from watchword.protocol.resource_indicator import parse_resource
from watchword.protocol.scope import OPENID_SCOPES, Scope
from watchword.server.domain.api import Algorithm, Api
from watchword.server.domain.audit import Administered
from watchword.server.domain.time import Seconds
from watchword.server.flows.admin.refusal import Refused
from watchword.server.flows.parts import Parts
from watchword.server.ports.already_there import AlreadyThere


async def create(
    parts: Parts,
    audience: str,
    *,
    scopes: Sequence[str],
    alg: Algorithm = "ES256",
    access_token_ttl: Seconds | None = None,
) -> Api:
    """Register an API.

    Raises:
        Refused: audience or scopes will not do, or the audience is taken.
    """
    now = parts.clock.now()
    _check_audience(audience)
    try:
        api = Api(audience=audience, scope=Scope.of(scopes), alg=alg, access_token_ttl=access_token_ttl)
    except ValueError as error:
        raise Refused(str(error)) from None
    if audience == parts.issuer:
        raise Refused("the issuer is an API of its own, for /userinfo: choose another audience")
    if not api.scope:
        raise Refused("an API has at least one scope: name it with --scope")
    if reserved := api.scope & OPENID_SCOPES:
        raise Refused(f"{min(reserved)} is a scope of OpenID Connect, which needs no registration: name another")
    try:
        async with parts.storage.write() as tx:
            await tx.add_api(api)
            # What is revoked must be remembered for as long as the longest token lives, so the longest is known first.
            await tx.raise_longest_access_token(access_token_ttl or parts.lifetimes.access_token)
            await tx.record(Administered(what="api.created", subject=audience), now=now)
    except AlreadyThere:
        raise Refused(f"there is an API {audience} already") from None
    return api


def _check_audience(audience: str) -> None:
    try:
        parse_resource(audience)
    except ValueError:
        form = "of at most 512 characters" if len(audience) > 512 else "without a fragment" if "#" in audience else ""
        what = f"no absolute URI {form}".rstrip()
        raise Refused(f"the audience {audience!r} is {what}, such as https://orders.example") from None


async def listed(parts: Parts) -> list[Api]:
    """All APIs by audience."""
    async with parts.storage.read() as reading:
        catalog = await reading.catalog()
    return sorted(catalog.apis.values(), key=lambda api: api.audience)
