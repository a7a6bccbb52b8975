"""The service.

Run it with ``uvicorn examples.inventory.app:app``. Its surroundings say who issues tokens (``ISSUER``) and how it
proves itself when it reads the revocation feed (``CLIENT_SECRET``, of the client "inventory").
"""

import os

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from watchword.resource import AsyncResourceServer
from watchword.resource.integrations.starlette import WatchwordBearer, token_of

AUDIENCE = "https://inventory.example"
STOCK = {"lamp": 3, "chair": 12, "desk": 0}

bearer = WatchwordBearer(
    AsyncResourceServer(
        issuer=os.environ["ISSUER"],
        audience=AUDIENCE,
        client_id="inventory",
        client_secret=os.environ["CLIENT_SECRET"],
        leeway=float(os.environ.get("LEEWAY", "10")),
        # With keys and revocations kept here, it starts and verifies while the issuer is away.
        snapshot_path=os.environ.get("SNAPSHOT"),
    )
)


@bearer.requires("inventory.read")
async def items(request: Request) -> Response:
    """How many there are of each."""
    return JSONResponse({"items": STOCK, "asked_by": token_of(request).subject})


async def healthz(_: Request) -> Response:
    """Whether keys are known, and how far the revocations; asked by whoever watches over the service."""
    status = bearer.resource.status
    return JSONResponse({"keys": status.keys, "revocations_known_at": status.revocations_known_at})


app = Starlette(routes=[Route("/items", items), Route("/healthz", healthz)], lifespan=bearer.lifespan)
