"""What goes to the server and what comes back, without any HTTP library. Pure.

An answer is one of three: what was asked for, a ``Refusal`` in the protocol's own words, or ``NoAnswer``: nothing
certain was said, whatever the status. Tokens are never given up on less than a refusal.

Implements: RFC 6749 §2.3.1, §3.2, §4.1.3, §4.4.2, §5.2, §6; RFC 7009 §2.1; RFC 8414 §3.1, §3.3; RFC 8707 §2;
RFC 7636 §4.3, §4.5; RFC 9110 §10.2.3.
"""

import base64
import re
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import quote_plus, urlencode

import msgspec

from watchword.client.account import Account
from watchword.protocol import metadata, pkce, token_response
from watchword.protocol.metadata import Metadata
from watchword.protocol.token_response import TokenResponse

# The server takes network and user agent for the caller, so a new version of this library must not change it.
USER_AGENT: Final = "watchword-client"
# Codes that state no certainty, whatever the status they come with.
_UNCERTAIN: Final = frozenset({"server_error", "temporarily_unavailable", "too_many_requests", "slow_down"})
_CODE = re.compile(r"[a-z][a-z0-9_]{0,63}\Z", re.ASCII)
_TOKEN = re.compile(r"[!-~]{1,16384}\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Request:
    """A request to the issuer. Its text is secret, so its repr is not its text."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    def __repr__(self) -> str:
        return f"Request({self.method} {self.url})"


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer. ``retry_after``: seconds, where the server said so."""

    status: int
    body: bytes
    retry_after: float | None = None

    def __repr__(self) -> str:
        return f"Answer({self.status})"


@dataclass(frozen=True, slots=True)
class Unreachable:
    """No answer: refused, cut off, too late, too long. Whether the request was carried out is not known."""

    reason: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """A certain no."""

    code: str
    description: str = ""

    def __str__(self) -> str:
        return f"{self.code}: {self.description}" if self.description else self.code


@dataclass(frozen=True, slots=True)
class MoreWanted(Refusal):
    """What was sent is right, and more is wanted. ``auth_session`` goes on with it."""

    auth_session: str = field(default="", repr=False)
    methods: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """Nothing certain was said: ask again."""

    reason: str
    retry_after: float | None = None


def metadata_request(issuer: str) -> Request:
    """Asks for the issuer's metadata."""
    return Request("GET", metadata.well_known(issuer), (("Accept", "application/json"), ("User-Agent", USER_AGENT)))


def refresh_request(account: Account, url: str, *, refresh_token: str, scope: str) -> Request:
    """Asks for a refresh; ``scope`` is empty for all that was granted."""
    form = [("grant_type", "refresh_token"), ("refresh_token", refresh_token)]
    return _post(account, url, form + _asked(account, scope))


def client_credentials_request(account: Account, url: str) -> Request:
    """Asks for a token of the client's own."""
    return _post(account, url, [("grant_type", "client_credentials"), *_asked(account, str(account.scope))])


def challenge_request(
    account: Account,
    url: str,
    *,
    username: str,
    password: str,
    verifier: str,
    scope: str,
    resources: tuple[str, ...],
) -> Request:
    """Signs a user in with name and password, for an authorization code."""
    form = [
        ("response_type", "code"),
        ("code_challenge", pkce.challenge_of(verifier)),
        ("code_challenge_method", pkce.METHOD),
        ("username", username),
        ("password", password),
        *([("scope", scope)] if scope else []),
        *(("resource", resource) for resource in resources),
    ]
    return _post(account, url, form)


def second_step_request(account: Account, url: str, *, auth_session: str, code: tuple[str, str]) -> Request:
    """Goes on with a sign-in, by a ``code``: what it is called, and what the user typed."""
    return _post(account, url, [("auth_session", auth_session), code])


def code_request(account: Account, url: str, *, code: str, verifier: str, redirect_uri: str | None = None) -> Request:
    """Exchanges the authorization code; with the redirect URI where the code came by one."""
    form = [("grant_type", "authorization_code"), ("code", code), ("code_verifier", verifier)]
    if redirect_uri is not None:
        form.append(("redirect_uri", redirect_uri))
    return _post(account, url, form + _asked(account, ""))


def revocation_request(account: Account, url: str, *, token: str, hint: str) -> Request:
    """Hands a token back."""
    return _post(account, url, [("token", token), ("token_type_hint", hint)])


def read_metadata(reply: Answer | Unreachable, issuer: str) -> Metadata | Refusal | NoAnswer:
    """The issuer's metadata. A page that is no JSON at all is the network's (a captive portal), not the issuer's."""
    if isinstance(reply, Answer) and reply.status == 404:
        return Refusal("no_metadata", f"there is no metadata at {metadata.well_known(issuer)}: is the issuer right?")
    if not isinstance(reply, Answer) or reply.status != 200:
        return _no_answer(reply)
    try:
        msgspec.json.decode(reply.body)
    except ValueError:
        return NoAnswer("the metadata is no JSON")
    try:
        return metadata.parse(reply.body, issuer=issuer)
    except ValueError as error:
        return Refusal("wrong_metadata", str(error))


def read_tokens(reply: Answer | Unreachable) -> TokenResponse | Refusal | NoAnswer:
    """The token endpoint's answer."""
    if not isinstance(reply, Answer) or reply.status != 200:
        return _refusal(reply)
    try:
        response = token_response.parse(reply.body)
    except ValueError:
        return NoAnswer("the answer is no token response")
    for token in (response.access_token, response.refresh_token):
        if token is not None and _TOKEN.match(token) is None:
            return NoAnswer("the answer holds no tokens")
    return response


def read_code(reply: Answer | Unreachable) -> str | Refusal | NoAnswer:
    """The authorization challenge endpoint's answer: a code, or the wish for more."""
    if not isinstance(reply, Answer) or reply.status != 200:
        found = _refusal(reply)
        more = _more_wanted(reply) if isinstance(reply, Answer) and isinstance(found, Refusal) else None
        return found if more is None else more
    try:
        return msgspec.json.decode(reply.body, type=_Code).authorization_code
    except ValueError:
        return NoAnswer("the answer holds no authorization code")


def read_revocation(reply: Answer | Unreachable) -> Refusal | NoAnswer | None:
    """The revocation endpoint's answer. RFC 7009 §2.2: 200, also for a token that is not known."""
    return None if isinstance(reply, Answer) and reply.status == 200 else _refusal(reply)


def parse_retry_after(text: str | None, *, now: float) -> float | None:
    """The seconds that a ``Retry-After`` asks for; None where it says nothing that can be understood."""
    if text is None:
        return None
    if re.fullmatch(r"[0-9]{1,9}", text.strip(), re.ASCII):
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except (ValueError, OverflowError):
        return None


class _Code(msgspec.Struct):
    authorization_code: str


class _More(msgspec.Struct):
    error: str
    auth_session: str
    methods: tuple[str, ...] = ()


def _more_wanted(answer: Answer) -> MoreWanted | None:
    try:
        said = msgspec.json.decode(answer.body, type=_More)
    except ValueError:
        return None
    if said.error != "insufficient_authorization" or _TOKEN.match(said.auth_session) is None:
        return None
    return MoreWanted(said.error, auth_session=said.auth_session, methods=said.methods)


class _Error(msgspec.Struct):
    error: str
    error_description: str = ""


def _post(account: Account, url: str, form: list[tuple[str, str]]) -> Request:
    headers = [
        ("Accept", "application/json"),
        ("Content-Type", "application/x-www-form-urlencoded"),
        ("User-Agent", USER_AGENT),
    ]
    if account.client_secret is None:
        form = [("client_id", account.client_id), *form]
    else:
        # RFC 6749 §2.3.1: both are "encoded using the "application/x-www-form-urlencoded" encoding algorithm" first.
        pair = f"{quote_plus(account.client_id)}:{quote_plus(account.client_secret)}"
        headers.append(("Authorization", "Basic " + base64.b64encode(pair.encode("ascii")).decode("ascii")))
    return Request("POST", url, tuple(headers), urlencode(form).encode("ascii"))


def _asked(account: Account, scope: str) -> list[tuple[str, str]]:
    asked = [("scope", scope)] if scope else []
    return asked if account.resource is None else [*asked, ("resource", account.resource)]


def _refusal(reply: Answer | Unreachable) -> Refusal | NoAnswer:
    if isinstance(reply, Answer) and 400 <= reply.status < 500 and reply.status not in (408, 425, 429):
        try:
            said = msgspec.json.decode(reply.body, type=_Error)
        except ValueError:
            return _no_answer(reply)  # a proxy's page, not the issuer's word
        if _CODE.match(said.error) and said.error not in _UNCERTAIN:
            return Refusal(said.error, _harmless(said.error_description))
    return _no_answer(reply)


def _no_answer(reply: Answer | Unreachable) -> NoAnswer:
    if isinstance(reply, Unreachable):
        return NoAnswer(reply.reason)
    return NoAnswer(f"the server answered {reply.status}", reply.retry_after)


def _harmless(description: str) -> str:
    """The server's sentence, unless it could carry a token or break a log line."""
    plain = description.isascii() and description.isprintable() and len(description) <= 200
    return description if plain and all(len(word) < 32 for word in description.split()) else ""
