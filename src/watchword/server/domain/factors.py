"""The factors that a user has beside the password, and what it takes to change them.

Implements: OWASP ASVS 5.0 §6.1.3, §7.5.1.
"""

from dataclasses import dataclass
from typing import Final

from watchword.protocol.authentication_class import ACR_PASSKEY, ACR_PASSWORD, ACR_TWO_FACTOR, satisfies
from watchword.server.domain.lifetimes import MINUTE
from watchword.server.domain.session import RECOVERY_CODE, Session
from watchword.server.domain.time import Instant, Seconds

# How old a sign-in may be for changes of what the next one will take.
FRESH: Final[Seconds] = 10 * MINUTE


@dataclass(frozen=True, slots=True, kw_only=True)
class Factors:
    """What a user has enrolled; ``recovery_codes``: how many are left."""

    totp: bool
    passkeys: int
    recovery_codes: int

    @property
    def has_second_step(self) -> bool:
        """Whether a password alone does not do any more."""
        return self.totp

    @property
    def reachable(self) -> tuple[str, ...]:
        """The authentication classes that this user can reach, weakest first."""
        two = (ACR_TWO_FACTOR,) if self.totp or self.recovery_codes else ()
        return (ACR_PASSWORD, *two, *((ACR_PASSKEY,) if self.passkeys else ()))

    def can_reach(self, wanted: tuple[str, ...]) -> bool:
        """Whether some sign-in of this user would be as strong as ``wanted``."""
        return any(satisfies(acr, wanted) for acr in self.reachable)


def needed_for_change(factors: Factors) -> str:
    """The class of sign-in that may change factors: the strongest enrolled, or a weaker one could just replace it."""
    if factors.passkeys:
        return ACR_PASSKEY
    return ACR_TWO_FACTOR if factors.totp else ACR_PASSWORD


def may_change(factors: Factors, session: Session, *, now: Instant) -> bool:
    """Whether the session's sign-in is fresh and strong enough to change factors, password or e-mail address.

    A recovery code is for who lost what is enrolled, so a sign-in with one may change all of it.
    """
    if now - session.auth_time > FRESH:
        return False
    return RECOVERY_CODE in session.amr or satisfies(session.acr, (needed_for_change(factors),))
