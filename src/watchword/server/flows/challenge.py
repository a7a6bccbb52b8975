"""The authorization challenge: first-party sign-in at the standard door, answered with an authorization code.

Implements: draft-ietf-oauth-first-party-apps §5, §5.2; RFC 7636 §4.3, §4.4.
"""

import hashlib
from dataclasses import dataclass

from watchword.protocol import base64url
from watchword.protocol.errors import InsufficientAuthorization, InvalidCredentials
from watchword.server.domain.client import Client
from watchword.server.domain.grant_types.authorization_code import AuthorizationCode
from watchword.server.domain.lifetimes import AUTHORIZATION_CODE
from watchword.server.flows import minting
from watchword.server.flows.client_authentication import must_have
from watchword.server.flows.open_session import SessionRequest
from watchword.server.flows.parts import Parts
from watchword.server.flows.sign_in import sign_in

_CODE_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class ChallengeRequest:
    """A sign-in with the PKCE challenge of the code that is wanted."""

    session: SessionRequest
    code_challenge: str


async def challenge(parts: Parts, client: Client, request: ChallengeRequest) -> str:
    """An authorization code for the user who proved to be himself.

    Raises:
        InsufficientAuthorization: user name or password are wrong.
        TooManyTries, UnauthorizedClient, InvalidScope, InvalidTarget, TemporarilyUnavailable: no.
    """
    must_have(client, "authorization_code")
    session, now = request.session, request.session.now
    offer = await parts.directory.offer(now=now)
    asked = minting.asked_scope(session.scope)
    roles = frozenset(offer.catalog.roles)
    minting.negotiate(parts, client, offer=offer, asked=asked, resources=session.resources, roles=roles)
    try:
        user, authentication = await sign_in(parts, session.sign_in, now=now)
    except InvalidCredentials as error:
        raise InsufficientAuthorization(slug=error.slug, detail=error.detail) from None
    audiences, scope = minting.negotiate(
        parts, client, offer=offer, asked=asked, resources=session.resources, roles=user.roles
    )
    code = base64url.encode(parts.entropy.draw(_CODE_BYTES))
    kept = AuthorizationCode(
        code_hash=hashlib.sha256(code.encode()).digest(),
        client_id=client.client_id,
        authentication=authentication,
        scope=scope,
        audiences=audiences,
        code_challenge=request.code_challenge,
        expires_at=now + AUTHORIZATION_CODE,
        device=session.device,
    )
    async with parts.storage.write() as tx:
        await tx.add_code(kept)
    return code
