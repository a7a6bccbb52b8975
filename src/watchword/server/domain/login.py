"""What has to happen before an application gets its answer: sign in, consent, or nothing.

Implements: OpenID Connect Core 1.0 §3.1.2.3, §3.1.2.4, §3.1.2.6; RFC 9470 §5.
"""

import math
from dataclasses import dataclass
from enum import Enum
from typing import Final, Literal

from watchword.protocol.authentication_class import satisfies
from watchword.protocol.errors import ConsentRequired, LoginRequired, OAuthError
from watchword.server.domain.authorization_request import AuthorizationRequest, Prompt
from watchword.server.domain.session import Session
from watchword.server.domain.time import Instant

Next = Literal["sign_in", "consent", "answer"]
# A node whose clock is further off its database's is not ready, so two nodes are at most this far apart, in seconds.
CLOCKS_APART: Final = 4
# A new sign-in, in which anybody may sign in.
_CHOOSING: Final[frozenset[Prompt]] = frozenset({"login", "select_account", "create"})


class NotSeen(Enum):
    """The browser's cookie, where it would not have been seen: a form from another site comes without (SameSite)."""

    NOT_SEEN = "not seen"


NOT_SEEN: Final = NotSeen.NOT_SEEN


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The request, and the browser's session when it came: what it demands anew must have happened since.

    ``before`` is the hash of the session's cookie then, None without one. Every sign-in changes the cookie, which tells
    a new sign-in from one of the same second; so nothing is fresh until it was looked for. ``since`` is when the
    request came: a request that was begun where no cookie was held, and is gone on with where an old session lives,
    proves no new sign-in.
    """

    request: AuthorizationRequest
    before: bytes | NotSeen | None
    since: Instant

    def is_fresh(self, session: Session) -> bool:
        """Whether the sign-in was made for this request."""
        changed = self.before is not NOT_SEEN and session.cookie_hash != self.before
        return changed and session.auth_time >= math.floor(self.since) - CLOCKS_APART


def needs_sign_in(asked: Asked, session: Session | None, *, now: Instant) -> bool:
    """Whether the user must sign in (again) for this request. ``session`` is the browser's living one."""
    request = asked.request
    if session is None:
        return True
    fresh = asked.is_fresh(session)
    if request.prompt & _CHOOSING and not fresh:
        return True
    if request.max_age is not None and now - session.auth_time > request.max_age and not fresh:
        return True
    if request.hinted_sub is not None and request.hinted_sub != session.sub:
        return True
    return not satisfies(session.acr, request.acr_values)


def is_somebody_else(asked: Asked, session: Session) -> bool:
    """Whether the user who signed in for this request is not the one whom it means."""
    hinted = asked.request.hinted_sub
    return hinted is not None and hinted != session.sub and asked.is_fresh(session)


def means_this_user(asked: Asked, session: Session) -> bool:
    """Whether the request is for the user of ``session``, as far as is known: nobody else is named, or may be chosen.

    Who signed in for this very request has made that choice.
    """
    request = asked.request
    if request.hinted_sub not in (None, session.sub):
        return False
    return not request.prompt & _CHOOSING or asked.is_fresh(session)


def next_step(asked: Asked, session: Session | None, *, consent_needed: bool, now: Instant) -> Next:
    """What comes next."""
    if needs_sign_in(asked, session, now=now):
        return "sign_in"
    return "consent" if consent_needed else "answer"


def silent_refusal(step: Next) -> OAuthError | None:
    """The error for ``prompt=none`` when the user would have to do something; None when nothing is needed."""
    match step:
        case "sign_in":
            return LoginRequired(slug="authorize.login_required")
        case "consent":
            return ConsentRequired(slug="authorize.consent_required")
        case _:
            return None
