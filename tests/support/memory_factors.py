"""Factors, links and what was spent, as the storage in memory keeps them."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field

from watchword.server.domain.factors import Factors
from watchword.server.domain.one_time_link import OneTimeLink, Purpose
from watchword.server.domain.passkey import Passkey
from watchword.server.domain.time import Instant
from watchword.server.domain.totp import Totp
from watchword.server.ports.already_there import AlreadyThere


@dataclass
class FactorTables:
    """Their rows."""

    passkeys: dict[bytes, Passkey] = field(default_factory=dict)
    totps: dict[str, Totp] = field(default_factory=dict)
    recovery_codes: dict[bytes, str] = field(default_factory=dict)
    one_time_links: dict[tuple[str, str], OneTimeLink] = field(default_factory=dict)
    spent: dict[bytes, Instant] = field(default_factory=dict)


class MemoryFactorsReading:
    tables: FactorTables

    async def factors(self, sub: str) -> Factors:
        return Factors(
            totp=sub in self.tables.totps,
            passkeys=sum(one.sub == sub for one in self.tables.passkeys.values()),
            recovery_codes=sum(one == sub for one in self.tables.recovery_codes.values()),
        )

    async def passkey(self, credential_id: bytes) -> Passkey | None:
        return self.tables.passkeys.get(credential_id)

    async def passkeys_of(self, sub: str) -> list[Passkey]:
        found = [one for one in self.tables.passkeys.values() if one.sub == sub]
        return sorted(found, key=lambda one: (one.created_at, one.credential_id))

    async def totp(self, sub: str) -> Totp | None:
        return self.tables.totps.get(sub)

    async def totps(self, *, after: str = "", limit: int = 1000) -> list[Totp]:
        return [one for sub, one in sorted(self.tables.totps.items()) if sub > after][:limit]

    async def link(self, link_id: bytes) -> OneTimeLink | None:
        return next((one for one in self.tables.one_time_links.values() if one.id == link_id), None)


class MemoryFactorsWriting(MemoryFactorsReading, ABC):
    @abstractmethod
    def keeps(self, sub: str) -> bool:
        """Whether there is such a user."""

    async def add_passkey(self, passkey: Passkey) -> None:
        if passkey.credential_id in self.tables.passkeys:
            raise AlreadyThere("passkey")
        self.tables.passkeys[passkey.credential_id] = passkey

    async def lock_passkey(self, credential_id: bytes) -> Passkey | None:
        return await self.passkey(credential_id)

    async def put_passkey(self, passkey: Passkey) -> None:
        if passkey.credential_id in self.tables.passkeys:
            self.tables.passkeys[passkey.credential_id] = passkey

    async def delete_passkey(self, credential_id: bytes) -> None:
        self.tables.passkeys.pop(credential_id, None)

    async def lock_totp(self, sub: str) -> Totp | None:
        return await self.totp(sub)

    async def put_totp(self, totp: Totp) -> None:
        if self.keeps(totp.sub):
            self.tables.totps[totp.sub] = totp

    async def delete_totp(self, sub: str) -> None:
        self.tables.totps.pop(sub, None)

    async def replace_recovery_codes(self, sub: str, hashes: Sequence[bytes]) -> None:
        kept = {key: owner for key, owner in self.tables.recovery_codes.items() if owner != sub}
        self.tables.recovery_codes = kept | (dict.fromkeys(hashes, sub) if self.keeps(sub) else {})

    async def take_recovery_code(self, sub: str, code_hash: bytes) -> bool:
        if self.tables.recovery_codes.get(code_hash) != sub:
            return False
        del self.tables.recovery_codes[code_hash]
        return True

    async def put_link(self, link: OneTimeLink) -> None:
        if self.keeps(link.sub):
            self.tables.one_time_links[link.sub, link.purpose] = link

    async def take_link(self, link_id: bytes) -> OneTimeLink | None:
        found = await self.link(link_id)
        if found is not None:
            del self.tables.one_time_links[found.sub, found.purpose]
        return found

    async def delete_link(self, sub: str, purpose: Purpose) -> None:
        self.tables.one_time_links.pop((sub, purpose), None)

    async def spend(self, key: bytes, *, until: Instant) -> bool:
        if key in self.tables.spent:
            return False
        self.tables.spent[key] = until
        return True

    def drop_factors(self, sub: str) -> None:
        """What ``delete_user`` takes along."""
        for name in ("passkeys", "totps", "one_time_links"):
            setattr(self.tables, name, {key: one for key, one in getattr(self.tables, name).items() if one.sub != sub})
        self.tables.recovery_codes = {key: one for key, one in self.tables.recovery_codes.items() if one != sub}
