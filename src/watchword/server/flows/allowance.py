"""What a grant gives now: which audience, and how much of its scope client and roles still allow.

One rule for every door that mints from a grant: code and refresh.

Implements: RFC 6749 §6; RFC 8707 §2.2; RFC 9700 §2.3.
"""

import msgspec

from watchword.protocol.errors import InvalidScope, InvalidTarget, OAuthError
from watchword.protocol.scope import Scope
from watchword.server.domain import permission
from watchword.server.domain.client import Client
from watchword.server.domain.grant_types.refresh_token import Refused
from watchword.server.flows.directory import Offer


class Granted(msgspec.Struct, frozen=True, kw_only=True):
    """What was granted then, and what the user's roles are now."""

    scope: Scope
    audiences: tuple[str, ...]
    roles: frozenset[str]


def allow(
    granted: Granted,
    *,
    client: Client,
    offer: Offer,
    issuer: str,
    asked: Scope | None,
    resources: tuple[str, ...],
) -> tuple[str, Scope] | Refused:
    """Audience and scope of an access token, or why there is none.

    Args:
        granted: what the token is minted from.
        client: as it is registered now.
        offer: APIs and roles as they are now.
        issuer: an API of its own where OpenID Connect was granted: /userinfo.
        asked: of the request; empty for all, None for a malformed one.
        resources: of the request; none for the first audience that was granted.
    """
    # RFC 6749 §6: the scope "MUST NOT include any scope not originally granted by the resource owner".
    if asked is None or not asked <= granted.scope:
        return Refused("invalid_scope")
    usable = [audience for audience in granted.audiences if audience == issuer or audience in client.apis]
    if "openid" in granted.scope and issuer not in usable:
        usable.append(issuer)
    if len(resources) > 1 or not usable or (resources and resources[0] not in usable):
        return Refused("invalid_target")
    if not resources and usable[0] != granted.audiences[0]:
        # Another audience than the one that every token had so far is not to be guessed.
        return Refused("invalid_target")
    audience = resources[0] if resources else usable[0]
    scope = permission.left_of(granted.scope, asked, granted.roles, client.scope, audience, offer.catalog, issuer)
    if (asked or granted.scope) and not scope:
        return Refused("invalid_scope")
    return audience, scope


def error_of(refused: Refused) -> OAuthError:
    """The wire's word for a refusal. The token or code is not spent by it."""
    if refused.error == "invalid_target":
        return InvalidTarget(slug="grant.target", detail="a resource that was not granted")
    return InvalidScope(slug="grant.scope", detail="beyond what was granted, or no longer allowed")
