"""The route by which the issuer tells a web application that sessions are over.

Implements: OpenID Connect Back-Channel Logout 1.0 §2.5, §2.6, §2.7, §2.8.
"""

import asyncio
import logging
import weakref
from collections.abc import Callable, Mapping
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from watchword.client.browser_steps import keys_request, read_keys
from watchword.client.errors import ClientError, Misconfigured, TryLater
from watchword.client.integrations.forms import read_form
from watchword.client.integrations.login_sessions import LoginSessions
from watchword.client.messages import NoAnswer, Refusal, metadata_request, read_metadata
from watchword.client.transport import AsyncHttpTransport, AsyncTransport
from watchword.protocol import logout_token
from watchword.protocol.jws import VerificationKey
from watchword.protocol.logout_token import LogoutToken
from watchword.protocol.rejection import TokenRejected

# Seconds that a key set is good for; that pass before the issuer is asked for a key that it did not have; and that
# pass after it did not answer. Strangers can make us ask, but not more often.
FRESH: Final = 300.0
PAUSE_FOR_UNKNOWN: Final = 30.0
PAUSE_AFTER_TROUBLE: Final = 2.0
LEEWAY: Final = 60.0
_LONGEST_FORM: Final = 16 * 1024
_NO_STORE: Final = {"Cache-Control": "no-store"}
_log = logging.getLogger("watchword.client.web_login")

Keys = Mapping[str, VerificationKey]


class IssuerKeys:
    """The issuer's published keys, fetched when they are needed, by one for all who wait.

    Args:
        issuer: whose.
        transport: the way to it.
        clock: seconds since the epoch.
    """

    def __init__(self, issuer: str, *, transport: AsyncTransport, clock: Callable[[], float]) -> None:
        self._issuer, self._transport, self._clock = issuer, transport, clock
        self._found: Keys = {}
        self._found_at = self._asked_at = float("-inf")
        self._locks: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = weakref.WeakKeyDictionary()

    async def fetch(self, *, besides: Keys | None = None) -> Keys:
        """The keys.

        Args:
            besides: a set that lacks what is sought; the same comes back where asking again would be too soon.

        Raises:
            TryLater: the issuer does not answer.
            Misconfigured: it is no issuer, or its keys cannot be trusted.
        """
        async with self._locks.setdefault(asyncio.get_running_loop(), asyncio.Lock()):
            now = self._clock()
            asked_ago = now - self._asked_at
            if 0 <= now - self._found_at < FRESH:
                if self._found is not besides or 0 <= asked_ago < PAUSE_FOR_UNKNOWN:
                    return self._found
            elif 0 <= asked_ago < PAUSE_AFTER_TROUBLE:
                raise TryLater("the issuer did not answer a moment ago", reason="unreachable")
            self._asked_at = now
            self._found = await self._ask()
            self._found_at = now
            return self._found

    async def _ask(self) -> Keys:
        try:
            found = read_metadata(await self._transport.send(metadata_request(self._issuer)), self._issuer)
            if not isinstance(found, Refusal | NoAnswer):
                keys = read_keys(await self._transport.send(keys_request(found)))
                if not isinstance(keys, Refusal | NoAnswer):
                    return keys
                found = keys
        except OSError as error:
            found = NoAnswer(type(error).__name__)
        if isinstance(found, Refusal):
            raise Misconfigured(f"the issuer cannot be used: {found}", reason=found.code)
        raise TryLater(f"the issuer's keys cannot be had: {found.reason}", reason="unreachable")


class LogoutListener:
    """Takes logout tokens, and ends what they name.

    Args:
        issuer: the only one that is believed.
        client_id: the application.
        sessions: what is ended.
        transport: the way to the issuer's keys; ``AsyncHttpTransport()`` if None.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        *,
        issuer: str,
        client_id: str,
        sessions: LoginSessions,
        transport: AsyncTransport | None,
        clock: Callable[[], float],
    ) -> None:
        self._issuer, self._client_id, self._clock = issuer, client_id, clock
        self._sessions = sessions
        self._keys = IssuerKeys(issuer, transport=transport or AsyncHttpTransport(), clock=clock)

    async def receive(self, request: Request) -> Response:
        """The endpoint: 200 when the session is over, whether or not there was one; else 400, and nothing changed."""
        try:
            token = await self._verified(await _logout_token(request))
            if not await self._sessions.end(token):
                raise TokenRejected("token.claims", "this jti came before")
        except (TokenRejected, HTTPException, ValueError) as error:
            _log.info("a logout token was refused: %s", error)
            return _refused("invalid_request", "this is no logout token for this client, or it came before")
        except (ClientError, OSError) as error:
            _log.warning("a logout token could not be followed: %s", error)
            # §2.8: 400 also "if the logout failed". The issuer tries again.
            return _refused("temporarily_unavailable", "the logout could not be carried out: try again")
        await self._sessions.sweep()
        return Response(status_code=200, headers=_NO_STORE)

    async def _verified(self, text: str) -> LogoutToken:
        keys = await self._keys.fetch()
        try:
            return self._judged(text, keys)
        except TokenRejected as rejected:
            if rejected.reason != "token.unknown_key":
                raise
        return self._judged(text, await self._keys.fetch(besides=keys))

    def _judged(self, text: str, keys: Keys) -> LogoutToken:
        return logout_token.verify(
            text, keys.get, issuer=self._issuer, client_id=self._client_id, now=self._clock(), leeway=LEEWAY
        )


async def _logout_token(request: Request) -> str:
    # §2.5: "The POST body uses the application/x-www-form-urlencoded encoding".
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/x-www-form-urlencoded":
        raise ValueError("not a form")
    found = [value for name, value in await read_form(request, longest=_LONGEST_FORM) if name == "logout_token"]
    if len(found) != 1:
        raise ValueError("not one logout_token")
    return found[0]


def _refused(error: str, description: str) -> Response:
    return JSONResponse({"error": error, "error_description": description}, 400, _NO_STORE)
