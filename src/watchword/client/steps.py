"""The steps that get tokens, as values: what to do next is said here, and a driver does it. Pure.

A run is a generator. It yields steps and is sent their results; a step that fails is thrown back in as a
``ClientError``. ``TokenSource`` and ``AsyncTokenSource`` drive the same runs, so there is one set of rules. Laws:

- a driver gives back the lock when the run ends, however it ends;
- ``Save`` has reached the disk when it returns;
- time and chance come as results of ``Look`` and ``Draw``.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, TypeVar

from watchword.client.account import Account
from watchword.client.errors import Misconfigured, TryLater
from watchword.client.messages import Answer, NoAnswer, Refusal, Request, Unreachable, metadata_request, read_metadata
from watchword.client.token_state import Held
from watchword.protocol.metadata import Metadata

# Requests for one purpose, the first included; and how long to wait for the next within one call.
ATTEMPTS: Final = 3
PATIENCE: Final = 3.0
LOCK_PATIENCE: Final = 20.0
METADATA_AGE: Final = 3600.0
_FIRST_PAUSE: Final = 0.2
_LOCK_PAUSE: Final = 0.01
_LONGEST_LOCK_PAUSE: Final = 0.1

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Look:
    """Look at the clock and throw a die: answered with a ``Moment``."""


@dataclass(frozen=True, slots=True)
class Draw:
    """Draw a PKCE verifier: answered with 43 unguessable characters."""


@dataclass(frozen=True, slots=True)
class Load:
    """Read the store: answered with bytes, or None where it is empty."""


@dataclass(frozen=True, slots=True)
class Save:
    """Write the store, durably; None empties it."""

    held: Held | None


@dataclass(frozen=True, slots=True)
class TryLock:
    """Try to lock the store against all other processes and threads, without waiting: answered with a bool."""


@dataclass(frozen=True, slots=True)
class Unlock:
    """Give the lock back before the run ends."""


@dataclass(frozen=True, slots=True)
class Send:
    """Send a request: answered with an ``Answer`` or ``Unreachable``."""

    request: Request


@dataclass(frozen=True, slots=True)
class Wait:
    """Let so many seconds pass."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Remember:
    """Keep the issuer's metadata for the next run."""

    found: "Discovered"


@dataclass(frozen=True, slots=True)
class Moment:
    """``now`` in seconds since the epoch, ``chance`` from 0 to 1."""

    now: float
    chance: float


@dataclass(frozen=True, slots=True)
class Discovered:
    """The issuer's metadata, and when it was read."""

    metadata: Metadata
    at: float


Step: TypeAlias = Look | Draw | Load | Save | TryLock | Unlock | Send | Wait | Remember
Steps: TypeAlias = Generator[Step, Any, T]


def look() -> Steps[Moment]:
    """The time and a chance."""
    moment: Moment = yield Look()
    return moment


def load() -> Steps[bytes | None]:
    """What the store holds."""
    stored: bytes | None = yield Load()
    return stored


def try_lock() -> Steps[bool]:
    """Whether the lock was free."""
    locked: bool = yield TryLock()
    return locked


def send(request: Request) -> Steps[Answer | Unreachable]:
    """What came back."""
    reply: Answer | Unreachable = yield Send(request)
    return reply


def exchange(
    request: Request, read: Callable[[Answer | Unreachable], T | Refusal | NoAnswer], *, attempts: int = ATTEMPTS
) -> Steps[tuple[T | Refusal, float]]:
    """Send until something certain is said; the answer, and the time before it was asked for.

    The same request goes out each time: an answer that was lost is given again (the server's refresh rule), so
    asking twice spends nothing.

    Raises:
        TryLater: nothing certain was said, and the attempts are used up or the server wants a longer pause.
    """
    for attempt in range(1, attempts + 1):
        moment = yield from look()
        found = read((yield from send(request)))
        if not isinstance(found, NoAnswer):
            return found, moment.now
        pause = found.retry_after or 0.0
        if attempt == attempts or pause > PATIENCE:
            raise TryLater(f"no answer from the issuer: {found.reason}", retry_after=pause)
        own = _FIRST_PAUSE * 2 ** (attempt - 1) * (0.5 + moment.chance / 2)
        yield Wait(max(own, pause * (1 + moment.chance / 2)))
    raise AssertionError("at least one attempt is made")


def discover(account: Account, known: Discovered | None, *, attempts: int = ATTEMPTS) -> Steps[Metadata]:
    """The issuer's metadata; one that is old is better than none.

    Raises:
        TryLater: it cannot be read for now.
        Misconfigured: there is none, or it is another issuer's.
    """
    moment = yield from look()
    if known is not None and 0 <= moment.now - known.at < METADATA_AGE:
        return known.metadata
    try:
        request = metadata_request(account.issuer)
        found, at = yield from exchange(request, lambda reply: read_metadata(reply, account.issuer), attempts=attempts)
    except TryLater:
        if known is None:
            raise
        return known.metadata
    if isinstance(found, Refusal):
        raise Misconfigured(f"the issuer {account.issuer} cannot be used: {found}", reason=found.code)
    yield Remember(Discovered(found, at))
    return found


def lock(still_wanted: Callable[[], Steps[T]]) -> Steps[T | None]:
    """Wait for the lock, in bounded time; None once it is had.

    Args:
        still_wanted: run before each pause; what it finds ends the waiting without the lock.

    Raises:
        TryLater: somebody else has it for too long.
    """
    waited, pause = 0.0, _LOCK_PAUSE
    while not (yield from try_lock()):
        found = yield from still_wanted()
        if found is not None:
            return found
        if waited >= LOCK_PATIENCE:
            raise TryLater("another holder of these tokens has been renewing them for too long", reason="locked")
        moment = yield from look()
        yield Wait(pause * (0.5 + moment.chance / 2))
        waited += pause
        pause = min(pause * 1.5, _LONGEST_LOCK_PAUSE)
    return None


def misconfigured(refusal: Refusal) -> Misconfigured:
    """The error behind a refusal that neither waiting nor signing in can cure."""
    return Misconfigured(f"the issuer refused: {refusal}", reason=refusal.code)
