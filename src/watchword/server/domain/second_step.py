"""The second step of a sign-in: when a right password does not do alone, and what is known between the two steps.

Nothing is kept for a sign-in that is half done: what is known travels sealed, through the user's browser or client. It
gives nothing by itself, works for who was given it alone, once, and for ten minutes.

Implements: draft-ietf-oauth-first-party-apps §5.3.1; OWASP ASVS 5.0 §6.3.3, §6.5.5.
"""

import hashlib
import hmac
import json
from dataclasses import dataclass
from typing import Any, Final, Literal

from watchword.protocol import base64url
from watchword.protocol.authentication_class import ACR_PASSWORD, ACR_TWO_FACTOR, satisfies
from watchword.server.domain.factors import Factors
from watchword.server.domain.lifetimes import MINUTE
from watchword.server.domain.session import RECOVERY_CODE
from watchword.server.domain.time import Instant, Seconds
from watchword.server.domain.user import User

Door = Literal["pages", "session", "challenge"]
Method = Literal["otp", "recovery_code"]

LIFETIME: Final[Seconds] = 10 * MINUTE
NONCE_BYTES: Final = 16
AMR: Final[dict[Method, tuple[str, ...]]] = {
    "otp": ("pwd", "otp", "mfa"),
    "recovery_code": ("pwd", RECOVERY_CODE, "mfa"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a client at an API door asked for with the password, to be given after the second step."""

    scope: str
    resources: tuple[str, ...]
    code_challenge: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondStep:
    """A right password that does not do alone.

    Attributes:
        password_at: when it was right.
        password_mark: of its hash; another password kills the step.
        nonce: by which the step is marked as used.
        methods: what the user can take the second step with.
    """

    sub: str
    username: str
    epoch: int
    password_at: Instant
    password_mark: str
    nonce: bytes
    methods: tuple[Method, ...]
    wish: Wish | None = None

    def __repr__(self) -> str:
        return f"SecondStep(sub={self.sub!r}, methods={self.methods})"

    def is_for(self, user: User) -> bool:
        """Whether the password still means ``user`` as he is now."""
        if user.sub != self.sub or not user.enabled or user.epoch != self.epoch:
            return False
        return hmac.compare_digest(mark_of(user.password_hash), self.password_mark)

    @property
    def spent_key(self) -> bytes:
        """What is marked as used, once a code was right."""
        return hashlib.sha256(b"second step\n" + self.nonce).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """How strong a sign-in has to be.

    Attributes:
        wanted: the authentication classes that are asked for, any of which will do; none asks for nothing.
        for_change: it is to change factors, for which a recovery code stands in for whatever was lost.
    """

    wanted: tuple[str, ...] = ()
    for_change: bool = False


NOTHING: Final = Demand()


def after_password(factors: Factors, demand: Demand) -> tuple[Method, ...] | None:
    """What the user has to take a second step with after the right password; empty where the password alone does.

    None where all of that would be weaker than what is asked for, and a passkey of his would not: a session begun by
    the weaker way would only bring him back to the sign-in page, without a word.

    Args:
        factors: what the user has enrolled.
        demand: how strong the sign-in has to be.
    """
    for_two = demand.for_change and not satisfies(ACR_PASSWORD, demand.wanted)
    methods = methods_of(factors, (ACR_TWO_FACTOR,) if for_two else demand.wanted)
    reached = ACR_TWO_FACTOR if methods else ACR_PASSWORD
    if satisfies(reached, demand.wanted) or not factors.can_reach(demand.wanted):
        return methods
    return ("recovery_code",) if demand.for_change and factors.recovery_codes else None


def methods_of(factors: Factors, wanted: tuple[str, ...]) -> tuple[Method, ...]:
    """What the user has to take a second step with after the password; empty where the password alone does.

    Args:
        factors: what the user has enrolled.
        wanted: the authentication classes that are asked for; none asks for nothing.
    """
    asked_for_two = not satisfies(ACR_PASSWORD, wanted) and satisfies(ACR_TWO_FACTOR, wanted)
    if not factors.has_second_step and not asked_for_two:
        return ()
    otp: tuple[Method, ...] = ("otp",) if factors.totp else ()
    return (*otp, "recovery_code") if factors.recovery_codes else otp


def mark_of(password_hash: str | None) -> str:
    """What tells one password of a user from another, and tells nothing about either."""
    return hashlib.sha256(f"second step\n{password_hash or ''}".encode()).hexdigest()[:32]


def pack(step: SecondStep) -> bytes:
    """The step, to be sealed."""
    wish = step.wish
    members = {
        "sub": step.sub,
        "name": step.username,
        "epoch": step.epoch,
        "at": step.password_at,
        "mark": step.password_mark,
        "nonce": base64url.encode(step.nonce),
        "methods": step.methods,
        "wish": None if wish is None else [wish.scope, wish.resources, wish.code_challenge],
    }
    return json.dumps(members, separators=(",", ":")).encode()


def unpack(packed: bytes) -> SecondStep:
    """What ``pack`` was given. Nobody else made these bytes: they come from under our seal."""
    members: dict[str, Any] = json.loads(packed)
    wish = members["wish"]
    return SecondStep(
        sub=members["sub"],
        username=members["name"],
        epoch=members["epoch"],
        password_at=members["at"],
        password_mark=members["mark"],
        nonce=base64url.decode(members["nonce"]),
        methods=tuple(members["methods"]),
        wish=None if wish is None else Wish(scope=wish[0], resources=tuple(wish[1]), code_challenge=wish[2]),
    )
