"""Where a request comes from, as far as it can be known.

Forwarding headers are believed from trusted proxies alone. From anybody else they are no evidence, and their presence
takes away what the connection would have told: then nobody is "the same caller".

Implements: RFC 7239 §8.1; RFC 9700 §4.13.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network

from starlette.requests import Request

from watchword.protocol.metadata import issuer_is_loopback
from watchword.server.domain.caller import Address, Caller, caller_of, network_of, parse_address
from watchword.server.domain.secret_ring import SecretRing
from watchword.server.ports.telemetry import Telemetry

_X_FORWARDED_FOR = "x-forwarded-for"
_FORWARDED = "forwarded"
_DEVICE_LENGTH = 200
_REMEMBERED = 4096


@dataclass(frozen=True, slots=True)
class Origin:
    """What a request tells of its sender.

    Attributes:
        caller: for the refresh rule; None without evidence.
        network: for the throttle; None without evidence.
        device: a shortened user agent, for the user to recognise.
    """

    caller: Caller | None
    network: str | None
    device: str


class Network:
    """Reads the sender off a request, by the operator's trusted proxies.

    Args:
        issuer: one on loopback is development, where private addresses are evidence.
        trusted: the proxies' networks; None when the operator said nothing, empty when he said ``none``.
        secrets: for the callers' hashes.
        telemetry: hears once of headers that are not believed.
    """

    def __init__(
        self,
        *,
        issuer: str,
        trusted: Sequence[IPv4Network | IPv6Network] | None,
        secrets: SecretRing,
        telemetry: Telemetry,
    ) -> None:
        self._trusted = None if trusted is None else tuple(trusted)
        self._development = issuer_is_loopback(issuer)
        self._keys = secrets.caller_keys
        self._telemetry = telemetry
        self._warned = False
        # The same senders come again and again.
        self._direct = lru_cache(maxsize=_REMEMBERED)(self._sent_directly)

    def origin(self, request: Request) -> Origin:
        """The sender of ``request``."""
        client, headers = request.scope.get("client"), request.headers
        host = None if client is None else client[0]
        agent = headers.get("user-agent", "")
        if _X_FORWARDED_FOR in headers or _FORWARDED in headers:
            peer = _parsed(host)
            if _X_FORWARDED_FOR in headers and _FORWARDED in headers and peer is not None and self._trusts(peer):
                return self._of_two(request, agent)
            return self._origin(peer, self._forwarded(request, peer), agent)
        # Long ones are not remembered: what is kept has a bound.
        return self._direct(host, agent) if len(agent) <= _DEVICE_LENGTH else self._sent_directly(host, agent)

    def _sent_directly(self, host: str | None, agent: str) -> Origin:
        peer = _parsed(host)
        return self._origin(peer, None if peer is None else self._evidence(peer), agent)

    def _of_two(self, request: Request, agent: str) -> Origin:
        """Behind a proxy that wrote one of the two headers; the other one may be the client's own invention."""
        # Good for no caller: the owner's address may be the invention. But most proxies write this one, and a guesser
        # must not be rid of the throttle by sending the other one.
        address = self._nearest(_hops(request))
        return Origin(None, None if address is None else network_of(address), _device(agent))

    def _origin(self, peer: Address | None, address: Address | None, agent: str) -> Origin:
        device = _device(agent)
        if address is None:
            return Origin(None, None if peer is None else self._stranger(peer), device)
        network = network_of(address)
        return Origin(caller_of(network, agent, self._keys), network, device)

    def _stranger(self, peer: Address) -> str | None:
        """The network of a peer that is no caller: with a header of his own nobody gets rid of the throttle."""
        # Where nothing was said about proxies it may be one that was not named, and everybody would be in its network.
        return None if self._trusted is None or self._trusts(peer) else network_of(peer)

    def _evidence(self, peer: Address) -> Address | None:
        # Behind a proxy that was not named, every client would look like the proxy: that is no evidence.
        unsaid = self._trusted is None and not self._development and (peer.is_private or peer.is_loopback)
        return None if unsaid or self._trusts(peer) else peer

    def _forwarded(self, request: Request, peer: Address | None) -> Address | None:
        if peer is None:
            return None
        if not self._trusts(peer):
            self._warn(peer)
            return None
        return self._nearest(_hops(request))

    def _nearest(self, hops: Sequence[str]) -> Address | None:
        """The nearest hop that is no proxy of ours."""
        for hop in reversed(hops):
            address = parse_address(hop)
            if address is None:
                return None
            if not self._trusts(address):
                return address
        return None

    def _trusts(self, address: Address) -> bool:
        if address.version == 6 and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return any(address in network for network in self._trusted or ())

    def _warn(self, peer: Address) -> None:
        if not self._warned:
            self._warned = True
            self._telemetry.warn(
                "network.untrusted_proxy",
                peer=str(peer),
                detail="forwarding headers from a peer that WATCHWORD_TRUSTED_PROXIES does not name are not believed",
            )


def _device(agent: str) -> str:
    return "".join(c for c in agent[:_DEVICE_LENGTH] if c.isprintable())


def _parsed(host: str | None) -> Address | None:
    return None if host is None else parse_address(host)


def _hops(request: Request) -> list[str]:
    """The chain of addresses, the nearest last; proxies append."""
    forwarded_for = request.headers.getlist(_X_FORWARDED_FOR)
    if forwarded_for:
        return [_without_port(hop.strip()) for hop in ",".join(forwarded_for).split(",")]
    hops = []
    for element in ",".join(request.headers.getlist(_FORWARDED)).split(","):
        pairs = dict(pair.strip().lower().partition("=")[::2] for pair in element.split(";"))
        hops.append(_without_port(pairs.get("for", "").strip('"')))
    return hops


def _without_port(hop: str) -> str:
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop
