"""The resource server for synchronous programs.

Implements: RFC 9068 §4; RFC 6750 §3.1.
"""

from collections.abc import Iterable
from types import TracebackType
from typing import Self

from watchword.resource.assembly import Assembled
from watchword.resource.verifier import NOTHING, Pause, VerifiedToken, parse_demand


class ResourceServer(Assembled):
    """Verifies access tokens locally: no database, no call home.

    Keys and revocations are fetched in the background from first use on. Safe to use from many threads at once, and
    across forks. The arguments are those of ``AsyncResourceServer``::

        server = ResourceServer(issuer="https://auth.example.com", audience="https://orders.example.com")
        token = server.verify(text, scope="orders:read")
    """

    def verify(self, token: str, *, scope: str | Iterable[str] = "") -> VerifiedToken:
        """The verified token behind ``token``.

        Waits for the network only when there is no key yet, when a ``kid`` is new, or when policy says to introspect.

        Args:
            token: as it came in the request, without "Bearer".
            scope: what it must allow; a space-separated string or several strings.

        Returns:
            The token, good at this moment.

        Raises:
            TokenRejected: it is not good; ``reason`` says why, ``challenge()`` what to answer.
            KeysUnavailable: no key of the issuer is known yet; answer 503.
            ConfigurationError: the issuer has no revocation feed.
            ValueError: ``scope`` is malformed.
        """
        demanded = parse_demand(scope)
        settled = NOTHING
        while True:
            try:
                return self._verifier.verify(token, demanded, now=self._clock(), settled=settled)
            except Pause as pause:
                settled |= {self._attendant.attend(pause.need, token).result()}

    def close(self) -> None:
        """End background work, after a last snapshot; ``verify`` raises ``Closed`` from then on. Idempotent."""
        self._attendant.stop()

    def __enter__(self) -> Self:
        self._attendant.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
