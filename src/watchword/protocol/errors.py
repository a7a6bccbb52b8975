"""The errors that a client may see: one class per registered code.

Each has two readers. The client gets ``error`` and a bland ``error_description``; the log gets the ``slug`` and the
``detail``, which may say more.

Implements: RFC 6749 §4.1.2.1, §5.2; RFC 8707 §2; OpenID Connect Core 1.0 §3.1.2.6.
"""

from typing import ClassVar


class OAuthError(Exception):
    """A refusal or a trouble, as the client sees it.

    Args:
        description: said to the client instead of the class's bland sentence; must not give anything away.
        slug: a stable name for logs and docs/errors.md, ``area.what``.
        detail: for the log alone; never a token, code, secret or password.
        retry_after: seconds; sent as ``Retry-After``.
    """

    code: ClassVar[str] = "server_error"
    status: ClassVar[int] = 500
    bland: ClassVar[str] = "something went wrong on our side"

    def __init__(
        self, description: str = "", *, slug: str = "", detail: str = "", retry_after: int | None = None
    ) -> None:
        self.description = description or self.bland
        self.slug = slug or f"oauth.{self.code}"
        self.detail = detail
        self.retry_after = retry_after
        self.members: dict[str, object] = {}
        super().__init__(f"{self.code} ({self.slug}): {detail or self.description}")


class InvalidRequest(OAuthError):
    """A parameter is missing, twice there, malformed, or not allowed here."""

    code, status, bland = "invalid_request", 400, "the request is malformed"


class InvalidClient(OAuthError):
    """The client is unknown or did not prove to be itself."""

    code, status, bland = "invalid_client", 401, "client authentication failed"


class InvalidGrant(OAuthError):
    """The code or refresh token is invalid, expired, superseded or ended, or is another client's."""

    code, status, bland = "invalid_grant", 400, "the grant is invalid, expired, ended, or was issued to another client"


class SignInAgain(InvalidGrant):
    """``invalid_grant`` at the simple door, where a dead session is a 401."""

    status = 401


class UnauthorizedClient(OAuthError):
    """The client may not use this grant type or this door."""

    code, status, bland = "unauthorized_client", 400, "the client may not do this"


class UnsupportedGrantType(OAuthError):
    """No such grant type here."""

    code, status, bland = "unsupported_grant_type", 400, "this grant_type is not offered"


class InvalidScope(OAuthError):
    """The scope is malformed, unknown, or beyond what may be granted."""

    code, status, bland = "invalid_scope", 400, "the scope is malformed or beyond what may be granted"


class InvalidTarget(OAuthError):
    """The resource is unknown, not the client's, or cannot be told from the scope (RFC 8707 §2)."""

    code, status, bland = "invalid_target", 400, "name one resource that the client may use and that owns the scope"


class UnsupportedResponseType(OAuthError):
    """Another response type than ``code``."""

    code, status, bland = "unsupported_response_type", 400, "only response_type=code is offered"


class LoginRequired(OAuthError):
    """``prompt=none``, and the user would have to sign in."""

    code, status, bland = "login_required", 400, "the user must sign in"


class ConsentRequired(OAuthError):
    """``prompt=none``, and the user would have to consent."""

    code, status, bland = "consent_required", 400, "the user must consent"


class UnmetAuthenticationRequirements(OAuthError):
    """No way of sign-in here is as strong as asked (RFC 9470; OpenID Connect unmet_authentication_requirements)."""

    code, status, bland = "unmet_authentication_requirements", 400, "no sign-in here is as strong as asked"


class RequestNotSupported(OAuthError):
    """Request objects are not offered (OpenID Connect Core 1.0 §6)."""

    code, status, bland = "request_not_supported", 400, "request objects are not offered"


class RequestUriNotSupported(OAuthError):
    """Only request URIs of our own /par are taken."""

    code, status, bland = "request_uri_not_supported", 400, "only a request_uri from /par is taken"


class InvalidRequestUri(OAuthError):
    """The pushed request is unknown, used, expired or another client's (RFC 9126 §4)."""

    code, status, bland = "invalid_request_uri", 400, "the request_uri is unknown, used, or expired"


class AccessDenied(OAuthError):
    """The user or the server said no."""

    code, status, bland = "access_denied", 403, "access is denied"


class InsufficientAuthorization(OAuthError):
    """The sign-in is not complete (draft-ietf-oauth-first-party-apps)."""

    code, status, bland = "insufficient_authorization", 400, "the user name or password is wrong, or more is needed"


class SecondStepNeeded(InsufficientAuthorization):
    """The password is right and does not do alone; or it was followed by a code that is not.

    Args:
        description, slug, detail: as ever.
        auth_session: with which the sign-in is gone on with; never in a log.
        methods: what it can be gone on with.
    """

    def __init__(
        self,
        description: str = "",
        *,
        auth_session: str = "",
        methods: tuple[str, ...] = (),
        slug: str = "",
        detail: str = "",
    ) -> None:
        super().__init__(description, slug=slug, detail=detail)
        self.members = {"auth_session": auth_session, "methods": methods}


class SecondStepNeededHere(SecondStepNeeded):
    """``insufficient_authorization`` at the simple door, where who is not signed in is answered with 401."""

    status = 401


class InvalidSession(OAuthError):
    """The ``auth_session`` is expired, used, somebody else's, or none of ours: the sign-in starts anew."""

    code, status, bland = "invalid_session", 400, "the sign-in took too long or is over: start again"


class InvalidSessionHere(InvalidSession):
    """``invalid_session`` at the simple door."""

    status = 401


class InvalidCredentials(OAuthError):
    """User name or password are wrong; which of the two is not said."""

    code, status, bland = "invalid_credentials", 401, "the user name or the password is wrong"


class UsernameTaken(OAuthError):
    """Somebody has this user name."""

    code, status, bland = "username_taken", 409, "this user name is taken"


class PasswordRefused(OAuthError):
    """The new password does not meet the policy; the description says why."""

    code, status, bland = "password_refused", 400, "choose another password"


class SignUpClosed(OAuthError):
    """Sign-up is not open here."""

    code, status, bland = "sign_up_closed", 403, "sign-up is closed: ask the operator for an account"


class TooManyTries(OAuthError):
    """Slow down; ``Retry-After`` says for how long."""

    code, status, bland = "too_many_requests", 429, "too many tries: wait before the next one"


class TemporarilyUnavailable(OAuthError):
    """Trouble on our side that passes. Clients keep their tokens and come back after ``Retry-After``."""

    code, status, bland = "temporarily_unavailable", 503, "the server cannot answer for now: try again"


class NotFound(OAuthError):
    """No such thing."""

    code, status, bland = "not_found", 404, "there is nothing here"


class MethodNotAllowed(OAuthError):
    """Another HTTP method is wanted."""

    code, status, bland = "invalid_request", 405, "this endpoint wants another HTTP method"


class RequestTooLarge(OAuthError):
    """The body is larger than any honest one."""

    code, status, bland = "invalid_request", 413, "the body is too large"


class UnsupportedMediaType(OAuthError):
    """Another Content-Type is wanted."""

    code, status, bland = "invalid_request", 415, "this endpoint wants another Content-Type"
