"""Which passwords are taken, and how they are compared.

R104-R106; NIST SP 800-63B-4 §3.1.1.2.
"""

import asyncio
import json
import threading
import time
import unicodedata
from typing import Any

import argon2
import httpx2
import pytest
from tests.standards.conftest import OpenDoor
from tests.support.cast import PASSWORD
from tests.support.door import Door
from tests.support.fake_ports import CheapPasswords
from tests.support.rfc import standard

from watchword.server.adapters.argon2_passwords import Argon2Passwords
from watchword.server.ports.passwords import PasswordsBusy

NIST = "NIST SP 800-63B-4"
LONG = "zebra quilt forge mandolin copper"


class ScoringPasswords(CheapPasswords):
    """Cheap to hash, but the estimate of strength is the real one."""

    def __init__(self) -> None:
        super().__init__()
        self._real = Argon2Passwords()

    async def score(self, password: str, *, context: tuple[str, ...]) -> int:
        return await self._real.score(password, context=context)

    def close(self) -> None:
        self._real.close()


@pytest.fixture
async def open_house(open_door: OpenDoor) -> Any:
    """A door whose sign-up is open, with the real estimate of strength."""
    door = await open_door(sign_up_open=True)
    passwords = ScoringPasswords()
    door.passwords = passwords
    await door.restart()
    yield door
    passwords.close()


async def sign_up(door: Door, password: str, username: str = "eve", **fields: Any) -> httpx2.Response:
    return await door.caller().post("/users", json={"username": username, "password": password, **fields})


@standard(NIST, "3.1.1.2")
async def test_a_password_alone_has_fifteen_characters_at_least(open_house: Door) -> None:
    refused = await sign_up(open_house, "zebra7quilt!fo")
    assert (refused.status_code, refused.json()["error"]) == (400, "password_refused")
    assert "15" in refused.json()["error_description"]
    assert (await sign_up(open_house, "zebra7quilt!for")).status_code == 201


@standard(NIST, "3.1.1.2")
async def test_characters_are_counted_as_code_points(open_house: Door) -> None:
    # 14 characters of four bytes each are 14 characters.
    fourteen = "".join(chr(0x20000 + 37 * n) for n in range(14))
    assert (await sign_up(open_house, fourteen)).status_code == 400
    assert (await sign_up(open_house, fourteen + "\u4e00")).status_code == 201


@standard(NIST, "3.1.1.2")
@pytest.mark.parametrize("length", [64, 72, 73, 128, 1024])
async def test_long_passwords_are_taken_and_every_character_counts(open_house: Door, length: int) -> None:
    # Not bcrypt's 72 bytes: what comes last decides too.
    password = (LONG * 40)[: length - 1] + "x"
    assert (await sign_up(open_house, password)).status_code == 201
    http = open_house.caller()
    body = {"client_id": "web", "username": "eve"}
    for wrong in (password[:-1], password[:-1] + "y", password + "z"):
        assert (await http.post("/session", json={**body, "password": wrong})).status_code == 401
    assert (await http.post("/session", json={**body, "password": password})).status_code == 201


async def test_more_than_1024_characters_are_refused_with_a_sentence(open_house: Door) -> None:
    answer = await sign_up(open_house, (LONG * 40)[:1025])
    assert (answer.status_code, answer.json()["error"]) == (400, "password_refused")
    assert "1024" in answer.json()["error_description"]


@standard(NIST, "3.1.1.2")
@pytest.mark.parametrize(
    "password",
    ["zebraquiltforgemandolin", "zebra quilt forge mandolin", "ZEBRAQUILTFORGEMANDOLIN", "917 3562 0841 77 3590 26"],
    ids=["lower case alone", "with spaces", "upper case alone", "digits alone"],
)
async def test_there_are_no_composition_rules(open_house: Door, password: str) -> None:
    assert (await sign_up(open_house, password)).status_code == 201


@standard(NIST, "3.1.1.2")
@pytest.mark.parametrize(
    "password",
    [
        "passwordpassword",
        "password123456789",
        "123456789012345",
        "qwertyuiopasdfgh",
        "aaaaaaaaaaaaaaaaaaaa",
        "abcabcabcabcabcabc",
        "111111111111111111",
        "iloveyouiloveyou",
        "P@ssw0rdP@ssw0rd",
        "letmeinletmeinletmein",
        "password password",
        "iloveyou iloveyou",
        "password-password",
        "password1password1",
    ],
)
async def test_what_a_guesser_tries_first_is_refused_with_a_reason(open_house: Door, password: str) -> None:
    answer = await sign_up(open_house, password)
    assert (answer.status_code, answer.json()["error"]) == (400, "password_refused")
    assert len(answer.json()["error_description"]) > 20
    assert password not in answer.text


@standard(NIST, "3.1.1.2")
@pytest.mark.parametrize(
    "fields",
    [
        {"username": "marmaduke", "password": "marmaduke-marmaduke"},
        {"username": "marmaduke", "password": "Marmaduke123456"},
        {"username": "eve", "email": "thunderbird@example.org", "password": "thunderbird-2027"},
        {"username": "eve", "password": "watchword-watchword"},
    ],
    ids=["name twice", "name and digits", "mail address", "the site's name"],
)
async def test_words_of_the_context_do_not_make_a_password(open_house: Door, fields: dict[str, str]) -> None:
    answer = await open_house.caller().post("/users", json=fields)
    assert (answer.status_code, answer.json()["error"]) == (400, "password_refused")


@standard(NIST, "3.1.1.2")
async def test_two_keyboards_give_one_password(open_house: Door) -> None:
    # NFKC: composed and decomposed letters, wide and narrow ones.
    assert (await sign_up(open_house, "caf\u00e9 mandolin quilt zebra")).status_code == 201
    http = open_house.caller()
    for same in ("cafe\u0301 mandolin quilt zebra", "caf\u00e9 \uff4dandolin quilt zebra"):
        body = {"client_id": "web", "username": "eve", "password": same}
        assert (await http.post("/session", json=body)).status_code == 201


@standard("OWASP ASVS 5.0", "11.4")
async def test_the_real_hash_is_salted_slow_and_carries_its_parameters() -> None:
    passwords = Argon2Passwords()
    try:
        first, second = await passwords.hash(PASSWORD), await passwords.hash(PASSWORD)
        assert first != second
        assert first.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
        assert (await passwords.verify(PASSWORD, first)).right
        assert not (await passwords.verify(PASSWORD + "x", first)).right
        assert not (await passwords.verify(PASSWORD, None)).right
    finally:
        passwords.close()


MARKS = "\u0315" * 15_000 + "\u0334" * 15_000


@pytest.mark.parametrize("field", ["username", "password"])
@pytest.mark.parametrize("path", ["/session", "/users"])
async def test_a_name_or_password_of_sixty_kilobytes_takes_no_time(open_house: Door, path: str, field: str) -> None:
    http = open_house.caller()
    body = {"client_id": "web", "username": "eve", "password": LONG, field: MARKS}
    content = json.dumps(body, ensure_ascii=False).encode()
    assert len(content) > 60_000
    began = time.thread_time()
    answer = await http.post(path, content=content, headers={"content-type": "application/json"})
    assert time.thread_time() - began < 0.4
    assert answer.status_code == (401 if path == "/session" else 400)
    assert open_house.passwords.verified == 0  # type: ignore[attr-defined]


@standard(NIST, "3.1.1.2")
async def test_a_long_password_typed_in_pieces_is_the_same_password(open_house: Door) -> None:
    # Each of these letters may come as a letter and up to three accents.
    whole = (LONG + "".join(chr(0x1F80 + n % 8) for n in range(1024)))[:1024]
    pieces = unicodedata.normalize("NFD", whole)
    assert len(pieces) > 3000
    assert (await sign_up(open_house, whole)).status_code == 201
    body = {"client_id": "web", "username": "eve"}
    http = open_house.caller()
    assert (await http.post("/session", json={**body, "password": pieces})).status_code == 201
    assert (await http.post("/session", json={**body, "password": pieces + "x"})).status_code == 401


async def test_no_password_holds_the_estimate_up() -> None:
    passwords = Argon2Passwords()
    odd = "4@8({[<369&#!1/|0$5+7%2" * 5
    try:
        await passwords.score("once", context=())
        for password in (odd, odd[:64], odd[:24], odd[:16]):
            began = time.process_time()
            await passwords.score(password, context=("ada", "localhost", "watchword"))
            # The estimator keeps all threads waiting: half a second for the first one, as it is.
            assert time.process_time() - began < 0.15
    finally:
        passwords.close()


@standard(NIST, "3.1.1.2")
@pytest.mark.parametrize(
    "password",
    ["1234567890!@#$%^&*()", "!@#$%^&*()1234567890", "P@55w0rd!1234P@55w0rd!1234"],
)
async def test_signs_that_stand_for_letters_do_not_make_a_password(open_house: Door, password: str) -> None:
    assert (await sign_up(open_house, password)).status_code == 400


async def test_the_queue_is_bounded_for_callers_that_went_away_too(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go = threading.Semaphore(0), threading.Event()

    def slow(_hasher: argon2.PasswordHasher, _password: str) -> str:
        begun.release()
        go.wait(10)
        return "hashed"

    monkeypatch.setattr(argon2.PasswordHasher, "hash", slow)
    passwords = Argon2Passwords()
    try:
        gone = [asyncio.create_task(passwords.hash("x")) for _ in range(2)]
        for _ in gone:
            assert await asyncio.to_thread(begun.acquire, timeout=10)
        for task in gone:
            task.cancel()
        await asyncio.gather(*gone, return_exceptions=True)
        # Their callers are gone; both threads work on, so there is room for 32 and no more.
        waiting = [asyncio.create_task(passwords.hash("x")) for _ in range(32)]
        await asyncio.sleep(0)
        with pytest.raises(PasswordsBusy):
            await passwords.hash("x")
        # Who goes away before his turn leaves room at once.
        waiting[-1].cancel()
        await asyncio.gather(waiting[-1], return_exceptions=True)
        waiting[-1] = asyncio.create_task(passwords.hash("x"))
        await asyncio.sleep(0)
        go.set()
        assert await asyncio.gather(*waiting) == ["hashed"] * 32
        assert await passwords.hash("x") == "hashed"
    finally:
        go.set()
        passwords.close()
