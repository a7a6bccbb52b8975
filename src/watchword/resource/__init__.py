"""The resource library: verifies access tokens locally."""

from watchword.protocol.authentication_class import ACR_PASSKEY, ACR_PASSWORD, ACR_TWO_FACTOR
from watchword.protocol.rejection import TokenRejected
from watchword.resource.assembly import ResourceStatus
from watchword.resource.async_resource_server import AsyncResourceServer
from watchword.resource.demand import Demand
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
    "ACR_PASSKEY",
    "ACR_PASSWORD",
    "ACR_TWO_FACTOR",
    "INSECURE_WITHOUT_FEED",
    "INTROSPECT",
    "UNTIL_EXPIRY",
    "AsyncResourceServer",
    "Closed",
    "ConfigurationError",
    "Demand",
    "KeysUnavailable",
    "ResourceServer",
    "ResourceStatus",
    "RevocationPolicy",
    "TokenRejected",
    "VerifiedToken",
    "fail_closed_after",
]
