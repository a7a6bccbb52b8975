"""The composition root: puts the parts together that settings ask for."""

from dataclasses import dataclass

from watchword.server.domain.lifetimes import Lifetimes
from watchword.server.domain.secret_ring import SecretRing
from watchword.server.ports.clock import Clock
from watchword.server.ports.entropy import Entropy
from watchword.server.ports.passwords import Passwords
from watchword.server.ports.signing import Signer
from watchword.server.ports.storage import Storage


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What flows are made of, once settings are read and the database is open."""

    issuer: str
    storage: Storage
    clock: Clock
    entropy: Entropy
    passwords: Passwords
    signer: Signer
    secrets: SecretRing
    lifetimes: Lifetimes
