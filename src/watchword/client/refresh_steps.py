"""The run that gets an access token: from the store, by a refresh, or by client credentials. Pure.

Read top to bottom: is there one already, may we try, whose turn is it, ask, save, hand out. Laws:

- a new refresh token is saved before its access token is handed out;
- nothing but ``invalid_grant`` gives up a refresh token, and only after the store was read again;
- trouble leaves a good access token in use, and spreads the next tries.

Implements: RFC 6749 §4.4, §6; RFC 9700 §4.14.2 (one holder, one chain).
"""

from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeAlias

from watchword.client import token_state
from watchword.client.account import Account
from watchword.client.errors import ClientError, Misconfigured, SignInAgain, TryLater
from watchword.client.messages import Request, client_credentials_request, read_tokens, refresh_request
from watchword.client.steps import (
    ATTEMPTS,
    Discovered,
    Moment,
    Save,
    Steps,
    discover,
    exchange,
    load,
    lock,
    look,
    misconfigured,
)
from watchword.client.token_state import Access, Held
from watchword.protocol.metadata import Metadata
from watchword.protocol.token_response import TokenResponse

_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 60.0
_LONGEST_RETRY_AFTER: Final = 300.0
_REREADS: Final = 3


@dataclass(frozen=True, slots=True)
class Trouble:
    """The last try failed; no other is made before ``retry_at`` (seconds since the epoch)."""

    failures: int
    retry_at: float
    error: TryLater | Misconfigured

    @classmethod
    def after(cls, before: "Trouble | None", error: TryLater | Misconfigured, moment: Moment) -> "Trouble":
        """The pause doubles with each failure, up to a minute, and is spread by half of it."""
        failures = 1 if before is None else before.failures + 1
        pause = min(_FIRST_PAUSE * 2 ** min(failures - 1, 10), _LONGEST_PAUSE) * (0.5 + moment.chance / 2)
        if isinstance(error, TryLater) and error.retry_after:
            # A server that says "in 5 seconds" to thousands does not want all of them in the same one.
            pause = max(pause, min(error.retry_after, _LONGEST_RETRY_AFTER) * (1 + moment.chance / 2))
        return cls(failures, moment.now + pause, error)

    def holds(self, now: float) -> bool:
        """Whether no try is made yet; a clock that was set back opens the gate."""
        return 0 < self.retry_at - now <= _LONGEST_RETRY_AFTER * 2

    def again(self, now: float) -> TryLater | Misconfigured:
        """The error to raise while no try is made."""
        if isinstance(self.error, TryLater):
            return TryLater(str(self.error), reason=self.error.reason, retry_after=max(self.retry_at - now, 0.0))
        return Misconfigured(str(self.error), reason=self.error.reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What is wanted, and what the source remembers.

    Attributes:
        known: what the source last held; used where the store cannot be read.
        jitter: from 0 to 1, the same for the life of one access token.
        refused: an access token that a resource server refused: any other is welcome.
    """

    account: Account
    jitter: float
    known: Held | None = None
    discovered: Discovered | None = None
    trouble: Trouble | None = None
    refused: str | None = None


@dataclass(frozen=True, slots=True)
class Renewed:
    """A fresh access token, from the server or from the store."""

    held: Held
    access: Access


@dataclass(frozen=True, slots=True)
class StillGood:
    """No fresh one for now; the one at hand is good for a while. ``trouble`` is None when another is renewing it."""

    held: Held
    access: Access
    trouble: Trouble | None


@dataclass(frozen=True, slots=True)
class Failed:
    """No token. ``trouble`` is None when only a sign-in can help."""

    held: Held | None
    error: ClientError
    trouble: Trouble | None


Outcome: TypeAlias = Renewed | StillGood | Failed


def renew(ask: Ask) -> Steps[Outcome]:
    """The run. Never raises a ``ClientError``: every end is an outcome."""
    held = ask.known
    try:
        held = yield from stored(ask.account)
        moment = yield from look()
        fresh = _fresh(ask, held, moment.now)
        if fresh is not None:
            return fresh
        if ask.trouble is not None and ask.trouble.holds(moment.now):
            return _without(ask, held, ask.trouble, moment.now)
        return (yield from _renew(ask, held))
    except SignInAgain as error:
        return Failed(None, error, None)
    except (TryLater, Misconfigured) as error:
        moment = yield from look()
        return _without(ask, held, Trouble.after(ask.trouble, error, moment), moment.now)


def stored(account: Account) -> Steps[Held | None]:
    """What the store holds of the account; what belongs to another issuer or client is not ours to use.

    Raises:
        Misconfigured: the store holds somebody else's living sign-in, which must not be written over.
    """
    held = yield from anybodys()
    if held is None or held.belongs_to(account):
        return held
    if account.acts_for == "client" and held.refresh_token is not None and not held.over:
        raise Misconfigured("the store holds the sign-in of another account: give each its own", reason="store_shared")
    return None


def anybodys() -> Steps[Held | None]:
    """What the store holds, whosever it is.

    Raises:
        Misconfigured: it was written by a newer version.
    """
    text = yield from load()
    try:
        return None if text is None else token_state.parse(text)
    except ValueError as error:
        raise Misconfigured(str(error), reason="store_newer") from None


def _renew(ask: Ask, seen: Held | None) -> Steps[Outcome]:
    account = ask.account
    _require_sign_in(account, seen)
    moment = yield from look()
    # With a good token in hand nobody is made to wait for a second attempt.
    attempts = ATTEMPTS if _good(ask, seen, moment.now) is None else 1
    metadata = yield from discover(account, ask.discovered, attempts=attempts)
    others = yield from lock(partial(_others_work, ask))
    if others is not None:
        return others
    held = yield from stored(account)
    moment = yield from look()
    fresh = _fresh(ask, held, moment.now)
    if fresh is not None:  # another process was here while we waited
        return fresh
    _require_sign_in(account, held)
    for _ in range(_REREADS):
        request = _request(account, metadata, held)
        found, sent_at = yield from exchange(request, read_tokens, attempts=attempts)
        if isinstance(found, TokenResponse):
            renewed = _after(account, held, found, sent_at)
            yield Save(renewed)
            return Renewed(renewed, renewed.access[account.key])
        if found.code != "invalid_grant" or account.acts_for == "client" or held is None:
            raise misconfigured(found)
        # Somebody who does not share our lock may have rotated the token, or signed in anew.
        newer = yield from stored(account)
        _require_sign_in(account, newer)
        if newer is not None and newer.refresh_token == held.refresh_token:
            yield from _give_up(held)
        held = newer
        moment = yield from look()
        fresh = _fresh(ask, held, moment.now)
        if fresh is not None:
            return fresh
    raise TryLater("others keep changing the store", reason="locked")


def _give_up(held: Held) -> Steps[None]:
    with suppress(TryLater, Misconfigured):  # the next one asks the server once more, and hears the same
        yield Save(held.ended())
    raise SignInAgain("the grant is over: sign in again", reason="grant_over")


def _request(account: Account, metadata: Metadata, held: Held | None) -> Request:
    if account.acts_for == "client":
        return client_credentials_request(account, metadata.token_endpoint)
    if held is None or held.refresh_token is None:
        raise SignInAgain
    # RFC 6749 §6: the scope "MUST NOT include any scope not originally granted". The server may have granted less
    # than was asked, so all of it is asked for by leaving it out; another source's part of it is named.
    scope = str(account.scope)
    narrower = "" if scope == held.asked else scope
    return refresh_request(account, metadata.token_endpoint, refresh_token=held.refresh_token, scope=narrower)


def _after(account: Account, held: Held | None, response: TokenResponse, sent_at: float) -> Held:
    if held is None:
        return Held.first(account, response, sent_at=sent_at, asked=account.scope)
    return held.renewed(account, response, sent_at=sent_at)


def _others_work(ask: Ask) -> Steps[Outcome | None]:
    """While another holds the lock: what it has brought, or the token that is good meanwhile."""
    held = yield from stored(ask.account)
    moment = yield from look()
    fresh = _fresh(ask, held, moment.now)
    if fresh is not None:
        return fresh
    good = _good(ask, held, moment.now)
    return None if good is None or held is None else StillGood(held, good, None)


def _fresh(ask: Ask, held: Held | None, now: float) -> Renewed | None:
    access = _good(ask, held, now)
    if held is None or access is None:
        return None
    renewable = ask.account.acts_for == "client" or held.refresh_token is not None
    return None if renewable and access.due(now, ask.jitter) else Renewed(held, access)


def _good(ask: Ask, held: Held | None, now: float) -> Access | None:
    access = None if held is None else held.access_for(ask.account)
    return None if access is None or access.token == ask.refused or not access.usable(now) else access


def _without(ask: Ask, held: Held | None, trouble: Trouble, now: float) -> StillGood | Failed:
    good = _good(ask, held, now)
    if good is not None and held is not None:
        return StillGood(held, good, trouble)
    return Failed(held, trouble.again(now), trouble)


def _require_sign_in(account: Account, held: Held | None) -> None:
    if account.acts_for == "client":
        return
    if held is not None and held.over:
        raise SignInAgain("the grant is over: sign in again", reason="grant_over")
    if held is None or held.refresh_token is None:
        raise SignInAgain
