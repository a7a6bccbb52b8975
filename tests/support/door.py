"""The server's edge inside the test's process: real flows, rules and storage, a clock that obeys, cheap passwords."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2

from watchword.protocol.scope import Scope
from watchword.server.adapters.local_signer import LocalSigner
from watchword.server.adapters.sealing import Sealing
from watchword.server.adapters.system_entropy import SystemEntropy
from watchword.server.domain.api import Api
from watchword.server.domain.client import Client
from watchword.server.domain.identifiers import random_id, username_key
from watchword.server.domain.lifetimes import Lifetimes
from watchword.server.domain.secret_ring import SecretRing, parse_secrets
from watchword.server.domain.user import User
from watchword.server.flows import key_ring
from watchword.server.flows.directory import Directory
from watchword.server.flows.log_tail import LogTail
from watchword.server.flows.parts import Parts
from watchword.server.flows.revocation_feed import RevocationFeed
from watchword.server.ports.storage import Storage
from watchword.server.web.context import Web
from watchword.server.web.edge import Edge
from watchword.server.web.network import Network
from watchword.server.web.routes import ROUTES

ISSUER = "http://localhost:8000"
ORDERS = "https://orders.example"
INVENTORY = "https://inventory.example"
PASSWORD = "correct horse battery staple"
SECRET = "not-a-real-secret-but-long-enough-0123456789"
CLIENT_SECRET = "a-client-secret-of-the-tests-0123456789abcdef"
HOME = ("203.0.113.5", 40000)
ELSEWHERE = ("198.51.100.7", 40000)
START = 1_800_000_000.0


class TestClock:
    """Tells the time that the test set."""

    __test__ = False

    def __init__(self, now: float = START) -> None:
        self.time = now

    def now(self) -> float:
        return self.time

    def advance(self, seconds: float) -> None:
        self.time += seconds


@dataclass(frozen=True)
class CheapVerdict:
    right: bool
    outdated: bool = False


class CheapPasswords:
    """The port without the work; it counts how often it was asked."""

    def __init__(self) -> None:
        self.verified = 0

    async def hash(self, password: str) -> str:
        return hashlib.sha256(password.encode()).hexdigest()

    async def verify(self, password: str, hashed: str | None) -> CheapVerdict:
        self.verified += 1
        return CheapVerdict(right=hashed == hashlib.sha256(password.encode()).hexdigest())

    def score(self, password: str, *, context: tuple[str, ...]) -> int:
        return 0 if len(set(password)) < 5 else 4


class HeardTelemetry:
    """Keeps what was said."""

    def __init__(self) -> None:
        self.said: list[tuple[str, dict[str, Any]]] = []

    def note(self, slug: str, **fields: Any) -> None:
        self.said.append((slug, fields))

    tell = warn = note

    def slugs(self) -> list[str]:
        return [slug for slug, _ in self.said]


@dataclass(kw_only=True)
class Door:
    """A node and the means to knock at it."""

    parts: Parts
    edge: Edge
    clock: TestClock
    passwords: CheapPasswords
    telemetry: HeardTelemetry
    clients: list[httpx2.AsyncClient] = field(default_factory=list)

    def caller(self, address: tuple[str, int] = HOME, *, agent: str = "app/1.0") -> httpx2.AsyncClient:
        """An HTTP client at that address; raises nothing by itself."""
        transport = httpx2.ASGITransport(app=self.edge, client=address)
        made = httpx2.AsyncClient(transport=transport, base_url=self.parts.issuer, headers={"user-agent": agent})
        self.clients.append(made)
        return made

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

    def restart(self) -> "Door":
        """Another node on the same storage, as after a restart: nothing in memory is kept."""
        return assemble(
            self.parts.storage,
            clock=self.clock,
            secrets=self.parts.secrets,
            issuer=self.parts.issuer,
            lifetimes=self.parts.lifetimes,
            sign_up_open=self.parts.sign_up_open,
            signer=self.parts.signer,
        )


def assemble(
    storage: Storage,
    *,
    clock: TestClock,
    secrets: SecretRing,
    issuer: str,
    lifetimes: Lifetimes,
    sign_up_open: bool,
    signer: Any,
    trusted: Any = None,
) -> Door:
    """A node over ``storage``."""
    telemetry, passwords = HeardTelemetry(), CheapPasswords()

    async def reload() -> None:
        await key_ring.ensure(storage, signer, now=clock.now())

    parts = Parts(
        issuer=issuer,
        storage=storage,
        clock=clock,
        entropy=SystemEntropy(),
        passwords=passwords,
        signer=signer,
        telemetry=telemetry,
        secrets=secrets,
        lifetimes=lifetimes,
        directory=Directory(storage),
        log_tail=LogTail(storage, clock, telemetry, keys_revoked=reload),
        sign_up_open=sign_up_open,
    )
    network = Network(issuer=issuer, trusted=trusted, secrets=secrets, telemetry=telemetry)
    web = Web(parts=parts, feed=RevocationFeed(parts), network=network)
    edge = Edge(web, ROUTES, prefix="", own_origin=issuer)
    return Door(parts=parts, edge=edge, clock=clock, passwords=passwords, telemetry=telemetry)


@asynccontextmanager
async def open_door(
    storage: Storage,
    *,
    issuer: str = ISSUER,
    lifetimes: Lifetimes | None = None,
    sign_up_open: bool = False,
    trusted: Any = None,
    clock: TestClock | None = None,
) -> AsyncIterator[Door]:
    """A node over ``storage`` with the usual cast (see ``cast``)."""
    clock = clock or TestClock()
    secrets = parse_secrets(SECRET)
    signer = LocalSigner(Sealing(secrets, SystemEntropy()))
    await cast(storage, clock)
    await key_ring.ensure(storage, signer, now=clock.now())
    door = assemble(
        storage,
        clock=clock,
        secrets=secrets,
        issuer=issuer,
        lifetimes=lifetimes or Lifetimes(),
        sign_up_open=sign_up_open,
        signer=signer,
        trusted=trusted,
    )
    try:
        yield door
    finally:
        await asyncio.gather(*(http.aclose() for http in door.clients))


async def cast(storage: Storage, clock: TestClock) -> None:
    """Two APIs; ``web`` (public), ``backend`` (confidential), ``strict``, ``machine``, ``orders``; ada and bob.

    ``orders.admin`` is guarded by the role ``admin``, which bob has.
    """
    now = clock.now()
    both = frozenset({"authorization_code", "refresh_token"})
    hashed = hashlib.sha256(CLIENT_SECRET.encode()).digest()
    scope = Scope.parse("openid profile email orders.read orders.write orders.admin")

    def public(client_id: str, **changes: Any) -> Client:
        return Client(
            client_id=client_id,
            type="public",
            auth_method="none",
            created_at=now,
            grant_types=both,  # type: ignore[arg-type]
            scope=changes.pop("scope", scope),
            apis=changes.pop("apis", (ORDERS,)),
            first_party=True,
            **changes,
        )

    def confidential(client_id: str, **changes: Any) -> Client:
        return Client(
            client_id=client_id,
            type="confidential",
            auth_method=changes.pop("auth_method", "client_secret_basic"),
            secret_hash=hashed,
            created_at=now,
            apis=changes.pop("apis", (ORDERS,)),
            **changes,
        )

    clients = [
        public("web", origins=("https://app.example",)),
        public("other"),
        public("strict", reuse="strict"),
        public("both-apis", apis=(ORDERS, INVENTORY), scope=Scope(scope | {"inventory.read"})),
        confidential("backend", grant_types=both, scope=scope, first_party=True),
        confidential("machine", grant_types=frozenset({"client_credentials"}), scope=Scope.parse("orders.read")),
        confidential("poster", auth_method="client_secret_post", grant_types=frozenset({"client_credentials"})),
        confidential("orders", serves=ORDERS, apis=()),
        confidential("inventory", serves=INVENTORY, apis=()),
    ]
    async with storage.write() as tx:
        await tx.raise_longest_access_token(900)
        await tx.add_api(Api(audience=ORDERS, scope=Scope.parse("orders.read orders.write orders.admin")))
        await tx.add_api(Api(audience=INVENTORY, scope=Scope.parse("inventory.read"), alg="RS256"))
        await tx.add_role("admin", ["orders.admin"])
        for client in clients:
            await tx.add_client(client)
        for name, roles in (("ada", frozenset[str]()), ("bob", frozenset({"admin"}))):
            await tx.add_user(user_named(name, now=now, roles=roles))


def user_named(name: str, *, now: float, roles: frozenset[str] = frozenset()) -> User:
    """A user whose password is the tests'."""
    return User(
        sub=random_id(hashlib.sha256(name.encode()).digest()[:16]),
        username=name,
        username_key=username_key(name),
        created_at=now,
        password_hash=hashlib.sha256(PASSWORD.encode()).hexdigest(),
        email=f"{name}@example.org",
        roles=roles,
    )
