"""What storage keeps of a user's factors, of links in e-mails, and of what works once. A part of a transaction.

Whoever changes a user's factors or links locks the user first, so that of two who do it at once one comes wholly first.
"""

from collections.abc import Sequence
from typing import Protocol

from watchword.server.domain.factors import Factors
from watchword.server.domain.one_time_link import OneTimeLink, Purpose
from watchword.server.domain.passkey import Passkey
from watchword.server.domain.time import Instant
from watchword.server.domain.totp import Totp


class FactorsReading(Protocol):
    """Reads. Everything missing is None or empty."""

    async def factors(self, sub: str) -> Factors:
        """What the user has enrolled; nothing, for an unknown one."""
        ...

    async def passkey(self, credential_id: bytes) -> Passkey | None:
        """The passkey with that id."""
        ...

    async def passkeys_of(self, sub: str) -> list[Passkey]:
        """A user's passkeys, oldest first."""
        ...

    async def totp(self, sub: str) -> Totp | None:
        """The user's authenticator app."""
        ...

    async def totps(self, *, after: str = "", limit: int = 1000) -> list[Totp]:
        """Authenticator apps of all users in order of their ``sub``, after the given one."""
        ...

    async def link(self, link_id: bytes) -> OneTimeLink | None:
        """The one-time link with that id, expired or not."""
        ...


class FactorsWriting(FactorsReading, Protocol):
    """Writes, and reads that see them."""

    async def add_passkey(self, passkey: Passkey) -> None:
        """A new passkey.

        Raises:
            AlreadyThere: ``passkey``.
        """
        ...

    async def lock_passkey(self, credential_id: bytes) -> Passkey | None:
        """The passkey, for writing."""
        ...

    async def put_passkey(self, passkey: Passkey) -> None:
        """The changed row of a passkey."""
        ...

    async def delete_passkey(self, credential_id: bytes) -> None:
        """Forget a passkey; one that is not there is fine."""
        ...

    async def lock_totp(self, sub: str) -> Totp | None:
        """The user's authenticator app, for writing."""
        ...

    async def put_totp(self, totp: Totp) -> None:
        """A new or changed authenticator app. Its user stays until the commit; without one, nothing is put."""
        ...

    async def delete_totp(self, sub: str) -> None:
        """Forget the user's authenticator app; none is fine."""
        ...

    async def replace_recovery_codes(self, sub: str, hashes: Sequence[bytes]) -> None:
        """The user's recovery codes; those before are gone."""
        ...

    async def take_recovery_code(self, sub: str, code_hash: bytes) -> bool:
        """Use up a recovery code of the user. Of two who take one at once, one does."""
        ...

    async def put_link(self, link: OneTimeLink) -> None:
        """A one-time link, in the place of the one that the user had for this purpose."""
        ...

    async def take_link(self, link_id: bytes) -> OneTimeLink | None:
        """The link with that id, which is gone then: one use."""
        ...

    async def delete_link(self, sub: str, purpose: Purpose) -> None:
        """Kill the user's link for that purpose; none is fine."""
        ...

    async def spend(self, key: bytes, *, until: Instant) -> bool:
        """Mark ``key`` as used, which is remembered until then; whether this was the first time."""
        ...
