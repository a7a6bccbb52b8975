"""An authorization request, as far as it was understood: what an application asks of a user's browser.

Implements: RFC 6749 §4.1.1; RFC 7636 §4.3; RFC 8707 §2.1; OpenID Connect Core 1.0 §3.1.2.1, §5.5; RFC 9470 §4.
"""

from dataclasses import dataclass
from typing import Literal

from watchword.protocol.scope import Scope

ResponseMode = Literal["query", "form_post"]
Prompt = Literal["none", "login", "consent", "select_account", "create"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationRequest:
    """The parameters, each known to be well-formed and allowed for the client.

    Attributes:
        redirect_uri: as it was sent; it matched a registered one.
        resources: as they were sent; ``audiences`` and ``scope`` are what may come of them.
        code_challenge: of S256; None for a confidential client that may do without.
        max_age: seconds that the sign-in may lie back; None for any.
        acr_values: the classes of sign-in that will do, weakest first; empty where any will.
        acr_wished: those of them that are wished for, and asked of who can reach one; empty where none are.
        hinted_sub: the user whom ``id_token_hint`` or ``claims`` names.
        id_token_claims: what ``claims`` wants in the ID token about the user.
        login_hint: what to fill in as the user name.
    """

    client_id: str
    redirect_uri: str
    response_mode: ResponseMode
    scope: Scope
    resources: tuple[str, ...]
    code_challenge: str | None
    state: str | None = None
    nonce: str | None = None
    prompt: frozenset[Prompt] = frozenset()
    max_age: int | None = None
    acr_values: tuple[str, ...] = ()
    acr_wished: tuple[str, ...] = ()
    hinted_sub: str | None = None
    id_token_claims: tuple[str, ...] = ()
    login_hint: str | None = None
    ui_locales: tuple[str, ...] = ()
