"""The authorization code flow seen by a client: the request that a browser carries, and the answer it brings. Pure.

Every transaction has a state, a nonce and a PKCE verifier of its own, and is bound to the issuer that it was begun
with. An answer counts only if state and issuer are the transaction's.

Implements: RFC 6749 §4.1.1, §4.1.2; RFC 7636 §4.1, §4.3; RFC 9207 §2.4; RFC 9700 §2.1.1, §4.4.2, §4.7; RFC 9470 §4;
OpenID Connect Core 1.0 §3.1.2.1; OpenID Connect RP-Initiated Logout 1.0 §2.
Diverges: an answer without ``iss`` is refused, whatever the metadata says of it.
"""

import hmac
from collections.abc import Iterable, Sequence
from typing import Final, TypedDict
from urllib.parse import parse_qsl, urlencode

import msgspec

from watchword.client.account import Account
from watchword.client.errors import ClientError, Misconfigured, SignInAgain, TryLater
from watchword.protocol import pkce
from watchword.protocol.scope import Scope

# How long a user may take, in seconds.
PATIENCE: Final = 600.0
_MAX_FIELDS: Final = 30
_MAX_ANSWER: Final = 16 * 1024
_MAX_CODE: Final = 2048
# Errors that another try, with the user's help, may cure.
_USERS_AFFAIR: Final = frozenset(
    {"login_required", "consent_required", "interaction_required", "account_selection_required"}
    | {"unmet_authentication_requirements"}
)
# RFC 6749 §4.1.2.1, OpenID Connect Core 1.0 §3.1.2.6, RFC 8707 §2: what somebody must mend. Only known words are
# passed on: whoever sent the browser here wrote this.
_SET_UP: Final = frozenset(
    {"invalid_request", "unauthorized_client", "unsupported_response_type", "invalid_scope", "invalid_target"}
    | {"request_not_supported", "request_uri_not_supported", "registration_not_supported"}
)


class SignInWishes(TypedDict, total=False):
    """What a sign-in by browser may be asked for, by keyword; each may be left out.

    Attributes:
        scope: wider than the source's own, where other sources will share the sign-in; a space-separated string or
            several strings.
        resources: further APIs, likewise.
        login_hint: the user name to fill in.
        max_age: seconds that the user's sign-in may lie back; 0 for a fresh one.
        acr_values: the strengths of sign-in that will do (RFC 9470); a space-separated string or several strings.
    """

    scope: str | Iterable[str] | None
    resources: Iterable[str]
    login_hint: str | None
    max_age: int | None
    acr_values: str | Iterable[str]


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of the user's sign-in.

    Attributes:
        scope, resources: what the sign-in may be used for, by all sources that will share it.
        login_hint: the user name to fill in.
        max_age: seconds that the sign-in may lie back; 0 for a fresh one.
        acr_values: the strengths that will do, in order of preference.
    """

    scope: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    login_hint: str | None = None
    max_age: int | None = None
    acr_values: tuple[str, ...] = ()

    @property
    def asked(self) -> Scope:
        """The scope."""
        return Scope(self.scope)


class Transaction(msgspec.Struct, frozen=True, kw_only=True):
    """One sign-in under way. It is secret: whoever holds it can finish the sign-in. ``begun_at``: epoch seconds."""

    issuer: str
    client_id: str
    redirect_uri: str
    state: str
    nonce: str
    verifier: str
    begun_at: float
    wish: Wish

    def __repr__(self) -> str:
        return f"Transaction(issuer={self.issuer!r}, client_id={self.client_id!r})"

    def belongs_to(self, account: Account) -> bool:
        """Whether it was begun by this account."""
        return (self.issuer, self.client_id) == (account.issuer, account.client_id)

    def is_over(self, now: float) -> bool:
        """Whether the user took too long, or the clock was set back."""
        return not -PATIENCE < now - self.begun_at < PATIENCE


class Begun(msgspec.Struct, frozen=True):
    """A sign-in that waits for its user: the address to send a browser to, and what to keep meanwhile."""

    url: str
    transaction: Transaction

    def __repr__(self) -> str:
        return f"Begun({self.transaction!r})"


def address(transaction: Transaction, endpoint: str) -> str:
    """Where the browser goes."""
    wish = transaction.wish
    asked = [
        ("response_type", "code"),
        ("client_id", transaction.client_id),
        ("redirect_uri", transaction.redirect_uri),
        ("state", transaction.state),
        ("code_challenge", pkce.challenge_of(transaction.verifier)),
        ("code_challenge_method", pkce.METHOD),
        *([("scope", str(wish.asked))] if wish.scope else []),
        *([("nonce", transaction.nonce)] if "openid" in wish.scope else []),
        *(("resource", resource) for resource in wish.resources),
        *([("login_hint", wish.login_hint)] if wish.login_hint else []),
        *([("max_age", str(wish.max_age))] if wish.max_age is not None else []),
        *([("acr_values", " ".join(wish.acr_values))] if wish.acr_values else []),
    ]
    return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(asked)}"


def farewell(account: Account, endpoint: str, *, id_token: str, return_to: str | None) -> str:
    """Where a browser goes to sign out at the issuer as well (OpenID Connect RP-Initiated Logout 1.0 §2)."""
    hints = [("id_token_hint", id_token), ("client_id", account.client_id)]
    if return_to is not None:
        hints.append(("post_logout_redirect_uri", return_to))
    return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(hints)}"


def parse_answer(text: str) -> list[tuple[str, str]]:
    """The parameters of an answer, from the query of a URL or the body of a form.

    Raises:
        SignInAgain: none that could be an answer.
    """
    if len(text) > _MAX_ANSWER:
        raise SignInAgain("the answer to the sign-in is too long", reason="wrong_answer")
    try:
        return parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=_MAX_FIELDS)
    except ValueError:
        raise SignInAgain("the answer to the sign-in is malformed", reason="wrong_answer") from None


def take_code(transaction: Transaction, answer: Sequence[tuple[str, str]], *, now: float) -> str:
    """The authorization code, if this is the answer to this transaction.

    Raises:
        SignInAgain: it is not, it comes too late, or the user or the issuer said no.
        TryLater: the issuer is in trouble.
        Misconfigured: the request was wrong for this client.
    """
    given = dict(answer)
    # RFC 6749 §3.1: parameters "MUST NOT be included more than once".
    if len(given) != len(answer):
        raise SignInAgain("the answer to the sign-in is malformed", reason="wrong_answer")
    if not _same(given.get("state"), transaction.state):
        raise SignInAgain("the answer is not to this sign-in (its state differs)", reason="wrong_state")
    # RFC 9207 §2.4: "If the value does not match the expected issuer identifier, clients MUST reject the
    # authorization response and MUST NOT proceed with the authorization grant."
    if not _same(given.get("iss"), transaction.issuer):
        raise SignInAgain("the answer is not this issuer's (its iss differs)", reason="wrong_issuer")
    if transaction.is_over(now):
        raise SignInAgain("the sign-in took too long", reason="abandoned")
    if "error" in given:
        raise _refused(given["error"])
    code = given.get("code", "")
    if not 0 < len(code) <= _MAX_CODE:
        raise SignInAgain("the answer holds no code", reason="wrong_answer")
    return code


def _refused(code: str) -> ClientError:
    if code == "access_denied":
        return SignInAgain("the sign-in was not allowed", reason="denied")
    if code in _USERS_AFFAIR:
        return SignInAgain(f"the issuer wants the user: {code}", reason=code)
    if code in ("server_error", "temporarily_unavailable"):
        return TryLater(f"the issuer cannot sign anybody in now: {code}", reason="unreachable")
    if code in _SET_UP:
        return Misconfigured(f"the issuer refused: {code}", reason=code)
    return SignInAgain("the issuer refused, in words that are not known", reason="wrong_answer")


def _same(given: str | None, expected: str) -> bool:
    return given is not None and hmac.compare_digest(given.encode(), expected.encode())
