"""kill -9 at random moments under a refreshing client: it goes on, and nobody is taken for a thief."""

import random
import threading
import time
from pathlib import Path

import pytest
from tests.support.running_server import PASSWORD, RunningServer, wait_until

from watchword.client import FileTokenStore, TokenSource, TryLater

KILLS = {"sqlite": 50, "postgres": 10}


class HurriedClock:
    """A client's clock that runs ahead at will: tokens are old at once, and pauses between tries are over."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


class Refresher:
    """Refreshes as fast as it can, in a thread of its own, until told to stop."""

    def __init__(self, source: TokenSource, clock: HurriedClock) -> None:
        self.source = source
        self.clock = clock
        self.refreshed = 0
        self.failure: BaseException | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work)

    def __enter__(self) -> "Refresher":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join(30)

    def pause(self, seconds: float) -> None:
        """Let it work for a moment."""
        self._stopping.wait(seconds)

    def _work(self) -> None:
        token = self.source.token()
        while not self._stopping.is_set():
            self.clock.ahead += 1000
            try:
                newer = self.source.token()
                self.refreshed += newer != token
                token = newer
            except TryLater:
                self._stopping.wait(0.02)
            except BaseException as failure:  # noqa: BLE001 - the test's own thread looks at it
                self.failure = failure
                return


@pytest.mark.slow
def test_a_client_survives_the_kills_of_its_server(
    server: RunningServer, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    dice, clock = random.Random(20261121), HurriedClock()
    source = TokenSource(server.issuer, "web", store=FileTokenStore(tmp_path / "tokens.json"), clock=clock)
    source.sign_in("ada", PASSWORD)
    with Refresher(source, clock) as refresher:
        for _ in range(KILLS[request.node.callspec.params["database_url"]]):
            before = refresher.refreshed
            wait_until(
                lambda before=before: refresher.failure or refresher.refreshed > before, seconds=30, what="a refresh"
            )
            assert refresher.failure is None, refresher.failure
            refresher.pause(dice.uniform(0, 0.05))
            server.kill()
            server.start()
    assert refresher.failure is None
    log = server.log.read_text()
    for alarm in ("refresh.superseded_elsewhere", "refresh.fork", "refresh.regressed", "refresh.reused"):
        assert alarm not in log


def test_a_refresh_token_is_still_good_after_a_kill_right_behind_its_answer(server: RunningServer) -> None:
    with server.http() as http:
        answer = http.post("/session", json={"client_id": "web", "username": "ada", "password": PASSWORD})
    token = answer.json()["refresh_token"]
    for _ in range(3):
        form = {"grant_type": "refresh_token", "client_id": "web", "refresh_token": token}
        with server.http() as http:
            newer = http.post("/token", data=form).json()["refresh_token"]
        server.kill()
        server.start()
        with server.http() as http:
            # What was acknowledged is durable: the old token is spent, and answered with the same successor.
            assert http.post("/token", data=form).json()["refresh_token"] == newer
        token = newer
