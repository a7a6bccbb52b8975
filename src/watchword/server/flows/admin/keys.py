"""Signing keys, as an operator sees, rotates and revokes them."""

from watchword.server.domain.key_ring import RingKey
from watchword.server.flows import key_ring
from watchword.server.flows.admin.refusal import Refused
from watchword.server.flows.parts import Parts


async def listed(parts: Parts) -> list[RingKey]:
    """All keys, oldest first, those gone and revoked included."""
    async with parts.storage.read() as reading:
        return await reading.keys()


async def rotate(parts: Parts) -> list[RingKey]:
    """Let the *next* keys sign from now on; the old ones stay published until their last token is dead."""
    return await key_ring.rotate(parts.storage, parts.signer, now=parts.clock.now())


async def revoke(parts: Parts, kid: str) -> list[RingKey]:
    """Destroy a key and every token that it signed, in every service within about a second.

    Raises:
        Refused: there is no such key.
    """
    try:
        return await key_ring.revoke(parts.storage, parts.signer, kid, now=parts.clock.now())
    except key_ring.NoSuchKey:
        raise Refused(f"there is no key {kid!r}: watchword keys list shows them") from None
