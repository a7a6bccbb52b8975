"""Pushed authorization requests: added once, taken once."""

import json
from typing import Final

from sqlalchemy import bindparam, delete

from watchword.server.domain.pushed_request import PushedRequest
from watchword.server.storage import tables as t
from watchword.server.storage.row_statements import adding
from watchword.server.storage.statement import Call, Steps, fixed

_ADD: Final = adding(t.pushed_requests)
# Of two who take it at once the second waits for the first one's commit, and finds nothing.
_TAKE: Final = fixed(
    delete(t.pushed_requests)
    .where(t.pushed_requests.c.handle_hash == bindparam("handle_hash"))
    .returning(*t.pushed_requests.c)
)


def add_pushed_request(request: PushedRequest) -> Steps[None]:
    """A new pushed request."""
    row = {
        "handle_hash": request.handle_hash,
        "client_id": request.client_id,
        # In ASCII, so that whatever a client sent can be kept.
        "parameters": json.dumps(request.parameters, separators=(",", ":")),
        "expires_at": request.expires_at,
    }
    yield Call(_ADD, row)


def take_pushed_request(handle_hash: bytes) -> Steps[PushedRequest | None]:
    """The pushed request with that handle, which is gone then."""
    found = yield Call(_TAKE, {"handle_hash": handle_hash})
    if not found:
        return None
    ((stored_hash, client_id, parameters, expires_at),) = found
    return PushedRequest(
        handle_hash=stored_hash,
        client_id=client_id,
        parameters=tuple((name, value) for name, value in json.loads(parameters)),
        expires_at=expires_at,
    )
