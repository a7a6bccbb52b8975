"""The sessions of one web application in its store: begun, found, and ended by the user or by the issuer.

An ending that the issuer tells is kept in a place of its own, and every look at a session looks there as well. So it
also ends sessions that no list would have: one that is just being saved, or was copied to another store and back.

Implements: OpenID Connect Back-Channel Logout 1.0 §2.6, §2.7.
"""

import asyncio
import hashlib
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

from watchword.client.authorization import PATIENCE
from watchword.client.errors import TryLater
from watchword.client.identity import Identity
from watchword.client.session_store import SessionStore
from watchword.client.token_store import TokenStore
from watchword.client.web_session import (
    Ending,
    WebSession,
    encode_ending,
    encode_session,
    parse_ending,
    parse_session,
)
from watchword.protocol.logout_token import LONGEST_LIFE, MAX_LEEWAY, LogoutToken

_SWEEP_PAUSE: Final = 600.0
# Seconds: an issuer waits some five for the answer to a logout token. And how often a lock is tried meanwhile.
_LOCK_PATIENCE: Final = 3.0
_LOCK_PAUSE: Final = 0.01


class LoginSessions:
    """Sessions by the random names that browsers have of them; places in the store are named by hashes.

    Args:
        store: keeps them.
        issuer: who signs users in.
        lifetime: seconds that a session lasts.
        clock: seconds since the epoch.
    """

    def __init__(self, store: SessionStore, *, issuer: str, lifetime: float, clock: Callable[[], float]) -> None:
        self._store, self._issuer, self._clock = store, issuer, clock
        self.lifetime = lifetime
        self._swept_at = clock()

    def nobodys(self) -> TokenStore:
        """A place for what concerns no user; nothing is kept there."""
        return self._store.place("a-")

    def tokens(self, name: str) -> TokenStore:
        """Where the tokens of a session are, whether it has begun or is over."""
        return self._store.place(_place_name("t", name))

    def tokens_while_it_lasts(self, name: str | None) -> TokenStore:
        """The same, and empty once the session is over; a name that nobody was given has an empty place."""
        name = secrets.token_urlsafe(32) if name is None else name
        return _WhileItLasts(self.tokens(name), lambda: self._find(name) is not None)

    async def begin(self, name: str, identity: Identity) -> None:
        """Keep a new session."""
        session = WebSession.of(identity, until=self._clock() + self.lifetime)
        await asyncio.to_thread(self._store.place(_place_name("s", name)).save, encode_session(session))

    async def find(self, name: str | None) -> WebSession | None:
        """The session, if it lasts."""
        return None if name is None else await asyncio.to_thread(self._find, name)

    async def forget(self, name: str) -> WebSession | None:
        """End a session here. Its tokens stay, for they are to be handed back."""
        session = await asyncio.to_thread(self._find, name)
        await asyncio.to_thread(self._store.place(_place_name("s", name)).clear)
        return session

    async def first_time(self, state: str) -> bool:
        """Whether the answer to this transaction comes for the first time; from now on it has come."""
        return await asyncio.to_thread(_once, self._store.place(_place_name("u", state)), lambda: None)

    async def end(self, token: LogoutToken) -> bool:
        """End the session that the issuer names, or all of the user's that began until then.

        Returns:
            False if the token came before, or is being followed at this moment.

        Raises:
            TryLater: another one about the same takes too long.
        """
        mark = self._store.place(self._named("j", token.jti))
        return await asyncio.to_thread(_once, mark, lambda: self._end(token))

    async def sweep(self) -> None:
        """Now and then, forget what is long over."""
        now = self._clock()
        if now - self._swept_at > _SWEEP_PAUSE:
            self._swept_at = now
            # An ending outlasts every session that it ends, and a mark the token that it is about.
            age = max(self.lifetime, PATIENCE, LONGEST_LIFE + 2 * MAX_LEEWAY)
            with suppress(OSError):
                await asyncio.to_thread(lambda: self._store.sweep(older_than=age))

    def _find(self, name: str) -> WebSession | None:
        place = self._store.place(_place_name("s", name))
        session = parse_session(place.load(), now=self._clock())
        if session is None or not any(map(session.is_ended_by, self._endings(session))):
            return session
        place.clear()
        self.tokens(name).clear()
        return None

    def _endings(self, session: WebSession) -> list[Ending]:
        places = [self._named("e", f"sub {session.subject}")]
        if session.session_id is not None:
            places.append(self._named("e", f"sid {session.session_id}"))
        found = (parse_ending(self._store.place(place).load()) for place in places)
        return [ending for ending in found if ending is not None]

    def _end(self, token: LogoutToken) -> None:
        ending = Ending(subject=token.subject, session_id=token.sid, at=token.ended_at)
        named = f"sub {token.subject}" if token.sid is None else f"sid {token.sid}"
        place = self._store.place(self._named("e", named))
        with _locked(place):
            before = parse_ending(place.load())
            # Tokens may come late, out of order and at once; what was ended stays ended.
            if before is None or before.at < ending.at:
                place.save(encode_ending(ending))

    def _named(self, kind: str, what: str) -> str:
        return _place_name(kind, f"{self._issuer}\n{what}")


class _WhileItLasts:
    """A place that looks empty once its session is over."""

    def __init__(self, place: TokenStore, lasts: Callable[[], bool]) -> None:
        self._place, self._lasts = place, lasts

    def load(self) -> bytes | None:
        return self._place.load() if self._lasts() else None

    def save(self, text: bytes) -> None:
        self._place.save(text)

    def clear(self) -> None:
        self._place.clear()

    def try_lock(self) -> bool:
        return self._place.try_lock()

    def unlock(self) -> None:
        self._place.unlock()


def _place_name(kind: str, secret: str) -> str:
    return f"{kind}-{hashlib.sha256(secret.encode()).hexdigest()}"


@contextmanager
def _locked(place: TokenStore) -> Iterator[None]:
    give_up_at = time.monotonic() + _LOCK_PATIENCE
    while not place.try_lock():
        if time.monotonic() > give_up_at:
            raise TryLater("the session store is locked for too long", reason="locked")
        time.sleep(_LOCK_PAUSE)
    try:
        yield
    finally:
        place.unlock()


def _once(mark: TokenStore, work: Callable[[], None]) -> bool:
    """Do the work unless the mark says that it was done, or somebody is at it. Work that fails leaves no mark."""
    if not mark.try_lock():
        return False
    try:
        if mark.load() is not None:
            return False
        work()
        mark.save(b"spent")
        return True
    finally:
        mark.unlock()
