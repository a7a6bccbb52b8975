"""Health: ``/healthz`` says that the process lives, ``/readyz`` that it can do its work."""

from typing import Final, get_args

from starlette.requests import Request
from starlette.responses import Response

from watchword.server.domain.api import Algorithm
from watchword.server.ports.signing import Signer
from watchword.server.ports.storage import StorageUnavailable
from watchword.server.web.context import Web
from watchword.server.web.rendering import answer

MAX_CLOCK_SKEW: Final = 2.0
# Three heartbeats of the feed: by then its readers have noticed the silence.
MAX_LOG_AGE: Final = 15.0


async def healthz(_: Web, __: Request) -> Response:
    """``GET /healthz``."""
    return answer({"status": "ok"})


async def readyz(web: Web, _: Request) -> Response:
    """``GET /readyz``: 200 when the database answers, clocks agree within 2 s, the log is followed, keys can sign."""
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
    unread = parts.clock.now() - parts.log_tail.read_at
    checks["log"] = "ok" if unread <= MAX_LOG_AGE else f"not read for more than {MAX_LOG_AGE:.0f} s"
    checks["keys"] = _keys(parts.signer)
    ready = all(found == "ok" for found in checks.values())
    return answer({"status": "ready" if ready else "not ready", "checks": checks}, status=200 if ready else 503)


def _keys(signer: Signer) -> str:
    algs = get_args(Algorithm)
    if not all(map(signer.can_sign, algs)):
        return "no signing key"
    return "ok" if all(map(signer.can_go_on, algs)) else "the next key does not open under WATCHWORD_SECRET"
