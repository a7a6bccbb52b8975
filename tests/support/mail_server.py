"""A real mail server on loopback, in a thread of its own: it keeps what it is sent, and refuses what a test wants."""

import asyncio
import email
import email.policy
import re
import socket
import ssl
import threading
from contextlib import suppress
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from tests.support.running_server import wait_until

_LINK = re.compile(r"^https?://\S+/link\?token=\S+$", re.MULTILINE)


@dataclass(frozen=True)
class Received:
    """A mail as it came. ``over_tls``, ``login``: how its sender came."""

    sender: str
    recipients: list[str]
    message: EmailMessage
    raw: bytes
    over_tls: bool
    login: str | None
    greeting: str

    @property
    def subject(self) -> str:
        """As a reader sees it."""
        return str(self.message["subject"])

    @property
    def text(self) -> str:
        """As a reader sees it."""
        return str(self.message.get_content())

    @property
    def link(self) -> str:
        """The one link with a token."""
        [found] = _LINK.findall(self.text.replace("\r\n", "\n"))
        return str(found)

    @property
    def token(self) -> str:
        """The token in it."""
        return parse_qs(urlsplit(self.link).query)["token"][0]


class _Silent(asyncio.Protocol):
    """Takes a connection, and says nothing."""

    def __init__(self, noted: list[asyncio.Transport]) -> None:
        self._noted = noted

    def connection_made(self, transport: Any) -> None:
        self._noted.append(transport)


class _Noted(SMTP):
    """A connection that can be hung up."""

    def __init__(self, noted: list[asyncio.Transport], *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._noted = noted

    def connection_made(self, transport: Any) -> None:
        self._noted.append(transport)
        super().connection_made(transport)


class MailServer:
    """The server, listening while the block runs.

    Args:
        port: 0 for one that is free.
        tls: offered by STARTTLS; from the first byte with ``implicit``.
        implicit: see above.
        login: the user name and password that must be given.
        answers: what is said to a recipient, by address, instead of taking the mail.
        silent: connections are taken, and nothing is said.
    """

    def __init__(
        self,
        port: int = 0,
        *,
        tls: ssl.SSLContext | None = None,
        implicit: bool = False,
        login: tuple[str, str] | None = None,
        answers: dict[str, str] | None = None,
        after_data: str = "250 taken",
        silent: bool = False,
    ) -> None:
        self.received: list[Received] = []
        self.connections = 0
        self.answers = answers or {}
        self.after_data = after_data
        self._tls = tls
        self._implicit = implicit
        self._login = login
        self._silent = silent
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port: int = self._listener.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._open: list[asyncio.Transport] = []
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(30)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        assert not self._thread.is_alive()

    def wait_for(self, count: int = 1, *, seconds: float = 30) -> list[Received]:
        """The mails, once there are so many."""
        wait_until(lambda: len(self.received) >= count, seconds=seconds, what=f"{count} mails")
        return self.received

    def last(self) -> Received:
        """The newest mail."""
        return self.received[-1]

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(
            self._loop.create_server(self._protocol, sock=self._listener, ssl=self._tls if self._implicit else None)
        )
        try:
            self._loop.call_soon(self._ready.set)
            self._loop.run_forever()
        finally:
            server.close()
            self._loop.run_until_complete(self._hang_up())
            self._loop.close()

    async def _hang_up(self) -> None:
        for transport in self._open:
            # Before Python 3.11.4 one with TLS that is over, and does not know it yet, breaks at this.
            with suppress(AttributeError):
                transport.abort()
        here = asyncio.current_task()
        tasks = [task for task in asyncio.all_tasks() if task is not here]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        # What was aborted is closed in a later round of the loop.
        for _ in range(3):
            await asyncio.sleep(0)

    def _protocol(self) -> asyncio.BaseProtocol:
        self.connections += 1
        if self._silent:
            return _Silent(self._open)
        needs: dict[str, Any] = {}
        if self._login is not None:
            # That it is wanted is our own affair (see handle_RCPT), as the library knows nothing of TLS around it.
            needs = {
                "authenticator": self._authenticate,
                "auth_require_tls": self._tls is not None and not self._implicit,
            }
        if self._tls is not None and not self._implicit:
            needs |= {"tls_context": self._tls, "require_starttls": True}
        return _Noted(self._open, self, hostname="mail.test", enable_SMTPUTF8=True, loop=self._loop, **needs)

    def _authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, given: Any
    ) -> AuthResult:
        right = isinstance(given, LoginPassword) and (given.login.decode(), given.password.decode()) == self._login
        return AuthResult(success=right, handled=False, auth_data=given.login.decode() if right else None)

    async def handle_RCPT(  # noqa: N802 (the library's name)
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self._login is not None and not session.authenticated:
            return "530 who are you"
        answer = self.answers.get(address, "250 OK")
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(  # noqa: N802 (as above)
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        if not self.after_data.startswith("250"):
            return self.after_data
        raw = envelope.content
        assert isinstance(raw, bytes)
        message = email.message_from_bytes(raw, policy=email.policy.SMTPUTF8)
        assert isinstance(message, EmailMessage)
        over_tls = bool(session.ssl) or self._implicit
        told: Any = session.auth_data
        login = told if isinstance(told, str) else None
        self.received.append(
            Received(
                sender=str(envelope.mail_from),
                recipients=list(envelope.rcpt_tos),
                message=message,
                raw=raw,
                over_tls=over_tls,
                login=login,
                greeting=str(session.host_name),
            )
        )
        return self.after_data
