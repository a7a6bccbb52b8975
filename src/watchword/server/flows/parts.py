"""What flows are made of: the ports, and the few settings that rules take as arguments."""

from dataclasses import dataclass, field

from watchword.server.domain.lifetimes import Lifetimes
from watchword.server.domain.secret_ring import SecretRing
from watchword.server.flows.directory import Directory
from watchword.server.flows.log_tail import LogTail
from watchword.server.flows.throttling import Turns
from watchword.server.ports.clock import Clock
from watchword.server.ports.entropy import Entropy
from watchword.server.ports.passkeys import Passkeys
from watchword.server.ports.passwords import Passwords
from watchword.server.ports.sealing import Sealer
from watchword.server.ports.signing import Signer
from watchword.server.ports.storage import Storage
from watchword.server.ports.telemetry import Telemetry


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The parts of one running node, or of one command. Put together by ``app``, changed by nobody.

    ``passkeys`` is None where the issuer cannot have any.
    """

    issuer: str
    storage: Storage
    clock: Clock
    entropy: Entropy
    passwords: Passwords
    signer: Signer
    sealer: Sealer
    telemetry: Telemetry
    secrets: SecretRing
    lifetimes: Lifetimes
    directory: Directory
    log_tail: LogTail
    passkeys: Passkeys | None = None
    sign_up_open: bool = False
    sends_mail: bool = False
    turns: Turns = field(default_factory=Turns)
