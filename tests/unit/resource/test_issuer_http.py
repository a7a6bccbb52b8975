"""The HTTP door: bounded in size and time, and clear about what went wrong."""

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from tests.support.dripping import dripping
from tests.support.fake_issuer import FakeIssuer
from tests.support.rfc import rfc

from watchword.resource.issuer_door import IssuerTrouble, PositionRefused
from watchword.resource.issuer_http import HttpIssuerDoor


@pytest.fixture
def fake() -> Iterator[FakeIssuer]:
    with FakeIssuer() as fake:
        yield fake


@asynccontextmanager
async def door_to(url: str, *, seconds: float = 2) -> AsyncIterator[HttpIssuerDoor]:
    door = HttpIssuerDoor(url, seconds=seconds)
    try:
        yield door
    finally:
        await door.close()


@rfc("8725", "3.10")
@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: "])
async def test_an_answer_that_drips_is_given_up(head: bytes) -> None:
    with dripping(head) as url:
        async with door_to(url, seconds=0.3) as door:
            with pytest.raises(IssuerTrouble, match="within"):
                await door.key_set(f"{url}/jwks")


async def test_an_answer_without_end_is_cut(fake: FakeIssuer) -> None:
    fake.answers["/jwks"] = lambda: (200, {}, b" " * 1_000_000)
    async with door_to(fake.url) as door:
        with pytest.raises(IssuerTrouble, match="longer"):
            await door.key_set(f"{fake.url}/jwks")


async def test_a_compressed_answer_is_not_unpacked(fake: FakeIssuer) -> None:
    bomb = gzip.compress(b" " * 10_000_000)
    fake.answers["/jwks"] = lambda: (200, {"Content-Encoding": "gzip"}, bomb)
    async with door_to(fake.url) as door:
        with pytest.raises(IssuerTrouble, match="encoding"):
            await door.key_set(f"{fake.url}/jwks")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@rfc("8725", "3.10")
async def test_redirects_are_not_followed(fake: FakeIssuer, status: int) -> None:
    fake.answers["/jwks"] = lambda: (status, {"Location": f"{fake.url}/other"}, b"")
    async with door_to(fake.url) as door:
        with pytest.raises(IssuerTrouble, match="redirect"):
            await door.key_set(f"{fake.url}/jwks")
    assert fake.asked["/other"] == 0


@pytest.mark.parametrize(("said", "understood"), [("max-age=90", 90), ("public, Max-Age=7", 7), ("no-store", None)])
async def test_the_issuers_word_on_freshness_is_read(fake: FakeIssuer, said: str, understood: float | None) -> None:
    body = fake.wire.key_set()
    fake.answers["/jwks"] = lambda: (200, {"Cache-Control": said}, body)
    async with door_to(fake.url) as door:
        assert (await door.key_set(f"{fake.url}/jwks")).max_age == understood


@rfc("8414", "3.3")
async def test_metadata_must_name_the_very_issuer(fake: FakeIssuer) -> None:
    async with door_to(fake.url) as door:
        assert (await door.metadata()).jwks_uri == f"{fake.url}/jwks"
        fake.answers["/.well-known/oauth-authorization-server"] = lambda: (200, {}, b'{"issuer":"https://evil.test"}')
        with pytest.raises(IssuerTrouble):
            await door.metadata()


async def test_a_feed_that_is_no_event_stream_is_refused(fake: FakeIssuer) -> None:
    fake.answers["/revocations"] = lambda: (200, {"Content-Type": "text/html"}, b"<html>")
    async with door_to(fake.url) as door:
        with pytest.raises(IssuerTrouble, match="event stream"):
            async with door.follow(f"{fake.url}/revocations", after=0):
                pass


@pytest.mark.parametrize(("status", "kind"), [(400, PositionRefused), (404, IssuerTrouble), (500, IssuerTrouble)])
async def test_a_position_that_the_feed_refuses_is_told_from_other_trouble(
    fake: FakeIssuer, status: int, kind: type[IssuerTrouble]
) -> None:
    fake.answers["/revocations"] = fake.answers["/jwks"] = lambda: (status, {}, b"")
    async with door_to(fake.url) as door:
        with pytest.raises(IssuerTrouble) as caught:
            await door.page(f"{fake.url}/revocations", after=7)
        assert type(caught.value) is kind
        with pytest.raises(IssuerTrouble) as caught:
            async with door.follow(f"{fake.url}/revocations", after=7):
                pass
        assert type(caught.value) is kind
        with pytest.raises(IssuerTrouble) as caught:
            await door.key_set(f"{fake.url}/jwks")
        assert type(caught.value) is IssuerTrouble


async def test_the_feed_gives_batches_and_ends_with_the_connection(fake: FakeIssuer) -> None:
    async with (
        door_to(fake.url) as door,
        asyncio.timeout(5),
        door.follow(f"{fake.url}/revocations", after=7) as batches,
    ):
        assert (await anext(batches)).count(".") == 2
        fake.cut_feeds()
        async for batch in batches:
            assert batch.count(".") == 2
    assert fake.last_event_ids == ["7"]


async def test_nobody_at_home_is_trouble_and_names_no_secret() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    door = HttpIssuerDoor(url, client_id="orders", client_secret="canary")
    try:
        with pytest.raises(IssuerTrouble, match="cannot be reached") as caught:
            await door.introspect(f"{url}/introspect", "canary-token")
        assert "canary" not in str(caught.value)
    finally:
        await door.close()
