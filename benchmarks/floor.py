"""The yardstick: the least that a token endpoint on this stack can do.

uvicorn on uvloop and httptools, one plain ASGI function, one form parsed, one ES256 signature, one coalesced durable
UPDATE, one JSON answer; nothing else: no client is authenticated, no rule is asked, nothing is checked.

=====================  =================================================================
``/refresh``           form, UPDATE, signature, JSON
``/client``            form, signature, JSON
``/introspect``        form, verification of an ES256 signature, JSON of the claims
=====================  =================================================================

Run by itself, ``python -m benchmarks.floor [--database URL]`` prints its port and serves until it is stopped.
"""

import argparse
import asyncio
import gc
import secrets
import socket
import sys
import time
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec
import uvicorn
import uvloop
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from benchmarks.floor_updates import Updates, open_updates, row_id
from watchword.protocol import base64url

_ES256: Final = ec.ECDSA(SHA256())
_HEADERS: Final = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]


class Floor:
    """The ASGI function, with a key and a row per connection."""

    def __init__(self, updates: Updates | None) -> None:
        self._updates = updates
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._public = self._key.public_key()
        self._head = base64url.encode(
            b'{"typ":"at+jwt","alg":"ES256","kid":"pW4bMi6Yh2rzyPVSN3TBkFEGLxb4JZrVVVqkcBDYgdY"}'
        )
        self._answers: dict[str, Callable[[dict[str, str]], Any]] = {
            "/refresh": self._refresh,
            "/client": self._client,
            "/introspect": self._introspect,
        }

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """One request."""
        body: bytes = (await receive())["body"]
        form = dict(parse_qsl(body.decode()))
        answer = msgspec.json.encode(await self._answers[scope["path"]](form))
        headers = [*_HEADERS, (b"content-length", b"%d" % len(answer))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    async def _refresh(self, form: dict[str, str]) -> dict[str, Any]:
        at, _, generation = form["refresh_token"].partition(".")
        if self._updates is None:
            raise RuntimeError("this floor has no database")
        await self._updates.advance(row_id(int(at)), int(generation), time.time())
        return {**self._tokens(form["client_id"]), "refresh_token": f"{at}.{int(generation) + 1}"}

    async def _client(self, form: dict[str, str]) -> dict[str, Any]:
        return self._tokens(form["client_id"])

    async def _introspect(self, form: dict[str, str]) -> dict[str, Any]:
        signing_input, _, tail = form["token"].rpartition(".")
        signature = base64url.decode(tail)
        pair = encode_dss_signature(int.from_bytes(signature[:32]), int.from_bytes(signature[32:]))
        self._public.verify(pair, signing_input.encode(), _ES256)
        claims: dict[str, Any] = msgspec.json.decode(base64url.decode(signing_input.partition(".")[2]))
        return {"active": True, **claims}

    def _tokens(self, client_id: str) -> dict[str, Any]:
        now = int(time.time())
        claims = {
            "iss": "http://127.0.0.1:8000",
            "sub": client_id,
            "aud": "https://orders.example",
            "exp": now + 900,
            "iat": now,
            "jti": base64url.encode(secrets.token_bytes(16)),
            "client_id": client_id,
            "scope": "orders.read orders.write",
        }
        signing_input = f"{self._head}.{base64url.encode(msgspec.json.encode(claims))}"
        r, s = decode_dss_signature(self._key.sign(signing_input.encode(), _ES256))
        token = f"{signing_input}.{base64url.encode(r.to_bytes(32) + s.to_bytes(32))}"
        return {"access_token": token, "token_type": "Bearer", "expires_in": 900, "scope": claims["scope"]}


async def _serve(database_url: str | None, listening: socket.socket) -> None:
    updates = None if database_url is None else await open_updates(database_url)
    config = uvicorn.Config(
        Floor(updates),
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
    )
    gc.collect()
    gc.freeze()
    sys.stdout.write(f"{listening.getsockname()[1]}\n")
    sys.stdout.flush()
    await uvicorn.Server(config).serve(sockets=[listening])


def main() -> None:
    """Serve until stopped."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.floor", description=__doc__.split("\n")[0])
    parser.add_argument("--database", help="sqlite:///path or postgresql://...; without it there is no /refresh")
    arguments = parser.parse_args()
    with (
        socket.create_server(("127.0.0.1", 0), backlog=1024) as listening,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        runner.run(_serve(arguments.database, listening))


if __name__ == "__main__":
    main()
