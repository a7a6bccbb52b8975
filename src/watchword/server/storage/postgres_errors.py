"""Which of PostgreSQL's errors mean that storage is unavailable, and which that a transaction is worth another try."""

import socket
import ssl
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
# On a standby a transaction that may write does not even begin (feature not supported). Statements that are older than
# the tables end so, too, and the connection that remembers them is of no more use.
_STANDBY: Final = frozenset({"0A000", "25006"})
_PRIVILEGE: Final = "42501"

# What an operator can do about it. The first that fits counts.
_SENTENCES: Final[tuple[tuple[type[Exception], str], ...]] = (
    (asyncpg.InvalidCatalogNameError, "there is no such database: create it, or name another one in the URL"),
    (asyncpg.InvalidPasswordError, "user name or password are not right"),
    (
        asyncpg.InvalidAuthorizationSpecificationError,
        "the server does not let this user in: does it know the user, and does its pg_hba.conf admit him from here?",
    ),
    (asyncpg.InsufficientPrivilegeError, "the user may not do this: GRANT him the database and its schema"),
    (asyncpg.TooManyConnectionsError, "the server takes no more connections (max_connections)"),
    (asyncpg.CannotConnectNowError, "the server is starting or stopping"),
    (asyncpg.TargetServerAttributeNotMatched, "only a standby answers, and the URL must lead to the primary"),
    (asyncpg.ReadOnlySQLTransactionError, "the server only reads, as a standby does"),
    (asyncpg.InvalidCachedStatementError, "the tables were changed meanwhile"),
    (asyncpg.FeatureNotSupportedError, "the server does not do that, as a standby does not write"),
    (asyncpg.ClientConfigurationError, "the driver cannot work with the URL, the PG... variables or a certificate"),
    (socket.gaierror, "the host's name is not known: is it right in the URL?"),
    (ssl.SSLError, "TLS failed: do the certificates and sslmode fit?"),
    (FileNotFoundError, "there is no such socket, or no such file of a certificate: is the URL right?"),
    (TimeoutError, "no answer in time"),
    (ConnectionRefusedError, "nothing listens there: are host and port of the URL right, and does the server run?"),
    (ConnectionError, "the connection broke"),
)


class TryAgain(StorageUnavailable):
    """The database gave up this transaction in favour of another; the same again may well go through."""


class ConnectionLost(StorageUnavailable):
    """The connection is not to be used any more."""


class OnStandby(ConnectionLost):
    """The connection leads to a standby, whatever it led to before: what is read there may be old."""


@contextmanager
def translated() -> Iterator[None]:
    """Raise StorageUnavailable for what means it."""
    try:
        yield
    except asyncpg.PostgresError as error:
        state = error.sqlstate or ""
        if state in _AGAIN:
            raise TryAgain(_sentence(error)) from error
        if state in _STANDBY:
            raise OnStandby(_sentence(error)) from error
        if state[:2] in ("08", "57"):
            raise ConnectionLost(_sentence(error)) from error
        if state == _PRIVILEGE or state[:2] in _UNAVAILABLE_CLASSES:
            raise StorageUnavailable(_sentence(error)) from error
        raise
    except asyncpg.exceptions.DataError:
        # A value that no column can hold: a mistake of ours, though asyncpg calls it an interface error too.
        raise
    except (asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError) as error:
        raise ConnectionLost(_sentence(error)) from error


def _sentence(error: Exception) -> str:
    # None of the error's own text: it may quote values of a row, or the URL.
    said = next((sentence for kind, sentence in _SENTENCES if isinstance(error, kind)), type(error).__name__)
    return f"PostgreSQL: {said}"
