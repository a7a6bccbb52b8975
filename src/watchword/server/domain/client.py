"""A client: an application that asks for tokens.

Implements: RFC 6749 §2, §2.1; RFC 7591 §2 (names of the metadata).
"""

from dataclasses import dataclass
from typing import Final, Literal

from watchword.protocol.scope import Scope
from watchword.server.domain.lifetimes import ProfileName
from watchword.server.domain.time import Instant

ClientType = Literal["public", "confidential"]
AuthMethod = Literal["client_secret_basic", "client_secret_post", "none"]
GrantType = Literal["authorization_code", "refresh_token", "client_credentials"]
Reuse = Literal["balanced", "strict"]

GRANT_TYPES: Final[tuple[GrantType, ...]] = ("authorization_code", "refresh_token", "client_credentials")
AUTH_METHODS: Final[tuple[AuthMethod, ...]] = ("client_secret_basic", "client_secret_post", "none")


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A registered client.

    Attributes:
        secret_hash: SHA-256 of the secret (256 random bits need no slow hash); None for a public client.
        name: what users read; None shows the id.
        requires_pkce: a confidential client of OpenID Connect may do without PKCE, where the operator said so.
        backchannel_logout_uri: hears of sessions that end (OpenID Connect Back-Channel Logout 1.0 §2.2).
        apis: audiences that it may ask for.
        serves: the audience whose resource server this client is: it may introspect its tokens and read the feed.
        origins: web origins that may call from a browser, beside those of the redirect URIs.
        disabled_until: tokens are given again only after this instant, once a disabled client was enabled.
    """

    client_id: str
    type: ClientType
    auth_method: AuthMethod
    created_at: Instant
    secret_hash: bytes | None = None
    grant_types: frozenset[GrantType] = frozenset()
    redirect_uris: tuple[str, ...] = ()
    post_logout_redirect_uris: tuple[str, ...] = ()
    backchannel_logout_uri: str | None = None
    origins: tuple[str, ...] = ()
    scope: Scope = Scope()
    apis: tuple[str, ...] = ()
    serves: str | None = None
    first_party: bool = False
    name: str | None = None
    requires_pkce: bool = True
    reuse: Reuse = "balanced"
    lifetime: ProfileName | None = None
    enabled: bool = True
    disabled_until: Instant = 0

    def __repr__(self) -> str:
        return f"Client({self.client_id!r}, {self.type!r}, enabled={self.enabled})"

    def __post_init__(self) -> None:
        if (self.type == "public") is not (self.auth_method == "none"):
            raise ValueError("a public client authenticates by none, a confidential one by a secret")
        if (self.secret_hash is None) is not (self.type == "public"):
            raise ValueError("a confidential client has a secret, a public one has none")
        # RFC 6749 §4.4: "The client credentials grant type MUST only be used by confidential clients."
        if self.type == "public" and "client_credentials" in self.grant_types:
            raise ValueError("client_credentials is for confidential clients")
        if self.type == "public" and not self.requires_pkce:
            raise ValueError("a public client needs PKCE")
        if self.type == "public" and self.serves is not None:
            raise ValueError("a client that serves an API must be confidential")

    @property
    def rotates(self) -> bool:
        """Whether its refresh tokens rotate: whoever proves a secret is the same caller, and keeps his token."""
        return self.type == "public"
