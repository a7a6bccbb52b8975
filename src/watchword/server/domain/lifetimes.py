"""How long things live, as named profiles.

Implements: RFC 9700 §4.14.2 (refresh tokens expire when unused); OAuth 2.1 §4.3.1.
"""

from dataclasses import dataclass
from typing import Final, Literal

from watchword.server.domain.time import Seconds

MINUTE: Final = 60
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR

ProfileName = Literal["browser_app", "native_app", "service"]


@dataclass(frozen=True, slots=True)
class RefreshLifetime:
    """How long a grant lives: unused (idle), and at all (absolute). Rotation never moves the absolute end."""

    idle: Seconds
    absolute: Seconds

    def __post_init__(self) -> None:
        if not 0 < self.idle <= self.absolute:
            raise ValueError("the idle end comes before the absolute end, and both are ahead")


BROWSER_APP: Final = RefreshLifetime(idle=1 * DAY, absolute=30 * DAY)
NATIVE_APP: Final = RefreshLifetime(idle=14 * DAY, absolute=90 * DAY)
SERVICE: Final = RefreshLifetime(idle=90 * DAY, absolute=365 * DAY)


@dataclass(frozen=True, slots=True)
class SessionLifetime:
    """How long a browser's session lives: unused (idle), and at all (absolute). Its grants have ends of their own."""

    idle: Seconds
    absolute: Seconds

    def __post_init__(self) -> None:
        if not 0 < self.idle <= self.absolute:
            raise ValueError("the idle end comes before the absolute end, and both are ahead")


BROWSER_SESSION: Final = SessionLifetime(idle=1 * DAY, absolute=14 * DAY)

PROFILES: Final[dict[ProfileName, RefreshLifetime]] = {
    "browser_app": BROWSER_APP,
    "native_app": NATIVE_APP,
    "service": SERVICE,
}

ACCESS_TOKEN: Final = 15 * MINUTE
ID_TOKEN: Final = 15 * MINUTE
AUTHORIZATION_CODE: Final = 60
OVERLAP: Final = 30
AUDIT: Final = 400 * DAY
# An ended grant or session stays explainable for a while before it is swept.
AFTERWARDS: Final = 30 * DAY


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """The operator's choices, in seconds; an API or a client may have its own."""

    access_token: Seconds = ACCESS_TOKEN
    refresh: RefreshLifetime = NATIVE_APP
    overlap: Seconds = OVERLAP
    session: SessionLifetime = BROWSER_SESSION

    def refresh_of(self, profile: ProfileName | None) -> RefreshLifetime:
        """The lifetime of a client with that profile; without one, the operator's."""
        return self.refresh if profile is None else PROFILES[profile]
