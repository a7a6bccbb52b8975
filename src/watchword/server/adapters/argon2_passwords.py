"""Passwords under Argon2id, in a bounded pool of threads.

A flood of sign-ins waits here and is turned away here; refreshes, key sets and the feed do not notice it.

Implements: RFC 9106 §4; NIST SP 800-63B-4 §3.1.1.2.
"""

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, TypeVar

import argon2

from watchword.server.ports.passwords import PasswordsBusy

T = TypeVar("T")

# OWASP's profile for Argon2id: 19 MiB, two passes, one lane.
_MEMORY_KIB: Final = 19 * 1024
_PASSES: Final = 2
_THREADS: Final = 2
# At some 30 ms each, the last in the queue waits about half a second.
_QUEUE: Final = 32
# With these bounds an estimate takes some 15 ms at most, and most often less than one; a password has up to five.
_ESTIMATED_LENGTH: Final = 64
_ESTIMATED_AT_ONCE: Final = 16
_LETTER_LIKE: Final = 8
_SEPARATORS: Final = 3
_DIGITS: Final = frozenset("0123456789")
_SAME_KEY: Final = dict(zip("@({[<!|$+%", "29]],1\\4=5", strict=True))


@dataclass(frozen=True, slots=True)
class Argon2Verdict:
    """The answer of ``verify``."""

    right: bool
    outdated: bool = False


class Argon2Passwords:
    """Hashes and checks passwords with argon2-cffi, two at a time; more than 32 waiting are refused."""

    def __init__(self) -> None:
        self._hasher = argon2.PasswordHasher(time_cost=_PASSES, memory_cost=_MEMORY_KIB, parallelism=1)
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="passwords")
        self._waiting = 0
        # Work ends in a thread of the pool.
        self._counting = threading.Lock()
        self._decoy: str | None = None

    async def hash(self, password: str) -> str:
        """See ``ports.passwords.Passwords``."""
        return await self._in_pool(lambda: self._hasher.hash(password))

    async def verify(self, password: str, hashed: str | None) -> Argon2Verdict:
        """See ``ports.passwords.Passwords``."""
        return await self._in_pool(lambda: self._verify(password, hashed))

    async def score(self, password: str, *, context: tuple[str, ...]) -> int:
        """See ``ports.passwords.Passwords``. The estimator looks at the first 64 characters: it slows down after."""
        return await self._in_pool(lambda: _estimate(password[:_ESTIMATED_LENGTH], context))

    def close(self) -> None:
        """Let the threads end."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _verify(self, password: str, hashed: str | None) -> Argon2Verdict:
        if hashed is None:
            # An unknown user costs what a known one costs; the decoy fits no password.
            self._decoy = self._decoy or self._hasher.hash("no such user")
            self._matches("\x00", self._decoy)
            return Argon2Verdict(right=False)
        right = self._matches(password, hashed)
        return Argon2Verdict(right=right, outdated=right and self._hasher.check_needs_rehash(hashed))

    def _matches(self, password: str, hashed: str) -> bool:
        try:
            return self._hasher.verify(hashed, password)
        except (argon2.exceptions.VerifyMismatchError, argon2.exceptions.InvalidHashError):
            return False

    async def _in_pool(self, work: Callable[[], T]) -> T:
        with self._counting:
            if self._waiting >= _QUEUE + _THREADS:
                raise PasswordsBusy
            self._waiting += 1
        future = self._pool.submit(work)
        # At the pool's future, not at the caller's: this one ends when the work has ended or will never begin, however
        # soon the caller stops waiting for it.
        future.add_done_callback(self._done)
        return await asyncio.wrap_future(future)

    def _done(self, _: object) -> None:
        with self._counting:
            self._waiting -= 1


def _estimate(password: str, context: tuple[str, ...]) -> int:
    import zxcvbn_rs_py  # noqa: PLC0415 - its dictionaries take memory that only a change of password needs

    return min(int(zxcvbn_rs_py.zxcvbn(_plainer(one), list(context)).score) for one in _joined(password))


def _joined(password: str) -> Iterator[str]:
    """``password`` as typed, and as it is without what may only part its words.

    The estimator counts a sign between two words as ten thousand guesses, and does not see that they are the same word.
    A guesser tries the few signs that people put there. Only one kind of sign is left out at a time, so that one that
    was drawn by chance loses next to nothing.
    """
    yield password
    closed = "".join(password.split())
    if closed != password:
        yield closed
    signs = Counter(sign for sign in closed if not sign.isalnum())
    for sign, _ in signs.most_common(_SEPARATORS):
        yield closed.replace(sign, "")


def _plainer(password: str) -> str:
    """``password`` with few enough of the signs that may stand for letters.

    The estimator tries all letters that they may stand for, and holds up every other thread meanwhile: half a second
    for a password that has them all. The first few stay; the others become what is on the same key, or beside it, so
    that rows of keys and repetitions stay what they are.
    """
    if len(password) <= _ESTIMATED_AT_ONCE:
        return password
    room = max(_LETTER_LIKE - len(_DIGITS & set(password)), 2)
    signs = [sign for sign in dict.fromkeys(password) if sign in _SAME_KEY]
    return password.translate({ord(sign): _SAME_KEY[sign] for sign in signs[room:]})
