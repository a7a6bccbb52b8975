"""Token introspection: the answer.

Implements: RFC 7662 §2.2.
"""

from typing import Any, Final

from watchword.protocol.access_token import AccessToken

# RFC 7662 §2.2: for a token that is not active, or not for the asker, nothing else is said.
INACTIVE: Final[dict[str, Any]] = {"active": False}


def active_access_token(token: AccessToken) -> dict[str, Any]:
    """The answer about a living access token: its claims, and that it lives."""
    return {"active": True, "token_type": "Bearer", **token.claims}
