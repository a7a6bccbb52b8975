"""Users, as an operator keeps them.

Whatever narrows what a user may do raises his epoch in the same transaction: sessions, grants and access tokens born
before are dead, in every service within about a second, and nothing brings them back.

Implements: NIST SP 800-63B-4 §3.1.1.2; RFC 9700 §4.14.2 (revocation on password change and disabling).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from watchword.server.domain import throttle
from watchword.server.domain.audit import Administered
from watchword.server.domain.identifiers import (
    ID_BYTES,
    email_key,
    parse_email,
    parse_username,
    random_id,
    username_key,
)
from watchword.server.domain.user import User
from watchword.server.flows.admin.refusal import Refused, listing
from watchword.server.flows.endings import end_everything
from watchword.server.flows.new_password import NotAccepted, hash_accepted
from watchword.server.flows.notices import tell
from watchword.server.flows.parts import Parts
from watchword.server.flows.throttling import account_keys
from watchword.server.ports.already_there import AlreadyThere
from watchword.server.ports.transaction import Reading, Writing

_PAGE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class NewUser:
    """A user as an operator describes one; ``email_verified`` where he knows that the address is the user's."""

    username: str
    password: str
    email: str | None = None
    email_verified: bool = False
    roles: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"NewUser({self.username!r})"


async def create(parts: Parts, wanted: NewUser) -> User:
    """Add a user.

    Raises:
        Refused: name, e-mail, password or a role will not do, or the name is taken.
    """
    now = parts.clock.now()
    try:
        username = parse_username(wanted.username)
        email = None if wanted.email is None else parse_email(wanted.email)
    except ValueError as error:
        raise Refused(str(error)) from None
    hashed = await _hashed(parts, wanted.password, username=username, email=email)
    user = User(
        sub=random_id(parts.entropy.draw(ID_BYTES)),
        username=username,
        username_key=username_key(username),
        created_at=now,
        password_hash=hashed,
        email=email,
        email_verified=wanted.email_verified and email is not None,
        roles=frozenset(wanted.roles),
    )
    try:
        async with parts.storage.write() as tx:
            await _roles_exist(tx, wanted.roles)
            await tx.add_user(user)
            await tx.record(Administered(what="user.created", subject=user.sub), now=now)
    except AlreadyThere:
        raise Refused(f"there is a user {username!r} already") from None
    return user


async def listed(parts: Parts) -> list[User]:
    """All users by name."""
    found: list[User] = []
    async with parts.storage.read() as reading:
        while True:
            page = await reading.users(after=found[-1].username_key if found else "", limit=_PAGE)
            found += page
            if len(page) < _PAGE:
                return found


async def shown(parts: Parts, name: str) -> User:
    """One user, by name or ``sub``.

    Raises:
        Refused: there is none.
    """
    async with parts.storage.read() as reading:
        return await find(reading, name)


async def disable(parts: Parts, name: str) -> User:
    """Shut a user out at once, and end all his sessions and grants for good. Again: nothing happens.

    Raises:
        Refused: there is no such user.
    """
    now = parts.clock.now()
    async with parts.storage.write() as tx:
        user = await lock(tx, name)
        if not user.enabled:
            return user
        user = await end_everything(tx, replace(user, enabled=False), reason="user_disabled", now=now)
        await tx.put_user(user)
        await tx.record(Administered(what="user.disabled", subject=user.sub), now=now)
    return user


async def enable(parts: Parts, name: str) -> User:
    """Let a user sign in again. His epoch stays raised: what ended when he was disabled stays ended.

    Raises:
        Refused: there is no such user.
    """
    now = parts.clock.now()
    async with parts.storage.write() as tx:
        user = await lock(tx, name)
        if user.enabled:
            return user
        user = replace(user, enabled=True)
        await tx.put_user(user)
        await tx.record(Administered(what="user.enabled", subject=user.sub), now=now)
    return user


async def delete(parts: Parts, name: str) -> User:
    """Delete a user with all that hangs on him. The name is free again; the ``sub`` is never given again.

    Returns:
        The user as he was.

    Raises:
        Refused: there is no such user.
    """
    now = parts.clock.now()
    async with parts.storage.write() as tx:
        user = await lock(tx, name)
        await end_everything(tx, user, reason="user_deleted", now=now)
        await tx.delete_user(user.sub)
        await tx.record(Administered(what="user.deleted", subject=user.sub), now=now)
    return user


async def set_password(parts: Parts, name: str, password: str) -> User:
    """Give a user another password. All his sessions end: whoever knew the old one may hold one of them.

    Raises:
        Refused: there is no such user, or the password will not do.
    """
    now = parts.clock.now()
    async with parts.storage.read() as reading:
        user = await find(reading, name)
    # Hashing takes its time, so it is done before the row is locked.
    hashed = await _hashed(parts, password, username=user.username, email=user.email)
    async with parts.storage.write() as tx:
        locked = await tx.lock_user(user.sub)
        if locked is None:
            raise Refused(f"the user {name!r} was deleted meanwhile")
        user = replace(locked, password_hash=hashed)
        user = await end_everything(tx, user, reason="password_changed", now=now)
        await tx.put_user(user)
        # Whoever guessed at the old password has to begin anew; so may the owner, from wherever he has not failed
        # himself: that wait of his own network runs out within hours.
        await tx.put_buckets([throttle.cleared(key) for key in account_keys(parts.secrets, user.username_key)])
        await tx.record(Administered(what="user.password_set", subject=user.sub), now=now)
        await tell(parts, tx, user, "password_changed", now=now)
    return user


async def set_email(parts: Parts, name: str, email: str, *, verified: bool = False) -> User:
    """Give a user another address. All his sessions end, links to the address before die, and that one hears of it.

    Args:
        parts: of the command.
        name: the user's, or his ``sub``.
        email: the address.
        verified: the operator knows that it is the user's, so mail goes there at once.

    Raises:
        Refused: there is no such user, or this is no address.
    """
    now = parts.clock.now()
    try:
        address = parse_email(email)
    except ValueError as error:
        raise Refused(str(error)) from None
    async with parts.storage.write() as tx:
        user = await lock(tx, name)
        before = user.email if user.email_verified else None
        changed = replace(user, email=address, email_verified=verified)
        changed = await end_everything(tx, changed, reason="email_changed", now=now)
        await tx.put_user(changed)
        await tx.record(Administered(what="user.email_set", subject=user.sub), now=now)
        if before is not None and email_key(before) != email_key(address):
            await tell(parts, tx, user, "email_changed", now=now, to=before)
    return changed


async def set_roles(parts: Parts, name: str, roles: Sequence[str]) -> User:
    """Give a user these roles and no others. The same ones again: nothing happens.

    Nothing is revoked: the next refresh of each of his grants gives what his roles allow then, and never more than was
    granted; what a role adds comes with his next sign-in. Access tokens keep what they say until they expire.

    Raises:
        Refused: there is no such user, or no such role.
    """
    now = parts.clock.now()
    async with parts.storage.write() as tx:
        user = await lock(tx, name)
        await _roles_exist(tx, roles)
        changed = replace(user, roles=frozenset(roles))
        if changed.roles == user.roles:
            return user
        await tx.put_user(changed)
        await tx.record(Administered(what="user.roles_set", subject=user.sub, note=_turn(user, changed)), now=now)
    return changed


async def find(reading: Reading, name: str) -> User:
    """The user of that name, or with that ``sub``.

    Raises:
        Refused: there is none, or the text names two.
    """
    named, known = await reading.user_by_name(username_key(name)), await reading.user(name)
    # Somebody may have chosen another one's `sub` as his name; a command must not hit the wrong one.
    if named is not None and known is not None and named.sub != known.sub:
        raise Refused(f"{name!r} is the name of one user and the sub of another: name the other one")
    user = named or known
    if user is None:
        raise Refused(f"there is no user {name!r}")
    return user


async def lock(tx: Writing, name: str) -> User:
    """As ``find``, for writing.

    Raises:
        Refused: there is none.
    """
    user = await tx.lock_user((await find(tx, name)).sub)
    if user is None:
        raise Refused(f"there is no user {name!r}")
    return user


def _turn(before: User, after: User) -> str:
    """``+clerk -admin``: what somebody was given and lost."""
    given, lost = sorted(after.roles - before.roles), sorted(before.roles - after.roles)
    return " ".join([*(f"+{role}" for role in given), *(f"-{role}" for role in lost)])


async def _roles_exist(reading: Reading, roles: Sequence[str]) -> None:
    known = (await reading.catalog()).roles
    for role in roles:
        if role not in known:
            raise Refused(f"there is no role {role!r}: {listing(known)}")


async def _hashed(parts: Parts, password: str, *, username: str, email: str | None) -> str:
    try:
        return await hash_accepted(parts.passwords, password, username=username, email=email, issuer=parts.issuer)
    except NotAccepted as objection:
        raise Refused(f"the password is refused: {objection}") from None
