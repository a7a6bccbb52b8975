"""What a source remembers between runs, and how it takes an outcome: the part that both sources share."""

import copy
import secrets
from collections.abc import Iterable
from typing import Final

from watchword.client.account import Account
from watchword.client.authorization import Wish
from watchword.client.errors import Misconfigured, TryLater
from watchword.client.refresh_steps import Ask, Failed, Outcome, Renewed, Trouble
from watchword.client.second_step import SecondStep
from watchword.client.sign_in_steps import GoOn, SignIn
from watchword.client.steps import Discovered, Draw, Look, Moment, Remember
from watchword.client.token_state import Access, Held
from watchword.protocol.resource_indicator import parse_resource
from watchword.protocol.scope import Scope
from watchword.protocol.step_up import SignInDemand

# A resource server that refuses every token may not turn each call into a refresh.
FORCED_PAUSE: Final = 10.0
_dice = secrets.SystemRandom()


class SourceMemory:
    """Held tokens, the last trouble, the issuer's metadata, and the jitter of the present token.

    Its values are immutable and replaced whole, so threads may read while one writes.
    """

    def __init__(self, account: Account) -> None:
        self.account = account
        self._held: Held | None = None
        self._trouble: Trouble | None = None
        self._discovered: Discovered | None = None
        self._jitter = _dice.random()
        self._forced: tuple[str | None, float] = (None, 0.0)

    def fresh(self, now: float, *, refused: str | None = None) -> str | None:
        """The token to hand out without any ado, or None: it is due, and a try may be made."""
        access = self._good(now, refused)
        if access is None:
            return None
        if self._trouble is not None and self._trouble.holds(now):
            return access.token
        if self._held is not None and self._held.refresh_token is None and self.account.acts_for == "user":
            return access.token
        return None if access.due(now, self._jitter) else access.token

    def usable(self, now: float, *, refused: str | None = None) -> str | None:
        """The token that is good for a while, due or not."""
        access = self._good(now, refused)
        return None if access is None else access.token

    def just_forced(self, refused: str, now: float) -> bool:
        """Whether ``refused`` itself came from a refresh that a refusal forced a moment ago."""
        token, at = self._forced
        return token == refused and 0 <= now - at < FORCED_PAUSE

    def ask(self, refused: str | None = None) -> Ask:
        """What the next run wants."""
        return Ask(
            account=self.account,
            jitter=self._jitter,
            known=self._held,
            discovered=self._discovered,
            trouble=self._trouble,
            refused=refused,
        )

    def ask_sign_in(
        self, username: str, password: str, *, scope: str | Iterable[str] | None, resources: Iterable[str]
    ) -> SignIn:
        """What a sign-in wants.

        Raises:
            Misconfigured: a malformed scope or resource.
        """
        asked, named = self._asked(scope, resources)
        return SignIn(
            account=self.account,
            username=username,
            password=password,
            scope=asked,
            resources=named,
            discovered=self._discovered,
        )

    def ask_second_step(self, step: SecondStep, *, otp: str, recovery_code: str) -> GoOn:
        """What a second step wants.

        Raises:
            ValueError: not exactly one code.
        """
        if bool(otp) == bool(recovery_code):
            raise ValueError("give one of otp and recovery_code")
        code = ("otp", otp) if otp else ("recovery_code", recovery_code)
        return GoOn(account=self.account, step=step, code=code, discovered=self._discovered)

    def wish(
        self,
        *,
        scope: str | Iterable[str] | None = None,
        resources: Iterable[str] = (),
        login_hint: str | None = None,
        max_age: int | None = None,
        acr_values: str | Iterable[str] = (),
    ) -> Wish:
        """What a sign-in by browser asks for, out of ``SignInWishes``.

        Raises:
            Misconfigured: a malformed scope or resource, an age that is none, or malformed names of classes.
        """
        try:
            demand = SignInDemand.of(max_age=max_age, acr_values=acr_values) or SignInDemand()
        except ValueError as error:
            raise Misconfigured(str(error)) from None
        asked, named = self._asked(scope, resources)
        return Wish(
            scope=tuple(sorted(asked)),
            resources=named,
            login_hint=login_hint,
            max_age=demand.max_age,
            acr_values=demand.acr_values,
        )

    def _asked(self, scope: str | Iterable[str] | None, resources: Iterable[str]) -> tuple[Scope, tuple[str, ...]]:
        own = self.account
        named = [] if own.resource is None else [own.resource]
        try:
            asked = own.scope if scope is None else Scope.parse(scope) if isinstance(scope, str) else Scope.of(scope)
            named += [parse_resource(text) for text in resources if text != own.resource]
        except ValueError as error:
            raise Misconfigured(str(error)) from None
        return asked, tuple(named)

    @property
    def discovered(self) -> Discovered | None:
        """The issuer's metadata, where it was read before."""
        return self._discovered

    def take(self, outcome: Outcome, *, forced_at: float | None) -> None:
        """Take over what a run came to; ``forced_at`` is when it ended, if a refused token had forced it."""
        if isinstance(outcome, Failed):
            self._held, self._trouble = outcome.held, outcome.trouble
            return
        self.hold(outcome.held)
        self._trouble = None if isinstance(outcome, Renewed) else outcome.trouble
        if forced_at is not None:
            self._forced = (outcome.access.token, forced_at)

    def hold(self, held: Held | None) -> None:
        """Replace what is held."""
        before = None if self._held is None else self._held.access_for(self.account)
        after = None if held is None else held.access_for(self.account)
        if before != after:
            self._jitter = _dice.random()
        self._held, self._trouble = held, None

    def answer(self, step: Look | Draw | Remember, now: float) -> Moment | str | None:
        """The result of a step that takes no time."""
        match step:
            case Look():
                return Moment(now, _dice.random())
            case Draw():
                return secrets.token_urlsafe(32)  # RFC 7636 §4.1: 256 random bits
            case Remember(found):
                self._discovered = found
        return None

    def _good(self, now: float, refused: str | None) -> Access | None:
        access = None if self._held is None else self._held.access_for(self.account)
        return None if access is None or access.token == refused or not access.usable(now) else access


def token_of(outcome: Outcome) -> str:
    """The token to hand out.

    Raises:
        ClientError: the outcome's error; a copy for each caller, since many may wait for one run.
    """
    if isinstance(outcome, Failed):
        raise copy.copy(outcome.error)
    return outcome.access.token


def store_trouble(error: OSError) -> TryLater:
    """The error behind trouble in the store; without its own text, which nobody vouches for."""
    return TryLater(f"the token store is in trouble: {error.strerror or type(error).__name__}", reason="store")
