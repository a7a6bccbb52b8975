"""The cast of the endpoint tests: two APIs, a client of every kind, and two users.

``orders.admin`` is guarded by the role ``admin``, which bob has and ada has not.
"""

import base64
import hashlib
from typing import Any, Final

from watchword.protocol.scope import Scope
from watchword.server.domain.api import Api
from watchword.server.domain.client import Client, GrantType
from watchword.server.domain.identifiers import random_id, username_key
from watchword.server.domain.time import Instant
from watchword.server.domain.user import User
from watchword.server.ports.storage import Storage

ORDERS: Final = "https://orders.example"
INVENTORY: Final = "https://inventory.example"
APP_ORIGIN: Final = "https://app.example"
REDIRECT_URI: Final = "https://spa.example/callback"
PASSWORD: Final = "correct horse battery staple"
CLIENT_SECRET: Final = "a-client-secret-of-the-tests-0123456789abcdef"
START: Final = 1_800_000_000.0
SHOP: Final = "https://shop.example/callback"
SHOP_HOME: Final = "https://shop.example/goodbye"
LOOPBACK: Final = "http://127.0.0.1:4100/callback"
PRIVATE: Final = "org.example.app:/callback"
HOSTILE: Final = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{ 7*7 }}"

_SIGN_IN: Final[frozenset[GrantType]] = frozenset({"authorization_code", "refresh_token"})
_ITSELF: Final[frozenset[GrantType]] = frozenset({"client_credentials"})
_SCOPE: Final = Scope.parse("openid profile email offline_access orders.read orders.write orders.admin")


def basic(client_id: str, secret: str = CLIENT_SECRET) -> dict[str, str]:
    """The header of a client that proves its secret."""
    pair = base64.b64encode(f"{client_id}:{secret}".encode()).decode()
    return {"authorization": f"Basic {pair}"}


def bearer(token: str) -> dict[str, str]:
    """The header that carries an access token."""
    return {"authorization": f"Bearer {token}"}


def cheap_hash(password: str) -> str:
    """What CheapPasswords keeps of a password."""
    return hashlib.sha256(password.encode()).hexdigest()


def user_named(name: str, *, now: Instant = START, **changes: Any) -> User:
    """A user whose password is the tests', under a ``sub`` that his name gives."""
    given: dict[str, Any] = {
        "sub": random_id(hashlib.sha256(name.encode()).digest()[:16]),
        "username": name,
        "username_key": username_key(name),
        "created_at": now,
        "password_hash": cheap_hash(PASSWORD),
        "email": f"{name}@example.org",
    }
    return User(**given | changes)


def public(client_id: str, **changes: Any) -> Client:
    """A first-party client without a secret."""
    given: dict[str, Any] = {
        "client_id": client_id,
        "type": "public",
        "auth_method": "none",
        "created_at": START,
        "grant_types": _SIGN_IN,
        "scope": _SCOPE,
        "apis": (ORDERS,),
        "first_party": True,
    }
    return Client(**given | changes)


def confidential(client_id: str, **changes: Any) -> Client:
    """A client with the tests' secret."""
    given: dict[str, Any] = {
        "client_id": client_id,
        "type": "confidential",
        "auth_method": "client_secret_basic",
        "secret_hash": hashlib.sha256(CLIENT_SECRET.encode()).digest(),
        "created_at": START,
        "apis": (ORDERS,),
    }
    return Client(**given | changes)


CLIENTS: Final = (
    public("web", origins=(APP_ORIGIN,)),
    public("other"),
    public("spa", redirect_uris=(REDIRECT_URI,)),
    public("strict", reuse="strict"),
    public("browser", lifetime="browser_app"),
    public("both-apis", apis=(ORDERS, INVENTORY), scope=Scope(_SCOPE | {"inventory.read"})),
    public("no-refresh", grant_types=frozenset({"authorization_code"})),
    public("third-party", first_party=False),
    # A third party with a secret, a page of its own, and an address where its users land after signing out.
    confidential(
        "shop",
        grant_types=_SIGN_IN,
        scope=_SCOPE,
        redirect_uris=(SHOP, "https://shop.example/second?kept=1"),
        post_logout_redirect_uris=(SHOP_HOME,),
        name="The Shop",
    ),
    confidential("nonce-only", grant_types=_SIGN_IN, scope=_SCOPE, redirect_uris=(SHOP,), requires_pkce=False),
    confidential("hostile", grant_types=_SIGN_IN, scope=_SCOPE, redirect_uris=(SHOP,), name=HOSTILE),
    public("spa-third-party", first_party=False, redirect_uris=(REDIRECT_URI,)),
    public("desktop", first_party=False, redirect_uris=(LOOPBACK, PRIVATE)),
    public("off", redirect_uris=(REDIRECT_URI,), enabled=False),
    confidential("backend", grant_types=_SIGN_IN, scope=_SCOPE, first_party=True),
    confidential("machine", grant_types=_ITSELF, scope=Scope.parse("orders.read orders.write")),
    confidential("poster", auth_method="client_secret_post", grant_types=_ITSELF, scope=Scope.parse("orders.read")),
    confidential("orders", serves=ORDERS, apis=()),
    confidential("inventory", serves=INVENTORY, apis=()),
)


async def write_cast(storage: Storage) -> None:
    """Write all of it into an empty database."""
    async with storage.write() as tx:
        await tx.raise_longest_access_token(900)
        await tx.add_api(Api(audience=ORDERS, scope=Scope.parse("orders.read orders.write orders.admin")))
        await tx.add_api(Api(audience=INVENTORY, scope=Scope.parse("inventory.read"), alg="RS256"))
        await tx.add_role("admin", ["orders.admin"])
        for client in CLIENTS:
            await tx.add_client(client)
        await tx.add_user(user_named("ada"))
        await tx.add_user(user_named("bob", roles=frozenset({"admin"})))
