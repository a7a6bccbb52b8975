"""What the sign-in page holds for a passkey.

Implements: W3C Web Authentication Level 3 §5.1.4, §7.2; OpenID Connect Core 1.0 §3.1.2.1 (``acr_values``).
"""

from typing import Any

from watchword.protocol import strict_json
from watchword.protocol.authentication_class import ACR_PASSKEY, ACR_TWO_FACTOR, satisfies
from watchword.server.domain.authorization_steps import NotToBeRedirected
from watchword.server.domain.passkey_challenge import LIFETIME
from watchword.server.flows import passkeys as flow
from watchword.server.web.browser import Browser
from watchword.server.web.context import Web


def sign_in_section(web: Web, browser: Browser, *, demanded: bool, now: float) -> dict[str, Any] | None:
    """What the sign-in page needs for a passkey; None where there are none to be had.

    ``demanded``: nothing weaker than a passkey will do, so its button is the main one.
    """
    begun = flow.begin_sign_in(web.parts, browser=browser.imprint(), now=now)
    if begun is None:
        return None
    return {
        "options": strict_json.render_object(begun.options).decode(),
        "challenge": begun.sealed,
        "lifetime": int(LIFETIME),
        "demanded": demanded,
    }


def must_have_passkeys(web: Web) -> None:
    """Return if this issuer can have passkeys.

    Raises:
        NotToBeRedirected: it cannot, and there is no such page.
    """
    if web.parts.passkeys is None:
        raise NotToBeRedirected("not_found", "passkeys cannot be had here")


def is_demanded(acr_values: tuple[str, ...]) -> bool:
    """Whether a passkey meets what is asked for, and nothing weaker does."""
    return satisfies(ACR_PASSKEY, acr_values) and not satisfies(ACR_TWO_FACTOR, acr_values)
