"""Builders: an ordinary thing of each kind, with the differences that a test names."""

from dataclasses import replace
from typing import Any, Final

from msgspec import structs

from watchword.protocol.scope import Scope
from watchword.server.domain.api import Api, Catalog
from watchword.server.domain.caller import Caller, caller_of
from watchword.server.domain.client import Client
from watchword.server.domain.grant import Grant, Standing
from watchword.server.domain.secret_ring import SecretRing, parse_secrets

NOW: Final = 1_700_000_000.0
DAY: Final = 86_400
ISSUER: Final = "https://id.example"
ORDERS: Final = "https://orders.example"
STOCK: Final = "https://stock.example"
SECRETS: Final[SecretRing] = parse_secrets("the first secret of these tests is 0123456789abcdef".replace(" ", "-"))


def caller(network: str = "192.0.2.0/24", agent: str = "agent") -> Caller:
    """A caller with evidence."""
    return caller_of(network, agent, SECRETS.caller_keys)


def grant(**changes: Any) -> Grant:
    """A grant whose third token was redeemed long ago, with two forks."""
    ordinary = Grant(
        id=b"g" * 16,
        gid="gid",
        sid="sid",
        sub="sub",
        client_id="app",
        scope=Scope.parse("openid orders:read"),
        audiences=(ORDERS,),
        created_at=NOW - 10 * DAY,
        last_used_at=NOW - DAY,
        idle=14 * DAY,
        absolute_end=NOW + 80 * DAY,
        auth_time=int(NOW),
        acr="acr",
        amr=("pwd",),
        generation=3,
        forks=2,
        redeemed_at=NOW - DAY,
        redeemed_by=caller().mark,
    )
    return structs.replace(ordinary, **changes)


def standing(**changes: Any) -> Standing:
    """What a living grant stands on."""
    ordinary = Standing(
        user_enabled=True,
        user_epoch=2,
        user_roles=frozenset(),
        session_epoch=2,
        session_ended_reason=None,
        client_enabled=True,
    )
    return structs.replace(ordinary, **changes)


def client(**changes: Any) -> Client:
    """A public client of one API."""
    ordinary = Client(
        client_id="app",
        type="public",
        auth_method="none",
        created_at=NOW,
        scope=Scope.parse("openid offline_access orders:read orders:write"),
        apis=(ORDERS,),
    )
    return replace(ordinary, **changes)


def catalog() -> Catalog:
    """Two APIs; writing orders needs the role of a clerk."""
    return Catalog(
        apis={
            ORDERS: Api(audience=ORDERS, scope=Scope.parse("orders:read orders:write")),
            STOCK: Api(audience=STOCK, scope=Scope.parse("stock:read")),
        },
        roles={"clerk": Scope.parse("orders:write")},
    )
