"""Several processes on one store: one refresh, and a kill at any moment loses nothing."""

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path

import pytest
from tests.support.fake_token_server import FakeTokenServer
from tests.unit.client.driving import PASSWORD

from watchword.client import FileTokenStore, SignInAgain, TokenSource

ASKER = """
import sys, time
from concurrent.futures import ThreadPoolExecutor
from watchword.client import FileTokenStore, TokenSource
issuer, path, ahead = sys.argv[1:]
source = TokenSource(issuer, "app", store=FileTokenStore(path), clock=lambda: time.time() + float(ahead))
print("ready", flush=True)
for line in sys.stdin:
    with ThreadPoolExecutor(5) as pool:
        print(" ".join(set(pool.map(lambda _: source.token(), range(5)))), flush=True)
"""

ROTATOR = """
import sys, time
from watchword.client import FileTokenStore, TokenSource
issuer, path = sys.argv[1:]
now = time.time()
source = TokenSource(issuer, "app", store=FileTokenStore(path), clock=lambda: now)
print("ready", flush=True)
while True:
    source.token()
    now += 1000
"""


@contextmanager
def running(program: str, *args: str) -> Iterator[subprocess.Popen[str]]:
    """The program in a process of its own, past its imports; killed at the end."""
    process = subprocess.Popen(
        [sys.executable, "-c", program, *args], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process.stdin, process.stdout:
        try:
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()
            process.wait(10)


@pytest.fixture
def path(server: FakeTokenServer, tmp_path: Path) -> Path:
    """A file with a user signed in."""
    path = tmp_path / "tokens.json"
    TokenSource(server.issuer, "app", store=FileTokenStore(path)).sign_in("alice", PASSWORD)
    return path


def test_processes_and_their_threads_make_one_refresh(server: FakeTokenServer, path: Path) -> None:
    with ExitStack() as stack:
        askers = [stack.enter_context(running(ASKER, server.issuer, str(path), "1000")) for _ in range(4)]
        for asker in askers:
            assert asker.stdin is not None
            asker.stdin.write("go\n")
            asker.stdin.flush()
        answers = {asker.stdout.readline().strip() for asker in askers if asker.stdout is not None}
    assert len(answers) == 1
    assert answers <= server.issued
    assert server.count("/token", "refresh_token") == 1


def test_a_process_killed_at_any_moment_of_rotating_costs_no_sign_in(server: FakeTokenServer, path: Path) -> None:
    dice = random.Random(7)
    for _ in range(8):
        with running(ROTATOR, server.issuer, str(path)) as rotator:
            wanted = server.count("/token", "refresh_token") + dice.randrange(1, 12)
            while server.count("/token", "refresh_token") < wanted:
                assert rotator.poll() is None, "it was signed out"
    late = TokenSource(server.issuer, "app", store=FileTokenStore(path), clock=lambda: 4e9)
    assert late.token() in server.issued
    generations = [int(form["refresh_token"].split("-")[2]) for form in server.forms("/token")[1:]]
    steps = {after - before for before, after in pairwise(generations)}
    assert steps <= {0, 1}, "nothing but the next token, or the same once more"


def test_a_fork_in_the_middle_of_everything_leaves_a_child_that_works(server: FakeTokenServer, path: Path) -> None:
    source = TokenSource(server.issuer, "app", store=FileTokenStore(path))
    assert source._turn.acquire(), "some thread is renewing while another forks"
    assert source._store.try_lock()
    child = os.fork()
    if child == 0:
        # The lock of the file is the parent's still; the token at hand needs none.
        os._exit(0 if source.token() in server.issued else 1)
    assert os.waitpid(child, 0)[1] == 0
    source._store.unlock()
    source._turn.release()


def test_signing_out_in_one_process_is_heard_by_the_other(server: FakeTokenServer, path: Path) -> None:
    here = TokenSource(server.issuer, "app", store=FileTokenStore(path))
    there = TokenSource(server.issuer, "app", store=FileTokenStore(path))
    token = here.token()
    there.sign_out()
    with pytest.raises(SignInAgain):
        here.renew(token)
