"""The start of a session and its first grant, shared by the doors.

Implements: RFC 6749 §5.1; RFC 9068 §2.2.1.
"""

from dataclasses import dataclass

from watchword.protocol.errors import InvalidClient, InvalidGrant
from watchword.protocol.scope import Scope
from watchword.server.domain.audit import SignedIn
from watchword.server.domain.client import Client
from watchword.server.domain.grant import Grant, Standing
from watchword.server.domain.grant_types.refresh_token import Position
from watchword.server.domain.identifiers import ID_BYTES, random_id
from watchword.server.domain.lifetimes import RefreshLifetime
from watchword.server.domain.session import Authentication, Session
from watchword.server.domain.time import Instant
from watchword.server.domain.user import User
from watchword.server.flows.parts import Parts
from watchword.server.ports.transaction import Writing


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """What a session and its grant are made of."""

    authentication: Authentication
    client: Client
    scope: Scope
    audiences: tuple[str, ...]
    device: str
    now: Instant


FIRST = Position(1, 0)


async def start(parts: Parts, tx: Writing, begin: Beginning, *, sid: str | None = None) -> tuple[Grant, Standing]:
    """Write a grant within ``tx``, in the browser's session ``sid``, else in a session of its own.

    With ``offline_access`` the grant outlives the browser's session, so it gets its own (OpenID Connect Core 1.0 §11),
    which remembers the browser's: that is the one that the application is told of.

    Raises:
        InvalidClient: the client was deleted or disabled since.
        InvalidGrant: the user was disabled, logged out everywhere, or signed out since he signed in.
    """
    proof, now = begin.authentication, begin.now
    # For writing, so that "log out everywhere" comes wholly before or wholly after.
    user = await tx.lock_user(proof.sub)
    if user is None or not user.enabled or user.epoch != proof.epoch:
        raise InvalidGrant(slug="session.user_gone", detail="disabled or logged out everywhere since the sign-in")
    # The directory may be a second behind: a client that was deleted or disabled meanwhile gets nothing more.
    client = await tx.client(begin.client.client_id)
    if client is None or not client.enabled or client.created_at != begin.client.created_at:
        raise InvalidClient(slug="client.disabled", detail="deleted or disabled since the request began")
    lifetime = parts.lifetimes.refresh_of(begin.client.lifetime)
    # Whoever signed out since has taken back what the code stands for, whichever session the grant would get.
    held = None if sid is None else await _standing_session(tx, sid, user=user, now=now)
    joined = held is not None and "offline_access" not in begin.scope
    session = held if joined and held is not None else _own(parts, begin, lifetime, opened_in=sid)
    grant = Grant(
        id=parts.entropy.draw(ID_BYTES),
        gid=random_id(parts.entropy.draw(ID_BYTES)),
        sid=session.sid,
        sub=proof.sub,
        client_id=begin.client.client_id,
        scope=begin.scope,
        audiences=begin.audiences,
        # A grant older than its client is dead, and the clock that dated the client may be ahead of ours.
        created_at=max(now, client.created_at),
        last_used_at=now,
        idle=lifetime.idle,
        absolute_end=now + lifetime.absolute,
        auth_time=proof.auth_time,
        acr=proof.acr,
        amr=proof.amr,
    )
    if not joined:
        await tx.add_session(session)
    await tx.add_grant(grant)
    event = SignedIn(
        sub=proof.sub,
        sid=session.sid,
        client_id=grant.client_id,
        gid=grant.gid,
        amr=" ".join(proof.amr),
        device=begin.device,
    )
    await tx.record(event, now=now)
    return grant, standing_of(session, user_roles=user.roles)


async def _standing_session(tx: Writing, sid: str, *, user: User, now: Instant) -> Session:
    session = await tx.lock_session(sid)
    if session is None or not session.lives(user=user, now=now):
        raise InvalidGrant(slug="session.signed_out", detail="the browser's session ended since the sign-in")
    return session


def _own(parts: Parts, begin: Beginning, lifetime: RefreshLifetime, *, opened_in: str | None) -> Session:
    proof = begin.authentication
    return Session(
        sid=random_id(parts.entropy.draw(ID_BYTES)),
        sub=proof.sub,
        epoch=proof.epoch,
        auth_time=proof.auth_time,
        acr=proof.acr,
        amr=proof.amr,
        device=begin.device,
        created_at=begin.now,
        expires_at=begin.now + lifetime.absolute,
        opened_in=opened_in,
    )


def standing_of(session: Session, *, user_roles: frozenset[str]) -> Standing:
    """What a grant that was just made stands on."""
    return Standing(
        user_enabled=True,
        user_epoch=session.epoch,
        user_roles=user_roles,
        session_epoch=session.epoch,
        session_ended_reason=None,
        client_enabled=True,
        session_opened_in=session.opened_in,
    )


def first_token(client: Client) -> Position | None:
    """The position of a new grant's refresh token; None for a client that may not refresh."""
    return FIRST if "refresh_token" in client.grant_types else None
