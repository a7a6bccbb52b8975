"""Passkeys: what a key and a browser sign, verified.

Implements: W3C Web Authentication Level 3 §6.1, §7.1, §7.2.
"""

from dataclasses import dataclass
from typing import Protocol

from watchword.protocol.webauthn import AuthenticationResponse, RegistrationResponse
from watchword.server.domain.passkey import Assertion


class PasskeyRefused(Exception):
    """It does not verify. The message is for the log: it says which rule was broken, and quotes nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """A key that was registered for this site.

    Attributes:
        credential_id: as the key itself names it, 1 to 1023 bytes.
        public_key: COSE_Key in CBOR, of an algorithm that is taken, and a key that can be used.
        sign_count: the key's counter; 0 where it does not count.
        backup_eligible: it may be synchronised to other devices.
        backed_up: it is.
    """

    credential_id: bytes
    public_key: bytes
    sign_count: int
    backup_eligible: bool
    backed_up: bool


class Passkeys(Protocol):
    """Verifies the two ceremonies for one site. Takes less than a millisecond each, and keeps nothing."""

    @property
    def rp_id(self) -> str:
        """The site's name in all ceremonies: the issuer's host."""
        ...

    def verify_registration(self, response: RegistrationResponse, *, challenge: bytes) -> NewKey:
        """The key that was registered in answer to ``challenge``.

        Verified are: type, challenge, origin (the issuer's, in no frame of another site), the site's hash, that the
        user was present and verified, that a key which is backed up may be, that the credential's id is the one named,
        and that the public key is of an algorithm on the list and well-formed. What an attestation claims is not
        looked at.

        Raises:
            PasskeyRefused: one of these does not hold.
        """
        ...

    def verify_assertion(self, response: AuthenticationResponse, *, challenge: bytes, public_key: bytes) -> Assertion:
        """What the key with ``public_key`` says in answer to ``challenge``.

        Verified are: type, challenge, origin (the issuer's, in no frame of another site), the site's hash, that the
        user was present and verified, that a key which is backed up may be, and the signature. The caller looks whose
        key it is, and compares counter and backup with its row.

        Args:
            response: as it came.
            challenge: that the browser was given.
            public_key: of the row with the response's credential id.

        Raises:
            PasskeyRefused: one of these does not hold.
        """
        ...
