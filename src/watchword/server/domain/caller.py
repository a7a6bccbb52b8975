"""The caller: who presents a refresh token, as far as the network tells.

The same caller is the same keyed hash of client network (/24 or /56) and user agent. Without evidence there is no
caller, and nobody is "the same".
"""

import hmac
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import msgspec

from watchword.server.domain.secret_ring import mac

Address = IPv4Address | IPv6Address


class Caller(msgspec.Struct, frozen=True):
    """A caller's hash under every listed secret, newest first."""

    hashes: tuple[bytes, ...]

    @property
    def mark(self) -> bytes:
        """What is stored: the hash under the newest secret."""
        return self.hashes[0]

    def is_(self, mark: bytes | None) -> bool:
        """Whether ``mark``, made under any of the secrets, is this caller's."""
        return mark is not None and any(hmac.compare_digest(mark, one) for one in self.hashes)


def network_of(address: Address) -> str:
    """The /24 or /56 that ``address`` is in: what stays when a client's address changes a little."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    prefix = 24 if address.version == 4 else 56
    return str(ip_network((address, prefix), strict=False))


def parse_address(text: str) -> Address | None:
    """The address that ``text`` spells, without zone and brackets; None if it spells none."""
    try:
        return ip_address(text.strip().strip("[]").partition("%")[0])
    except ValueError:
        return None


def caller_of(network: str, user_agent: str, keys: Iterable[bytes]) -> Caller:
    """The caller at ``network`` with ``user_agent``, hashed under each of ``keys``."""
    evidence = f"{network}\n{user_agent}".encode("utf-8", "surrogatepass")
    return Caller(tuple([mac(key, evidence) for key in keys]))
