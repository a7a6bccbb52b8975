"""What the people of the story talk through: real connections, with an ear on them."""

import base64
import threading
import time
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

import httpx2

from examples.demo.narrator import Narrator, NotAsTold, form_of, json_of
from watchword.client import HttpTransport, TokenSource
from watchword.client.integrations.httpx2 import TokenAuth
from watchword.client.messages import Answer, Request, Unreachable

_NOTEWORTHY: Final = ("WWW-Authenticate", "Retry-After")


class OverheardTransport:
    """The client library's way to the issuer, told aloud; it can lose an answer.

    Attributes:
        lose_next: whether the next answer of the token endpoint is lost: the server has done its work, and the client
            hears nothing.
        lost: the refresh token that was lost with it.
    """

    def __init__(self, narrator: Narrator) -> None:
        self._narrator = narrator
        self._inner = HttpTransport(timeout=5)
        self.lose_next = False
        self.lost: str | None = None

    def send(self, request: Request) -> Answer | Unreachable:
        """Carry ``request`` there, and the answer back, most of the time."""
        if request.method == "GET":  # the issuer's metadata: not part of the story
            return self._inner.send(request)
        path = urlsplit(request.url).path
        self._narrator.sent(f"POST {path}", form_of(request.body))
        found = self._inner.send(request)
        if isinstance(found, Unreachable):
            self._narrator.answered("no answer", {"because": found.reason})
        elif self.lose_next and path == "/token":
            self.lose_next = False
            self.lost = json_of(found.body).get("refresh_token")
            self._narrator.answered(f"{found.status}, and the answer is lost on the way", {})
            return Unreachable("the answer was lost")
        else:
            self._narrator.answered(found.status, json_of(found.body))
        return found


def calling(url: str, name: str, source: TokenSource, narrator: Narrator) -> httpx2.Client:
    """A client of the service ``name``, as the application has it: its token comes from ``source``."""
    client = _overheard(url, name, narrator)
    client.auth = TokenAuth(source, origins=[url])
    return client


def bare(url: str, name: str, narrator: Narrator, *, by: str = "", agent: str = "demo") -> httpx2.Client:
    """A client of ``name`` without any help."""
    client = _overheard(url, name, narrator, by=by)
    client.headers["User-Agent"] = agent
    return client


def bearing(token: str) -> dict[str, str]:
    """The header that carries an access token."""
    return {"Authorization": f"Bearer {token}"}


def expires_in(token: str) -> float:
    """Seconds until an access token's own end, as it stands in the token."""
    payload = token.split(".")[1]
    claims = json_of(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return float(claims["exp"]) - time.time()


def _overheard(url: str, name: str, narrator: Narrator, *, by: str = "") -> httpx2.Client:
    def hear_request(request: httpx2.Request) -> None:
        carried = request.headers.get("Authorization")
        header = {"Authorization": carried} if carried else {}
        members = form_of(request.content) if request.url.path == "/token" else json_of(request.content)
        narrator.sent(f"{request.method} {name}{request.url.path}", {**header, **members}, by=by)

    def hear_answer(response: httpx2.Response) -> None:
        response.read()
        headers = {name: response.headers[name] for name in _NOTEWORTHY if name in response.headers}
        narrator.answered(response.status_code, headers or json_of(response.content))

    return httpx2.Client(
        base_url=url,
        timeout=10,
        trust_env=False,
        event_hooks={"request": [hear_request], "response": [hear_answer]},
    )


class Refusals:
    """Asks services again and again with a good token, to see when each begins to refuse it.

    Args:
        asked: for each service its URL and the token; all are accepted when the watch begins.
    """

    def __init__(self, asked: dict[str, tuple[str, str]]) -> None:
        self._names = tuple(asked)
        self._since: dict[str, float] = {}
        self._trouble: list[str] = []
        self._accepted = threading.Barrier(len(asked) + 1)
        self._threads = [
            threading.Thread(target=self._watch, args=(name, url, token), daemon=True)
            for name, (url, token) in asked.items()
        ]

    def from_when(self, revoke: Callable[[], None], *, seconds: float = 10) -> dict[str, float]:
        """Revoke while the services are being asked; for each the seconds from then on to its first refusal.

        Raises:
            NotAsTold: a service goes on accepting, or answers something else.
        """
        for thread in self._threads:
            thread.start()
        self._accepted.wait(timeout=seconds)
        begun = time.monotonic()
        revoke()
        for thread in self._threads:
            thread.join(timeout=seconds)
        if self._trouble or len(self._since) < len(self._threads):
            still = [name for name in self._names if name not in self._since]
            trouble = "; ".join([*self._trouble, *(f"{name} still accepts it after {seconds:g} s" for name in still)])
            raise NotAsTold(f"the services refuse the token ({trouble})")
        return {name: at - begun for name, at in self._since.items()}

    def _watch(self, name: str, url: str, token: str) -> None:
        try:
            with httpx2.Client(timeout=10, trust_env=False, headers=bearing(token)) as client:
                if client.get(url).status_code != 200:
                    self._trouble.append(f"{name} did not accept it before")
                self._accepted.wait(timeout=10)
                while (status := client.get(url).status_code) == 200:
                    time.sleep(0.005)
                self._since[name] = time.monotonic()
                if status != 401:
                    self._trouble.append(f"{name} answers {status}")
        except (httpx2.HTTPError, threading.BrokenBarrierError) as error:
            self._trouble.append(f"{name}: {type(error).__name__}")
