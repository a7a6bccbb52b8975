"""The stores: what is saved is there, whole, private, and locked against others."""

import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from watchword.client import FileTokenStore, KeyringTokenStore, MemoryTokenStore, Misconfigured, TokenSource, TokenStore
from watchword.client.file_lock import FileLock


class FakeKeyring:
    """A keyring of small values, as Windows has it."""

    def __init__(self) -> None:
        self.entries: dict[tuple[str, str], str] = {}
        self.fails_after: int | None = None

    def get_password(self, service: str, username: str, /) -> str | None:
        return self.entries.get((service, username))

    def set_password(self, service: str, username: str, password: str, /) -> None:
        if self.fails_after is not None:
            self.fails_after -= 1
            if self.fails_after < 0:
                raise RuntimeError(f"no room for {password}")
        if len(password.encode("utf-16-le")) > 2560:
            raise RuntimeError("too large")
        self.entries[service, username] = password

    def delete_password(self, service: str, username: str, /) -> None:
        del self.entries[service, username]


@pytest.fixture(params=["memory", "file", "keyring"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> TokenStore:
    if request.param == "memory":
        return MemoryTokenStore()
    if request.param == "file":
        return FileTokenStore(tmp_path / "new folder" / "tokens.json")
    return KeyringTokenStore("app", keyring=FakeKeyring(), lock_path=tmp_path / "keyring.lock")


def test_what_was_saved_last_is_loaded(store: TokenStore) -> None:
    assert store.load() is None
    for text in (b"one", b"x" * 20_000, b"two", b""):
        store.save(text)
        assert store.load() == text


def test_a_cleared_store_is_empty_and_clearing_it_again_is_no_error(store: TokenStore) -> None:
    store.save(b"one")
    store.clear()
    store.clear()
    assert store.load() is None


def test_only_one_holds_the_lock(store: TokenStore) -> None:
    assert store.try_lock()
    assert not store.try_lock()
    found: list[bool] = []
    other = threading.Thread(target=lambda: found.append(store.try_lock()))
    other.start()
    other.join(10)
    assert found == [False]
    store.unlock()
    assert store.try_lock()
    store.unlock()


def test_a_child_process_does_not_inherit_a_lock_that_its_parent_holds(store: TokenStore) -> None:
    assert store.try_lock()
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        # The memory store is the child's own from now on; the others are still the parent's.
        os.write(write, b"1" if store.try_lock() else b"0")
        os._exit(0)
    os.waitpid(child, 0)
    took = os.read(read, 1)
    os.close(read)
    os.close(write)
    assert took == (b"1" if isinstance(store, MemoryTokenStore) else b"0")
    assert not store.try_lock(), "the parent holds it still"
    store.unlock()


# --- files


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "tokens.json"


def test_the_file_is_for_its_owner_alone_whatever_the_umask(file: Path) -> None:
    before = os.umask(0)
    try:
        store = FileTokenStore(file.parent / "made" / "tokens.json")
        assert store.try_lock()
        store.save(b"one")
        store.unlock()
    finally:
        os.umask(before)
    modes = {
        path.name: stat.S_IMODE(path.stat().st_mode)
        for path in [file.parent / "made", *(file.parent / "made").iterdir()]
    }
    assert modes == {"made": 0o700, "tokens.json": 0o600, "tokens.json.lock": 0o600}


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o602])
def test_a_file_that_others_may_touch_is_refused(file: Path, mode: int) -> None:
    FileTokenStore(file).save(b"one")
    file.chmod(mode)
    with pytest.raises(Misconfigured):
        FileTokenStore(file).load()


def test_a_file_of_another_user_is_refused(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    FileTokenStore(file).save(b"one")
    monkeypatch.setattr(os, "geteuid", lambda: file.stat().st_uid + 1)
    with pytest.raises(Misconfigured):
        FileTokenStore(file).load()


def test_a_symbolic_link_or_a_pipe_is_refused(file: Path) -> None:
    target = file.with_name("elsewhere")
    FileTokenStore(target).save(b"one")
    file.symlink_to(target)
    with pytest.raises(Misconfigured):
        FileTokenStore(file).load()
    file.unlink()
    os.mkfifo(file, 0o600)
    with pytest.raises(Misconfigured):
        FileTokenStore(file).load()


def test_a_folder_that_cannot_be_made_is_misconfigured(file: Path) -> None:
    file.write_text("not a folder")
    with pytest.raises(Misconfigured):
        FileTokenStore(file / "tokens.json").try_lock()


def refused(work: Callable[[], object]) -> str:
    with pytest.raises(Misconfigured) as caught:
        work()
    return caught.value.reason


def test_a_folder_in_the_files_place_waits_for_a_hand(file: Path) -> None:
    file.mkdir(mode=0o700)
    store = FileTokenStore(file)
    works: list[Callable[[], object]] = [store.load, lambda: store.save(b"one"), store.clear]
    assert [refused(work) for work in works] == ["store_unusable"] * 3
    assert [path.name for path in file.parent.iterdir()] == ["tokens.json"], "no litter"


def test_a_file_in_the_folders_place_and_a_name_beyond_all_bounds_wait_for_a_hand(file: Path) -> None:
    file.write_text("not a folder")
    for path in (file / "tokens.json", file.with_name("x" * 300)):
        store = FileTokenStore(path)
        assert refused(store.load) == "store_unusable"
        assert refused(partial(store.save, b"one")) == "store_unusable"


@pytest.mark.parametrize("kind", ["file", "keyring"])
def test_a_lock_that_is_a_symbolic_link_waits_for_a_hand(kind: str, file: Path) -> None:
    lock = file.with_name("tokens.json.lock")
    lock.symlink_to(file.with_name("victim"))
    store = FileTokenStore(file) if kind == "file" else KeyringTokenStore("app", keyring=FakeKeyring(), lock_path=lock)
    assert refused(store.try_lock) == "store_unusable"
    assert not file.with_name("victim").exists()


def test_a_source_says_what_is_wrong_with_its_store_and_does_not_send_its_user_to_wait(file: Path) -> None:
    file.mkdir(mode=0o700)
    source = TokenSource("http://127.0.0.1:1", "app", store=FileTokenStore(file))
    assert refused(source.token) == "store_unusable"


def test_what_is_refused_leaves_no_file_open(file: Path) -> None:
    file.mkdir(mode=0o700)
    store = FileTokenStore(file)
    probe = os.open(os.devnull, os.O_RDONLY)
    os.close(probe)
    for _ in range(3):
        refused(store.load)
    again = os.open(os.devnull, os.O_RDONLY)
    os.close(again)
    assert again == probe


CRASH = """
import os, sys
from pathlib import Path
from watchword.client import FileTokenStore
def crash(*args):
    os._exit(9)
if sys.argv[2] == "rename":
    Path.replace = crash
else:
    os.fsync = crash
FileTokenStore(sys.argv[1]).save(b"new")
"""


@pytest.mark.parametrize("moment", ["rename", "fsync"])
def test_a_crash_before_the_rename_leaves_the_old_and_the_next_save_works(file: Path, moment: str) -> None:
    FileTokenStore(file).save(b"old")
    done = subprocess.run([sys.executable, "-c", CRASH, str(file), moment], timeout=30, check=False)
    assert done.returncode == 9
    store = FileTokenStore(file)
    assert store.load() == b"old"
    store.save(b"newer")
    assert store.load() == b"newer"
    assert [path.name for path in file.parent.iterdir()] == ["tokens.json"], "nothing of the crash is left"


def test_a_save_that_fails_leaves_the_old_and_no_litter(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FileTokenStore(file)
    store.save(b"old")

    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        store.save(b"new")
    assert store.load() == b"old"
    assert [path.name for path in file.parent.iterdir()] == ["tokens.json"]


WRITER = """
import sys
from watchword.client import FileTokenStore
store = FileTokenStore(sys.argv[1])
print("ready", flush=True)
number = 0
while True:
    number += 1
    if store.try_lock():
        store.save(b"%08d" % number * 500)
        store.unlock()
"""


def test_killed_at_any_moment_the_file_is_whole_and_the_lock_is_free(file: Path) -> None:
    for _ in range(5):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(file)], stdout=subprocess.PIPE)
        assert writer.stdout is not None
        with writer.stdout:
            writer.stdout.readline()
            before = file.stat().st_mtime_ns if file.exists() else 0
            while not file.exists() or file.stat().st_mtime_ns == before:  # until it is in full swing
                assert writer.poll() is None
            writer.send_signal(signal.SIGKILL)
            writer.wait(10)
        store = FileTokenStore(file)
        text = store.load()
        assert text is not None
        assert len(text) == 4000
        assert text == text[:8] * 500
        assert store.try_lock()
        store.unlock()


# --- the lock


HOLDER = """
import sys
from pathlib import Path
from watchword.client.file_lock import FileLock
lock = FileLock(Path(sys.argv[1]))
print(lock.try_acquire(), flush=True)
sys.stdin.read()
"""


def test_the_lock_holds_against_other_processes_and_ends_with_its_holder(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    with holder.stdin, holder.stdout:
        assert holder.stdout.readline() == "True\n"
        lock = FileLock(path)
        assert not lock.try_acquire()
        holder.kill()
        holder.wait(10)
        assert lock.try_acquire()
        lock.release()
        lock.release()


def test_a_lock_dies_with_its_process_though_a_child_of_it_lives_on(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    forker = HOLDER.replace("sys.stdin.read()", "import os\nif os.fork(): os._exit(0)\nsys.stdin.read()")
    holder = subprocess.Popen(
        [sys.executable, "-c", forker, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    with holder.stdin, holder.stdout:
        assert holder.stdout.readline() == "True\n"
        holder.wait(10)
        lock = FileLock(path)
        acquired = threading.Event()
        for _ in range(1000):  # the child closes its copy right after the fork
            if lock.try_acquire():
                acquired.set()
                break
            acquired.wait(0.01)
        assert acquired.is_set()
        lock.release()


# --- the keyring


def test_a_crash_between_the_parts_leaves_the_old(tmp_path: Path) -> None:
    keyring = FakeKeyring()
    store = KeyringTokenStore("app", keyring=keyring, lock_path=tmp_path / "lock")
    store.save(b"o" * 3000)
    for parts in range(4):
        keyring.fails_after = parts
        with pytest.raises(OSError, match="RuntimeError") as caught:
            store.save(b"n" * 2500)
        assert "nnn" not in str(caught.value)
        assert store.load() == b"o" * 3000
    keyring.fails_after = None
    store.save(b"n" * 2500)
    assert store.load() == b"n" * 2500


def test_entries_of_one_program_are_told_apart(tmp_path: Path) -> None:
    keyring = FakeKeyring()
    stores = [KeyringTokenStore("app", name, keyring=keyring, lock_path=tmp_path / name) for name in ("a", "b")]
    stores[0].save(b"first")
    stores[1].save(b"second")
    stores[1].clear()
    assert [store.load() for store in stores] == [b"first", None]
    stores[0].clear()
    assert keyring.entries == {}


def test_without_a_keyring_on_the_system_it_is_misconfigured(tmp_path: Path) -> None:
    from keyring.backends.fail import Keyring

    none = Keyring()  # type: ignore[no-untyped-call]
    store = KeyringTokenStore("app", keyring=none, lock_path=tmp_path / "lock")
    with pytest.raises(Misconfigured) as caught:
        store.load()
    assert caught.value.reason == "no_keyring"
