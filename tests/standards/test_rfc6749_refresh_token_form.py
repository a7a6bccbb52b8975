"""A refresh token's own form: nobody makes, changes or finds one.

R033, R043, R062; fault 46 of the table of peers.
"""

import secrets
from pathlib import Path

import httpx2
import pytest
from tests.support.cast import CLIENT_SECRET, PASSWORD, basic
from tests.support.chains import SIMPLE_DOOR, STANDARD_DOOR
from tests.support.codes import VERIFIER, code_for, code_form
from tests.support.databases import sqlite_template
from tests.support.door import Door, Plan, opener_of
from tests.support.rfc import rfc

from watchword.protocol import base64url
from watchword.server.domain import refresh_token
from watchword.server.domain.refresh_token import PREFIX
from watchword.server.domain.secret_ring import parse_secrets


def flipped(token: str, at: int) -> str:
    data = bytearray(base64url.decode(token.removeprefix(PREFIX)))
    data[at] ^= 1
    return PREFIX + base64url.encode(bytes(data))


@rfc("6749", "10.4")
@pytest.mark.parametrize("at", range(44), ids=lambda at: f"byte {at}")
async def test_a_token_with_any_byte_changed_is_refused_before_the_database_is_asked(
    door: Door, home: httpx2.AsyncClient, at: int
) -> None:
    token = (await door.sign_in(home))["refresh_token"]
    door.trouble.listen()
    await STANDARD_DOOR.refuses(home, flipped(token, at))
    assert "redeem" not in door.trouble.operations
    await door.refreshed(home, token)


@rfc("6749", "10.4")
async def test_mangled_tokens_are_refused(door: Door, home: httpx2.AsyncClient) -> None:
    tokens = await door.sign_in(home)
    good = tokens["refresh_token"]
    body = good.removeprefix(PREFIX)
    mangled = [
        *(good[:length] for length in (1, 4, 20, len(good) - 1)),
        good + "A",
        good + "=",
        good + "\n",
        f" {good}",
        good.upper(),
        body,
        PREFIX + "A" * len(body),
        PREFIX + "ä" * len(body),
        PREFIX + body.replace(body[5], "+"),
        good[:-1] + chr(ord(good[-1]) + 1),
        tokens["access_token"],
        tokens["id_token"],
        secrets.token_urlsafe(60_000)[:50_000],
    ]
    door.trouble.listen()
    for one in mangled:
        await STANDARD_DOOR.refuses(home, one)
        await SIMPLE_DOOR.refuses(home, one)
    assert "redeem" not in door.trouble.operations
    await door.refreshed(home, good)


@rfc("6749", "10.4")
async def test_a_token_under_another_secret_is_refused(door: Door, home: httpx2.AsyncClient) -> None:
    token = (await door.sign_in(home))["refresh_token"]
    read = refresh_token.parse(token, door.parts.secrets, now=door.clock.now())
    forged = refresh_token.mint(read, parse_secrets("a-secret-that-somebody-else-has-made-up-for-himself"))
    assert forged != token
    await STANDARD_DOOR.refuses(home, forged)


async def test_a_token_of_a_grant_that_is_not_there_is_refused(door: Door, home: httpx2.AsyncClient) -> None:
    token = (await door.sign_in(home))["refresh_token"]
    read = refresh_token.parse(token, door.parts.secrets, now=door.clock.now())
    other = refresh_token.RefreshToken(secrets.token_bytes(16), read.generation, read.branch, read.expires_at)
    await STANDARD_DOOR.refuses(home, refresh_token.mint(other, door.parts.secrets))
    assert "refresh.unknown" in door.heard.slugs()


@rfc("6749", "10.3")
async def test_the_grants_secret_id_stands_nowhere_but_in_the_refresh_token(
    door: Door, home: httpx2.AsyncClient
) -> None:
    tokens = await door.sign_in(home)
    grant_id = refresh_token.parse(tokens["refresh_token"], door.parts.secrets, now=door.clock.now()).grant_id
    claims = door.read(tokens["access_token"]).claims
    assert base64url.encode(grant_id) not in str(claims)
    assert grant_id.hex() not in str(claims)
    assert base64url.encode(grant_id) not in str([record.fields for record in await door.audit()])


@rfc("9700", "4.14.2")
async def test_a_dump_of_the_database_holds_nothing_that_can_be_presented(tmp_path: Path) -> None:
    # R062, R040: refresh tokens, codes, client secrets, passwords.
    database = sqlite_template().copy(tmp_path)
    door = Door(opener_of(database), Plan())
    await door.open()
    http = door.caller()
    code = await code_for(http)
    given = [code, CLIENT_SECRET, PASSWORD, VERIFIER]
    tokens = (await http.post("/token", data=code_form(code))).json()
    for _ in range(2):
        given += [tokens["refresh_token"], tokens["access_token"], tokens["id_token"]]
        tokens = await door.refreshed(http, tokens["refresh_token"])
    kept = await door.sign_in(door.caller(**basic("backend")), client_id="backend")
    given += [kept["refresh_token"], await code_for(http)]
    await door.close()
    dump = b"".join(path.read_bytes() for path in sorted(tmp_path.iterdir()))
    assert b"ada@example.org" in dump
    for one in given:
        assert one.encode() not in dump
        assert one.removeprefix(PREFIX)[:30].encode() not in dump
