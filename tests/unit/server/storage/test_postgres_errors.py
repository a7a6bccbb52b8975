"""What PostgreSQL's errors mean, and what the operator is told: what to do, and nothing of the error's own text."""

import socket
import ssl

import asyncpg
import pytest

from watchword.server.ports.storage import StorageUnavailable
from watchword.server.storage.postgres_errors import ConnectionLost, OnStandby, TryAgain, translated

SECRET = "hunter2"


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (asyncpg.InvalidCatalogNameError, StorageUnavailable, "there is no such database: create it"),
        (asyncpg.InvalidPasswordError, StorageUnavailable, "user name or password are not right"),
        (asyncpg.InvalidAuthorizationSpecificationError, StorageUnavailable, "pg_hba.conf"),
        (asyncpg.InsufficientPrivilegeError, StorageUnavailable, "GRANT him the database"),
        (asyncpg.TooManyConnectionsError, StorageUnavailable, "max_connections"),
        (asyncpg.CannotConnectNowError, ConnectionLost, "starting or stopping"),
        (asyncpg.TargetServerAttributeNotMatched, ConnectionLost, "the URL must lead to the primary"),
        (asyncpg.ClientConfigurationError, ConnectionLost, "cannot work with the URL"),
        (asyncpg.FeatureNotSupportedError, OnStandby, "as a standby"),
        (asyncpg.ReadOnlySQLTransactionError, OnStandby, "as a standby"),
        (asyncpg.InvalidCachedStatementError, OnStandby, "the tables were changed"),
        (asyncpg.DeadlockDetectedError, TryAgain, "DeadlockDetectedError"),
        (asyncpg.DiskFullError, StorageUnavailable, "DiskFullError"),
        (socket.gaierror, ConnectionLost, "the host's name is not known"),
        (ConnectionRefusedError, ConnectionLost, "nothing listens there: are host and port"),
        (ConnectionResetError, ConnectionLost, "the connection broke"),
        (FileNotFoundError, ConnectionLost, "no such socket"),
        (TimeoutError, ConnectionLost, "no answer in time"),
        (ssl.SSLError, ConnectionLost, "TLS failed"),
    ],
)
def test_trouble_is_named_with_what_to_do(error: type[Exception], kind: type[Exception], said: str) -> None:
    with pytest.raises(StorageUnavailable) as raised, translated():
        raise error(SECRET)
    assert type(raised.value) is kind
    assert said in str(raised.value)
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize("error", [asyncpg.UndefinedTableError, asyncpg.UniqueViolationError, asyncpg.DataError])
def test_a_mistake_of_ours_is_no_unavailability(error: type[Exception]) -> None:
    with pytest.raises(error), translated():
        raise error(SECRET)
