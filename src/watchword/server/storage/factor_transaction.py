"""The ports of a transaction that concern factors, links and what was spent, over whatever runs its steps.

Docstrings are the ports': ``ports/factors.py`` says what each method promises.
"""
# ruff: noqa: D102

from collections.abc import Sequence

from watchword.server.domain.factors import Factors
from watchword.server.domain.one_time_link import OneTimeLink, Purpose
from watchword.server.domain.passkey import Passkey
from watchword.server.domain.time import Instant
from watchword.server.domain.totp import Totp
from watchword.server.storage import factors
from watchword.server.storage.running import Run


class FactorStepsReading:
    """Reads inside a transaction."""

    _run: Run

    async def factors(self, sub: str) -> Factors:
        return await self._run(factors.factors(sub))

    async def passkey(self, credential_id: bytes) -> Passkey | None:
        return await self._run(factors.passkey(credential_id))

    async def passkeys_of(self, sub: str) -> list[Passkey]:
        return await self._run(factors.passkeys_of(sub))

    async def totp(self, sub: str) -> Totp | None:
        return await self._run(factors.totp(sub))

    async def totps(self, *, after: str = "", limit: int = 1000) -> list[Totp]:
        return await self._run(factors.totps(after, limit))

    async def link(self, link_id: bytes) -> OneTimeLink | None:
        return await self._run(factors.link(link_id))


class FactorStepsWriting(FactorStepsReading):
    """Writes inside a transaction, and reads that see them."""

    async def add_passkey(self, passkey: Passkey) -> None:
        await self._run(factors.add_passkey(passkey))

    async def lock_passkey(self, credential_id: bytes) -> Passkey | None:
        return await self._run(factors.lock_passkey(credential_id))

    async def put_passkey(self, passkey: Passkey) -> None:
        await self._run(factors.put_passkey(passkey))

    async def delete_passkey(self, credential_id: bytes) -> None:
        await self._run(factors.delete_passkey(credential_id))

    async def lock_totp(self, sub: str) -> Totp | None:
        return await self._run(factors.lock_totp(sub))

    async def put_totp(self, totp: Totp) -> None:
        await self._run(factors.put_totp(totp))

    async def delete_totp(self, sub: str) -> None:
        await self._run(factors.delete_totp(sub))

    async def replace_recovery_codes(self, sub: str, hashes: Sequence[bytes]) -> None:
        await self._run(factors.replace_recovery_codes(sub, hashes))

    async def take_recovery_code(self, sub: str, code_hash: bytes) -> bool:
        return await self._run(factors.take_recovery_code(sub, code_hash))

    async def put_link(self, link: OneTimeLink) -> None:
        await self._run(factors.put_link(link))

    async def take_link(self, link_id: bytes) -> OneTimeLink | None:
        return await self._run(factors.take_link(link_id))

    async def delete_link(self, sub: str, purpose: Purpose) -> None:
        await self._run(factors.delete_link(sub, purpose))

    async def spend(self, key: bytes, *, until: Instant) -> bool:
        return await self._run(factors.spend(key, until))
