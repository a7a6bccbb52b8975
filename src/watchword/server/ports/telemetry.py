"""What the program says of itself while it runs."""

from typing import Any, Protocol


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
