"""The revocation feed: signed batches, resumable, chained, silent rather than wrong (DESIGN section 6).

R092, R093; the issue's `/revocations`.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from tests.standards.conftest import OpenDoor
from tests.support.cast import CLIENT_SECRET, basic
from tests.support.door import PUBLIC_ISSUER, Door
from tests.support.exchange import Exchange, exchange
from tests.support.rfc import rfc, standard

from watchword.protocol import jws
from watchword.protocol.rejection import TokenRejected
from watchword.protocol.revocation_feed import (
    HEARTBEAT_SECONDS,
    TYP,
    Batch,
    RevocationSet,
    first_link,
    next_link,
    verify_batch,
)
from watchword.server.domain import revocation
from watchword.server.domain.lifetimes import DAY
from watchword.server.flows.admin import clients, keys, sessions

STREAM = [("accept", "text/event-stream")]


async def batch(door: Door, after: str = "", **headers: str) -> Batch:
    """One batch as JSON, verified. No task follows the log here, so a node reads it when its last read is too old."""
    door.clock.advance(HEARTBEAT_SECONDS)
    query = f"?after={after}" if after else ""
    answer = await door.caller().get(f"/revocations{query}", headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert set(answer.json()) == {"sequence", "batch"}
    read = verify_batch(answer.json()["batch"], door.parts.signer.find, issuer=door.plan.issuer)
    assert answer.json()["sequence"] == read.to
    return read


async def end_sessions(door: Door, count: int) -> list[str]:
    """Sign in and out; the names of the sessions."""
    http, ended = door.caller(), []
    for _ in range(count):
        tokens = await door.sign_in(http)
        assert (await http.post("/session/end", json={"refresh_token": tokens["refresh_token"]})).is_success
        ended.append(str(tokens["sid"]))
    return ended


async def test_every_kind_of_ending_is_in_the_log_in_order(everywhere: Door) -> None:
    http = everywhere.caller()
    tokens = [await everywhere.sign_in(http) for _ in range(3)]
    read = [everywhere.read(one["access_token"]) for one in tokens]
    await http.post("/revoke", data={"client_id": "web", "token": tokens[0]["access_token"]})
    await http.post("/revoke", data={"client_id": "web", "token": tokens[1]["refresh_token"]})
    await sessions.revoke(everywhere.parts, tokens[2]["sid"])
    await sessions.revoke_all(everywhere.parts, "ada")
    await clients.disable(everywhere.parts, "web")
    await keys.revoke(everywhere.parts, read[0].kid)
    named = [
        next(
            (name, value)
            for name in ("jti", "gid", "sid", "sub", "client_id", "kid")
            if (value := getattr(entry, name))
        )
        for entry in (await batch(everywhere)).entries
    ]
    assert named == [
        ("jti", read[0].jti),
        ("gid", read[1].gid),
        ("sid", read[2].sid),
        ("sub", read[0].subject),
        ("client_id", "web"),
        ("kid", read[0].kid),
    ]
    entries = (await batch(everywhere)).entries
    assert [entry.seq for entry in entries] == [1, 2, 3, 4, 5, 6]
    assert all(entry.until >= everywhere.clock.now() + 119 for entry in entries)


async def test_after_zero_tells_all_that_still_matters_and_after_n_what_is_new(everywhere: Door) -> None:
    ended = await end_sessions(everywhere, 4)
    for after, expected in (("", ended), ("0", ended), ("2", ended[2:]), ("4", [])):
        read = await batch(everywhere, after)
        assert [entry.sid for entry in read.entries] == expected
        assert (read.from_, read.to) == (int(after or 0), 4)


async def test_the_links_chain_batches_to_one_log(everywhere: Door) -> None:
    await end_sessions(everywhere, 5)
    whole = await batch(everywhere)
    link = first_link(whole.log)
    assert whole.from_link == link
    links = [link]
    for entry in whole.entries:
        links.append(next_link(links[-1], entry))
    assert whole.link == links[-1]
    for after in range(1, 6):
        part = await batch(everywhere, str(after))
        assert (part.log, part.from_link, part.link) == (whole.log, links[after], links[-1])


@pytest.mark.parametrize("after", ["6", "999999999999999999"])
async def test_a_reader_from_the_future_is_told_all_again(everywhere: Door, after: str) -> None:
    # It knew another log, or this one before a restore (R-F22).
    ended = await end_sessions(everywhere, 5)
    read = await batch(everywhere, after)
    assert read.from_ == 0
    assert [entry.sid for entry in read.entries] == ended


async def test_an_empty_log_is_vouched_for_too(everywhere: Door) -> None:
    for after in ("", "0", "7"):
        read = await batch(everywhere, after)
        assert (read.from_, read.to, read.entries) == (0, 0, [])
        assert read.from_link == read.link == first_link(read.log)
        assert read.iat == everywhere.clock.now()


@rfc("7519", "5.1")
@rfc("8725", "3.11")
async def test_a_batch_is_signed_and_is_no_other_kind_of_token(door: Door, home: httpx2.AsyncClient) -> None:
    message = (await home.get("/revocations")).json()["batch"]
    header, _ = jws.verify(message, door.parts.signer.find, typ=TYP)
    assert header.alg == "ES256"
    for typ in ("at+jwt", "jwt", "logout+jwt"):
        with pytest.raises(TokenRejected):
            jws.verify(message, door.parts.signer.find, typ=typ)
    head, body, signature = message.split(".")
    for forged in (f"{head}.{body}.{signature[:-8]}AAAAAAAA", f"{head}.{body}.", message + "A"):
        with pytest.raises(TokenRejected):
            verify_batch(forged, door.parts.signer.find, issuer=door.plan.issuer)
    with pytest.raises(TokenRejected):
        verify_batch(message, door.parts.signer.find, issuer="https://other.example")
    answer = await home.get("/userinfo", headers={"authorization": f"Bearer {message}"})
    assert answer.json()["error"] == "invalid_token"


async def test_the_batch_that_revokes_a_key_is_signed_by_another_published_one(everywhere: Door) -> None:
    http = everywhere.caller()
    published = {key["kid"] for key in (await http.get("/jwks")).json()["keys"]}
    doomed = everywhere.read((await everywhere.sign_in(http))["access_token"]).kid
    await keys.revoke(everywhere.parts, doomed)
    everywhere.clock.advance(HEARTBEAT_SECONDS)
    for _ in everywhere.nodes:
        message = (await http.get("/revocations")).json()["batch"]
        header, _ = jws.verify(message, everywhere.parts.signer.find, typ=TYP)
        assert header.kid in published - {doomed}
    for _ in everywhere.nodes:
        # Whoever has told of it does not publish it any more.
        assert doomed not in {key["kid"] for key in (await http.get("/jwks")).json()["keys"]}


async def test_what_cannot_matter_any_more_is_forgotten_but_keys(everywhere: Door) -> None:
    await end_sessions(everywhere, 3)
    doomed = everywhere.read((await everywhere.sign_in(everywhere.caller()))["access_token"]).kid
    await keys.revoke(everywhere.parts, doomed)
    everywhere.clock.advance(2 * DAY)
    while await everywhere.parts.storage.sweep(now=everywhere.clock.now(), limit=100):
        pass
    read = await batch(everywhere)
    assert [entry.kid for entry in read.entries] == [doomed]
    assert (read.from_, read.to) == (0, 4)
    fresh = await end_sessions(everywhere, 1)
    assert [entry.sid for entry in (await batch(everywhere, "4")).entries] == fresh


@pytest.mark.parametrize("after", ["x", "-1", "1.5", "1e3", "0x1", "\u0663", "1 ", "9" * 19, "1&after=2"])
async def test_what_is_no_number_is_refused(home: httpx2.AsyncClient, after: str) -> None:
    answer = await home.get(f"/revocations?after={after}")
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


async def test_an_empty_number_is_a_missing_one(door: Door, home: httpx2.AsyncClient) -> None:
    await end_sessions(door, 1)
    assert (await home.get("/revocations?after=")).json()["sequence"] == 1


@pytest.mark.parametrize(
    ("headers", "status", "error"),
    [
        ({}, 401, "invalid_client"),
        (basic("orders", "wrong"), 401, "invalid_client"),
        ({"authorization": "Bearer x"}, 401, "invalid_client"),
        (basic("machine"), 403, "access_denied"),
        (basic("orders"), 200, None),
        (basic("inventory"), 200, None),
    ],
    ids=["anonymous", "wrong secret", "bearer", "client that serves nothing", "orders", "inventory"],
)
@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
async def test_elsewhere_than_on_loopback_only_resource_servers_read_it(
    open_door: OpenDoor, headers: dict[str, str], status: int, error: str | None, accept: str
) -> None:
    door = await open_door(issuer=PUBLIC_ISSUER)
    sent = [*headers.items(), ("accept", accept)]
    async with exchange(door, "GET", "/revocations", headers=sent) as one:
        await one.until(1, of=b"\n\n" if status == 200 and accept != "application/json" else b"}")
    assert one.status == status
    assert one.headers["cache-control"] == "no-store"
    assert (error or "").encode() in one.body
    if status == 401:
        assert one.headers["www-authenticate"].startswith("Basic ")


async def test_a_public_client_or_a_secret_in_the_query_opens_nothing(open_door: OpenDoor) -> None:
    door = await open_door(issuer=PUBLIC_ISSUER)
    for query in ("client_id=web", f"client_id=orders&client_secret={CLIENT_SECRET}"):
        assert (await door.caller().get(f"/revocations?{query}")).status_code == 401


def messages(one: Exchange, raw: list[bytes]) -> list[dict[str, str]]:
    """Server-sent events, parsed."""
    return [dict(line.split(": ", 1) for line in event.decode().splitlines()) for event in raw]


@pytest.fixture
async def following(door: Door) -> AsyncIterator[Door]:
    """A door whose node follows the log, as one that serves does."""
    task = asyncio.create_task(door.parts.log_tail.follow())
    yield door
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def read_message(door: Door, message: dict[str, str]) -> Batch:
    assert message["event"] == "revocations"
    read = verify_batch(message["data"], door.parts.signer.find, issuer=door.plan.issuer)
    assert message["id"] == str(read.to)
    return read


@standard("HTML", "9.2")
async def test_the_stream_begins_at_once_and_tells_each_ending_as_it_happens(following: Door) -> None:
    ended = await end_sessions(following, 2)
    async with exchange(following, "GET", "/revocations", headers=STREAM) as one:
        (first,) = messages(one, await one.until(1, of=b"\n\n"))
        assert one.status == 200
        assert one.headers["content-type"].startswith("text/event-stream")
        assert one.headers["cache-control"] == "no-store"
        assert one.headers["x-accel-buffering"] == "no"
        assert [entry.sid for entry in read_message(following, first).entries] == ended
        for number in (3, 4, 5):
            ended += await end_sessions(following, 1)
            # A heartbeat may come in between.
            await one.until(1, of=f"id: {number}\n".encode())
        told = [read_message(following, event) for event in messages(one, await one.complete(of=b"\n\n"))]
        assert [entry.sid for batch in told for entry in batch.entries] == ended
        assert [batch.from_ for batch in told[1:]] == [batch.to for batch in told[:-1]]


@standard("HTML", "9.2")
async def test_a_stream_resumes_after_the_last_event_and_misses_nothing(following: Door) -> None:
    ended = await end_sessions(following, 4)
    for headers, query in (([("last-event-id", "2")], ""), ([], "after=2"), ([("last-event-id", "2")], "after=0")):
        async with exchange(following, "GET", "/revocations", headers=[*STREAM, *headers], query=query) as one:
            (first,) = messages(one, await one.until(1, of=b"\n\n"))
        assert [entry.sid for entry in read_message(following, first).entries] == ended[2:]


async def test_all_readers_get_the_same_bytes(following: Door) -> None:
    async with (
        exchange(following, "GET", "/revocations", headers=STREAM) as one,
        exchange(following, "GET", "/revocations", headers=STREAM) as other,
    ):
        await one.until(1, of=b"\n\n")
        await other.until(1, of=b"\n\n")
        await end_sessions(following, 1)
        assert await one.until(2, of=b"\n\n") == await other.until(2, of=b"\n\n")


async def test_a_heartbeat_says_when_the_primary_was_read(door: Door) -> None:
    # No reader waits five real seconds here: the node reads the log anew, and the stream is woken as by the clock.
    await end_sessions(door, 1)
    stream = door.nodes[0].feed.follow(1)
    first = verify_batch((await anext(stream)).batch, door.parts.signer.find, issuer=door.plan.issuer)
    assert (first.entries, first.from_, first.to) == ([], 1, 1)
    door.clock.advance(HEARTBEAT_SECONDS)
    beat = asyncio.ensure_future(anext(stream))
    await door.parts.log_tail.fresh()
    door.parts.log_tail._changed.set()
    second = verify_batch((await beat).batch, door.parts.signer.find, issuer=door.plan.issuer)
    assert second.entries == []
    assert second.iat == first.iat + HEARTBEAT_SECONDS
    assert (second.from_link, second.link) == (first.link, first.link)
    await stream.aclose()  # type: ignore[attr-defined]


async def test_a_node_cut_off_from_its_database_vouches_for_nothing(door: Door, home: httpx2.AsyncClient) -> None:
    await batch(door)
    door.trouble.down = True
    # Within the heartbeat the last read still counts; its own time says how old it is.
    door.clock.advance(HEARTBEAT_SECONDS - 1)
    answer = await home.get("/revocations")
    read = verify_batch(answer.json()["batch"], door.parts.signer.find, issuer=door.plan.issuer)
    assert read.iat == door.clock.now() - (HEARTBEAT_SECONDS - 1)
    door.clock.advance(1)
    answer = await home.get("/revocations")
    assert (answer.status_code, answer.json()["error"]) == (503, "temporarily_unavailable")
    assert int(answer.headers["retry-after"]) > 0
    door.trouble.down = False
    assert (await batch(door)).iat == door.clock.now()


async def test_streams_end_when_the_node_stops(following: Door) -> None:
    async with exchange(following, "GET", "/revocations", headers=STREAM) as one:
        await one.until(1, of=b"\n\n")
        following.parts.log_tail.stop()
        async with asyncio.timeout(5):
            await one.ended.wait()


async def test_a_thousand_and_more_entries_come_in_several_batches_without_a_gap(following: Door) -> None:
    now = following.clock.now()
    async with following.parts.storage.write() as tx:
        for n in range(2300):
            await tx.revoke(revocation.of_session(f"session-{n}", now=now, longest=900))
    known, after, rounds = RevocationSet(), "0", 0
    link = ""
    while rounds < 5:
        read = await batch(following, after)
        assert not link or read.from_link == link
        for entry in read.entries:
            known.add(entry)
        after, link, rounds = str(read.to), read.link, rounds + 1
        if read.to == 2300:
            break
    assert (len(known), rounds) == (2300, 3)
    async with exchange(following, "GET", "/revocations", headers=STREAM) as one:
        ids = [event["id"] for event in messages(one, await one.until(3, of=b"\n\n"))]
    assert ids == ["1000", "2000", "2300"]


async def test_the_json_form_is_json_and_nothing_else(home: httpx2.AsyncClient) -> None:
    answer = await home.get("/revocations", headers={"accept": "application/json"})
    assert answer.headers["content-type"] == "application/json"
    body: dict[str, Any] = json.loads(answer.content)
    assert isinstance(body["sequence"], int)
