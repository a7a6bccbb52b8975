"""Passkeys on the wire: the options that a page hands to the browser, and what the browser hands back.

Options and responses are JSON, binary values in them base64url. What a key signs, the client data, is JSON that the
browser wrote: it says for which challenge and on which site the user agreed.

Implements: W3C Web Authentication Level 3 §5.1.7, §5.1.8, §5.4, §5.5, §5.8.1, §7.1, §7.2.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from watchword.protocol import base64url, strict_json

Ceremony = Literal["webauthn.create", "webauthn.get"]

# COSE's numbers (RFC 9053 §2; RFC 8812 §2) of the signatures that are taken, best first: ES256, EdDSA, RS256.
ES256: Final = -7
EDDSA: Final = -8
RS256: Final = -257
ALGORITHMS: Final = (ES256, EDDSA, RS256)

# §7.1 step 25: a credential id has at most 1023 bytes. §5.4.3: a user handle has at most 64.
MAX_CREDENTIAL_ID: Final = 1023
MAX_USER_HANDLE: Final = 64
# Of a whole response, in characters, and of its parts, in bytes: several times what keys and browsers send.
MAX_RESPONSE: Final = 40_000
_MAX_CLIENT_DATA: Final = 4096
_MAX_AUTHENTICATOR_DATA: Final = 2048
_MAX_SIGNATURE: Final = 1024
_MAX_ATTESTATION: Final = 16_384
# §5.8.4; others are kept out, as they are stored and come back as a hint.
TRANSPORTS: Final = ("usb", "nfc", "ble", "smart-card", "hybrid", "internal")


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthenticationResponse:
    """A passkey's assertion, read and not yet verified. ``user_handle``: whose the key says it is."""

    credential_id: bytes
    client_data: bytes
    authenticator_data: bytes
    signature: bytes
    user_handle: bytes

    def __repr__(self) -> str:
        return "AuthenticationResponse()"


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrationResponse:
    """A new passkey, read and not yet verified."""

    credential_id: bytes
    client_data: bytes
    attestation_object: bytes
    transports: tuple[str, ...]

    def __repr__(self) -> str:
        return "RegistrationResponse()"


def request_options(*, rp_id: str, challenge: bytes, timeout: int) -> dict[str, Any]:
    """Options for a sign-in with any passkey of this site (§5.5).

    No credentials are named, so the options are the same whoever asks, and tell nothing of who has an account.

    Args:
        rp_id: the site.
        challenge: random bytes.
        timeout: how long the browser may wait for the user, in seconds.
    """
    return {
        "challenge": base64url.encode(challenge),
        "rpId": rp_id,
        "allowCredentials": [],
        "userVerification": "required",
        "timeout": timeout * 1000,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyOwner:
    """Whom a new passkey is for. ``handle``: what the key hands back at each sign-in; it names nobody."""

    handle: bytes
    name: str


def creation_options(
    *,
    rp_id: str,
    owner: KeyOwner,
    challenge: bytes,
    existing: Iterable[tuple[bytes, tuple[str, ...]]],
    timeout: int,
) -> dict[str, Any]:
    """Options for a new passkey (§5.4).

    Args:
        rp_id: the site.
        owner: whose it will be.
        challenge: random bytes.
        existing: credential ids and transports of the owner's passkeys: a key that holds one makes no second.
        timeout: how long the browser may wait for the user, in seconds.
    """
    return {
        "challenge": base64url.encode(challenge),
        "rp": {"id": rp_id, "name": rp_id},
        "user": {"id": base64url.encode(owner.handle), "name": owner.name, "displayName": owner.name},
        "pubKeyCredParams": [{"type": "public-key", "alg": alg} for alg in ALGORITHMS],
        "excludeCredentials": [
            {"type": "public-key", "id": base64url.encode(credential_id), "transports": list(transports)}
            for credential_id, transports in existing
        ],
        "authenticatorSelection": {
            "residentKey": "required",
            "requireResidentKey": True,
            "userVerification": "required",
        },
        "attestation": "none",
        "timeout": timeout * 1000,
    }


def accepted_credentials(*, rp_id: str, handle: bytes, credential_ids: Iterable[bytes]) -> dict[str, Any]:
    """All passkeys of a user, for ``signalAllAcceptedCredentials`` (§5.1.10.3): others are not offered any more."""
    return {
        "rpId": rp_id,
        "userId": base64url.encode(handle),
        "allAcceptedCredentialIds": [base64url.encode(credential_id) for credential_id in credential_ids],
    }


def parse_authentication_response(text: str) -> AuthenticationResponse:
    """An assertion as our page sends it (``AuthenticationResponseJSON``, §5.1.7.2).

    Raises:
        ValueError: malformed, too large, or without a user handle: §7.2 step 6, where no user was identified before,
            "verify that response.userHandle is present".
    """
    credential_id, response = _credential(text)
    return AuthenticationResponse(
        credential_id=credential_id,
        client_data=_binary(response, "clientDataJSON", most=_MAX_CLIENT_DATA),
        authenticator_data=_binary(response, "authenticatorData", most=_MAX_AUTHENTICATOR_DATA),
        signature=_binary(response, "signature", most=_MAX_SIGNATURE),
        user_handle=_binary(response, "userHandle", most=MAX_USER_HANDLE),
    )


def parse_registration_response(text: str) -> RegistrationResponse:
    """A new passkey as our page sends it (``RegistrationResponseJSON``, §5.1.7.1).

    Raises:
        ValueError: malformed or too large.
    """
    credential_id, response = _credential(text)
    named = response.get("transports", [])
    if not isinstance(named, list):
        raise ValueError("transports is no list")
    return RegistrationResponse(
        credential_id=credential_id,
        client_data=_binary(response, "clientDataJSON", most=_MAX_CLIENT_DATA),
        attestation_object=_binary(response, "attestationObject", most=_MAX_ATTESTATION),
        transports=tuple(transport for transport in TRANSPORTS if transport in named),
    )


def verify_client_data(client_data: bytes, *, ceremony: Ceremony, challenge: bytes, origin: str) -> None:
    """Return if the browser wrote ``client_data`` for this ceremony, this challenge and this very site.

    §7.1 steps 7 to 11 and §7.2 steps 10 to 14. Frames of other sites are refused, however they are nested.

    Raises:
        ValueError: it did not; the message says what is wrong and quotes nothing.
    """
    members = strict_json.parse_object(client_data)
    if members.get("type") != ceremony:
        raise ValueError("the client data is of another ceremony")
    if members.get("challenge") != base64url.encode(challenge):
        raise ValueError("the client data is for another challenge")
    if members.get("origin") != origin:
        raise ValueError("the client data is of another origin")
    if members.get("crossOrigin", False) is not False or "topOrigin" in members:
        raise ValueError("the ceremony took place in a frame of another site")


def _credential(text: str) -> tuple[bytes, Mapping[str, Any]]:
    if len(text) > MAX_RESPONSE:
        raise ValueError("the response is too large")
    # Half a surrogate pair is no character: UnicodeEncodeError is a ValueError.
    members = strict_json.parse_object(text.encode("utf-8"))
    if members.get("type") != "public-key" or members.get("id") != members.get("rawId"):
        raise ValueError("not a public-key credential under its own id")
    response = members.get("response")
    if not isinstance(response, dict):
        raise ValueError("the response is missing")
    return _binary(members, "rawId", most=MAX_CREDENTIAL_ID), response


def _binary(members: Mapping[str, Any], name: str, *, most: int) -> bytes:
    value = members.get(name)
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name} is missing")
    if len(value) > most * 4 / 3 + 3:
        raise ValueError(f"{name} is too large")
    try:
        raw = base64url.decode(value)
    except ValueError:
        raise ValueError(f"{name} is not base64url") from None
    if len(raw) > most:
        raise ValueError(f"{name} is too large")
    return raw
