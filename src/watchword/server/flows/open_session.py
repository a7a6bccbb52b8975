"""The simple door's sign-in: user name and password for tokens, in one step, for first-party clients.

The same flows as behind the standard door; only the edge differs.
"""

from dataclasses import dataclass

from watchword.protocol.errors import InvalidGrant, TemporarilyUnavailable, UnauthorizedClient
from watchword.protocol.token_response import TokenResponse
from watchword.server.domain import permission
from watchword.server.domain.client import Client
from watchword.server.domain.time import Instant
from watchword.server.flows import minting, session_start
from watchword.server.flows.client_authentication import (
    ClientCredentials,
    authenticate,
    must_be_ready,
    must_have,
)
from watchword.server.flows.parts import Parts
from watchword.server.flows.sign_in import PasswordSignIn, sign_in


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRequest:
    """What a first-party client sends with the user's name and password."""

    sign_in: PasswordSignIn
    scope: str | None
    resources: tuple[str, ...]
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
        InvalidCredentials, TooManyTries, InvalidScope, InvalidTarget, TemporarilyUnavailable: no.
    """
    now = request.now
    # A sign-in here gives what a code would give.
    must_have(client, "authorization_code")
    offer = await parts.directory.offer(now=now)
    asked = minting.asked_scope(request.scope)
    # What the client may not ask for is refused before a password is tried: it says nothing about the user.
    minting.negotiate(
        parts, client, offer=offer, asked=asked, resources=request.resources, roles=frozenset(offer.catalog.roles)
    )
    user, authentication = await sign_in(parts, request.sign_in, now=now)
    audiences, scope = minting.negotiate(
        parts, client, offer=offer, asked=asked, resources=request.resources, roles=user.roles
    )
    beginning = session_start.Beginning(
        authentication=authentication,
        client=client,
        scope=scope,
        audiences=audiences,
        device=request.device,
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
