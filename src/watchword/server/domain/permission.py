"""Who may have what: the audience and scope of a token.

Scopes belong to APIs; the scopes of OpenID Connect need no registration and belong to the issuer.

Implements: RFC 6749 §3.3; RFC 8707 §2, §2.2; RFC 9068 §3.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from watchword.protocol.scope import OPENID_SCOPES, Scope
from watchword.server.domain.api import Catalog
from watchword.server.domain.client import Client

# The same few clients ask for the same few scopes, and a catalog is the same object while nothing in it changes: what
# follows from them is worked out once. A refusal is not kept. Anybody can make up scopes: what is kept is short, and
# little.
_KEPT: Final = 256
_MOST_TOKENS: Final = 8


class NoSuchTarget(ValueError):
    """No one API is meant, or the client may not use it (``invalid_target``)."""


class NothingGranted(ValueError):
    """Scope was asked for, and none of it may be given (``invalid_scope``)."""


def audiences(
    asked: Scope, resources: Sequence[str], *, client: Client, catalog: Catalog, issuer: str
) -> tuple[str, ...]:
    """The audiences of a new grant.

    Raises:
        NoSuchTarget: a resource is not the client's, or without one the scope does not tell.
    """
    if not resources:
        find = _audience_of if len(asked) <= _MOST_TOKENS else _audience_of.__wrapped__
        return (find(asked, client.apis, catalog, issuer),)
    for resource in resources:
        known = resource in client.apis and resource in catalog.apis
        # With OpenID Connect the issuer is an API of its own: /userinfo.
        if not known and not (resource == issuer and "openid" in asked):
            raise NoSuchTarget(resource)
    return tuple(dict.fromkeys(resources))


@lru_cache(maxsize=_KEPT)
def _audience_of(asked: Scope, apis: tuple[str, ...], catalog: Catalog, issuer: str) -> str:
    """The one API that the scope tells."""
    allowed = frozenset(apis) & catalog.apis.keys()
    of_apis = asked.of_apis
    if asked and not of_apis:
        return issuer
    owners = [audience for audience in apis if audience in allowed and of_apis <= catalog.apis[audience].scope]
    if len(owners) == 1 and of_apis:
        return owners[0]
    if len(allowed) == 1:
        return next(iter(allowed))
    raise NoSuchTarget("the scope does not tell one API")


def grantable(
    asked: Scope,
    audiences: Sequence[str],
    *,
    client: Client,
    catalog: Catalog,
    roles: frozenset[str] | None,
) -> Scope:
    """What of ``asked`` may be granted: what the client may have, the audiences know, and the user's roles allow.

    Args:
        asked: empty means all that may be had.
        audiences: of the grant or token.
        client: who asks.
        catalog: what APIs and roles there are.
        roles: the user's; None for a client acting for itself, which has neither roles nor OpenID scopes.

    Raises:
        NothingGranted: scope was asked for, and none is left.
    """
    find = _grantable if len(asked) <= _MOST_TOKENS else _grantable.__wrapped__
    return find(asked, tuple(audiences), client.scope, catalog, roles)


@lru_cache(maxsize=_KEPT)
def _grantable(
    asked: Scope, audiences: tuple[str, ...], of_client: Scope, catalog: Catalog, roles: frozenset[str] | None
) -> Scope:
    wanted = asked or of_client
    known = frozenset().union(*[catalog.apis[audience].scope for audience in audiences if audience in catalog.apis])
    if roles is None:
        scope = Scope(wanted & of_client & known)
    else:
        # The scopes of OpenID Connect need no registration, neither with an API nor with a client.
        allowed = (of_client & known) | OPENID_SCOPES
        scope = catalog.open_to(roles, Scope(wanted & allowed))
    if asked and not scope:
        raise NothingGranted(str(asked))
    return scope


@lru_cache(maxsize=_KEPT)
def left_of(
    granted: Scope, asked: Scope, roles: frozenset[str], of_client: Scope, audience: str, catalog: Catalog, issuer: str
) -> Scope:
    """What of a grant's scope goes into an access token for ``audience``, as far as client and roles still allow it.

    Args:
        granted: then.
        asked: of that; empty for all.
        roles: of the user, now.
        of_client: the client's scope, now.
        audience: of the token.
        catalog: what APIs and roles there are now.
        issuer: an API of its own where OpenID Connect was granted.
    """
    still = catalog.open_to(roles, Scope(granted & (of_client | OPENID_SCOPES)))
    return scope_for(Scope(still & asked) if asked else still, audience, catalog=catalog, issuer=issuer)


def scope_for(granted: Scope, audience: str, *, catalog: Catalog, issuer: str) -> Scope:
    """What of a grant's scope goes into an access token for ``audience``: no mixing between resources."""
    if audience == issuer:
        return Scope(granted & OPENID_SCOPES)
    api = catalog.apis.get(audience)
    return Scope(granted & ((api.scope if api else frozenset()) | OPENID_SCOPES))
