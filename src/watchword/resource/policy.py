"""What a resource server does while it cannot learn of revocations. Each choice has a name that says what it costs."""

import math
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class RevocationPolicy:
    """A choice; take one of the named ones below.

    Attributes:
        patience: seconds for which tokens are accepted after the feed last vouched that nothing else was revoked.
        introspects: whether the issuer is asked about each token once the patience is over; else they are refused.
        needs_feed: whether an issuer without a feed is refused.
    """

    name: str
    patience: float
    introspects: bool = False
    needs_feed: bool = True

    def __repr__(self) -> str:
        return self.name


def fail_closed_after(seconds: float) -> RevocationPolicy:
    """Refuse all tokens (``token.revocation_unknown``, 503) once the feed has been cut for so long.

    Args:
        seconds: how old the knowledge may become; at least 15, the time after which a silent feed counts as cut.

    Raises:
        ValueError: less than 15, or no number.
    """
    if not 15 <= seconds < math.inf:
        raise ValueError("fail_closed_after wants at least 15 seconds: the feed's own silence takes as long to notice")
    return RevocationPolicy(f"fail_closed_after({seconds:g})", seconds)


DEFAULT_POLICY: Final = fail_closed_after(300)

UNTIL_EXPIRY: Final = RevocationPolicy("UNTIL_EXPIRY", math.inf)
"""While the feed is cut, tokens are accepted until they expire; revocations already seen still count."""

INTROSPECT: Final = RevocationPolicy("INTROSPECT", 30, introspects=True)
"""30 seconds after the feed was cut, ask the issuer about each token; refuse if it cannot be asked either."""

INSECURE_WITHOUT_FEED: Final = RevocationPolicy("INSECURE_WITHOUT_FEED", math.inf, needs_feed=False)
"""Accept an issuer that has no feed: a revoked access token then lives on until it expires."""
