"""Minting: every access token, ID token and refresh token is made here.

Implements: RFC 9068 §2; RFC 6749 §5.1; OpenID Connect Core 1.0 §2.
"""

import math
from collections.abc import Mapping
from typing import Any, NoReturn

from watchword.protocol import access_token, id_token
from watchword.protocol.errors import InvalidScope, InvalidTarget, TemporarilyUnavailable
from watchword.protocol.scope import Scope
from watchword.protocol.token_response import TokenResponse
from watchword.server.domain import claims, permission, refresh_token
from watchword.server.domain.api import Algorithm
from watchword.server.domain.client import Client
from watchword.server.domain.grant import Grant, Standing
from watchword.server.domain.grant_types.refresh_token import Position
from watchword.server.domain.identifiers import ID_BYTES, random_id
from watchword.server.domain.lifetimes import ID_TOKEN
from watchword.server.domain.refresh_token import RefreshToken
from watchword.server.domain.time import Instant
from watchword.server.flows.directory import Offer
from watchword.server.flows.parts import Parts
from watchword.server.ports.signing import NoSigningKey


def for_user(
    parts: Parts,
    grant: Grant,
    standing: Standing,
    *,
    offer: Offer,
    audience: str,
    scope: Scope,
    answer: Position | None,
    now: Instant,
    nonce: str | None = None,
    sid: str | None = None,
    about: Mapping[str, Any] | None = None,
) -> TokenResponse:
    """The tokens of a user's grant.

    Args:
        parts: of the node.
        grant: whose tokens.
        standing: what it stands on; gives epoch and authentication.
        offer: the APIs of this moment.
        audience: whom the access token is for.
        scope: what the access token may do.
        answer: the position of the refresh token to hand out, or None for none.
        now: seconds since the epoch.
        nonce: of the authorization request, for the ID token.
        sid: also told beside the tokens, where the door says so.
        about: claims about the user that the ID token is to hold beside the usual ones.

    Raises:
        TemporarilyUnavailable: there is no signing key.
    """
    iat = math.floor(now)
    # A token that outlives its grant would be revoked by nothing but its own end.
    exp = min(iat + _ttl(parts, offer, audience), math.ceil(grant.absolute_end))
    made = claims.of_user_token(
        grant, standing, issuer=parts.issuer, audience=audience, scope=scope, jti=_jti(parts), iat=iat, exp=exp
    )
    token = _sign(parts, made, typ=access_token.TYP, alg=_alg(offer, audience))
    return TokenResponse(
        access_token=token,
        token_type="Bearer",
        expires_in=exp - iat,
        scope=str(scope),
        refresh_token=None if answer is None else _refresh_token(parts, grant, answer),
        id_token=_id_token(parts, grant, standing, token=token, iat=iat, nonce=nonce, about=about)
        if "openid" in grant.scope
        else None,
        sid=sid,
    )


def for_client(
    parts: Parts, client: Client, *, offer: Offer, audience: str, scope: Scope, now: Instant
) -> TokenResponse:
    """A client's own token (client credentials): no user, no refresh token (RFC 6749 §4.4.3)."""
    iat = math.floor(now)
    exp = iat + _ttl(parts, offer, audience)
    made = claims.of_client_token(
        client.client_id, issuer=parts.issuer, audience=audience, scope=scope, jti=_jti(parts), iat=iat, exp=exp
    )
    token = _sign(parts, made, typ=access_token.TYP, alg=_alg(offer, audience))
    return TokenResponse(access_token=token, token_type="Bearer", expires_in=exp - iat, scope=str(scope))


def asked_scope(text: str | None) -> Scope:
    """The scope parameter.

    Raises:
        InvalidScope: malformed.
    """
    try:
        return Scope.parse(text or "")
    except ValueError as error:
        raise InvalidScope(str(error), slug="scope.malformed") from None


def one_resource(resources: tuple[str, ...]) -> tuple[str, ...]:
    """At most one resource: a token of ours is for one API.

    Raises:
        InvalidTarget: several.
    """
    if len(resources) > 1:
        raise InvalidTarget("an access token is for one resource: ask for one after the other", slug="resource.several")
    return resources


def negotiate(
    parts: Parts,
    client: Client,
    *,
    offer: Offer,
    asked: Scope,
    resources: tuple[str, ...],
    roles: frozenset[str] | None,
) -> tuple[tuple[str, ...], Scope]:
    """Audiences and scope of a new grant or of a client's own token.

    Raises:
        InvalidTarget, InvalidScope: nothing fitting can be given.
    """
    try:
        wanted = asked or client.scope
        targets = permission.audiences(wanted, resources, client=client, catalog=offer.catalog, issuer=parts.issuer)
        return targets, permission.grantable(asked, targets, client=client, catalog=offer.catalog, roles=roles)
    except (permission.NoSuchTarget, permission.NothingGranted) as refusal:
        raise_refusal(refusal)


def raise_refusal(refusal: permission.NoSuchTarget | permission.NothingGranted) -> NoReturn:
    """The wire's word for what the permission rule refused."""
    if isinstance(refusal, permission.NoSuchTarget):
        raise InvalidTarget(slug="resource.not_allowed", detail=str(refusal)) from None
    raise InvalidScope(slug="scope.not_allowed", detail="nothing of the asked scope may be granted") from None


def _ttl(parts: Parts, offer: Offer, audience: str) -> int:
    api = offer.catalog.apis.get(audience)
    own = api.access_token_ttl if api is not None else None
    return math.floor(parts.lifetimes.access_token if own is None else own)


def _alg(offer: Offer, audience: str) -> Algorithm:
    api = offer.catalog.apis.get(audience)
    return "ES256" if api is None else api.alg


def _jti(parts: Parts) -> str:
    return random_id(parts.entropy.draw(ID_BYTES))


def _refresh_token(parts: Parts, grant: Grant, answer: Position) -> str:
    position = RefreshToken(grant.id, answer.generation, answer.branch, math.floor(grant.absolute_end))
    return refresh_token.mint(position, parts.secrets)


def _id_token(
    parts: Parts,
    grant: Grant,
    standing: Standing,
    *,
    token: str,
    iat: int,
    nonce: str | None,
    about: Mapping[str, Any] | None,
) -> str:
    made = id_token.claims(
        issuer=parts.issuer,
        subject=grant.sub,
        client_id=grant.client_id,
        issued_at=iat,
        expires_at=iat + ID_TOKEN,
        auth_time=grant.auth_time,
        acr=grant.acr,
        amr=grant.amr,
        # OpenID Connect Back-Channel Logout 1.0 §2.4: the session of "a User Agent or device"; an offline grant's own
        # session is none.
        sid=standing.session_opened_in or grant.sid,
        access_token=token,
        nonce=nonce,
    )
    return _sign(parts, {**(about or {}), **made}, typ=id_token.TYP, alg="RS256")


def _sign(parts: Parts, made: dict[str, Any], *, typ: str, alg: Algorithm) -> str:
    try:
        return parts.signer.sign(made, typ=typ, alg=alg)
    except NoSigningKey:
        raise TemporarilyUnavailable(slug="keys.none", detail=f"no signing key for {alg}", retry_after=2) from None
