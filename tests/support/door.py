"""The server's edge inside the test's process: real flows, rules and storage, a clock that obeys, cheap passwords.

A door is one node, or several that answer in turn, or one that is restarted before every request: a test knocks at all
of them alike.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

import httpx2
from starlette.types import Receive, Scope, Send
from tests.support.cast import PASSWORD
from tests.support.databases import SECRETS
from tests.support.fake_ports import CheapPasswords, HeardTelemetry, TestClock
from tests.support.troubled_storage import Trouble, TroubledStorage

from watchword.protocol import access_token
from watchword.protocol.access_token import AccessToken
from watchword.server.adapters.fido2_passkeys import passkeys_of
from watchword.server.adapters.local_signer import LocalSigner
from watchword.server.adapters.sealing import Sealing
from watchword.server.adapters.system_entropy import SystemEntropy
from watchword.server.domain.audit import AuditRecord
from watchword.server.domain.lifetimes import Lifetimes
from watchword.server.flows import key_ring
from watchword.server.flows.directory import Directory
from watchword.server.flows.log_tail import LogTail
from watchword.server.flows.parts import Parts
from watchword.server.flows.revocation_feed import RevocationFeed
from watchword.server.ports.clock import Clock
from watchword.server.ports.passwords import Passwords
from watchword.server.ports.storage import Storage
from watchword.server.ports.telemetry import Telemetry
from watchword.server.storage.database_url import Database
from watchword.server.storage.opening import open_storage
from watchword.server.web.context import Web
from watchword.server.web.edge import Edge
from watchword.server.web.network import Network
from watchword.server.web.pages import Brand, Pages
from watchword.server.web.routes import ROUTES

ISSUER: Final = "http://localhost:8000"
PUBLIC_ISSUER: Final = "https://auth.example"
HOME: Final = ("203.0.113.5", 40000)
ELSEWHERE: Final = ("198.51.100.7", 40000)
FAR_AWAY: Final = ("192.0.2.9", 40000)

OpenStorage: TypeAlias = Callable[[Clock], Awaitable[Storage]]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How a node is set up. ``trusted`` is as in settings: None when nothing was said."""

    issuer: str = ISSUER
    lifetimes: Lifetimes = field(default_factory=Lifetimes)
    sign_up_open: bool = False
    sends_mail: bool = False
    trusted: Sequence[str] | None = None
    nodes: int = 1
    restarting: bool = False


@dataclass(frozen=True, kw_only=True)
class Node:
    """One node."""

    parts: Parts
    edge: Edge
    feed: RevocationFeed


class Door:
    """Nodes over one database, and the means to knock at them. Each request goes to the next node in turn."""

    def __init__(self, open_one: OpenStorage, plan: Plan) -> None:
        self.plan = plan
        self.clock = TestClock()
        self.passwords: Passwords = CheapPasswords()
        self.heard = HeardTelemetry()
        self.telemetry: Telemetry = self.heard
        self.trouble = Trouble()
        self.nodes: list[Node] = []
        self._open_one = open_one
        self._callers: list[httpx2.AsyncClient] = []
        self._turn = 0

    async def open(self) -> None:
        """Start the nodes."""
        self.nodes = [await self._start_node() for _ in range(self.plan.nodes)]

    async def close(self) -> None:
        """Stop the nodes and hang up."""
        await asyncio.gather(*(http.aclose() for http in self._callers))
        await asyncio.gather(*(node.parts.storage.close() for node in self.nodes))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.plan.restarting:
            await self.restart()
        node = self.nodes[self._turn % len(self.nodes)]
        self._turn += 1
        await node.edge(scope, receive, send)

    async def restart(self) -> None:
        """Close all nodes and start them again: nothing in memory is kept."""
        await asyncio.gather(*(node.parts.storage.close() for node in self.nodes))
        await self.open()

    @property
    def parts(self) -> Parts:
        """The first node's parts, for an operator's acts."""
        return self.nodes[0].parts

    @property
    def cheap(self) -> CheapPasswords:
        """The passwords, as the fake that they are."""
        assert isinstance(self.passwords, CheapPasswords)
        return self.passwords

    def caller(
        self, address: tuple[str, int] = HOME, /, *, agent: str = "app/1.0", **headers: str
    ) -> httpx2.AsyncClient:
        """An HTTP client at that address, which sends ``headers`` with each request."""
        transport = httpx2.ASGITransport(app=self, client=address)
        http = httpx2.AsyncClient(
            transport=transport, base_url=self.plan.issuer, headers={"user-agent": agent, **headers}
        )
        self._callers.append(http)
        return http

    async def sign_in(
        self, http: httpx2.AsyncClient, *, client_id: str = "web", username: str = "ada", **fields: Any
    ) -> dict[str, Any]:
        """Tokens by the simple door."""
        body = {"client_id": client_id, "username": username, "password": PASSWORD, **fields}
        answer = await http.post("/session", json=body)
        assert answer.status_code == 201, answer.text
        tokens: dict[str, Any] = answer.json()
        return tokens

    async def refresh(
        self, http: httpx2.AsyncClient, token: str, *, client_id: str = "web", **fields: Any
    ) -> httpx2.Response:
        """``POST /token`` with a refresh token, as a public client."""
        form = {"grant_type": "refresh_token", "client_id": client_id, "refresh_token": token, **fields}
        return await http.post("/token", data=form)

    async def refreshed(self, http: httpx2.AsyncClient, token: str, **fields: Any) -> dict[str, Any]:
        """As ``refresh``, and it must work."""
        answer = await self.refresh(http, token, **fields)
        assert answer.status_code == 200, answer.text
        tokens: dict[str, Any] = answer.json()
        return tokens

    def read(self, token: str) -> AccessToken:
        """The access token, verified."""
        return access_token.verify(
            token,
            self.parts.signer.find,
            issuer=self.plan.issuer,
            audiences=access_token.ANY_AUDIENCE,
            now=self.clock.now(),
            leeway=0,
        )

    async def audit(self) -> list[AuditRecord]:
        """What the audit holds, newest first."""
        async with self.parts.storage.read() as reading:
            return await reading.audit(limit=1000)

    async def kinds(self) -> list[str]:
        """The kinds of the audit's events, newest first, without those of the key ring's making."""
        return [record.kind for record in await self.audit() if record.kind != "key.state"]

    async def _start_node(self) -> Node:
        plan, clock = self.plan, self.clock
        storage = TroubledStorage(await self._open_one(clock), self.trouble)
        sealing = Sealing(SECRETS, SystemEntropy())
        signer = LocalSigner(sealing)

        async def reload() -> None:
            await key_ring.ensure(storage, signer, now=clock.now())

        async with storage.inner.read() as reading:
            signer.load(await reading.keys())
        parts = Parts(
            issuer=plan.issuer,
            storage=storage,
            clock=clock,
            entropy=SystemEntropy(),
            passwords=self.passwords,
            signer=signer,
            sealer=sealing,
            telemetry=self.telemetry,
            secrets=SECRETS,
            lifetimes=plan.lifetimes,
            directory=Directory(storage),
            log_tail=LogTail(storage, clock, self.telemetry, keys_revoked=reload),
            passkeys=passkeys_of(plan.issuer),
            sign_up_open=plan.sign_up_open,
            sends_mail=plan.sends_mail,
        )
        feed = RevocationFeed(parts)
        network = Network(
            issuer=plan.issuer, trusted=_networks(plan.trusted), secrets=SECRETS, telemetry=self.telemetry
        )
        prefix = urlsplit(plan.issuer).path
        own_origin = plan.issuer.removesuffix(prefix)
        web = Web(parts=parts, feed=feed, network=network, pages=_pages(prefix))
        edge = Edge(web, ROUTES, prefix=prefix, own_origin=own_origin)
        return Node(parts=parts, edge=edge, feed=feed)


@cache
def _pages(prefix: str) -> Pages:
    """The pages hold nothing that a restart could lose, and reading the templates takes a while."""
    return Pages(Brand(), prefix=prefix)


def opener_of(database: Database) -> OpenStorage:
    """Opens storages on ``database``."""

    async def open_one(clock: Clock) -> Storage:
        return await open_storage(database, clock=clock)

    return open_one


def _networks(trusted: Sequence[str] | None) -> list[IPv4Network | IPv6Network] | None:
    return None if trusted is None else [ip_network(text) for text in trusted]
