"""The authorization endpoint's work: understand the request, see what the user has to do, answer with a code.

While the user signs in or consents, the request travels sealed through his browser; nothing is kept here, so a flood
of half-done sign-ins costs no row.

Implements: RFC 6749 §4.1.1, §4.1.2; RFC 9207 §2; RFC 9126 §4; RFC 9470 §5; OpenID Connect Core 1.0 §3.1.2.
"""

import hashlib
from dataclasses import dataclass, replace
from typing import Final

from watchword.protocol import base64url, id_token, jws
from watchword.protocol.authentication_class import satisfies
from watchword.protocol.errors import (
    AccessDenied,
    InvalidRequestUri,
    InvalidScope,
    LoginRequired,
    OAuthError,
    UnmetAuthenticationRequirements,
)
from watchword.protocol.rejection import TokenRejected
from watchword.protocol.scope import Scope
from watchword.server.domain import consent, login, pushed_request, travelling_request
from watchword.server.domain.authorization_request import AuthorizationRequest, ResponseMode
from watchword.server.domain.authorization_steps import (
    NotToBeRedirected,
    ToTheClient,
    World,
    known,
    understand,
)
from watchword.server.domain.client import Client
from watchword.server.domain.consent import Consent
from watchword.server.domain.grant_types.authorization_code import AuthorizationCode
from watchword.server.domain.lifetimes import AUTHORIZATION_CODE
from watchword.server.domain.login import NOT_SEEN, Asked, NotSeen
from watchword.server.domain.session import Authentication, Session
from watchword.server.domain.time import Instant
from watchword.server.domain.travelling_request import Parameters
from watchword.server.flows import minting
from watchword.server.flows.browser_session import SignedIn, hash_of
from watchword.server.flows.client_authentication import must_be_ready
from watchword.server.flows.factors import classes_here, enrolled
from watchword.server.flows.parts import Parts
from watchword.server.ports.sealing import CannotUnseal

_PURPOSE: Final = "authorization request"
_SEALED_SECONDS: Final = 1800
_CODE_BYTES: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Underway:
    """A request that is being worked on. ``sealed`` carries it through the browser."""

    asked: Asked
    client: Client
    sealed: str

    @property
    def request(self) -> AuthorizationRequest:
        """The request itself."""
        return self.asked.request


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What goes to the application, through the browser."""

    redirect_uri: str
    response_mode: ResponseMode
    parameters: dict[str, str]


@dataclass(frozen=True, slots=True)
class SignInWanted:
    """The user has to sign in first."""


@dataclass(frozen=True, slots=True)
class OutOfReach:
    """The application asks for a stronger sign-in than this user has: he is told so. ``answer``: if he gives up."""

    answer: Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentWanted:
    """The user has to be asked: what would be granted."""

    scope: Scope
    audiences: tuple[str, ...]


class Refusal(Exception):
    """Refused after the steps; ``refused`` makes the answer of it."""

    def __init__(self, underway: Underway, error: OAuthError) -> None:
        super().__init__(str(error))
        self.underway = underway
        self.error = error


async def begin(parts: Parts, parameters: Parameters, *, cookie: str | NotSeen | None, now: Instant) -> Underway:
    """Take up a request as it came to /authorize; a pushed one is fetched, and used up.

    ``cookie`` is the session cookie that the browser holds, if any; where it cannot be known, ``resume`` sees to it.

    Raises:
        NotToBeRedirected: an error page is all that may be shown.
        ToTheClient: refused, and the application is told.
    """
    pushed = [value for name, value in parameters if name == "request_uri"]
    if len(pushed) == 1 and pushed[0].startswith(pushed_request.PREFIX):
        parameters = await _take_pushed(parts, pushed[0], parameters, now=now)
    return await _understood(parts, parameters, since=now, before=_seen(cookie), now=now)


async def resume(parts: Parts, sealed: str, *, cookie: str | NotSeen | None = NOT_SEEN, now: Instant) -> Underway:
    """Go on with a request that came back from the sign-in or consent page.

    ``cookie`` is the session cookie that the browser holds, if any: what the request is measured by, where it was not
    seen before.

    Raises:
        NotToBeRedirected: it is not ours, or too old.
        ToTheClient: the client was changed meanwhile, and may not ask for this any more.
    """
    try:
        packed = parts.sealer.unseal(base64url.decode(sealed), purpose=_PURPOSE)
        parameters, since, before = travelling_request.unpack(packed)
    except (CannotUnseal, ValueError):
        raise NotToBeRedirected("expired", "the sign-in was not begun here") from None
    # The node that began it may be ahead of this one.
    if not -login.CLOCKS_APART <= now - since < _SEALED_SECONDS:
        raise NotToBeRedirected("expired", "the sign-in took too long")
    before = _seen(cookie) if before is NOT_SEEN else before
    return await _understood(parts, parameters, since=since, before=before, now=now)


def _seen(cookie: str | NotSeen | None) -> bytes | NotSeen | None:
    return hash_of(cookie) if isinstance(cookie, str) else cookie


async def proceed(
    parts: Parts, underway: Underway, signed_in: SignedIn | None, *, now: Instant
) -> SignInWanted | OutOfReach | ConsentWanted | Answer:
    """What comes next for the user, or the application's answer.

    Raises:
        Refusal: nothing of what was asked can be granted.
    """
    request = underway.request
    needed, scope, audiences = False, Scope(), tuple[str, ...]()
    if signed_in is not None:
        scope, audiences = await _grantable(parts, underway, signed_in, now=now)
        given = await _given(parts, signed_in, underway.client)
        needed = consent.is_needed(
            underway.client,
            scope=scope,
            audiences=audiences,
            redirect_uri=request.redirect_uri,
            given=given,
            asked="consent" in request.prompt,
        )
    session = None if signed_in is None else signed_in.session
    asked = await _asked_of(parts, underway.asked, session)
    step = login.next_step(asked, session, consent_needed=needed, now=now)
    if "none" in request.prompt and (refusal := login.silent_refusal(step)) is not None:
        return refused(parts, underway, refusal)
    if step == "sign_in" or signed_in is None:
        if session is not None and login.is_somebody_else(underway.asked, session):
            # Asking again would go in a circle.
            return refused(parts, underway, LoginRequired("another user signed in", slug="authorize.other_user"))
        if session is not None and await _is_out_of_reach(parts, underway, session):
            return OutOfReach(refused(parts, underway, UnmetAuthenticationRequirements(slug="authorize.out_of_reach")))
        return SignInWanted()
    if step == "consent":
        return ConsentWanted(scope=scope, audiences=audiences)
    return await _answer(parts, underway, signed_in, scope=scope, audiences=audiences, now=now)


async def _asked_of(parts: Parts, asked: Asked, session: Session | None) -> Asked:
    """What is asked of this very user: a class that is only wished for is demanded of who can reach it.

    OpenID Connect Core 1.0 §5.5.1.1: it is no error if he cannot, nor if he must not be asked to sign in.
    """
    wished = asked.request.acr_wished
    if session is None or not wished or "none" in asked.request.prompt or satisfies(session.acr, wished):
        return asked
    if not (await enrolled(parts, session.sub)).can_reach(wished):
        return asked
    return replace(asked, request=replace(asked.request, acr_values=wished))


async def _is_out_of_reach(parts: Parts, underway: Underway, session: Session) -> bool:
    """Whether signing in again would not help: the request is for this very user, who cannot meet it. RFC 9470 §5."""
    if not login.means_this_user(underway.asked, session):
        return False
    return not (await enrolled(parts, session.sub)).can_reach(underway.request.acr_values)


async def allowed(parts: Parts, underway: Underway, signed_in: SignedIn, *, now: Instant) -> Answer | SignInWanted:
    """The user said yes: remember it, and answer."""
    asked = await _asked_of(parts, underway.asked, signed_in.session)
    if login.needs_sign_in(asked, signed_in.session, now=now):
        return SignInWanted()
    scope, audiences = await _grantable(parts, underway, signed_in, now=now)
    async with parts.storage.write() as tx:
        # So that a withdrawal of consent comes wholly before or wholly after.
        await tx.lock_user(signed_in.user.sub)
        before = await tx.consent(signed_in.user.sub, underway.client.client_id)
        await tx.put_consent(
            Consent(
                sub=signed_in.user.sub,
                client_id=underway.client.client_id,
                scope=Scope(scope | before.scope) if before else scope,
                audiences=tuple(dict.fromkeys((*(before.audiences if before else ()), *audiences))),
                granted_at=now,
            )
        )
    return await _answer(parts, underway, signed_in, scope=scope, audiences=audiences, now=now)


def denied(parts: Parts, underway: Underway) -> Answer:
    """The user said no."""
    return refused(parts, underway, AccessDenied("the user declined", slug="authorize.denied"))


def refused(parts: Parts, underway: Underway, error: OAuthError) -> Answer:
    """An error for the application."""
    request = underway.request
    return _answer_of(parts, request.redirect_uri, request.response_mode, request.state, error_parameters(error))


def told(parts: Parts, refusal: ToTheClient) -> Answer:
    """A refusal of the steps, as the application's answer."""
    return _answer_of(
        parts, refusal.redirect_uri, refusal.response_mode, refusal.state, error_parameters(refusal.error)
    )


def error_parameters(error: OAuthError) -> dict[str, str]:
    """RFC 6749 §4.1.2.1."""
    return {"error": error.code, "error_description": error.description}


def _answer_of(
    parts: Parts, redirect_uri: str, mode: ResponseMode, state: str | None, parameters: dict[str, str]
) -> Answer:
    kept = {} if state is None else {"state": state}
    # RFC 9207 §2: "iss" in every authorization response, errors too.
    return Answer(redirect_uri=redirect_uri, response_mode=mode, parameters={**parameters, **kept, "iss": parts.issuer})


async def _understood(
    parts: Parts, parameters: Parameters, *, since: Instant, before: bytes | NotSeen | None, now: Instant
) -> Underway:
    ids = [value for name, value in parameters if name == "client_id"]
    client = await parts.directory.client(ids[0], now=now) if len(ids) == 1 and ids[0] else None
    hints = [value for name, value in parameters if name == "id_token_hint"]
    world = World(
        client=client,
        catalog=(await parts.directory.offer(now=now)).catalog,
        issuer=parts.issuer,
        hinted_sub=hinted_sub(parts, hints[0]) if len(hints) == 1 else None,
        classes=classes_here(parts),
    )
    request = understand(parameters, world)
    if client is None:
        raise AssertionError("understood without a client")
    must_be_ready(client, now=now)
    if not parts.sign_up_open:
        # Who cannot sign up is asked to sign in, if he is not.
        request = replace(request, prompt=request.prompt - {"create"})
    packed = travelling_request.pack(known(parameters), since=since, before=before)
    sealed = base64url.encode(parts.sealer.seal(packed, purpose=_PURPOSE))
    return Underway(asked=Asked(request=request, before=before, since=since), client=client, sealed=sealed)


async def _take_pushed(parts: Parts, uri: str, parameters: Parameters, *, now: Instant) -> Parameters:
    async with parts.storage.write() as tx:
        found = await tx.take_pushed_request(hashlib.sha256(uri.encode()).digest())
    ids = [value for name, value in parameters if name == "client_id"]
    if found is None or now >= found.expires_at or ids != [found.client_id]:
        # RFC 9126 §4: without a good request nothing is known of where to send the user back to.
        raise NotToBeRedirected("bad_request", InvalidRequestUri.bland)
    return found.parameters


def hinted_sub(parts: Parts, token: str) -> str | None:
    """The subject of an ID token of ours, expired or not; None for anything else."""
    try:
        _, claims = jws.verify(token, parts.signer.recognise, typ=id_token.TYP.lower())
    except TokenRejected:
        return None
    sub = claims.get("sub")
    return sub if claims.get("iss") == parts.issuer and isinstance(sub, str) else None


async def _grantable(
    parts: Parts, underway: Underway, signed_in: SignedIn, *, now: Instant
) -> tuple[Scope, tuple[str, ...]]:
    request = underway.request
    offer = await parts.directory.offer(now=now)
    try:
        audiences, scope = minting.negotiate(
            parts,
            underway.client,
            offer=offer,
            asked=request.scope,
            resources=request.resources,
            roles=signed_in.user.roles,
        )
    except InvalidScope:
        # The client may have it, this user may not: that is the user's answer, not a mistake of the client.
        raise Refusal(underway, AccessDenied("the user may not grant this", slug="authorize.roles")) from None
    except OAuthError as error:
        raise Refusal(underway, error) from None
    return scope, audiences


async def _given(parts: Parts, signed_in: SignedIn, client: Client) -> Consent | None:
    async with parts.storage.read() as reading:
        return await reading.consent(signed_in.user.sub, client.client_id)


async def _answer(
    parts: Parts,
    underway: Underway,
    signed_in: SignedIn,
    *,
    scope: Scope,
    audiences: tuple[str, ...],
    now: Instant,
) -> Answer:
    request, session = underway.request, signed_in.session
    code = base64url.encode(parts.entropy.draw(_CODE_BYTES))
    kept = AuthorizationCode(
        code_hash=hashlib.sha256(code.encode()).digest(),
        client_id=underway.client.client_id,
        authentication=Authentication(
            sub=session.sub,
            epoch=session.epoch,
            auth_time=session.auth_time,
            acr=session.acr,
            amr=session.amr,
        ),
        scope=scope,
        audiences=audiences,
        code_challenge=request.code_challenge,
        expires_at=now + AUTHORIZATION_CODE,
        device=session.device,
        redirect_uri=request.redirect_uri,
        nonce=request.nonce,
        sid=session.sid,
        id_token_claims=request.id_token_claims,
    )
    async with parts.storage.write() as tx:
        await tx.add_code(kept)
    return _answer_of(parts, request.redirect_uri, request.response_mode, request.state, {"code": code})
