"""Health: ``/healthz`` says that the process lives, ``/readyz`` that it can do its work."""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from watchword.server.ports.storage import StorageUnavailable
from watchword.server.web.context import Web
from watchword.server.web.rendering import answer

MAX_CLOCK_SKEW: Final = 2.0


async def healthz(_: Web, __: Request) -> Response:
    """``GET /healthz``."""
    return answer({"status": "ok"})


async def readyz(web: Web, _: Request) -> Response:
    """``GET /readyz``: 200 when the database answers, clocks agree within 2 s, and there are keys to sign with."""
    parts = web.parts
    checks: dict[str, str] = {}
    try:
        before = parts.clock.now()
        there = await parts.storage.clock()
        after = parts.clock.now()
        checks["database"] = "ok"
        # The database's clock was read somewhere between the two.
        skew = max(before - there, there - after, 0.0)
        checks["clock"] = "ok" if skew <= MAX_CLOCK_SKEW else f"{skew:.1f} s off the database's clock"
    except StorageUnavailable:
        checks["database"] = "does not answer"
    signing = {key.alg for key in parts.signer.published()}
    checks["keys"] = "ok" if {"ES256", "RS256"} <= signing else "no signing key"
    ready = all(found == "ok" for found in checks.values())
    return answer({"status": "ready" if ready else "not ready", "checks": checks}, status=200 if ready else 503)
