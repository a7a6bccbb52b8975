"""Passkeys: made on the account page, used at the sign-in page, removed again.

Whatever a stranger sends is verified before anything is written, and takes less than a millisecond.

Implements: W3C Web Authentication Level 3 §7.1, §7.2, §13.4.3, §14.6.2; NIST SP 800-63B-4 §3.2.7, §4.1, §4.6;
OWASP ASVS 5.0 §6.3.8, §7.5.1.
"""

import math
from dataclasses import dataclass, field
from typing import Any, Final

from watchword.protocol import base64url, webauthn
from watchword.protocol.authentication_class import ACR_PASSKEY
from watchword.protocol.errors import InvalidCredentials, NotFound
from watchword.protocol.webauthn import KeyOwner
from watchword.server.domain import passkey as rule
from watchword.server.domain import passkey_challenge
from watchword.server.domain.audit import PasskeyAdded, PasskeyRemoved, PasskeySuspected
from watchword.server.domain.passkey import Assertion, Passkey, SuspiciousPasskey
from watchword.server.domain.passkey_challenge import Challenge
from watchword.server.domain.session import Authentication
from watchword.server.domain.time import Instant
from watchword.server.domain.user import User
from watchword.server.flows.browser_session import SignedIn
from watchword.server.flows.factors import end_the_others, lock_for_change, must_be_fresh
from watchword.server.flows.notices import tell
from watchword.server.flows.parts import Parts
from watchword.server.flows.recovery_codes import Added, drop_without_factor, first_codes
from watchword.server.ports.already_there import AlreadyThere
from watchword.server.ports.passkeys import PasskeyRefused, Passkeys
from watchword.server.ports.sealing import CannotUnseal

_SIGN_IN: Final = "passkey sign-in"
_TIMEOUT: Final = 300


class CannotAdd(Exception):
    """This passkey, or any further one, is not added. ``why``: ``many`` or ``taken``."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A ceremony for the browser to carry out: its options, as JSON, and the sealed challenge to send back."""

    options: dict[str, Any]
    sealed: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Returned:
    """What came back. ``browser``: the imprint of the browser that sent it; ``locale``: what its user reads."""

    sealed: str = field(repr=False)
    response: str = field(repr=False)
    browser: bytes = field(repr=False)
    locale: str = ""


def begin_sign_in(parts: Parts, *, browser: bytes, now: Instant) -> Begun | None:
    """A sign-in for the browser with that imprint; None where this issuer cannot have passkeys."""
    if parts.passkeys is None:
        return None
    challenge, sealed = _new_challenge(parts, _SIGN_IN, browser=browser, now=now)
    options = webauthn.request_options(rp_id=parts.passkeys.rp_id, challenge=challenge, timeout=_TIMEOUT)
    return Begun(options=options, sealed=sealed)


async def sign_in(parts: Parts, returned: Returned, *, now: Instant) -> Authentication:
    """How the user proved to be himself.

    Raises:
        InvalidCredentials: no. By its slug: ``passkey.stale``, the page was open for too long; ``passkey.suspicious``,
            the key may have been copied; ``passkey.refused`` for all else, which is the same for a key that nobody
            has, a disabled user, and a signature that does not fit.
    """
    passkeys = _offered(parts)
    challenge = _opened(parts, _SIGN_IN, returned, now=now)
    try:
        response = webauthn.parse_authentication_response(returned.response)
    except ValueError as error:
        raise _refused(str(error)) from None
    async with parts.storage.read() as reading:
        found = await reading.passkey(response.credential_id)
    if found is None:
        raise _refused("nobody has this key")
    # §7.2 step 6: "Verify that response.userHandle ... equals the user handle of the user account".
    if response.user_handle != handle_of(found.sub):
        raise _refused("the user handle is another user's")
    try:
        assertion = passkeys.verify_assertion(response, challenge=challenge.value, public_key=found.public_key)
    except PasskeyRefused as refusal:
        raise _refused(str(refusal)) from None
    async with parts.storage.write() as tx:
        user = await tx.lock_user(found.sub)
        held = await tx.lock_passkey(found.credential_id)
        if not await tx.spend(challenge.key, until=challenge.remembered_until):
            raise _refused("the challenge was used before")
        if user is None or not user.enabled or held is None or held.public_key != found.public_key:
            raise _refused("the user is disabled, or the key was removed")
        used = _judged(held, assertion, now=now)
        if isinstance(used, Passkey):
            await tx.put_passkey(used)
        else:
            await tx.record(PasskeySuspected(sub=user.sub, passkey=held.name, why=str(used)), now=now)
            await tell(parts, tx, user, "passkey_suspicious", now=now, locale=returned.locale)
    if not isinstance(used, Passkey):
        raise InvalidCredentials(slug="passkey.suspicious", detail=str(used))
    return Authentication(sub=user.sub, epoch=user.epoch, auth_time=math.floor(now), acr=ACR_PASSKEY, amr=used.amr)


def _judged(held: Passkey, assertion: Assertion, *, now: Instant) -> Passkey | SuspiciousPasskey:
    try:
        return rule.after_use(held, assertion, now=now)
    except SuspiciousPasskey as suspicion:
        return suspicion


async def begin_registration(parts: Parts, signed_in: SignedIn, *, browser: bytes, now: Instant) -> Begun:
    """A new passkey for the user of a fresh session.

    Raises:
        SignInAnew: the sign-in is too old or too weak.
        CannotAdd: the user has as many as one may have.
        NotFound: this issuer cannot have passkeys.
    """
    passkeys = _offered(parts)
    user = signed_in.user
    await must_be_fresh(parts, signed_in, now=now)
    held = await passkeys_of(parts, user)
    if len(held) >= rule.MOST:
        raise CannotAdd("many")
    challenge, sealed = _new_challenge(parts, _registration(user), browser=browser, now=now)
    options = webauthn.creation_options(
        rp_id=passkeys.rp_id,
        owner=KeyOwner(handle=handle_of(user.sub), name=user.username),
        challenge=challenge,
        existing=[(passkey.credential_id, passkey.transports) for passkey in held],
        timeout=_TIMEOUT,
    )
    return Begun(options=options, sealed=sealed)


async def register(parts: Parts, signed_in: SignedIn, returned: Returned, *, name: str, now: Instant) -> Added:
    """Add the passkey that was made. With the first one all other sessions end, which knew nothing of any.

    Args:
        parts: of the node.
        signed_in: whose it is.
        returned: what the browser sent.
        name: what the user calls it, see ``parse_passkey_name``.
        now: seconds since the epoch.

    Raises:
        InvalidCredentials: it does not verify (``passkey.refused``), or the page was open for too long
            (``passkey.stale``).
        SessionOver: the session ended meanwhile.
        SignInAnew: the sign-in is too weak, or was too old when the page was shown.
        CannotAdd: there is one with this id, or too many.
        NotFound: this issuer cannot have passkeys.
    """
    passkeys = _offered(parts)
    challenge = _opened(parts, _registration(signed_in.user), returned, now=now)
    try:
        response = webauthn.parse_registration_response(returned.response)
        made = passkeys.verify_registration(response, challenge=challenge.value)
    except (ValueError, PasskeyRefused) as error:
        raise _refused(str(error)) from None
    async with parts.storage.write() as tx:
        # The key is made by now, at the wish of a page that this session was shown while it was fresh: the browser's
        # imprint, which the challenge is bound to, changes with each sign-in.
        user, factors = await lock_for_change(parts, tx, signed_in, now=now, begun_at=challenge.made_at)
        if not await tx.spend(challenge.key, until=challenge.remembered_until):
            raise _refused("the challenge was used before")
        if factors.passkeys >= rule.MOST:
            raise CannotAdd("many")
        passkey = Passkey(
            credential_id=made.credential_id,
            sub=user.sub,
            public_key=made.public_key,
            sign_count=made.sign_count,
            backup_eligible=made.backup_eligible,
            backed_up=made.backed_up,
            transports=response.transports,
            name=name,
            created_at=now,
        )
        try:
            await tx.add_passkey(passkey)
        except AlreadyThere:
            # §7.1 step 26: "Verify that the credentialId is not yet registered for any user."
            raise CannotAdd("taken") from None
        await tx.record(PasskeyAdded(sub=user.sub, passkey=name), now=now)
        await tell(parts, tx, user, "passkey_added", now=now, locale=returned.locale)
        codes, cookie = await first_codes(parts, tx, user), None
        if not factors.passkeys:
            _, cookie = await end_the_others(parts, tx, user, signed_in, reason="passkey_added", now=now)
    return Added(codes=codes, cookie=cookie)


async def remove(
    parts: Parts, signed_in: SignedIn, credential_id: bytes, *, now: Instant, locale: str = ""
) -> str | None:
    """Remove a passkey of the user, and end all other sessions; this one goes on under the cookie that is returned.

    One that is not his, or was removed before, is left alone: None.

    Raises:
        SignInAnew: the sign-in is too old or too weak.
        InvalidCredentials: the session ended meanwhile.
    """
    async with parts.storage.write() as tx:
        user, _ = await lock_for_change(parts, tx, signed_in, now=now)
        held = await tx.lock_passkey(credential_id)
        if held is None or held.sub != user.sub:
            return None
        await tx.delete_passkey(credential_id)
        await drop_without_factor(tx, user)
        user, cookie = await end_the_others(parts, tx, user, signed_in, reason="passkey_removed", now=now)
        await tx.record(PasskeyRemoved(sub=user.sub, passkey=held.name), now=now)
        await tell(parts, tx, user, "passkey_removed", now=now, locale=locale)
    return cookie


async def passkeys_of(parts: Parts, user: User) -> list[Passkey]:
    """The user's passkeys, oldest first."""
    async with parts.storage.read() as reading:
        return await reading.passkeys_of(user.sub)


def accepted(passkeys: Passkeys, user: User, held: list[Passkey]) -> dict[str, Any]:
    """Which passkeys of the user are good, for who keeps them (§5.1.10.3)."""
    return webauthn.accepted_credentials(
        rp_id=passkeys.rp_id, handle=handle_of(user.sub), credential_ids=[passkey.credential_id for passkey in held]
    )


def handle_of(sub: str) -> bytes:
    """The user handle in a user's passkeys. It is random, as §14.6.1 wants it: no name, no address."""
    return sub.encode()


def _offered(parts: Parts) -> Passkeys:
    if parts.passkeys is None:
        raise NotFound(slug="request.no_such_path", detail="this issuer cannot have passkeys")
    return parts.passkeys


def _registration(user: User) -> str:
    return f"passkey registration {user.sub}"


def _new_challenge(parts: Parts, purpose: str, *, browser: bytes, now: Instant) -> tuple[bytes, str]:
    challenge = Challenge(value=parts.entropy.draw(passkey_challenge.BYTES), made_at=now, browser=browser)
    return challenge.value, base64url.encode(parts.sealer.seal(challenge.packed(), purpose=purpose))


def _opened(parts: Parts, purpose: str, returned: Returned, *, now: Instant) -> Challenge:
    try:
        packed = parts.sealer.unseal(base64url.decode(returned.sealed), purpose=purpose)
        challenge = passkey_challenge.unpack(packed)
    except (CannotUnseal, ValueError):
        raise _refused("the challenge is not of our making") from None
    if not challenge.is_of(returned.browser):
        raise _refused("the challenge was given to another browser")
    if not challenge.lives(now=now):
        raise InvalidCredentials(slug="passkey.stale", detail="the challenge is too old")
    return challenge


def _refused(detail: str) -> InvalidCredentials:
    return InvalidCredentials(slug="passkey.refused", detail=detail)
