"""Passkeys by python-fido2: it reads authenticator data and COSE keys and verifies signatures. The rules are here.

Its server class is not used: it brings a list of all public suffixes, several megabytes, and accepts more origins than
the issuer's. No attestation is asked for; where one comes nevertheless, nothing is believed of it.

Implements: W3C Web Authentication Level 3 §6.1, §6.1.1, §6.1.3, §6.5.1, §7.1, §7.2; RFC 9052 §7; RFC 9053 §2.1, §2.2;
RFC 8812 §2.
Diverges: W3C Web Authentication Level 3 §7.1 step 21: attestation statements are not verified, as no trust is put in
the make of a key.
"""

import hashlib
import struct
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from watchword.protocol import webauthn
from watchword.protocol.redirect_uri import origin_of
from watchword.protocol.webauthn import AuthenticationResponse, Ceremony, RegistrationResponse
from watchword.server.domain.passkey import Assertion
from watchword.server.ports.passkeys import NewKey, PasskeyRefused

# Labels and values of COSE keys (RFC 9052 §7.1; RFC 9053 §7.1, §7.2; RFC 8230 §4).
_KTY, _ALG = 1, 3
_P256: Final = 1
_ED25519: Final = 6
_COORDINATE: Final = 32
# Larger ones only cost time. TPMs make keys of 2048 bits, with this exponent.
_RSA_BITS: Final = range(2048, 4097)
_RSA_EXPONENT: Final = 65537
# What python-fido2 raises at bytes that are not what they should be: it reads on until something gives way.
_UNREADABLE: Final = (
    ValueError,
    KeyError,
    IndexError,
    TypeError,
    AttributeError,
    OverflowError,
    RecursionError,
    struct.error,
)


def passkeys_of(issuer: str) -> "Fido2Passkeys | None":
    """Passkeys for the site of ``issuer``; None where its host is an address, which no browser makes passkeys for.

    §5.1.2: the site's name must be "a valid domain string", and an address is none.
    """
    host = urlsplit(issuer).hostname or ""
    try:
        ip_address(host)
    except ValueError:
        return Fido2Passkeys(origin=origin_of(issuer) or "", rp_id=host)
    return None


class Fido2Passkeys:
    """See ``ports.passkeys.Passkeys``. The library is loaded at the first ceremony that comes back.

    Args:
        origin: the only origin whose ceremonies are good.
        rp_id: its host.
    """

    def __init__(self, *, origin: str, rp_id: str) -> None:
        self._origin = origin
        self._rp_id = rp_id
        self._rp_id_hash = hashlib.sha256(rp_id.encode()).digest()

    @property
    def rp_id(self) -> str:
        """See ``ports.passkeys.Passkeys``."""
        return self._rp_id

    def verify_registration(self, response: RegistrationResponse, *, challenge: bytes) -> NewKey:
        """See ``ports.passkeys.Passkeys``."""
        from fido2 import cbor  # noqa: PLC0415 - a node that nobody uses passkeys at never loads it
        from fido2.webauthn import AttestationObject  # noqa: PLC0415 - as above

        self._verify_client_data(response.client_data, "webauthn.create", challenge)
        try:
            found = AttestationObject(response.attestation_object).auth_data
            flags, credential = found.flags, found.credential_data
            public_key = {} if credential is None else dict(credential.public_key)
        except _UNREADABLE:
            raise PasskeyRefused("the attestation object cannot be read") from None
        state = self._verified(found.rp_id_hash, flags, found.counter)
        if credential is None:
            raise PasskeyRefused("the registration brings no key")
        if credential.credential_id != response.credential_id:
            raise PasskeyRefused("the key has another id than the response says")
        if not 1 <= len(credential.credential_id) <= webauthn.MAX_CREDENTIAL_ID:
            raise PasskeyRefused("the credential id is too long")
        _must_be_usable(public_key)
        return NewKey(
            credential_id=bytes(credential.credential_id),
            public_key=cbor.encode(public_key),
            sign_count=state.sign_count,
            backup_eligible=state.backup_eligible,
            backed_up=state.backed_up,
        )

    def verify_assertion(self, response: AuthenticationResponse, *, challenge: bytes, public_key: bytes) -> Assertion:
        """See ``ports.passkeys.Passkeys``."""
        from fido2 import cbor  # noqa: PLC0415 - as above
        from fido2.cose import CoseKey  # noqa: PLC0415 - as above
        from fido2.webauthn import AuthenticatorData  # noqa: PLC0415 - as above

        self._verify_client_data(response.client_data, "webauthn.get", challenge)
        try:
            found = AuthenticatorData(response.authenticator_data)
            rp_id_hash, flags, counter = found.rp_id_hash, found.flags, found.counter
        except _UNREADABLE:
            raise PasskeyRefused("the authenticator data cannot be read") from None
        state = self._verified(rp_id_hash, flags, counter)
        # §6.1: attested credential data belong into registrations alone.
        if found.is_attested():
            raise PasskeyRefused("the assertion brings a key")
        key: Mapping[int, Any] = cbor.decode(public_key)  # type: ignore[assignment]  # as verify_registration wrote it
        signed = response.authenticator_data + hashlib.sha256(response.client_data).digest()
        try:
            CoseKey.parse(key).verify(signed, response.signature)
        except (InvalidSignature, *_UNREADABLE):
            raise PasskeyRefused("the signature does not fit") from None
        return state

    def _verify_client_data(self, client_data: bytes, ceremony: Ceremony, challenge: bytes) -> None:
        try:
            webauthn.verify_client_data(client_data, ceremony=ceremony, challenge=challenge, origin=self._origin)
        except ValueError as error:
            raise PasskeyRefused(str(error)) from None

    def _verified(self, rp_id_hash: bytes, flags: int, sign_count: int) -> Assertion:
        """What authenticator data say, by the rules that both ceremonies have."""
        from fido2.webauthn import AuthenticatorData  # noqa: PLC0415 - as above

        flag = AuthenticatorData.FLAG
        # §7.1 step 13, §7.2 step 15: "Verify that the rpIdHash ... is the SHA-256 hash of the RP ID expected".
        if rp_id_hash != self._rp_id_hash:
            raise PasskeyRefused("the key signed for another site")
        if not flags & flag.UP:
            raise PasskeyRefused("no user was present")
        if not flags & flag.UV:
            raise PasskeyRefused("the user was not verified")
        # §7.1 step 16, §7.2 step 18: "If the BE bit ... is not set, verify that the BS bit is not set."
        if flags & flag.BS and not flags & flag.BE:
            raise PasskeyRefused("backed up, and not eligible for it")
        return Assertion(sign_count=sign_count, backup_eligible=bool(flags & flag.BE), backed_up=bool(flags & flag.BS))


def _must_be_usable(key: Mapping[Any, Any]) -> None:
    """Return if ``key`` is of an algorithm on the list, has its parameters and no others, and is a key.

    Without an attestation nothing is signed at registration: what is kept here is used at the first sign-in.
    """
    try:
        kty, alg = key[_KTY], key[_ALG]
        # RFC 9053 §7.1.1, §7.2; RFC 8230 §4: -1 is the curve, or the modulus.
        first, second, third = key[-1], key[-2], key.get(-3, b"")
        if set(key) != {_KTY, _ALG, -1, -2} | ({-3} if alg == webauthn.ES256 else set()):
            raise PasskeyRefused("the public key has other parameters than its type")
        match kty, alg:
            case (2, webauthn.ES256) if first == _P256 and len(second) == len(third) == _COORDINATE:
                x, y = int.from_bytes(second), int.from_bytes(third)
                # Raises where the point is not on the curve.
                ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
            case (1, webauthn.EDDSA) if first == _ED25519:
                ed25519.Ed25519PublicKey.from_public_bytes(second)
            case (3, webauthn.RS256) if len(first) * 8 <= _RSA_BITS.stop and int.from_bytes(second) == _RSA_EXPONENT:
                numbers = rsa.RSAPublicNumbers(_RSA_EXPONENT, int.from_bytes(first))
                if numbers.public_key().key_size not in _RSA_BITS:
                    raise PasskeyRefused("the RSA key is of another size than 2048 to 4096 bits")
            case _:
                raise PasskeyRefused("the public key is of no algorithm that is taken")
    except _UNREADABLE:
        raise PasskeyRefused("the public key is malformed") from None
