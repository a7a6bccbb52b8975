"""The runs that begin and end what is held: a first-party sign-in, and signing out. Pure.

The name and the password pass through and are kept nowhere. A sign-in takes the lock first: a refresh that another
process has under way ends before, and none begins in between.

Implements: draft-ietf-oauth-first-party-apps §4, §5, §5.3.1; RFC 6749 §4.1.3; RFC 7636 §4; RFC 7009 §2.
Diverges: an ID token in the answer is neither read nor kept; what is not read cannot deceive.
"""

from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Final

from watchword.client.account import Account
from watchword.client.errors import ClientError, Misconfigured, SecondStepNeeded, SignInAgain, TryLater
from watchword.client.messages import (
    MoreWanted,
    Refusal,
    Request,
    challenge_request,
    code_request,
    read_code,
    read_revocation,
    read_tokens,
    revocation_request,
    second_step_request,
)
from watchword.client.refresh_steps import anybodys
from watchword.client.second_step import SecondStep
from watchword.client.steps import (
    Discovered,
    Draw,
    Save,
    Steps,
    Unlock,
    Wait,
    discover,
    exchange,
    lock,
    look,
    misconfigured,
)
from watchword.client.token_state import Held
from watchword.protocol.metadata import Metadata
from watchword.protocol.scope import Scope
from watchword.protocol.token_response import TokenResponse

_ROUNDS: Final = 3
_PAUSE: Final = 0.5
# What the challenge endpoint says when the user, and nobody else, can do something about it.
_USERS_AFFAIR: Final = {
    "insufficient_authorization": "credentials",
    "invalid_credentials": "credentials",
    "access_denied": "credentials",
    "redirect_to_web": "redirect_to_web",
    "invalid_session": "invalid_session",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """Who signs in, and for what.

    Attributes:
        scope, resources: what this sign-in may be used for, by all sources that will share it.
    """

    account: Account
    username: str = field(repr=False)
    password: str = field(repr=False)
    scope: Scope
    resources: tuple[str, ...]
    discovered: Discovered | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GoOn:
    """The second step of a sign-in. ``code``: what it is called at the issuer, and what the user typed."""

    account: Account
    step: SecondStep
    code: tuple[str, str] = field(repr=False)
    discovered: Discovered | None = None

    @property
    def scope(self) -> Scope:
        """What this sign-in was asked for."""
        return self.step.scope


def sign_in(ask: SignIn | GoOn) -> Steps[Held]:
    """Sign the user in, keep the tokens, and hand back what was held before.

    Raises:
        SecondStepNeeded: the password is right and does not do alone; or the code after it is wrong.
        SignInAgain: name or password are wrong, or more is needed than can be done here; or it took too long.
        TryLater, Misconfigured: as their names say. What was held before stays held.
    """
    account = ask.account
    if account.acts_for != "user":
        raise Misconfigured("this source speaks for the client itself: give acts_for='user' to sign a user in")
    metadata = yield from discover(account, ask.discovered)
    endpoint = metadata.authorization_challenge_endpoint
    if endpoint is None:
        raise Misconfigured("the issuer has no authorization_challenge_endpoint", reason="no_first_party_sign_in")
    yield from lock(_nothing)
    before = yield from anybodys()
    get = _tokens(ask, metadata, endpoint) if isinstance(ask, SignIn) else _tokens_at_last(ask, metadata, endpoint)
    response, sent_at = yield from get
    generation = 1 if before is None else before.generation + 1
    held = Held.first(account, response, sent_at=sent_at, asked=ask.scope, generation=generation)
    yield Save(held)
    yield Unlock()
    if before is not None and before.belongs_to(account) and before.refresh_token not in (None, held.refresh_token):
        with suppress(ClientError):  # best effort: it is dead, or ends by itself
            yield from hand_back(account, metadata, before, attempts=1)
    return held


def sign_out(account: Account, discovered: Discovered | None) -> Steps[None]:
    """Empty the store, then end the grant at the issuer.

    Raises:
        TryLater: nothing is held here any more, but the issuer could not be told: its grant lives until it ends.
        Misconfigured: likewise, for a reason that waiting does not cure.
    """
    yield from lock(_nothing)
    held = yield from anybodys()
    if held is None or not held.belongs_to(account):
        return
    # First here: whoever signs out on a borrowed machine may not wait for a slow network.
    yield Save(None)
    yield Unlock()
    metadata = yield from discover(account, discovered)
    yield from hand_back(account, metadata, held)


def _tokens(ask: SignIn, metadata: Metadata, challenge_endpoint: str) -> Steps[tuple[TokenResponse, float]]:
    """A code answers once, so where the answer to it is lost, the sign-in starts again, with a new verifier."""
    for round_ in range(1, _ROUNDS + 1):
        verifier: str = yield Draw()
        request = challenge_request(
            ask.account,
            challenge_endpoint,
            username=ask.username,
            password=ask.password,
            verifier=verifier,
            scope=str(ask.scope),
            resources=ask.resources,
        )
        code = yield from _code(request)
        if isinstance(code, MoreWanted):
            step = SecondStep(methods=code.methods, auth_session=code.auth_session, verifier=verifier, scope=ask.scope)
            raise SecondStepNeeded("the password is right, and a second step is needed", step=step)
        request = code_request(ask.account, metadata.token_endpoint, code=code, verifier=verifier)
        try:
            response, sent_at = yield from exchange(request, read_tokens, attempts=1)
        except TryLater as error:
            if round_ == _ROUNDS or error.retry_after > _PAUSE * 4:
                raise
        else:
            if isinstance(response, TokenResponse):
                return response, sent_at
            if response.code != "invalid_grant":
                raise misconfigured(response)
        moment = yield from look()
        yield Wait(_PAUSE * round_ * (0.5 + moment.chance / 2))
    raise TryLater("the issuer did not take its own code", reason="code_refused")


def _tokens_at_last(ask: GoOn, metadata: Metadata, challenge_endpoint: str) -> Steps[tuple[TokenResponse, float]]:
    """The user's code works once, so where the answer to it is lost, only he can start again."""
    step = ask.step
    request = second_step_request(ask.account, challenge_endpoint, auth_session=step.auth_session, code=ask.code)
    code = yield from _code(request)
    if isinstance(code, MoreWanted):
        # The draft, §5.3.1: clients "MUST NOT assume that auth_session values are static".
        step = replace(step, auth_session=code.auth_session, methods=code.methods)
        raise SecondStepNeeded("the code is not right", step=step, reason="wrong_code")
    request = code_request(ask.account, metadata.token_endpoint, code=code, verifier=step.verifier)
    try:
        response, sent_at = yield from exchange(request, read_tokens, attempts=1)
    except TryLater:
        raise SignInAgain("the answer was lost on its way", reason="answer_lost") from None
    if isinstance(response, Refusal):
        raise misconfigured(response)
    return response, sent_at


def _code(request: Request) -> Steps[str | MoreWanted]:
    found, _ = yield from exchange(request, read_code)
    if isinstance(found, Refusal) and not isinstance(found, MoreWanted):
        raise _refused(found)
    return found


def hand_back(account: Account, metadata: Metadata, held: Held, *, attempts: int = 3) -> Steps[None]:
    """End what is held at the issuer.

    Raises:
        TryLater, Misconfigured: the issuer could not be told, or did not take it.
    """
    if metadata.revocation_endpoint is None:
        return
    if held.refresh_token is not None:
        tokens = [(held.refresh_token, "refresh_token")]
    else:
        tokens = [(access.token, "access_token") for access in held.access.values()]
    for token, hint in tokens:
        request = revocation_request(account, metadata.revocation_endpoint, token=token, hint=hint)
        found, _ = yield from exchange(request, read_revocation, attempts=attempts)
        if isinstance(found, Refusal):
            raise misconfigured(found)


def _refused(refusal: Refusal) -> SignInAgain | Misconfigured:
    reason = _USERS_AFFAIR.get(refusal.code)
    if reason is None:
        return misconfigured(refusal)
    if reason == "invalid_session":
        return SignInAgain("the second step came too late, or was taken already", reason=reason)
    if reason == "credentials":
        return SignInAgain("the user name or the password is wrong, or more is needed than a password", reason=reason)
    return SignInAgain("this account signs in with a browser", reason=reason)


def _nothing() -> Steps[None]:
    """Keep waiting."""
    yield from ()
