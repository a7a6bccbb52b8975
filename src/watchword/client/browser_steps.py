"""The runs that sign a user in by a browser: one before it, one after. Pure.

Between the two a user is at work, so nothing is locked. The second takes the lock, spends the code, believes nothing
that the ID token does not bear out, and saves; tokens that came with a wrong ID token are handed back, not kept.

Implements: RFC 6749 §4.1; RFC 7636 §4.5; RFC 9207 §2.4; RFC 9470 §4; OpenID Connect Core 1.0 §3.1.3, §3.1.3.7.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from watchword.client.account import Account
from watchword.client.authorization import Begun, Transaction, Wish, address, take_code
from watchword.client.errors import ClientError, Misconfigured, SignInAgain
from watchword.client.identity import Identity
from watchword.client.messages import (
    USER_AGENT,
    Answer,
    NoAnswer,
    Refusal,
    Request,
    Unreachable,
    code_request,
    read_tokens,
)
from watchword.client.refresh_steps import anybodys
from watchword.client.sign_in_steps import hand_back
from watchword.client.steps import Discovered, Draw, Save, Steps, Unlock, discover, exchange, lock, look, misconfigured
from watchword.client.token_state import Held
from watchword.protocol import id_token, jwk_set
from watchword.protocol.authentication_class import satisfies
from watchword.protocol.jws import VerificationKey
from watchword.protocol.metadata import Metadata
from watchword.protocol.rejection import TokenRejected
from watchword.protocol.token_response import TokenResponse

# The nonce proves that an ID token is fresh, so a clock that is off by this many seconds keeps nobody out.
LEEWAY: Final = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """An answer to a sign-in that was begun."""

    account: Account
    transaction: Transaction
    answer: Sequence[tuple[str, str]]
    discovered: Discovered | None = None


def begin(account: Account, wish: Wish, *, redirect_uri: str, discovered: Discovered | None) -> Steps[Begun]:
    """A new transaction, and where its browser goes.

    Raises:
        TryLater: the issuer's metadata cannot be read.
        Misconfigured: the issuer has no sign-in by browser, or the source is no user's.
    """
    if account.acts_for != "user":
        raise Misconfigured("this source speaks for the client itself: give acts_for='user' to sign a user in")
    metadata = yield from discover(account, discovered)
    if metadata.authorization_endpoint is None:
        raise Misconfigured("the issuer has no authorization_endpoint", reason="no_browser_sign_in")
    state: str = yield Draw()
    nonce: str = yield Draw()
    verifier: str = yield Draw()
    moment = yield from look()
    transaction = Transaction(
        issuer=account.issuer,
        client_id=account.client_id,
        redirect_uri=redirect_uri,
        state=state,
        nonce=nonce,
        verifier=verifier,
        begun_at=moment.now,
        wish=wish,
    )
    return Begun(address(transaction, metadata.authorization_endpoint), transaction)


def finish(ask: Finish) -> Steps[tuple[Held, Identity | None]]:
    """Take the answer, keep the tokens, and hand back what was held before. No identity where none was asked for.

    Raises:
        SignInAgain: not the answer to this transaction, refused, too late, or with a wrong ID token.
        TryLater, Misconfigured: as their names say. What was held before stays held.
    """
    account, transaction = ask.account, ask.transaction
    if not transaction.belongs_to(account):
        raise SignInAgain("the sign-in was begun by another client", reason="wrong_answer")
    moment = yield from look()
    code = take_code(transaction, ask.answer, now=moment.now)
    metadata = yield from discover(account, ask.discovered)
    # Before the code is spent: with keys that cannot be had nothing could be believed.
    keys = (yield from _keys(metadata)) if "openid" in transaction.wish.scope else {}
    yield from lock(_nothing)
    before = yield from anybodys()
    response, sent_at = yield from _redeem(account, metadata, transaction, code)
    generation = 1 if before is None else before.generation + 1
    held = Held.first(account, response, sent_at=sent_at, asked=transaction.wish.asked, generation=generation)
    moment = yield from look()
    try:
        identity = _identity(transaction, response, keys, now=moment.now)
    except SignInAgain:
        yield Unlock()
        with suppress(ClientError):
            yield from hand_back(account, metadata, held, attempts=1)
        raise
    yield Save(held)
    yield Unlock()
    if before is not None and before.belongs_to(account) and before.refresh_token not in (None, held.refresh_token):
        with suppress(ClientError):  # best effort: it is dead, or ends by itself
            yield from hand_back(account, metadata, before, attempts=1)
    return held, identity


def _redeem(
    account: Account, metadata: Metadata, transaction: Transaction, code: str
) -> Steps[tuple[TokenResponse, float]]:
    request = code_request(
        account,
        metadata.token_endpoint,
        code=code,
        verifier=transaction.verifier,
        redirect_uri=transaction.redirect_uri,
    )
    response, sent_at = yield from exchange(request, read_tokens)
    if isinstance(response, TokenResponse):
        return response, sent_at
    if response.code == "invalid_grant":
        raise SignInAgain("the issuer did not take the code: it is spent or too old", reason="code_spent")
    raise misconfigured(response)


def _keys(metadata: Metadata) -> Steps[dict[str, VerificationKey]]:
    found, _ = yield from exchange(keys_request(metadata), read_keys)
    if isinstance(found, Refusal):
        raise misconfigured(found)
    return found


def keys_request(metadata: Metadata) -> Request:
    """Asks for the issuer's keys."""
    return Request("GET", metadata.jwks_uri, (("Accept", "application/json"), ("User-Agent", USER_AGENT)))


def read_keys(reply: Answer | Unreachable) -> dict[str, VerificationKey] | Refusal | NoAnswer:
    """The issuer's keys by their names."""
    if not isinstance(reply, Answer):
        return NoAnswer(reply.reason)
    if reply.status != 200:
        return NoAnswer(f"the server answered {reply.status}", reply.retry_after)
    try:
        return jwk_set.parse(reply.body)
    except ValueError as error:
        return Refusal("wrong_keys", str(error))


def _identity(
    transaction: Transaction, response: TokenResponse, keys: dict[str, VerificationKey], *, now: float
) -> Identity | None:
    if "openid" not in transaction.wish.scope:
        return None
    if response.id_token is None:
        raise SignInAgain("openid was asked for, and no ID token came", reason="wrong_id_token")
    wish = transaction.wish
    # Judged as of the beginning: what the user took on the issuer's pages does not make his sign-in stale.
    max_age = None if wish.max_age is None else wish.max_age + max(0.0, now - transaction.begun_at)
    try:
        token = id_token.verify(
            response.id_token,
            keys.get,
            issuer=transaction.issuer,
            client_id=transaction.client_id,
            nonce=transaction.nonce,
            access_token=response.access_token,
            now=now,
            leeway=LEEWAY,
            max_age=max_age,
        )
    except TokenRejected as error:
        raise SignInAgain(f"the ID token is not good: {error.reason}", reason="wrong_id_token") from None
    # OpenID Connect Core 1.0 §3.1.3.7, 12: whoever asked for ``acr`` checks that the claim's value is appropriate.
    if not satisfies(token.acr or "", wish.acr_values):
        raise SignInAgain("the sign-in is weaker than what was asked for", reason="unmet_authentication_requirements")
    return Identity(
        issuer=token.issuer,
        subject=token.subject,
        session_id=token.sid,
        auth_time=token.auth_time,
        acr=token.acr,
        amr=token.amr,
        claims=token.claims,
        id_token=response.id_token,
    )


def _nothing() -> Steps[None]:
    """Keep waiting."""
    yield from ()
