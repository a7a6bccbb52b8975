"""What every endpoint is given beside its request."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from starlette.requests import Request
from starlette.responses import Response

from watchword.server.flows.parts import Parts
from watchword.server.flows.revocation_feed import RevocationFeed
from watchword.server.web.network import Network
from watchword.server.web.pages import Pages


@dataclass(frozen=True, slots=True, kw_only=True)
class Web:
    """The node, as the edge sees it."""

    parts: Parts
    feed: RevocationFeed
    network: Network
    pages: Pages


Endpoint: TypeAlias = Callable[[Web, Request], Awaitable[Response]]
