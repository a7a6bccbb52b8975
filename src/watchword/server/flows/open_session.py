"""The simple door's sign-in: user name and password for tokens, and a second step where one is needed.

The same flows as behind the standard door; only the edge differs.
"""

from dataclasses import dataclass, field, replace

from watchword.protocol.errors import (
    InvalidCredentials,
    InvalidGrant,
    InvalidSession,
    InvalidSessionHere,
    SecondStepNeededHere,
    TemporarilyUnavailable,
    UnauthorizedClient,
)
from watchword.protocol.scope import Scope
from watchword.protocol.token_response import TokenResponse
from watchword.server.domain import permission
from watchword.server.domain.client import Client
from watchword.server.domain.second_step import SecondStep, Wish
from watchword.server.domain.session import Authentication
from watchword.server.domain.time import Instant
from watchword.server.domain.user import User
from watchword.server.flows import minting, second_step, session_start
from watchword.server.flows.client_authentication import (
    ClientCredentials,
    authenticate,
    must_be_ready,
    must_have,
)
from watchword.server.flows.directory import Offer
from watchword.server.flows.parts import Parts
from watchword.server.flows.second_step import OfferedCode
from watchword.server.flows.sign_in import PasswordSignIn, sign_in


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRequest:
    """What a first-party client sends with the user's name and password."""

    sign_in: PasswordSignIn
    scope: str | None
    resources: tuple[str, ...]
    device: str
    now: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Continuation:
    """What a first-party client sends for the second step."""

    auth_session: str = field(repr=False)
    code: OfferedCode
    device: str
    now: Instant


async def first_party(parts: Parts, credentials: ClientCredentials, *, now: Instant) -> Client:
    """The client, known to be one of the operator's own.

    Raises:
        InvalidClient: it did not prove to be itself.
        UnauthorizedClient: it is not first-party: passwords are typed at the authorization server alone.
    """
    client = await authenticate(parts, credentials, now=now)
    if not client.first_party:
        raise UnauthorizedClient("this door is for first-party clients", slug="client.not_first_party")
    must_be_ready(client, now=now)
    return client


async def open_session(parts: Parts, client: Client, request: SessionRequest) -> TokenResponse:
    """A new session with its first tokens.

    Raises:
        SecondStepNeeded: the password is right, and does not do alone; ``go_on`` is what comes next.
        InvalidCredentials, TooManyTries, InvalidScope, InvalidTarget, TemporarilyUnavailable: no.
    """
    # A sign-in here gives what a code would give.
    must_have(client, "authorization_code")
    offer, asked = await may_ask(parts, client, request)
    wish = Wish(scope=str(asked), resources=request.resources)
    user, proof = await sign_in(parts, request.sign_in, now=request.now)
    if isinstance(proof, SecondStep):
        step = replace(proof, wish=wish)
        raise SecondStepNeededHere(
            "a second step is needed",
            auth_session=second_step.seal(parts, step, door="session", bound_to=client.client_id),
            methods=step.methods,
            slug="sign_in.second_step",
        )
    return await _tokens(parts, client, user, proof, offer=offer, wish=wish, device=request.device, now=request.now)


async def go_on(parts: Parts, client: Client, request: Continuation) -> TokenResponse:
    """As ``open_session``, after the second step.

    Raises:
        SecondStepNeeded: the code is wrong; the same ``auth_session`` is good for another one.
        InvalidSession: the sign-in starts anew.
        TooManyTries, InvalidScope, InvalidTarget, TemporarilyUnavailable: no.
    """
    must_have(client, "authorization_code")
    now = request.now
    try:
        step = second_step.unseal(parts, request.auth_session, door="session", bound_to=client.client_id, now=now)
        try:
            user, proof = await second_step.take(parts, step, request.code, now=now)
        except InvalidCredentials as wrong:
            raise SecondStepNeededHere(
                wrong.description, auth_session=request.auth_session, methods=step.methods, slug=wrong.slug
            ) from None
    except InvalidSession as over:
        raise InvalidSessionHere(slug=over.slug, detail=over.detail) from None
    offer = await parts.directory.offer(now=now)
    wish = wish_of(step)
    return await _tokens(parts, client, user, proof, offer=offer, wish=wish, device=request.device, now=now)


async def may_ask(parts: Parts, client: Client, request: SessionRequest) -> tuple[Offer, Scope]:
    """The offer of this moment, and the scope that is asked for.

    What the client may not ask for is refused before a password is tried: it says nothing about the user.

    Raises:
        InvalidScope, InvalidTarget: no.
    """
    offer = await parts.directory.offer(now=request.now)
    asked = minting.asked_scope(request.scope)
    roles = frozenset(offer.catalog.roles)
    minting.negotiate(parts, client, offer=offer, asked=asked, resources=request.resources, roles=roles)
    return offer, asked


def wish_of(step: SecondStep) -> Wish:
    """What was asked for with the password."""
    if step.wish is None:
        raise AssertionError("an API door's step carries what was asked for")
    return step.wish


async def _tokens(
    parts: Parts,
    client: Client,
    user: User,
    proof: Authentication,
    *,
    offer: Offer,
    wish: Wish,
    device: str,
    now: Instant,
) -> TokenResponse:
    audiences, scope = minting.negotiate(
        parts, client, offer=offer, asked=Scope.parse(wish.scope), resources=wish.resources, roles=user.roles
    )
    beginning = session_start.Beginning(
        authentication=proof,
        client=client,
        scope=scope,
        audiences=audiences,
        device=device,
        now=now,
    )
    try:
        async with parts.storage.write() as tx:
            grant, standing = await session_start.start(parts, tx, beginning)
    except InvalidGrant as gone:
        # The password was right, and everything else ended in between: only another try can tell.
        raise TemporarilyUnavailable(slug=gone.slug, detail=gone.detail, retry_after=1) from None
    audience = audiences[0]
    return minting.for_user(
        parts,
        grant,
        standing,
        offer=offer,
        audience=audience,
        scope=permission.scope_for(scope, audience, catalog=offer.catalog, issuer=parts.issuer),
        answer=session_start.first_token(client),
        now=now,
        sid=grant.sid,
    )
