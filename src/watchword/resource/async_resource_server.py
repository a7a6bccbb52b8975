"""The resource server for asyncio programs.

Implements: RFC 9068 §4; RFC 6750 §3.1; RFC 9470 §3.
"""

import asyncio
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from watchword.resource.assembly import Assembled
from watchword.resource.verifier import NOTHING, Pause, VerifiedToken, parse_demand, parse_sign_in


class AsyncResourceServer(Assembled):
    """As ``ResourceServer``, and never blocks the event loop.

    The work in the background is in a thread of its own, so it goes on while the loop is busy, and one object may be
    used from several loops::

        server = AsyncResourceServer(issuer="https://auth.example.com", audience="https://orders.example.com")
        token = await server.verify(text, scope="orders:read")
    """

    async def verify(
        self,
        token: str,
        *,
        scope: str | Iterable[str] = "",
        max_age: int | None = None,
        acr_values: str | Iterable[str] = (),
    ) -> VerifiedToken:
        """The verified token behind ``token``.

        Args:
            token: as it came in the request, without "Bearer".
            scope: what it must allow; a space-separated string or several strings.
            max_age: seconds that the user's sign-in may lie back, beside the leeway; None for any age.
            acr_values: the strengths of sign-in that will do, such as ``ACR_TWO_FACTOR``, which a stronger one of
                the same issuer meets, too; a space-separated string or several strings.

        Returns:
            The token, good at this moment.

        Raises:
            TokenRejected: it is not good; ``reason`` says why, ``challenge()`` what to answer.
            KeysUnavailable: no key of the issuer is known yet; answer 503.
            ConfigurationError: the issuer has no revocation feed.
            ValueError: ``scope``, ``max_age`` or ``acr_values`` is malformed.
        """
        demanded, sign_in = parse_demand(scope), parse_sign_in(max_age, acr_values)
        settled = NOTHING
        while True:
            try:
                return self._verifier.verify(token, demanded, now=self._clock(), settled=settled, sign_in=sign_in)
            except Pause as pause:
                settled |= {await asyncio.wrap_future(self._attendant.attend(pause.need, token))}

    async def aclose(self) -> None:
        """End background work, after a last snapshot; ``verify`` raises ``Closed`` from then on. Idempotent."""
        await asyncio.to_thread(self._attendant.stop)

    async def __aenter__(self) -> Self:
        self._attendant.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
