"""Which of PostgreSQL's errors mean that storage is unavailable, and which that a transaction is worth another try."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import asyncpg

from watchword.server.ports.storage import StorageUnavailable

# Classes of SQLSTATE (the first two characters): connection, read-only, authorization, no such database, rollback,
# resources, not in the right state (locks), operator's intervention, system, internal.
_UNAVAILABLE_CLASSES: Final = frozenset({"08", "25", "28", "3D", "40", "53", "55", "57", "58", "XX"})
# Serialization failure, deadlock.
_AGAIN: Final = frozenset({"40001", "40P01"})


class TryAgain(StorageUnavailable):
    """The database gave up this transaction in favour of another; the same again may well go through."""


class ConnectionLost(StorageUnavailable):
    """The connection is not to be used any more."""


@contextmanager
def translated() -> Iterator[None]:
    """Raise StorageUnavailable for what means it."""
    try:
        yield
    except asyncpg.PostgresError as error:
        state = error.sqlstate or ""
        if state in _AGAIN:
            raise TryAgain(_sentence(error)) from error
        if state[:2] in ("08", "57"):
            raise ConnectionLost(_sentence(error)) from error
        if state[:2] in _UNAVAILABLE_CLASSES:
            raise StorageUnavailable(_sentence(error)) from error
        raise
    except asyncpg.exceptions.DataError:
        # A value that no column can hold: a mistake of ours, though asyncpg calls it an interface error too.
        raise
    except (asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError) as error:
        raise ConnectionLost(_sentence(error)) from error


def _sentence(error: Exception) -> str:
    # The message alone: details may quote values of a row.
    return f"PostgreSQL: {type(error).__name__}"
