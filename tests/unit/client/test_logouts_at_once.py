"""Endings that an issuer tells at the same moment."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.unit.client.logout_shop import Shop

from watchword.client import FileSessionStore, MemorySessionStore, SessionStore, TokenStore
from watchword.client.integrations import login_sessions
from watchword.testing import FrozenClock


@pytest.fixture(params=["memory", "files"])
def store(request: pytest.FixtureRequest, tmp_path: Path, clock: FrozenClock) -> SessionStore:
    return FileSessionStore(tmp_path / "sessions") if request.param == "files" else MemorySessionStore(clock=clock)


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def shop(store: SessionStore, clock: FrozenClock) -> Shop:
    return Shop(store, clock)


class _Meeting:
    """A place of endings. Whoever first finds it empty goes on only when another has come as far as he can."""

    def __init__(self, place: TokenStore, meanwhile: list[Callable[[], None]], met: threading.Event) -> None:
        self.place, self.meanwhile, self.met = place, meanwhile, met

    def load(self) -> bytes | None:
        found = self.place.load()
        if self.meanwhile:
            self.meanwhile.pop()()
            assert self.met.wait(30)
        return found

    def save(self, text: bytes) -> None:
        self.place.save(text)

    def clear(self) -> None:
        self.place.clear()

    def try_lock(self) -> bool:
        is_mine = self.place.try_lock()
        if not is_mine:
            self.met.set()
        return is_mine

    def unlock(self) -> None:
        self.place.unlock()


class _MeetingStore:
    """A store whose places of endings are such."""

    def __init__(self, store: SessionStore, meanwhile: list[Callable[[], None]], met: threading.Event) -> None:
        self.store, self.meanwhile, self.met = store, meanwhile, met

    def place(self, name: str) -> TokenStore:
        place = self.store.place(name)
        return _Meeting(place, self.meanwhile, self.met) if name.startswith("e-") else place

    def sweep(self, *, older_than: float) -> None:
        self.store.sweep(older_than=older_than)


async def test_of_two_endings_at_once_the_newer_one_wins(store: SessionStore, clock: FrozenClock) -> None:
    met = threading.Event()
    meanwhile: list[Callable[[], None]] = []
    shop = Shop(_MeetingStore(store, meanwhile, met), clock)
    session = await shop.begun("ada", "s1", ago=20)
    newer = shop.token()

    def tell_the_newer() -> None:
        try:
            told.append(asyncio.run(shop.told(newer, login=shop.another(_MeetingStore(store, [], met)))).status_code)
        finally:
            met.set()

    told: list[int] = []
    thread = threading.Thread(target=tell_the_newer)
    meanwhile.append(thread.start)
    older = shop.token(iat=int(clock()) - 50, exp=int(clock()) + 50)
    assert (await shop.told(older)).status_code == 200
    await asyncio.to_thread(thread.join, 30)
    assert told == [200]
    assert await shop.who(session) == "nobody"


async def test_an_ending_that_another_holds_for_too_long_may_be_told_again(
    shop: Shop, store: SessionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, token = await shop.begun("ada", "s1"), shop.token(sid="s1")
    place = store.place(shop.login._sessions._named("e", "sid s1"))
    assert place.try_lock()
    monkeypatch.setattr(login_sessions, "_LOCK_PATIENCE", 0.05)
    answer = await shop.told(token)
    assert (answer.status_code, answer.json()["error"]) == (400, "temporarily_unavailable")
    place.unlock()
    assert (await shop.told(token)).status_code == 200
    assert await shop.who(session) == "nobody"
