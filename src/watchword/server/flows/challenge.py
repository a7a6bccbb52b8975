"""The authorization challenge: first-party sign-in at the standard door, answered with an authorization code.

Implements: draft-ietf-oauth-first-party-apps §5, §5.2, §5.3, §5.3.1; RFC 7636 §4.3, §4.4.
"""

import hashlib
from dataclasses import dataclass, replace

from watchword.protocol import base64url
from watchword.protocol.errors import InsufficientAuthorization, InvalidCredentials, SecondStepNeeded
from watchword.protocol.scope import Scope
from watchword.server.domain.client import Client
from watchword.server.domain.grant_types.authorization_code import AuthorizationCode
from watchword.server.domain.lifetimes import AUTHORIZATION_CODE
from watchword.server.domain.second_step import SecondStep, Wish
from watchword.server.domain.session import Authentication
from watchword.server.domain.time import Instant
from watchword.server.domain.user import User
from watchword.server.flows import minting, second_step
from watchword.server.flows.client_authentication import must_have
from watchword.server.flows.directory import Offer
from watchword.server.flows.open_session import Continuation, SessionRequest, may_ask, wish_of
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
        SecondStepNeeded: the password is right, and does not do alone; ``go_on`` is what comes next.
        InsufficientAuthorization: user name or password are wrong.
        TooManyTries, UnauthorizedClient, InvalidScope, InvalidTarget, TemporarilyUnavailable: no.
    """
    must_have(client, "authorization_code")
    session = request.session
    offer, asked = await may_ask(parts, client, session)
    try:
        user, proof = await sign_in(parts, session.sign_in, now=session.now)
    except InvalidCredentials as error:
        raise InsufficientAuthorization(slug=error.slug, detail=error.detail) from None
    wish = Wish(scope=str(asked), resources=session.resources, code_challenge=request.code_challenge)
    if isinstance(proof, SecondStep):
        raise SecondStepNeeded(
            "a second step is needed",
            auth_session=second_step.seal(
                parts, replace(proof, wish=wish), door="challenge", bound_to=client.client_id
            ),
            methods=proof.methods,
            slug="sign_in.second_step",
        )
    return await _code(parts, client, user, proof, offer=offer, wish=wish, device=session.device, now=session.now)


async def go_on(parts: Parts, client: Client, request: Continuation) -> str:
    """As ``challenge``, after the second step.

    Raises:
        SecondStepNeeded: the code is wrong; the same ``auth_session`` is good for another one.
        InvalidSession: the sign-in starts anew.
        TooManyTries, InvalidScope, InvalidTarget: no.
    """
    must_have(client, "authorization_code")
    now = request.now
    step = second_step.unseal(parts, request.auth_session, door="challenge", bound_to=client.client_id, now=now)
    try:
        user, proof = await second_step.take(parts, step, request.code, now=now)
    except InvalidCredentials as wrong:
        raise SecondStepNeeded(
            wrong.description, auth_session=request.auth_session, methods=step.methods, slug=wrong.slug
        ) from None
    offer = await parts.directory.offer(now=now)
    wish = wish_of(step)
    return await _code(parts, client, user, proof, offer=offer, wish=wish, device=request.device, now=now)


async def _code(
    parts: Parts,
    client: Client,
    user: User,
    proof: Authentication,
    *,
    offer: Offer,
    wish: Wish,
    device: str,
    now: Instant,
) -> str:
    audiences, scope = minting.negotiate(
        parts, client, offer=offer, asked=Scope.parse(wish.scope), resources=wish.resources, roles=user.roles
    )
    code = base64url.encode(parts.entropy.draw(_CODE_BYTES))
    kept = AuthorizationCode(
        code_hash=hashlib.sha256(code.encode()).digest(),
        client_id=client.client_id,
        authentication=proof,
        scope=scope,
        audiences=audiences,
        code_challenge=wish.code_challenge,
        expires_at=now + AUTHORIZATION_CODE,
        device=device,
    )
    async with parts.storage.write() as tx:
        await tx.add_code(kept)
    return code
