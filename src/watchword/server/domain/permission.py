"""Who may have what: the audience and scope of a token.

Scopes belong to APIs; the scopes of OpenID Connect need no registration and belong to the issuer.

Implements: RFC 6749 §3.3; RFC 8707 §2, §2.2; RFC 9068 §3.
"""

from collections.abc import Sequence

from watchword.protocol.scope import OPENID_SCOPES, Scope
from watchword.server.domain.api import Catalog
from watchword.server.domain.client import Client


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
    allowed = frozenset(client.apis) & catalog.apis.keys()
    if resources:
        for resource in resources:
            # With OpenID Connect the issuer is an API of its own: /userinfo.
            if resource not in allowed and not (resource == issuer and "openid" in asked):
                raise NoSuchTarget(resource)
        return tuple(dict.fromkeys(resources))
    of_apis = asked.of_apis
    if asked and not of_apis:
        return (issuer,)
    owners = [audience for audience in client.apis if audience in allowed and of_apis <= catalog.apis[audience].scope]
    if len(owners) == 1 and of_apis:
        return (owners[0],)
    if len(allowed) == 1:
        return tuple(allowed)
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
    known = frozenset().union(*[catalog.apis[audience].scope for audience in audiences if audience in catalog.apis])
    if roles is None:
        scope = Scope((asked or client.scope) & client.scope & known)
    else:
        wanted = asked or client.scope
        # The scopes of OpenID Connect need no registration, neither with an API nor with a client.
        allowed = (client.scope & known) | OPENID_SCOPES
        scope = catalog.open_to(roles, Scope(wanted & allowed))
    if asked and not scope:
        raise NothingGranted(str(asked))
    return scope


def scope_for(granted: Scope, audience: str, *, catalog: Catalog, issuer: str) -> Scope:
    """What of a grant's scope goes into an access token for ``audience``: no mixing between resources."""
    if audience == issuer:
        return Scope(granted & OPENID_SCOPES)
    api = catalog.apis.get(audience)
    return Scope(granted & ((api.scope if api else frozenset()) | OPENID_SCOPES))
