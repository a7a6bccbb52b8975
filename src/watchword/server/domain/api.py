"""An API: a resource server, named by its audience URI, with the scopes that it understands."""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from watchword.protocol.scope import Scope
from watchword.server.domain.time import Seconds

Algorithm = Literal["ES256", "RS256"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """A registered API. ``access_token_ttl`` is in seconds; None takes the operator's."""

    audience: str
    scope: Scope
    alg: Algorithm = "ES256"
    access_token_ttl: Seconds | None = None


@dataclass(frozen=True, eq=False)
class Catalog:
    """All APIs and roles as of one moment: what scopes exist, and who may have them.

    Nobody changes one that is made, so what follows from it may be kept beside it.
    """

    apis: dict[str, Api]
    roles: dict[str, Scope]

    @cached_property
    def _guarded(self) -> frozenset[str]:
        return frozenset().union(*self.roles.values())

    def says_the_same(self, other: "Catalog") -> bool:
        """Whether the two differ in nothing."""
        return self.apis == other.apis and self.roles == other.roles

    def open_to(self, roles: frozenset[str], scope: Scope) -> Scope:
        """What of ``scope`` a user with ``roles`` may have: a scope that some role names needs such a role."""
        if self._guarded.isdisjoint(scope):
            return scope
        given = frozenset().union(*(self.roles.get(name, Scope()) for name in roles))
        return Scope(token for token in scope if token not in self._guarded or token in given)
