"""Audit events: what is kept for the question "why". No token, secret or password is ever in one."""

from dataclasses import asdict, dataclass
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEvent:
    """Something that happened. ``kind`` is stable; docs/errors.md explains each."""

    kind: ClassVar[str]

    def fields(self) -> dict[str, Any]:
        """The event's fields, for a row or a log line."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn(AuditEvent):
    """A user signed in."""

    kind = "session.started"
    sub: str
    sid: str
    client_id: str
    gid: str
    amr: str
    device: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedInByBrowser(AuditEvent):
    """A user signed in at the sign-in page."""

    kind = "session.browser"
    sub: str
    sid: str
    amr: str
    device: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionEnded(AuditEvent):
    """A session ended: sign-out, or an operator's command."""

    kind = "session.ended"
    sub: str
    sid: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedOutEverywhere(AuditEvent):
    """All of a user's sessions ended."""

    kind = "user.logged_out_everywhere"
    sub: str
    epoch: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordChanged(AuditEvent):
    """A user changed his password."""

    kind = "user.password_changed"
    sub: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TotpAdded(AuditEvent):
    """A user set up an authenticator app."""

    kind = "factor.totp_added"
    sub: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TotpRemoved(AuditEvent):
    """A user turned his authenticator app off."""

    kind = "factor.totp_removed"
    sub: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryCodesMade(AuditEvent):
    """A user made new recovery codes; those before are dead."""

    kind = "factor.recovery_codes_made"
    sub: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryCodeUsed(AuditEvent):
    """A recovery code was used to sign in; ``left`` are left."""

    kind = "factor.recovery_code_used"
    sub: str
    left: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondStepFailed(AuditEvent):
    """The right password was followed by wrong codes, ``failures`` in a row; not every one of them is told."""

    kind = "second_step.failed"
    sub: str
    failures: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PasskeyAdded(AuditEvent):
    """A user added a passkey; ``passkey`` is what he calls it."""

    kind = "factor.passkey_added"
    sub: str
    passkey: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PasskeyRemoved(AuditEvent):
    """A user removed a passkey."""

    kind = "factor.passkey_removed"
    sub: str
    passkey: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PasskeySuspected(AuditEvent):
    """A good assertion that cannot have come from the one key that was registered; it was refused."""

    kind = "passkey.suspicious"
    sub: str
    passkey: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordResetAsked(AuditEvent):
    """Somebody who named the account asked for a link by mail; a link was sent to its user."""

    kind = "user.password_reset_asked"
    sub: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordReset(AuditEvent):
    """A user set a password by a link from a mail; all his sessions ended."""

    kind = "user.password_reset"
    sub: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailVerified(AuditEvent):
    """A user proved that mail to his address reaches him."""

    kind = "user.email_verified"
    sub: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailChanged(AuditEvent):
    """A user proved another address, which is his now; his other sessions ended."""

    kind = "user.email_changed"
    sub: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantEnded(AuditEvent):
    """A grant ended on purpose."""

    kind = "grant.ended"
    gid: str
    sub: str
    client_id: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshForked(AuditEvent):
    """A redeemed refresh token came from elsewhere, after the overlap: a lost answer while roaming, or a thief."""

    kind = "refresh.fork"
    gid: str
    sub: str
    client_id: str
    generation: int
    forks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshTheft(AuditEvent):
    """The chain was in two hands; the grant ended."""

    kind = "refresh.theft"
    gid: str
    sub: str
    client_id: str
    generation: int
    presented_generation: int
    presented_branch: int
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshShadowed(AuditEvent):
    """A stranger converged within the overlap in several generations running: somebody may be shadowing the owner."""

    kind = "refresh.shadowed"
    gid: str
    sub: str
    client_id: str
    generation: int
    shadows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseRegressed(AuditEvent):
    """A refresh token was ahead of its row: the database lost writes that had been acknowledged."""

    kind = "refresh.regressed"
    gid: str
    sub: str
    client_id: str
    generation: int
    presented_generation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeReplayed(AuditEvent):
    """An authorization code came again from elsewhere; the grant that it gave ended."""

    kind = "code.replayed"
    gid: str
    client_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Administered(AuditEvent):
    """An operator changed something: ``what`` such as ``user.created``; ``subject`` is its id."""

    kind = "admin"
    what: str
    subject: str
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRevoked(AuditEvent):
    """One access token was handed back."""

    kind = "token.revoked"
    jti: str
    client_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UserSignedUp(AuditEvent):
    """Somebody made an account at the open door."""

    kind = "user.signed_up"
    sub: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRotated(AuditEvent):
    """A signing key changed its state."""

    kind = "key.state"
    kid: str
    state: str


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """An event with its time, as read back."""

    at: float
    kind: str
    fields: dict[str, Any]
