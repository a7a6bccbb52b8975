"""What the program says of itself while it runs."""

from contextvars import ContextVar
from typing import Any, Final, Protocol

# The id of the request that is being answered, which every line names that is written meanwhile; empty beside requests.
REQUEST_ID: Final = ContextVar("request_id", default="")


class Telemetry(Protocol):
    """Log lines with a stable slug. Fields never hold a token, code, secret, password or cookie."""

    def note(self, slug: str, **fields: Any) -> None:
        """Something ordinary, for those who ask for detail."""
        ...

    def tell(self, slug: str, **fields: Any) -> None:
        """Something an operator reads."""
        ...

    def warn(self, slug: str, **fields: Any) -> None:
        """Something an operator should act on."""
        ...
