"""Why an access token was not accepted, and what the caller is told.

Implements: RFC 6750 §3, §3.1; RFC 9470 §3.
"""

from typing import Literal

from watchword.protocol import step_up
from watchword.protocol.step_up import SignInDemand, quoted

Reason = Literal[
    "token.missing",
    "token.two_methods",
    "token.malformed",
    "token.typ",
    "token.alg",
    "token.unknown_key",
    "token.signature",
    "token.claims",
    "token.issuer",
    "token.audience",
    "token.bound",
    "token.expired",
    "token.not_yet_valid",
    "token.revoked",
    "token.revocation_unknown",
    "token.scope",
    "token.acr",
    "token.auth_time",
    "token.inactive",
]


class TokenRejected(Exception):
    """An access token was judged, and the answer is no.

    Attributes:
        reason: a stable slug for logs and programs; docs/errors.md says cause and cure.
        scope: the scope that was demanded, when ``reason`` is ``token.scope``.
        sign_in: the sign-in that was demanded, when ``reason`` is ``token.acr`` or ``token.auth_time``.
        status: 401, 403 for too small a scope, 400 for two tokens in one request, 503 when it cannot be known whether
            the token was revoked: the token may be good, so its holder should keep it and come back.
        error: the code of RFC 6750 §3.1, or None when no token was sent (§3: no error code then), and with a 503.
    """

    def __init__(
        self, reason: Reason, detail: str = "", *, scope: str = "", sign_in: SignInDemand | None = None
    ) -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason: Reason = reason
        self.detail = detail
        self.scope = scope
        self.sign_in = sign_in
        self.status = {"token.scope": 403, "token.two_methods": 400, "token.revocation_unknown": 503}.get(reason, 401)
        self.error = {
            "token.scope": "insufficient_scope",
            "token.acr": step_up.ERROR,
            "token.auth_time": step_up.ERROR,
            "token.two_methods": "invalid_request",
            "token.missing": None,
            "token.revocation_unknown": None,
        }.get(reason, "invalid_token")

    @property
    def description(self) -> str:
        """A sentence for the caller; it never tells the reason."""
        return _DESCRIPTIONS[self.error]

    def challenge(self, *, realm: str = "") -> str:
        """The value of ``WWW-Authenticate``; it never carries the reason, which is for the log.

        RFC 6750 §3: a request without any token gets no error code.

        Raises:
            ValueError: a realm that no header can carry.
        """
        members = [("realm", realm)] if realm else []
        if self.error is not None:
            members += [("error", self.error), ("error_description", self.description)]
        if self.scope:
            members.append(("scope", self.scope))
        if self.sign_in is not None:
            members += self.sign_in.parameters()
        return " ".join(["Bearer", ", ".join(f"{name}={quoted(value)}" for name, value in members)]).rstrip()


_DESCRIPTIONS: dict[str | None, str] = {
    None: "this resource wants an access token in the Authorization header",
    "invalid_token": "the access token is expired, revoked, malformed or not meant for this resource",
    "insufficient_scope": "the access token lacks a scope that this resource demands",
    step_up.ERROR: "this resource wants the user to have signed in more recently, or more strongly",
    "invalid_request": "send one access token, in the Authorization header",
}
