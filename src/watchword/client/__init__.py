"""The client library: holds tokens and renews them silently.

source = TokenSource("https://auth.example", "app", store=FileTokenStore("~/.local/state/app/tokens.json"))
source.sign_in("alice", password)
source.token()
"""

from watchword.client.async_token_source import AsyncTokenSource
from watchword.client.authorization import Begun, SignInWishes, Transaction
from watchword.client.errors import (
    ClientError,
    Misconfigured,
    SecondStepNeeded,
    SignInAgain,
    StepUpRequired,
    TryLater,
)
from watchword.client.file_store import FileTokenStore
from watchword.client.identity import Identity
from watchword.client.keyring_store import KeyringTokenStore
from watchword.client.messages import Answer, Request, Unreachable
from watchword.client.second_step import SecondStep
from watchword.client.session_store import FileSessionStore, MemorySessionStore, SessionStore
from watchword.client.token_source import TokenSource
from watchword.client.token_store import MemoryTokenStore, TokenStore
from watchword.client.transport import AsyncHttpTransport, AsyncTransport, HttpTransport, Transport
from watchword.protocol.authentication_class import ACR_PASSKEY, ACR_PASSWORD, ACR_TWO_FACTOR

__all__ = [
    "ACR_PASSKEY",
    "ACR_PASSWORD",
    "ACR_TWO_FACTOR",
    "Answer",
    "AsyncHttpTransport",
    "AsyncTokenSource",
    "AsyncTransport",
    "Begun",
    "ClientError",
    "FileSessionStore",
    "FileTokenStore",
    "HttpTransport",
    "Identity",
    "KeyringTokenStore",
    "MemorySessionStore",
    "MemoryTokenStore",
    "Misconfigured",
    "Request",
    "SecondStep",
    "SecondStepNeeded",
    "SessionStore",
    "SignInAgain",
    "SignInWishes",
    "StepUpRequired",
    "TokenSource",
    "TokenStore",
    "Transaction",
    "Transport",
    "TryLater",
    "Unreachable",
]
