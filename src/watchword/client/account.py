"""For whom tokens are held: the issuer, the client, and what it asks for.

Implements: RFC 6749 §2.3, §3.3; RFC 8707 §2.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, Self

from watchword.client.errors import Misconfigured
from watchword.protocol import metadata, resource_indicator
from watchword.protocol.scope import Scope

ActsFor = Literal["user", "client"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One client at one issuer, asking for one audience.

    Attributes:
        acts_for: ``user`` holds a refresh token from a sign-in; ``client`` speaks for itself (client credentials).
            The two never stand in for each other: a service's token in a user's place would be a mix-up of rights.
    """

    issuer: str
    client_id: str
    client_secret: str | None = field(default=None, repr=False)
    acts_for: ActsFor = "user"
    scope: Scope = Scope()
    resource: str | None = None

    @classmethod
    def of(
        cls,
        issuer: str,
        client_id: str,
        *,
        client_secret: str | None,
        acts_for: ActsFor | None,
        scope: str | Iterable[str],
        resource: str | None,
    ) -> Self:
        """The account, every part checked.

        Raises:
            Misconfigured: a part that cannot be right.
        """
        kind: ActsFor = acts_for or ("client" if client_secret else "user")
        if kind not in ("user", "client"):
            raise Misconfigured("acts_for is 'user' or 'client'")
        if not client_id:
            raise Misconfigured("a client id is needed")
        if client_secret is not None and not client_secret:
            raise Misconfigured("the client secret is empty")
        if kind == "client" and client_secret is None:
            raise Misconfigured("a client that speaks for itself needs its secret")
        try:
            return cls(
                issuer=metadata.parse_issuer(issuer),
                client_id=client_id,
                client_secret=client_secret,
                acts_for=kind,
                scope=Scope.parse(scope) if isinstance(scope, str) else Scope.of(scope),
                resource=None if resource is None else resource_indicator.parse_resource(resource),
            )
        except ValueError as error:
            raise Misconfigured(str(error)) from None

    @property
    def key(self) -> str:
        """Names the access token of this account among those that share one sign-in."""
        return f"{self.resource or ''} {self.scope}"
