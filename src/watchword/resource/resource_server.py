"""The resource server for synchronous programs.

Implements: RFC 9068 §4; RFC 6750 §3.1; RFC 9470 §3.
"""

from collections.abc import Iterable
from types import TracebackType
from typing import Self

from watchword.resource.assembly import Assembled
from watchword.resource.verifier import NOTHING, Pause, VerifiedToken, parse_demand, parse_sign_in


class ResourceServer(Assembled):
    """Verifies access tokens locally: no database, no call home.

    Keys and revocations are fetched in the background from first use on. Safe to use from many threads at once, and
    across forks. The arguments are those of ``AsyncResourceServer``::

        server = ResourceServer(issuer="https://auth.example.com", audience="https://orders.example.com")
        token = server.verify(text, scope="orders:read")
    """

    def verify(
        self,
        token: str,
        *,
        scope: str | Iterable[str] = "",
        max_age: int | None = None,
        acr_values: str | Iterable[str] = (),
    ) -> VerifiedToken:
        """The verified token behind ``token``.

        Waits for the network only when there is no key yet, when a ``kid`` is new, or when policy says to introspect.

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
