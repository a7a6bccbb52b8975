"""What the two resource servers, synchronous and asynchronous, have in common: their parts and their state."""

import random
import time
import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from watchword.resource.background import Attendant, Background
from watchword.resource.issuer_door import IssuerDoor
from watchword.resource.memory import Memory
from watchword.resource.policy import DEFAULT_POLICY, RevocationPolicy
from watchword.resource.snapshot import SnapshotFile
from watchword.resource.upkeep import Upkeep
from watchword.resource.verifier import Verifier


@dataclass(frozen=True, slots=True)
class ResourceStatus:
    """What a resource server knows at the moment; for a readiness check or a metric.

    Attributes:
        keys: how many keys of the issuer are known.
        keys_fetched_at: when, in seconds since the epoch; None before the first time.
        revocations_known_at: the moment up to which all revocations are known; None before the first time.
        revocations: how many of them still matter.
        sequence: the number of the last one in the issuer's log.
    """

    keys: int
    keys_fetched_at: float | None
    revocations_known_at: float | None
    revocations: int
    sequence: int


class Assembled:
    """The base of both shells.

    Args:
        issuer: the issuer identifier, exactly as in its metadata, e.g. ``https://auth.example.com``.
        audience: the name of this resource, or several; a token must be meant for one of them.
        leeway: seconds of clock difference allowed, at most 60.
        revocations: what to do while revocations cannot be learnt: ``fail_closed_after(seconds)``, ``UNTIL_EXPIRY``,
            ``INTROSPECT``, or ``INSECURE_WITHOUT_FEED`` for an issuer that has no feed.
        client_id, client_secret: how this resource server proves itself when it reads the feed (needed unless the
            issuer is on loopback) or introspects.
        snapshot_path: a file that keeps keys and revocations, so that a restart while the issuer is away still
            verifies; its folder must exist.
        cache_size: how many verified tokens to remember at most.
        clock: seconds since the epoch.

    Raises:
        ValueError: no audience, a leeway above 60, an issuer that is none, or credentials that are incomplete.
    """

    def __init__(
        self,
        *,
        issuer: str,
        audience: str | Iterable[str],
        leeway: float = 10,
        revocations: RevocationPolicy = DEFAULT_POLICY,
        client_id: str | None = None,
        client_secret: str | None = None,
        snapshot_path: str | Path | None = None,
        cache_size: int = 4096,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if (client_id is None) is not (client_secret is None):
            raise ValueError("client_id and client_secret go together")
        if revocations.introspects and client_id is None:
            raise ValueError("INTROSPECT needs client_id and client_secret: introspection is not for strangers")
        self._clock = clock
        self._verifier = verifier = Verifier(
            issuer=issuer,
            audiences=frozenset([audience] if isinstance(audience, str) else audience),
            leeway=leeway,
            policy=revocations,
            cache_size=cache_size,
        )
        kept = None if snapshot_path is None else SnapshotFile(Path(snapshot_path), issuer=issuer)

        def make() -> Upkeep:
            door = _open_door(issuer, client_id=client_id, client_secret=client_secret)
            memory = None if kept is None else Memory(verifier, kept, clock=clock)
            return Upkeep(verifier, door, clock=clock, chance=random.random, memory=memory)

        self._attendant: Attendant = Background(verifier, make)
        # Also when it is forgotten without close(), and at exit.
        weakref.finalize(self, self._attendant.stop)

    def __repr__(self) -> str:
        audiences = " ".join(sorted(self._verifier.audiences))
        return f"{type(self).__name__}(issuer={self._verifier.issuer!r}, audience={audiences!r})"

    @property
    def issuer(self) -> str:
        """The issuer identifier."""
        return self._verifier.issuer

    @property
    def status(self) -> ResourceStatus:
        """What is known at the moment."""
        keys, view = self._verifier.keys, self._verifier.view
        return ResourceStatus(
            keys=len(keys),
            keys_fetched_at=keys.fetched_at,
            revocations_known_at=view.vouched_at if view.vouched_at > 0 else None,
            revocations=len(view.revoked),
            sequence=view.sequence,
        )

    @property
    def knowledge(self) -> "Knowledge":
        """What tokens are judged by."""
        return Knowledge(self._verifier, self._attendant, self._clock)

    @knowledge.setter
    def knowledge(self, other: "Knowledge") -> None:
        """Judge by other knowledge from now on; ``watchword.testing`` does this for tests without network."""
        self._verifier, self._attendant, self._clock = other.verifier, other.attendant, other.clock


@dataclass(frozen=True, slots=True)
class Knowledge:
    """A verifier, who sees to its needs, and its clock (seconds since the epoch)."""

    verifier: Verifier
    attendant: Attendant
    clock: Callable[[], float]


def _open_door(issuer: str, *, client_id: str | None, client_secret: str | None) -> IssuerDoor:
    # Loaded in the background thread at first use: the HTTP library takes longer to import than all the rest.
    from watchword.resource.issuer_http import HttpIssuerDoor  # noqa: PLC0415

    return HttpIssuerDoor(issuer, client_id=client_id, client_secret=client_secret)
