"""What has to happen before an application gets its answer: sign in, consent, or nothing.

Implements: OpenID Connect Core 1.0 §3.1.2.3, §3.1.2.4, §3.1.2.6; RFC 9470 §5.
"""

from dataclasses import dataclass
from typing import Literal

from watchword.protocol.errors import ConsentRequired, LoginRequired, OAuthError
from watchword.server.domain.authorization_request import AuthorizationRequest
from watchword.server.domain.session import Session
from watchword.server.domain.time import Instant

Next = Literal["sign_in", "consent", "answer"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The request, and the browser's session when it came: what it demands anew must have happened since.

    ``before`` is the hash of the session's cookie then, None without one. Every sign-in changes the cookie, so no clock
    is needed to tell a new sign-in from an old one.
    """

    request: AuthorizationRequest
    before: bytes | None


def needs_sign_in(asked: Asked, session: Session | None, *, now: Instant) -> bool:
    """Whether the user must sign in (again) for this request. ``session`` is the browser's living one."""
    request = asked.request
    if session is None:
        return True
    fresh = session.cookie_hash != asked.before
    if request.prompt & {"login", "select_account"} and not fresh:
        return True
    if request.max_age is not None and now - session.auth_time > request.max_age and not fresh:
        return True
    if request.hinted_sub is not None and request.hinted_sub != session.sub:
        return True
    return bool(request.acr_values) and session.acr not in request.acr_values


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
