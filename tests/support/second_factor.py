"""A user's phone: an authenticator app by somebody else's arithmetic, and factors put where a test wants them."""

import base64
from dataclasses import dataclass
from typing import Self

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from tests.support.door import Door

from watchword.server.domain import recovery_code, totp
from watchword.server.domain.identifiers import username_key
from watchword.server.domain.totp import Totp

SEED = b"a seed of 20 bytes.."


@dataclass(frozen=True)
class App:
    """An authenticator app that holds a seed. ``door``: whose clock the phone goes by."""

    door: Door
    seed: bytes = SEED

    @classmethod
    def typed(cls, door: Door, secret: str) -> Self:
        """An app into which the secret was typed."""
        return cls(door, base64.b32decode("".join(secret.split())))

    def code(self, *, steps: int = 0) -> str:
        """The code that it shows, so many steps from now."""
        now = int(self.door.clock.now()) + steps * 30
        return TOTP(self.seed, 6, SHA1(), 30).generate(now).decode()

    def wrong(self) -> str:
        """A code that it does not show for a while, before or after."""
        near = {self.code(steps=steps) for steps in range(-3, 4)}
        return next(code for code in ("000000", "111111", "222222") if code not in near)


async def sub_of(door: Door, username: str) -> str:
    """The user's ``sub``."""
    async with door.parts.storage.read() as reading:
        user = await reading.user_by_name(username_key(username))
    assert user is not None
    return user.sub


async def enrol(door: Door, username: str = "ada", *, seed: bytes = SEED) -> App:
    """Give the user an authenticator app."""
    sub = await sub_of(door, username)
    sealed = door.parts.sealer.seal(seed, purpose=totp.purpose_of(sub))
    async with door.parts.storage.write() as tx:
        await tx.put_totp(Totp(sub=sub, sealed=sealed, last_step=-1, created_at=door.clock.now()))
    return App(door, seed)


async def give_recovery_codes(door: Door, username: str = "ada", *, count: int = 10) -> list[str]:
    """Give the user recovery codes."""
    sub = await sub_of(door, username)
    codes = [recovery_code.format_code(door.parts.entropy.draw(recovery_code.BYTES)) for _ in range(count)]
    hashes = [recovery_code.hash_of(sub, code.replace("-", "")) for code in codes]
    async with door.parts.storage.write() as tx:
        await tx.replace_recovery_codes(sub, hashes)
    return codes


async def recovery_codes_left(door: Door, username: str = "ada") -> int:
    """How many the user has."""
    sub = await sub_of(door, username)
    async with door.parts.storage.read() as reading:
        return (await reading.factors(sub)).recovery_codes
