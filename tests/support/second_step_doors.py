"""The three doors that a password and a second step open, knocked at alike."""

from dataclasses import dataclass
from typing import Any, Final, Protocol

import httpx2
import pytest
from tests.support.cast import PASSWORD
from tests.support.codes import challenge_form, code_form
from tests.support.door import HOME, Door
from tests.support.visitor import View, Visitor


@dataclass(frozen=True)
class Told:
    """What a door said: in, or not, or wait, or start again; ``raw`` is the answer itself."""

    word: str
    raw: httpx2.Response

    @property
    def wait(self) -> int:
        """Seconds, where it said to wait."""
        return int(self.raw.headers["retry-after"])


class SecondStepDoor(Protocol):
    """One user agent at one door."""

    async def password(self, username: str = "ada", password: str = PASSWORD) -> Told:
        """The first step: ``in``, ``more``, ``refused`` or ``wait``."""
        ...

    async def code(self, **code: str) -> Told:
        """The second step, of the last first one: ``in``, ``wrong``, ``over`` or ``wait``."""
        ...

    async def proof(self, told: Told) -> dict[str, Any]:
        """acr, amr, auth_time and sub of who is in."""
        ...


class AtSession:
    """The simple door."""

    def __init__(self, door: Door, address: tuple[str, int] = HOME, *, client_id: str = "web") -> None:
        self.door, self.http, self.client_id = door, door.caller(address), client_id
        self.step = ""

    async def password(self, username: str = "ada", password: str = PASSWORD) -> Told:
        body = {"client_id": self.client_id, "username": username, "password": password, "scope": "orders.read"}
        answer = await self.http.post("/session", json=body)
        said = answer.json()
        self.step = said.get("auth_session", self.step)
        word = {201: "in", 429: "wait", 401: "more" if "auth_session" in said else "refused"}[answer.status_code]
        return Told(word, answer)

    async def code(self, **code: str) -> Told:
        body = {"client_id": self.client_id, "auth_session": self.step, **code}
        answer = await self.http.post("/session", json=body)
        said = answer.json()
        word = {201: "in", 429: "wait"}.get(answer.status_code) or _word(answer, said, self.step, status=401)
        return Told(word, answer)

    async def proof(self, told: Told) -> dict[str, Any]:
        return dict(self.door.read(told.raw.json()["access_token"]).claims)


class AtChallenge:
    """The authorization challenge endpoint."""

    def __init__(self, door: Door, address: tuple[str, int] = HOME, *, client_id: str = "web") -> None:
        self.door, self.http, self.client_id = door, door.caller(address), client_id
        self.step = ""

    async def password(self, username: str = "ada", password: str = PASSWORD) -> Told:
        form = challenge_form(client_id=self.client_id, username=username, password=password)
        answer = await self.http.post("/authorize-challenge", data=form)
        said = answer.json()
        self.step = said.get("auth_session", self.step)
        word = {200: "in", 429: "wait", 400: "more" if "auth_session" in said else "refused"}[answer.status_code]
        return Told(word, answer)

    async def code(self, **code: str) -> Told:
        form = {"client_id": self.client_id, "auth_session": self.step, **code}
        answer = await self.http.post("/authorize-challenge", data=form)
        said = answer.json()
        word = {200: "in", 429: "wait"}.get(answer.status_code) or _word(answer, said, self.step, status=400)
        return Told(word, answer)

    async def proof(self, told: Told) -> dict[str, Any]:
        form = code_form(told.raw.json()["authorization_code"], client_id=self.client_id)
        tokens = (await self.http.post("/token", data=form)).json()
        return dict(self.door.read(tokens["access_token"]).claims)


class AtPages:
    """The sign-in page, on the way to an application."""

    def __init__(self, door: Door, address: tuple[str, int] = HOME) -> None:
        self.door, self.visitor = door, Visitor(door, address)
        self.view: View | None = None

    async def password(self, username: str = "ada", password: str = PASSWORD) -> Told:
        page = await self.visitor.visit("spa", prompt="login")
        answer = await self.visitor.post(page.forms["sign-in-form"], username=username, password=password)
        view = View(answer)
        if view.forms.keys() & {"otp-form", "recovery-form"}:
            self.view = view
            return Told("more", answer)
        return Told({303: "in", 429: "wait", 400: "refused"}[answer.status_code], answer)

    async def code(self, **code: str) -> Told:
        assert self.view is not None
        form = self.view.forms["otp-form" if "otp" in code else "recovery-form"]
        fields: dict[str, Any] = {**code}
        answer = await self.visitor.post(form, **fields)
        if answer.status_code in (303, 429):
            return Told({303: "in", 429: "wait"}[answer.status_code], answer)
        assert answer.status_code == 400
        view = View(answer)
        assert ("sign-in-form" in view.forms) != bool(view.forms.keys() & {"otp-form", "recovery-form"})
        return Told("over" if "sign-in-form" in view.forms else "wrong", answer)

    async def proof(self, told: Told) -> dict[str, Any]:
        view = await self.visitor.follow(told.raw)
        answer = await self.visitor.redeem(view.answer["code"], client_id="spa")
        return dict(self.door.read(answer.json()["access_token"]).claims)


def _word(answer: httpx2.Response, said: dict[str, Any], step: str, *, status: int) -> str:
    assert answer.status_code == status
    assert ("www-authenticate" in answer.headers) is (status == 401)
    if said["error"] == "insufficient_authorization":
        assert said["auth_session"] == step
        return "wrong"
    assert said["error"] == "invalid_session"
    assert "auth_session" not in said
    return "over"


DOORS: Final = (AtSession, AtChallenge, AtPages)
at_every_door = pytest.mark.parametrize("at", DOORS, ids=["session", "challenge", "pages"])
at_api_doors = pytest.mark.parametrize("at", DOORS[:2], ids=["session", "challenge"])
