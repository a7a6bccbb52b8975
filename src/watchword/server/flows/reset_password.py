"""A forgotten password: a link by mail to the address that the user has proved, and a new password by it.

Whoever asks learns nothing: the request writes the same and is answered the same, whatever was typed. Who was meant is
looked up afterwards, by the courier. A reset replaces the password and no other factor.

Implements: OWASP ASVS 5.0 §6.3.8, §6.4.1, §6.4.3, §6.3.7, §7.4.3; NIST SP 800-63B-4 §4.2, §4.6; RFC 9700 §4.14.2.
"""

import math
from dataclasses import dataclass, field, replace
from typing import Final

from watchword.protocol import base64url
from watchword.protocol.errors import PasswordRefused, TemporarilyUnavailable, TooManyTries
from watchword.server.domain import throttle
from watchword.server.domain.audit import PasswordReset, PasswordResetAsked
from watchword.server.domain.delivery import Delivery
from watchword.server.domain.identifiers import ID_BYTES, MAX_TYPED_NAME, email_key, random_id, username_key
from watchword.server.domain.lifetimes import HOUR
from watchword.server.domain.time import Instant
from watchword.server.domain.user import User
from watchword.server.flows.courier import Load
from watchword.server.flows.endings import end_everything
from watchword.server.flows.links import found, kill_links, make_link, taken
from watchword.server.flows.mail import post_link
from watchword.server.flows.new_password import NotAccepted, hash_accepted
from watchword.server.flows.notices import tell
from watchword.server.flows.parts import Parts
from watchword.server.flows.throttling import ThrottleKeys, forgotten_key, mail_key
from watchword.server.ports.passwords import PasswordsBusy
from watchword.server.ports.sealing import CannotUnseal
from watchword.server.ports.transaction import Writing

_PURPOSE: Final = "forgotten password"
# Who has waited so long has asked again.
_UNTIL: Final = 1 * HOUR
# An address may be shared; whoever gets mail there may reset all of these accounts.
MOST_USERS: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """What somebody typed who forgot his password. ``locale``: the languages of his browser."""

    typed: str = field(repr=False)
    network: str | None
    locale: str = ""


async def ask(parts: Parts, asked: Forgotten, *, now: Instant) -> None:
    """Take the request; whether it leads to a mail shows in the mailbox alone.

    Raises:
        TooManyTries: from this network, whatever was typed.
    """
    sealed = parts.sealer.seal(asked.typed[:MAX_TYPED_NAME].encode("utf-8", "replace"), purpose=_PURPOSE)
    async with parts.storage.write() as tx:
        # Where nothing tells networks apart one stranger would shut this door for everybody; what bounds the mails to
        # each user stays.
        if asked.network is not None:
            await _count(parts, tx, asked.network, now=now)
        delivery = Delivery(
            id=random_id(parts.entropy.draw(ID_BYTES)),
            kind="forgotten_password",
            target="",
            content={"typed": base64url.encode(sealed), "locale": asked.locale},
            due_at=now,
            expires_at=now + _UNTIL,
        )
        await tx.add_delivery(delivery)


async def _count(parts: Parts, tx: Writing, network: str, *, now: Instant) -> None:
    key = forgotten_key(parts.secrets, network)
    bucket = (await tx.lock_buckets((key,)))[key]
    wait = throttle.wait(bucket, now=now)
    if wait > 0:
        raise TooManyTries(slug="reset.throttled", retry_after=math.ceil(wait))
    await tx.put_buckets([throttle.after_failure(bucket, key, throttle.FORGOTTEN_FROM_NETWORK, now=now)])


class ForgottenPasswords:
    """Finds out who was meant, and has the mails sent.

    Args:
        parts: of the node.
    """

    load: Final = Load(kind="forgotten_password", at_once=4, lease=15.0)

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def bring(self, delivery: Delivery) -> None:
        """See ``Bringer``."""
        for user in await self._meant(delivery):
            await self._send(user.sub, locale=delivery.content.get("locale", ""))

    async def _meant(self, delivery: Delivery) -> list[User]:
        """Users of that name, or with that address; only who has proved his address gets mail."""
        try:
            sealed = base64url.decode(delivery.content["typed"])
            typed = self._parts.sealer.unseal(sealed, purpose=_PURPOSE).decode("utf-8")
        except CannotUnseal:
            # Its secret was taken off the list in the minutes since; he asks again.
            return []
        async with self._parts.storage.read() as reading:
            named = await reading.user_by_name(username_key(typed))
            addressed = await reading.users_by_email(email_key(typed), limit=MOST_USERS)
        users = {user.sub: user for user in ([named] if named is not None else []) + addressed}
        return [user for user in users.values() if user.email_verified and user.enabled]

    async def _send(self, sub: str, *, locale: str) -> None:
        parts, now = self._parts, self._parts.clock.now()
        key = mail_key(parts.secrets, reader=sub)
        async with parts.storage.write() as tx:
            user = await tx.lock_user(sub)
            if user is None or not user.enabled or not user.email_verified or user.email is None:
                return
            bucket = (await tx.lock_buckets((key,)))[key]
            if throttle.wait(bucket, now=now) > 0:
                parts.telemetry.tell("reset.enough", sub=sub)
                return
            await tx.put_buckets([throttle.after_failure(bucket, key, throttle.MAILS, now=now)])
            link = await make_link(parts, tx, user, "reset_password", user.email, now=now)
            await post_link(parts, tx, link, content={"username": user.username, "locale": locale}, now=now)
            await tx.record(PasswordResetAsked(sub=sub), now=now)

    def tell_failed(self, delivery: Delivery, reason: str) -> None:
        """See ``Bringer``: nothing is asked of anybody outside, so this cannot fail."""

    def tell_given_up(self, delivery: Delivery, reason: str) -> None:
        """See ``Bringer``."""


async def account_of(parts: Parts, token: str | None, *, now: Instant) -> User:
    """Whose password the link sets. Nothing is used up.

    Raises:
        LinkDead: nobody's.
    """
    async with parts.storage.read() as reading:
        return (await found(parts, reading, token, "reset_password", now=now))[1]


async def reset(
    parts: Parts, token: str | None, wanted: str, *, network: str | None, now: Instant, locale: str = ""
) -> None:
    """A new password by a link, which is used up. All sessions of the user end, and he is signed in nowhere.

    Args:
        parts: of the node.
        token: the link's.
        wanted: the new password.
        network: where the request comes from, if there is evidence; for the throttle alone.
        now: seconds since the epoch.
        locale: as for ``notices.tell``.

    Raises:
        LinkDead: the link does nothing (any more).
        PasswordRefused: the policy refuses the password; the link is as good as before.
        TemporarilyUnavailable: too many passwords are being hashed; as above.
    """
    user = await account_of(parts, token, now=now)
    try:
        hashed = await hash_accepted(
            parts.passwords, wanted, username=user.username, email=user.email, issuer=parts.issuer
        )
    except NotAccepted as objection:
        raise PasswordRefused(str(objection), slug="reset.password") from None
    except PasswordsBusy:
        raise TemporarilyUnavailable(slug="reset.busy", retry_after=2) from None
    async with parts.storage.write() as tx:
        _, locked = await taken(parts, tx, token, "reset_password", now=now)
        ended = await end_everything(tx, replace(locked, password_hash=hashed), reason="password_reset", now=now)
        await tx.put_user(ended)
        await kill_links(tx, ended.sub)
        # Whoever guessed at the old password has to begin anew; so may the owner, from where he is now and from where
        # he has not failed. Wrong codes count in the same buckets: where there is a second step the counts stay, or
        # whoever reads the mail would have as many guesses at the code as he asks for links.
        if not (await tx.factors(ended.sub)).has_second_step:
            keys = ThrottleKeys.of(parts.secrets, account=ended.username_key, network=network)
            await tx.put_buckets([throttle.cleared(key) for key in keys.of_account])
        await tx.record(PasswordReset(sub=ended.sub), now=now)
        await tell(parts, tx, ended, "password_changed", now=now, locale=locale)
