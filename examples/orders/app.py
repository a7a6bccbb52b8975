"""The service.

Run it with ``uvicorn examples.orders.app:app``. Its surroundings say who issues tokens (``ISSUER``), where the
inventory is (``INVENTORY_URL``), and the secret of its own client "orders" (``CLIENT_SECRET``): with it the service
reads the revocation feed, and gets tokens of its own for the inventory. The user's token stays here: it is not meant
for others.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import httpx2
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel

from watchword.client import AsyncTokenSource, TryLater
from watchword.client.integrations.httpx2 import TokenAuth
from watchword.resource import AsyncResourceServer, VerifiedToken
from watchword.resource.integrations.fastapi import WatchwordBearer

AUDIENCE = "https://orders.example"
ISSUER, INVENTORY_URL = os.environ["ISSUER"], os.environ["INVENTORY_URL"]
CLIENT_ID, CLIENT_SECRET = "orders", os.environ["CLIENT_SECRET"]
RECENTLY = 300  # seconds


class Order(BaseModel):
    """A number of one item."""

    item: str
    amount: int


# Tokens that come in: verified here, against keys and revocations that are at hand.
bearer = WatchwordBearer(
    AsyncResourceServer(
        issuer=ISSUER,
        audience=AUDIENCE,
        client_id=CLIENT_ID,
        client_secret=CLIENT_SECRET,
        leeway=float(os.environ.get("LEEWAY", "10")),
        snapshot_path=os.environ.get("SNAPSHOT"),
    )
)
# Tokens that go out: of the service itself (client credentials), renewed before they expire.
own_tokens = AsyncTokenSource(ISSUER, CLIENT_ID, client_secret=CLIENT_SECRET, resource="https://inventory.example")
inventory = httpx2.AsyncClient(base_url=INVENTORY_URL, auth=TokenAuth(own_tokens, origins=[INVENTORY_URL]))


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Both directions end with the application."""
    async with bearer.lifespan(app), own_tokens, inventory:
        yield


app = FastAPI(title="Orders", lifespan=lifespan)
orders_of: dict[str, list[Order]] = {}


@app.get("/orders")
async def orders(token: Annotated[VerifiedToken, bearer.requires("orders.read")]) -> dict[str, object]:
    """The caller's orders, and what could be ordered."""
    return {"orders": orders_of.get(token.subject, []), "in_stock": await _in_stock()}


@app.post("/orders", status_code=201)
async def order(wanted: Order, token: Annotated[VerifiedToken, bearer.requires("orders.write")]) -> Order:
    """Order something."""
    orders_of.setdefault(token.subject, []).append(wanted)
    return wanted


@app.delete("/orders/{item}", status_code=204)
async def cancel(item: str, token: Annotated[VerifiedToken, bearer.requires("orders.write", max_age=RECENTLY)]) -> None:
    """Cancel one order of an item. It takes a recent sign-in: a browser that was left open is not enough."""
    own = orders_of.get(token.subject, [])
    found = next((one for one in own if one.item == item), None)
    if found is None:
        raise HTTPException(404, "there is no such order")
    own.remove(found)


@app.get("/healthz")
async def healthz() -> dict[str, float | None]:
    """Whether keys are known, and how far the revocations; asked by whoever watches over the service."""
    status = bearer.resource.status
    return {"keys": status.keys, "revocations_known_at": status.revocations_known_at}


async def _in_stock() -> list[str]:
    try:
        answer = await inventory.get("/items")
    except (TryLater, httpx2.TransportError):
        raise HTTPException(503, "the inventory cannot be asked for now", {"Retry-After": "2"}) from None
    if answer.status_code != 200:
        raise HTTPException(502, "the inventory did not take our question")
    return sorted(item for item, count in answer.json()["items"].items() if count)
