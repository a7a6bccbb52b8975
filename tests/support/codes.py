"""Authorization codes by the challenge endpoint."""

from typing import Any, Final

import httpx2
from tests.support.cast import PASSWORD

from watchword.protocol.pkce import challenge_of

VERIFIER: Final = "a-code-verifier-of-the-tests-which-is-long-enough"
OTHER_VERIFIER: Final = "another-code-verifier-of-the-tests-which-is-long"


def challenge_form(*, client_id: str | None = "web", verifier: Any = VERIFIER, **fields: Any) -> dict[str, Any]:
    """The form of a first-party sign-in; a field that is None is left out."""
    form = {
        "client_id": client_id,
        "username": "ada",
        "password": PASSWORD,
        "scope": "openid orders.read",
        "code_challenge": challenge_of(verifier),
        "code_challenge_method": "S256",
        **fields,
    }
    return {name: value for name, value in form.items() if value is not None}


async def code_for(http: httpx2.AsyncClient, **fields: Any) -> str:
    """A code."""
    answer = await http.post("/authorize-challenge", data=challenge_form(**fields))
    assert answer.status_code == 200, answer.text
    return str(answer.json()["authorization_code"])


def code_form(code: str, **fields: Any) -> dict[str, Any]:
    """The form that redeems it; a field that is None is left out."""
    form = {
        "grant_type": "authorization_code",
        "client_id": "web",
        "code": code,
        "code_verifier": VERIFIER,
        **fields,
    }
    return {name: value for name, value in form.items() if value is not None}
