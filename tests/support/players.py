"""Clients of a story: each refreshes a chain of its own, over and over, and notes what it is answered."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.support.running_server import PASSWORD
from tests.support.wire import Gone, Reply, Wire, ask, renewal


async def sign_in(port: int, user: str = "ada") -> dict[str, Any]:
    """Tokens by the simple door."""
    asked = {"client_id": "web", "username": user, "password": PASSWORD}
    reply = await ask(port, "POST", "/session", members=asked)
    assert reply.status == 201, reply
    return reply.json


async def refresh(port: int, refresh_token: str, **options: Any) -> Reply:
    """One refresh, on a connection of its own."""
    return await ask(port, "POST", "/token", form=renewal(refresh_token), **options)


@dataclass
class Player:
    """A client that holds one refresh token, and asks again with it until it is answered.

    Attributes:
        verdicts: how often each status with its error code was heard, and each kind of broken connection.
    """

    port: int
    token: str
    served: int = 0
    verdicts: Counter[object] = field(default_factory=Counter)

    async def play(self) -> None:
        """Refresh for ever; after trouble wait for a moment."""
        while True:
            if not await self.turn():
                await asyncio.sleep(0.05)

    async def turn(self) -> bool:
        """One try. Whether it brought new tokens."""
        try:
            wire = await Wire.open(self.port)
        except OSError as error:
            self.verdicts[type(error).__name__] += 1
            return False
        async with wire:
            try:
                reply = await wire.ask("POST", "/token", form=renewal(self.token))
            except (Gone, OSError):
                self.verdicts["Gone"] += 1
                return False
        self.verdicts[reply.verdict] += 1
        assert reply.status != 503 or int(reply.headers["retry-after"]) >= 1
        if reply.status != 200:
            return False
        self.token = reply.json["refresh_token"]
        self.served += 1
        return True


@asynccontextmanager
async def playing(port: int, *, count: int) -> AsyncIterator[list[Player]]:
    """``count`` clients at work while the block runs."""
    players = [Player(port, (await sign_in(port))["refresh_token"]) for _ in range(count)]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(player.play()) for player in players]
        try:
            yield players
        finally:
            for task in tasks:
                task.cancel()


async def all_served(players: list[Player], *, seconds: float) -> None:
    """Return when each has been given new tokens once more."""
    before = [player.served for player in players]
    async with asyncio.timeout(seconds):
        while any(player.served <= count for player, count in zip(players, before, strict=True)):
            await asyncio.sleep(0.02)


def heard(players: list[Player]) -> set[object]:
    """All kinds of answers that any of them got."""
    return {verdict for player in players for verdict in player.verdicts}
