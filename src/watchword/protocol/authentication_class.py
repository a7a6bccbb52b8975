"""How strongly a user proved to be himself: the ladder of authentication context classes.

The server's own classes are ordered, so that who asks for two factors is content with a passkey. Classes of others
have no order here: they are met by themselves alone.

Implements: OpenID Connect Core 1.0 §2 (``acr``), §3.1.2.1 (``acr_values``); RFC 9470 §5.
"""

from collections.abc import Iterable

ACR_PASSWORD = "urn:watchword:acr:password"
ACR_TWO_FACTOR = "urn:watchword:acr:two-factor"
ACR_PASSKEY = "urn:watchword:acr:passkey"

LADDER = (ACR_PASSWORD, ACR_TWO_FACTOR, ACR_PASSKEY)
"""The server's own classes, the weakest first."""


def satisfies(acr: str, wanted: Iterable[str]) -> bool:
    """Whether a sign-in of the class ``acr`` is one that was asked for.

    Args:
        acr: the class that the sign-in had; empty where none is known.
        wanted: the classes that were asked for, any of which will do; none asks for nothing.

    Returns:
        True where nothing is wanted, where ``acr`` is one of the wanted, and where it stands on the ladder at least as
        high as one of them does.
    """
    classes = tuple(wanted)
    if not classes or acr in classes:
        return True
    if acr not in LADDER:
        return False
    height = LADDER.index(acr)
    return any(LADDER.index(one) <= height for one in classes if one in LADDER)
