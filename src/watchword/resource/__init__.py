"""The resource library: verifies access tokens locally."""

from watchword.protocol.rejection import TokenRejected
from watchword.resource.assembly import ResourceStatus
from watchword.resource.async_resource_server import AsyncResourceServer
from watchword.resource.errors import Closed, ConfigurationError, KeysUnavailable
from watchword.resource.policy import (
    INSECURE_WITHOUT_FEED,
    INTROSPECT,
    UNTIL_EXPIRY,
    RevocationPolicy,
    fail_closed_after,
)
from watchword.resource.resource_server import ResourceServer
from watchword.resource.verifier import VerifiedToken

__all__ = [
    "INSECURE_WITHOUT_FEED",
    "INTROSPECT",
    "UNTIL_EXPIRY",
    "AsyncResourceServer",
    "Closed",
    "ConfigurationError",
    "KeysUnavailable",
    "ResourceServer",
    "ResourceStatus",
    "RevocationPolicy",
    "TokenRejected",
    "VerifiedToken",
    "fail_closed_after",
]
