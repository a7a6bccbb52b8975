"""How an edge answers a token that was not accepted, or that nobody can judge at the moment. Pure.

Implements: RFC 6750 §3, §3.1; RFC 9110 §10.2.3 (Retry-After), §15.6.4.
"""

from dataclasses import dataclass

from watchword.protocol import strict_json
from watchword.protocol.rejection import TokenRejected
from watchword.resource.errors import KeysUnavailable

_RETRY_AFTER = 5


@dataclass(frozen=True, slots=True)
class Refusal:
    """An HTTP answer without a framework.

    Attributes:
        status: the status code.
        headers: ``WWW-Authenticate`` or ``Retry-After``, and ``Cache-Control``.
        error, description: for the body; they never say more than the challenge does.
    """

    status: int
    headers: dict[str, str]
    error: str
    description: str

    @property
    def body(self) -> bytes:
        """As JSON."""
        return strict_json.render_object({"error": self.error, "error_description": self.description})


def render_refusal(error: TokenRejected | KeysUnavailable) -> Refusal:
    """The answer to a request whose token was refused with ``error``."""
    headers = {"Cache-Control": "no-store"}
    if isinstance(error, KeysUnavailable) or error.status == 503:
        headers["Retry-After"] = str(error.retry_after if isinstance(error, KeysUnavailable) else _RETRY_AFTER)
        return Refusal(503, headers, "temporarily_unavailable", "access tokens cannot be judged for now: try again")
    headers["WWW-Authenticate"] = error.challenge()
    return Refusal(error.status, headers, error.error or "unauthorized", error.description)
