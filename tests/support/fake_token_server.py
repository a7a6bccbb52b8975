"""A tiny issuer on loopback for tests of clients: real HTTP, made-up tokens, and faults to order.

It knows metadata, ``/authorize-challenge``, ``/token`` (the refresh rule in its simplest form: the token last
redeemed is answered with the same successor again) and ``/revoke``; it counts what it is asked and keeps the forms.
"""

import base64
import hashlib
import json
import threading
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, unquote_plus

METADATA = "/.well-known/oauth-authorization-server"


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What goes wrong with one request.

    Attributes:
        drop: the connection is cut, after the request was carried out (or before, with ``carry_out=False``).
        status, body, headers: answered instead; nothing is carried out.
        gate: the answer waits for it, at most 20 s.
        asked: set when the request has come.
    """

    drop: bool = False
    carry_out: bool = True
    status: int = 0
    body: bytes = b"{}"
    headers: tuple[tuple[str, str], ...] = ()
    gate: threading.Event | None = None
    asked: threading.Event | None = None


DROP_ANSWER = Fault(drop=True)
DROP_REQUEST = Fault(drop=True, carry_out=False)
GARBAGE = Fault(status=200, body=b"<html>Welcome to the hotel</html>")


def unavailable(retry_after: int | None = None, *, status: int = 503) -> Fault:
    """The server is in trouble."""
    headers = () if retry_after is None else (("Retry-After", str(retry_after)),)
    return Fault(status=status, body=b'{"error": "temporarily_unavailable"}', headers=headers)


def refusal(code: str, *, status: int = 400) -> Fault:
    """The server says no."""
    return Fault(status=status, body=json.dumps({"error": code}).encode())


@dataclass
class _Grant:
    client_id: str
    redeemed: int = 0
    ended: bool = False


@dataclass(frozen=True)
class Seen:
    """A request that came."""

    path: str
    form: dict[str, str]
    authorization: str | None


@dataclass
class FakeTokenServer:
    """Runs while its ``with`` block does.

    Attributes:
        lifetime: of access tokens, in seconds.
        users: passwords by name.
        otps: the code of the second step, by user; without one the password does.
        clients: secrets by client id; an empty one for public clients.
        metadata_changes: laid over the metadata.
    """

    lifetime: int = 900
    users: dict[str, str] = field(default_factory=lambda: {"alice": "correct horse battery"})
    otps: dict[str, str] = field(default_factory=dict)
    clients: dict[str, str] = field(default_factory=lambda: {"app": "", "service": "s3cret with:colon%"})
    metadata_changes: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.seen: list[Seen] = []
        self.faults: dict[str, list[Fault]] = defaultdict(list)
        self.issued: set[str] = set()
        self._grants: list[_Grant] = []
        self._codes: dict[str, tuple[int, str]] = {}
        self._half_done: dict[str, tuple[str, str]] = {}
        self._count = 0
        self._lock = threading.Lock()
        self._http = _Http(("127.0.0.1", 0), _Exchange, self)
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.issuer = f"http://127.0.0.1:{self._http.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(timeout=10)

    def fail(self, path: str, *faults: Fault) -> None:
        """The next requests to ``path`` meet these, one each."""
        with self._lock:
            self.faults[path].extend(faults)

    def count(self, path: str, grant_type: str | None = None) -> int:
        """How often ``path`` was asked (with this ``grant_type``)."""
        with self._lock:
            return sum(1 for s in self.seen if s.path == path and grant_type in (None, s.form.get("grant_type")))

    def forms(self, path: str) -> list[dict[str, str]]:
        """The forms that came to ``path``."""
        with self._lock:
            return [seen.form for seen in self.seen if seen.path == path]

    @property
    def counts(self) -> Counter[str]:
        """Requests by path."""
        with self._lock:
            return Counter(seen.path for seen in self.seen)

    def grant(self, client_id: str = "app") -> str:
        """A refresh token of a new grant, as if signed in elsewhere."""
        with self._lock:
            self._grants.append(_Grant(client_id))
            return f"rt-{len(self._grants) - 1}-1"

    def end(self, refresh_token: str) -> None:
        """End the token's grant."""
        with self._lock:
            self._grants[int(refresh_token.split("-")[1])].ended = True

    def is_ended(self, refresh_token: str) -> bool:
        """Whether the token's grant has ended."""
        with self._lock:
            return self._grants[int(refresh_token.split("-")[1])].ended

    def generation(self, refresh_token: str) -> int:
        """The generation last redeemed of the token's grant."""
        with self._lock:
            return self._grants[int(refresh_token.split("-")[1])].redeemed

    def take(self, path: str, form: dict[str, str], authorization: str | None) -> tuple[int, dict[str, Any], Fault]:
        """Carry out a request: status, answer, and the fault that it meets."""
        with self._lock:
            self.seen.append(Seen(path, form, authorization))
            fault = self.faults[path].pop(0) if self.faults[path] else Fault()
        if fault.asked is not None:
            fault.asked.set()
        if fault.gate is not None:
            fault.gate.wait(20)
        with self._lock:
            if fault.status or not fault.carry_out:
                return fault.status, {}, fault
            status, answer = self._answer(path, form, authorization)
            return status, answer, fault

    def _answer(self, path: str, form: dict[str, str], authorization: str | None) -> tuple[int, dict[str, Any]]:
        if path == METADATA:
            return 200, {
                "issuer": self.issuer,
                "jwks_uri": f"{self.issuer}/jwks",
                "token_endpoint": f"{self.issuer}/token",
                "revocation_endpoint": f"{self.issuer}/revoke",
                "authorization_challenge_endpoint": f"{self.issuer}/authorize-challenge",
            } | self.metadata_changes
        client_id = self._client(form, authorization)
        if client_id is None:
            return 401, {"error": "invalid_client"}
        match path:
            case "/authorize-challenge":
                return self._challenge(client_id, form)
            case "/token":
                return self._token(client_id, form)
            case "/revoke":
                if form["token"].startswith("rt-"):
                    self._grants[int(form["token"].split("-")[1])].ended = True
                return 200, {}
        return 404, {}

    def _client(self, form: dict[str, str], authorization: str | None) -> str | None:
        if authorization is None:
            client_id, secret = form.get("client_id", ""), ""
        else:
            client_id, _, secret = base64.b64decode(authorization.removeprefix("Basic ")).decode().partition(":")
            client_id, secret = unquote_plus(client_id), unquote_plus(secret)
        return client_id if self.clients.get(client_id) == secret else None

    def _challenge(self, client_id: str, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        if "auth_session" in form:
            return self._second_step(client_id, form)
        if self.users.get(form["username"]) != form["password"]:
            return 400, {"error": "insufficient_authorization"}
        if form["username"] in self.otps:
            self._count += 1
            self._half_done[f"half-{self._count}"] = (form["username"], form["code_challenge"])
            return self._more(f"half-{self._count}")
        return self._code(client_id, form["code_challenge"])

    def _more(self, auth_session: str) -> tuple[int, dict[str, Any]]:
        methods = ["otp", "recovery_code"]
        return 400, {"error": "insufficient_authorization", "auth_session": auth_session, "methods": methods}

    def _second_step(self, client_id: str, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        username, code_challenge = self._half_done.pop(form["auth_session"], ("", ""))
        if not username:
            return 400, {"error": "invalid_session"}
        if self.otps[username] not in (form.get("otp"), form.get("recovery_code")):
            # Another one each time: clients may not take it for static.
            self._half_done[f"{form['auth_session']}-again"] = (username, code_challenge)
            return self._more(f"{form['auth_session']}-again")
        return self._code(client_id, code_challenge)

    def _code(self, client_id: str, code_challenge: str) -> tuple[int, dict[str, Any]]:
        self._grants.append(_Grant(client_id))
        code = f"code-{len(self._codes)}"
        self._codes[code] = (len(self._grants) - 1, code_challenge)
        return 200, {"authorization_code": code}

    def _token(self, client_id: str, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        match form.get("grant_type"):
            case "client_credentials":
                return 200, self._response(form)
            case "authorization_code":
                grant, challenge = self._codes.pop(form["code"], (-1, ""))
                digest = hashlib.sha256(form["code_verifier"].encode()).digest()
                if grant < 0 or base64.urlsafe_b64encode(digest).decode().rstrip("=") != challenge:
                    return 400, {"error": "invalid_grant"}
                return 200, self._response(form) | {"refresh_token": f"rt-{grant}-1"}
            case "refresh_token":
                _, number, generation = form["refresh_token"].split("-")
                known = self._grants[int(number)]
                if (
                    known.ended
                    or known.client_id != client_id
                    or int(generation)
                    not in (
                        known.redeemed,
                        known.redeemed + 1,
                    )
                ):
                    return 400, {"error": "invalid_grant"}
                known.redeemed = int(generation)
                return 200, self._response(form) | {"refresh_token": f"rt-{number}-{known.redeemed + 1}"}
        return 400, {"error": "unsupported_grant_type"}

    def _response(self, form: dict[str, str]) -> dict[str, Any]:
        self._count += 1
        token = f"at-{self._count}"
        self.issued.add(token)
        return {"access_token": token, "token_type": "Bearer", "expires_in": self.lifetime}


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(
        self, address: tuple[str, int], exchange: type[BaseHTTPRequestHandler], issuer: FakeTokenServer
    ) -> None:
        super().__init__(address, exchange)
        self.issuer = issuer


class _Exchange(BaseHTTPRequestHandler):
    server: _Http

    def do_GET(self) -> None:
        self._exchange({})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self._exchange(dict(parse_qsl(body.decode(), keep_blank_values=True)))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the name is the library's)
        """Say nothing."""

    def _exchange(self, form: dict[str, str]) -> None:
        status, answer, fault = self.server.issuer.take(self.path, form, self.headers.get("Authorization"))
        self.close_connection = True
        if fault.drop:
            return
        body = fault.body if fault.status else json.dumps(answer).encode()
        try:
            self.send_response(status)
            for name, value in fault.headers if fault.status else ():
                self.send_header(name, value)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except OSError:
            pass  # the client has gone
