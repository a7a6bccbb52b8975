"""The ``claims`` parameter: an application names single claims, and what they have to be.

Implements: OpenID Connect Core 1.0 §5.5, §5.5.1, §5.5.1.1.
Diverges: a claim is given only where the granted scope covers it; the parameter chooses where it stands, and does not
widen what the user allowed.
"""

from dataclasses import dataclass
from typing import Any, Final

from watchword.protocol import strict_json
from watchword.protocol.scope import Scope
from watchword.server.domain.user import User

MAX_LENGTH: Final = 4096
_MAX_VALUES: Final = 20
# Which scope a claim about the user belongs to (§5.4); what is not listed is not known here.
SCOPE_OF: Final = {"preferred_username": "profile", "email": "email", "email_verified": "email"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimsRequest:
    """What is asked for.

    Attributes:
        acr_values: classes of which the sign-in must have one; empty where none is demanded.
        acr_wished: classes of which it should have one, if that can be: the claim is not marked as essential.
        sub: whom the application means; None for anybody.
        id_token: claims about the user that are to stand in the ID token, sorted.
    """

    acr_values: tuple[str, ...] = ()
    acr_wished: tuple[str, ...] = ()
    sub: str | None = None
    id_token: tuple[str, ...] = ()


def parse_claims(text: str) -> ClaimsRequest:
    """The request in a ``claims`` parameter. Unknown members and claims are ignored, as §5.5 wants.

    Raises:
        ValueError: too long, not one JSON object of objects, or a value of the wrong type.
    """
    if len(text) > MAX_LENGTH:
        raise ValueError(f"claims has at most {MAX_LENGTH} characters")
    try:
        members = strict_json.parse_object(text.encode())
    except ValueError:
        raise ValueError("claims is no JSON object") from None
    in_id_token, in_userinfo = _asked(members, "id_token"), _asked(members, "userinfo")
    subs = {sub for asked in (in_id_token, in_userinfo) for sub in _values(asked, "sub")}
    if len(subs) > 1:
        raise ValueError("claims names several subjects")
    acr, essential = _values(in_id_token, "acr"), in_id_token.get("acr", {}).get("essential", False)
    if not isinstance(essential, bool):
        raise ValueError("essential of acr in claims is neither true nor false")
    return ClaimsRequest(
        acr_values=acr if essential else (),
        acr_wished=() if essential else acr,
        sub=next(iter(subs), None),
        id_token=tuple(sorted(in_id_token.keys() & SCOPE_OF.keys())),
    )


def _asked(members: dict[str, Any], where: str) -> dict[str, dict[str, Any]]:
    asked = members.get(where)
    if asked is None:
        return {}
    if not isinstance(asked, dict):
        raise ValueError(f"{where} in claims is no object")
    found = {}
    for name, wish in asked.items():
        if not (wish is None or isinstance(wish, dict)):
            raise ValueError(f"{name} in claims is neither null nor an object")
        found[name] = wish or {}
    return found


def _values(asked: dict[str, dict[str, Any]], name: str) -> tuple[str, ...]:
    """§5.5.1: ``value`` or ``values``, in order of preference."""
    wish = asked.get(name, {})
    single, several = wish.get("value"), wish.get("values", [])
    if not isinstance(several, list) or len(several) > _MAX_VALUES:
        raise ValueError(f"values of {name} in claims is no short list")
    values = [single, *several] if single is not None else several
    if not all(isinstance(value, str) for value in values):
        raise ValueError(f"a value of {name} in claims is no text")
    return tuple(values)


def about(user: User, scope: Scope) -> dict[str, Any]:
    """What the granted ``scope`` tells of the user beside ``sub``: at UserInfo, and where it is asked for."""
    claims: dict[str, Any] = {}
    if "profile" in scope:
        claims["preferred_username"] = user.username
    if "email" in scope and user.email is not None:
        claims["email"] = user.email
        claims["email_verified"] = user.email_verified
    return claims
