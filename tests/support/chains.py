"""Chains of refresh tokens, and the two doors where one is handed in."""

from dataclasses import dataclass
from typing import Any, Final

import httpx2
from tests.support.door import Door

from watchword.server.domain.lifetimes import OVERLAP

PAST_OVERLAP: Final = OVERLAP + 1


async def chain(door: Door, http: httpx2.AsyncClient, *, length: int, client_id: str = "web") -> list[str]:
    """``length`` refresh tokens, each but the last one redeemed, a minute apart."""
    tokens = [str((await door.sign_in(http, client_id=client_id))["refresh_token"])]
    while len(tokens) < length:
        door.clock.advance(60)
        answer = await door.refreshed(http, tokens[-1], client_id=client_id)
        tokens.append(answer["refresh_token"])
    return tokens


@dataclass(frozen=True)
class RefreshDoor:
    """Where a refresh token is handed in, and the status of its refusal there."""

    path: str
    refused: int

    async def knock(
        self, http: httpx2.AsyncClient, token: str, *, client_id: str = "web", **fields: Any
    ) -> httpx2.Response:
        """Ask for new tokens."""
        asked = {"client_id": client_id, "refresh_token": token, **fields}
        if self.path == "/token":
            return await http.post("/token", data={"grant_type": "refresh_token", **asked})
        return await http.post(self.path, json=asked)

    async def refreshed(self, http: httpx2.AsyncClient, token: str, **fields: Any) -> dict[str, Any]:
        """As ``knock``, and it must work."""
        answer = await self.knock(http, token, **fields)
        assert answer.status_code == 200, answer.text
        tokens: dict[str, Any] = answer.json()
        return tokens

    async def refuses(self, http: httpx2.AsyncClient, token: str, **fields: Any) -> None:
        """As ``knock``, and it must be refused as no longer good."""
        answer = await self.knock(http, token, **fields)
        assert (answer.status_code, answer.json()["error"]) == (self.refused, "invalid_grant"), answer.text
        assert "token" not in answer.json()


STANDARD_DOOR: Final = RefreshDoor("/token", 400)
SIMPLE_DOOR: Final = RefreshDoor("/session/refresh", 401)
