"""Both session stores keep the same promises."""

import os
from pathlib import Path

import pytest

from watchword.client import FileSessionStore, MemorySessionStore, SessionStore


@pytest.fixture(params=["memory", "files"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> SessionStore:
    return MemorySessionStore() if request.param == "memory" else FileSessionStore(tmp_path / "sessions")


def test_a_name_is_one_place_and_another_name_another(store: SessionStore) -> None:
    store.place("s-1").save(b"one")
    assert store.place("s-1").load() == b"one"
    assert store.place("s-2").load() is None
    store.place("s-1").clear()
    assert store.place("s-1").load() is None


def test_a_place_is_locked_for_all_who_hold_its_name(store: SessionStore) -> None:
    first = store.place("t-1")
    assert first.try_lock()
    assert not store.place("t-1").try_lock()
    assert store.place("t-2").try_lock()
    first.unlock()
    assert store.place("t-1").try_lock()


def test_sweeping_forgets_what_is_old_and_keeps_what_is_not(tmp_path: Path) -> None:
    now = [1000.0]
    memory = MemorySessionStore(clock=lambda: now[0])
    memory.place("old").save(b"x")
    now[0] += 100
    memory.place("new").save(b"y")
    memory.sweep(older_than=50)
    assert (memory.place("old").load(), memory.place("new").load()) == (None, b"y")

    files = FileSessionStore(tmp_path)
    for name in ("old", "new"):
        place = files.place(name)
        assert place.try_lock()
        place.save(name.encode())
        place.unlock()
    files.place("old-without-a-lock").save(b"x")
    for path in tmp_path.glob("old*"):
        os.utime(path, (1000, 1000))
    files.sweep(older_than=3600)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new.json", "new.json.lock"]


@pytest.mark.parametrize("name", ["../x", "a/b", "", "a.b", "é"])
def test_a_name_cannot_lead_out_of_the_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="letters"):
        FileSessionStore(tmp_path).place(name)
