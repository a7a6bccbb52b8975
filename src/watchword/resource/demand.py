"""What a resource demands of an access token, said once and checked when it is said. Pure.

Implements: RFC 6750 §3; RFC 9470 §3.
"""

from collections.abc import Iterable

from watchword.protocol.step_up import SignInDemand
from watchword.resource.verifier import parse_demand, parse_sign_in


class Demand:
    """A scope, and the age and strength of the user's sign-in.

    Args:
        scope: what the token must allow; a space-separated string or several strings.
        max_age: seconds that the user's sign-in may lie back; None for any age.
        acr_values: the strengths of sign-in that will do; a space-separated string or several strings.

    Raises:
        ValueError: a part that is malformed.
    """

    __slots__ = ("scope", "sign_in")

    def __init__(
        self, scope: str | Iterable[str] = "", *, max_age: int | None = None, acr_values: str | Iterable[str] = ()
    ) -> None:
        self.scope = str(parse_demand(scope))
        self.sign_in = parse_sign_in(max_age, acr_values) or SignInDemand()

    def __repr__(self) -> str:
        return f"Demand({self.scope!r}, max_age={self.max_age}, acr_values={self.acr_values!r})"

    @property
    def max_age(self) -> int | None:
        """Seconds."""
        return self.sign_in.max_age

    @property
    def acr_values(self) -> tuple[str, ...]:
        """The classes that will do; empty for any."""
        return self.sign_in.acr_values

    def with_scope(self, scope: str | Iterable[str]) -> "Demand":
        """The same sign-in for another scope."""
        return Demand(scope, max_age=self.max_age, acr_values=self.acr_values)
