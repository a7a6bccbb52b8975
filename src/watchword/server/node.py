"""A running node: sockets, the edge over the parts, the tasks beside it, and a clean end.

On SIGTERM no new connection is taken, feed streams end at once, requests in flight get 8 s.
"""

import asyncio
import gc
import resource
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from ipaddress import ip_address
from pathlib import Path
from socket import socket
from types import FrameType
from typing import get_args
from urllib.parse import urlsplit

import uvicorn
import uvloop

from watchword import __version__
from watchword.protocol.metadata import is_loopback
from watchword.protocol.redirect_uri import origin_of
from watchword.server.adapters.bounded_http import BoundedHttp
from watchword.server.adapters.httpx2_outgoing import Httpx2Outgoing
from watchword.server.adapters.listening import CannotListen, listen
from watchword.server.adapters.structured_log import StructuredLog, configure
from watchword.server.adapters.worker_processes import supervise
from watchword.server.app import database_of, opened
from watchword.server.domain.one_time_link import Purpose
from watchword.server.flows import key_ring
from watchword.server.flows.mail import Post
from watchword.server.flows.maintenance import maintained
from watchword.server.flows.notices import Notice
from watchword.server.flows.parts import Parts
from watchword.server.flows.revocation_feed import RevocationFeed
from watchword.server.settings import Settings, SettingsError
from watchword.server.storage.database_url import Database, SqliteDatabase
from watchword.server.storage.sqlite_driver import sqlite_library
from watchword.server.storage.sqlite_lock import AlreadyServed, ServeLock
from watchword.server.web.context import Web
from watchword.server.web.edge import Edge
from watchword.server.web.network import Network
from watchword.server.web.pages import Brand, Logo, Pages
from watchword.server.web.pages.letters import Letters
from watchword.server.web.routes import ROUTES

_GRACE_SECONDS = 8
_STRICT_TRANSPORT = [("strict-transport-security", "max-age=31536000")]
_MOST_FILES = 65_536
_OBJECTS_BETWEEN_COLLECTIONS = 20_000


def serve(settings: Settings) -> int:
    """Run until told to stop. Returns the exit status.

    Raises:
        SettingsError: it cannot start; the sentence says what to do.
    """
    with _sole_server(database_of(settings), development=settings.development):
        try:
            sockets = listen(settings.hosts, settings.port)
        except CannotListen as error:
            raise SettingsError(str(error)) from None
        _warn_of_unsaid(settings)
        if settings.workers > 1:
            return supervise(run_node, (settings, sockets), count=settings.workers)
        run_node(settings, sockets)
    return 0


def _warn_of_unsaid(settings: Settings) -> None:
    """Once for all workers: without a word about proxies, nothing tells the networks behind one apart."""
    if not settings.development and settings.trusted_proxies is None:
        configure()
        StructuredLog().warn(
            "network.proxies_unsaid", detail="set WATCHWORD_TRUSTED_PROXIES to the proxy's network, or to none"
        )


@contextmanager
def _sole_server(database: Database, *, development: bool) -> Iterator[None]:
    """Hold the SQLite file's lock, and mind the library's version: some lose data. PostgreSQL takes many nodes."""
    if not isinstance(database, SqliteDatabase):
        yield
        return
    library = sqlite_library()
    if not library.safe:
        version = ".".join(map(str, library.version))
        warning = f"SQLite {version} may lose data in WAL mode (fixed in 3.51.3): install pysqlite3 >= 0.6"
        if not development:
            raise SettingsError(warning)
        sys.stderr.write(f"watchword: {warning}\n")
    try:
        database.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = ServeLock(database)
    except AlreadyServed as error:
        raise SettingsError(str(error)) from None
    except OSError as error:
        why = (error.strerror or "it cannot be locked").lower()
        raise SettingsError(f"cannot work on {database.path}: {why}; its folder must be writable") from None
    with lock:
        yield


def run_node(settings: Settings, sockets: list[socket]) -> None:
    """One process: one event loop, one node."""
    _allow_many_connections()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(settings, sockets))


def _allow_many_connections() -> None:
    """Every connection is a file, and 1,024, the usual limit, are soon used up by readers of the feed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        # Some systems name a limit that they do not give.
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def edge_of(parts: Parts, settings: Settings) -> Edge:
    """The ASGI application over ``parts``."""
    network = Network(
        issuer=settings.issuer,
        trusted=settings.trusted_proxies,
        secrets=settings.secrets,
        telemetry=parts.telemetry,
    )
    prefix = urlsplit(settings.issuer).path
    pages = Pages(_brand(settings), settings.templates, prefix=prefix)
    web = Web(parts=parts, feed=RevocationFeed(parts), network=network, pages=pages)
    return Edge(web, ROUTES, prefix=prefix, own_origin=origin_of(settings.issuer) or "")


async def _run(settings: Settings, sockets: list[socket]) -> None:
    configure()
    async with opened(settings, StructuredLog(), serving=True) as parts:
        await key_ring.ensure(parts.storage, parts.signer, now=parts.clock.now())
        await _answer(settings, sockets, parts)


async def _answer(settings: Settings, sockets: list[socket], parts: Parts) -> None:
    async with maintained(parts, Httpx2Outgoing(), _post(settings)):
        config = uvicorn.Config(
            edge_of(parts, settings),
            http=BoundedHttp,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_GRACE_SECONDS,
            # The edge reads forwarding headers itself, by the operator's trusted proxies.
            proxy_headers=False,
            # RFC 6797 §7.1: with every answer, also those that the edge never sees; §7.2: not over plain HTTP.
            headers=_STRICT_TRANSPORT if settings.issuer.startswith("https:") else [],
        )
        server = _Server(config, on_exit=parts.log_tail.stop)
        server.listen_to_signals()
        # What was made so far lives as long as the process: the collector need not look at it again.
        gc.collect()
        gc.freeze()
        # Requests leave no cycles behind, only their exceptions do: looking for them each 700 objects is time lost.
        gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
        _say_hello(settings)
        await server.serve(sockets=sockets)


class _Server(uvicorn.Server):
    """uvicorn waits for open streams when it stops; the feed's have to be told."""

    def __init__(self, config: uvicorn.Config, *, on_exit: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_exit = on_exit
        self._loop = asyncio.get_running_loop()

    def listen_to_signals(self) -> None:
        """Take SIGTERM and SIGINT for good: uvicorn gives them back and raises them anew when it has stopped.

        By the system's own reaction the process would then end before storage is closed, with another status than 0.
        """
        for sig in (signal.SIGTERM, signal.SIGINT):
            signal.signal(sig, self.handle_exit)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to stop."""
        self._loop.call_soon_threadsafe(self._on_exit)
        super().handle_exit(sig, frame)


def _brand(settings: Settings) -> Brand:
    """The operator's dress, in the words of the pages."""
    brand = settings.brand
    logo = None if brand.logo is None else Logo(content=brand.logo.content, media_type=brand.logo.media_type)
    return Brand(name=brand.name, logo=logo, **({} if brand.colour is None else {"colour": brand.colour}))


def _post(settings: Settings) -> Post | None:
    """The way to users' mailboxes, where the operator gave us one."""
    mail = settings.mail
    if mail is None:
        return None
    # The standard library's parser of addresses is large, and most nodes send nothing.
    from email.headerregistry import Address  # noqa: PLC0415

    from watchword.server.adapters.smtp_mail import Relay, SmtpMail  # noqa: PLC0415

    relay = Relay(
        host=mail.host,
        port=mail.port,
        security=mail.security,
        username=mail.username,
        password=mail.password,
        greeting=_greeting(urlsplit(settings.issuer).hostname or "localhost"),
    )
    sender = Address(display_name=mail.sender_name, addr_spec=mail.sender_address)
    return Post(SmtpMail(relay, sender), _letters(settings))


def _letters(settings: Settings) -> Letters:
    """What mails say; an operator's own words are tried before anybody waits for them."""
    letters = Letters(_brand(settings), settings.templates)
    if settings.templates is not None:
        try:
            letters.try_all((*get_args(Purpose), *get_args(Notice)))
        except ValueError as error:
            raise SettingsError(f"WATCHWORD_TEMPLATES: {error}") from None
    return letters


def _greeting(host: str) -> str:
    """RFC 5321 §4.1.3: where there is no name, an address in brackets."""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    return f"[IPv6:{address}]" if address.version == 6 else f"[{address}]"


def _say_hello(settings: Settings) -> None:
    command = _command()
    lines = [f"Watchword {__version__} answers at {settings.issuer}"]
    if settings.development and not all(is_loopback(host) for host in settings.hosts):
        lines.append("  others can reach it, though the issuer is loopback: the revocation feed is open to them")
    if settings.mail is not None:
        mail = settings.mail
        how = {"starttls": "by STARTTLS", "tls": "by TLS", "none": "in the clear, on this machine"}[mail.security]
        lines.append(f"  mail: on, as {mail.sender_address}, through {mail.host}:{mail.port} {how}")
    if settings.development:
        lines += [
            f"  data: {settings.data_dir}",
            "  First steps, in another terminal:",
            f"    {command} apis create https://orders.example --scope orders.read",
            f"    {command} clients create web --first-party --api https://orders.example --scope orders.read",
            f"    echo 'four words in a row' | {command} users create ada --password-stdin",
        ]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


def _command() -> str:
    """How this program is called from here."""
    if shutil.which("watchword") is not None:
        return "watchword"
    path = Path(sys.argv[0]).absolute()
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
