"""A passkey: a key pair of which we keep the public half, and the rule of what an assertion may do to its row.

Implements: W3C Web Authentication Level 3 §4, §6.1.1, §6.1.3, §7.2.
"""

from dataclasses import dataclass, replace
from typing import Final

from watchword.server.domain.time import Instant

MAX_NAME: Final = 64
# Of one user. More is not a person's key ring any more.
MOST: Final = 20


class SuspiciousPasskey(Exception):
    """The assertion is good, and yet it cannot have come from the one key that was registered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Passkey:
    """A row.

    Attributes:
        credential_id: unique over all users (§7.1 step 26).
        public_key: COSE_Key, in CBOR.
        sign_count: as last seen; 0 where the authenticator does not count.
        backup_eligible: it may be synchronised to other devices; this never changes.
        backed_up: it is, as last seen.
        transports: as the browser named them, to be handed back as a hint.
        name: what the user calls it.
    """

    credential_id: bytes
    sub: str
    public_key: bytes
    sign_count: int
    backup_eligible: bool
    backed_up: bool
    transports: tuple[str, ...]
    name: str
    created_at: Instant
    last_used_at: Instant | None = None

    def __repr__(self) -> str:
        return f"Passkey({self.name!r}, sub={self.sub!r})"

    @property
    def amr(self) -> tuple[str, ...]:
        """RFC 8176 §2: possession of a key was proved, with the user present and verified.

        What the key lies in ("hwk", "swk") nobody has proved: there is no attestation.
        """
        return ("pop", "user", "mfa")


@dataclass(frozen=True, slots=True, kw_only=True)
class Assertion:
    """What an assertion, whose signature and challenge were found good, says of the key."""

    sign_count: int
    backup_eligible: bool
    backed_up: bool


def after_use(passkey: Passkey, assertion: Assertion, *, now: Instant) -> Passkey:
    """The row after one good assertion.

    Raises:
        SuspiciousPasskey: the counter did not grow (§7.2 step 22: "a signal that the authenticator may be cloned"), or
            the eligibility for backup changed (step 19), which no honest key does.
    """
    counts = assertion.sign_count > 0 or passkey.sign_count > 0
    if counts and assertion.sign_count <= passkey.sign_count:
        raise SuspiciousPasskey("the signature counter did not grow")
    if assertion.backup_eligible != passkey.backup_eligible:
        raise SuspiciousPasskey("the eligibility for backup changed")
    return replace(passkey, sign_count=assertion.sign_count, backed_up=assertion.backed_up, last_used_at=now)
