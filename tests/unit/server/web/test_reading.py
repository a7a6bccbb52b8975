"""Reading bodies: whole, in parts, late, too large, cut off; and forms as browsers and programs send them."""

import asyncio
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import ClientDisconnect, Request

from watchword.protocol.errors import InvalidRequest, RequestTooLarge
from watchword.server.web import reading
from watchword.server.web.reading import MAX_BODY, read_body, read_form

DISCONNECT: dict[str, Any] = {"type": "http.disconnect"}


def part(body: bytes, *, more: bool = False) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


class Wire:
    """Delivers messages as an HTTP server does: what is there at once, the rest when it comes."""

    def __init__(self, *messages: dict[str, Any]) -> None:
        self.queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        for message in messages:
            self.queue.put_nowait(message)

    async def receive(self) -> dict[str, Any]:
        return await self.queue.get()


def request_over(wire: Wire, **headers: str) -> Request:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": "POST", "path": "/token", "headers": raw}, wire.receive)


async def test_a_body_in_parts_is_read_whole() -> None:
    wire = Wire(part(b"grant_", more=True), part(b"", more=True), part(b"type=x"))
    assert await read_body(request_over(wire)) == b"grant_type=x"


async def test_a_body_that_comes_after_the_headers_loses_nothing() -> None:
    wire = Wire()
    reading_it = asyncio.ensure_future(read_body(request_over(wire)))
    await asyncio.sleep(0)
    for message in (part(b"a=", more=True), part(b"1")):
        wire.queue.put_nowait(message)
        await asyncio.sleep(0)
    assert await reading_it == b"a=1"


@pytest.mark.parametrize("messages", [(), (part(b"a=", more=True),)], ids=["nothing at all", "only a part"])
async def test_a_body_that_does_not_come_in_time_is_refused(
    messages: tuple[dict[str, Any], ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_BODY_SECONDS", 0.01)
    with pytest.raises(InvalidRequest) as refused:
        await read_body(request_over(Wire(*messages)))
    assert refused.value.slug == "request.slow_body"


@pytest.mark.parametrize(
    "messages",
    [
        (part(b"x" * (MAX_BODY + 1)),),
        (part(b"x" * MAX_BODY, more=True), part(b"x")),
        (part(b"x" * MAX_BODY, more=True), part(b"x", more=True)),
    ],
    ids=["at once", "in two parts", "without an end"],
)
async def test_a_body_beyond_64_kb_is_refused_without_a_length_told(messages: tuple[dict[str, Any], ...]) -> None:
    with pytest.raises(RequestTooLarge):
        await read_body(request_over(Wire(*messages)))


async def test_a_body_of_exactly_64_kb_is_read() -> None:
    assert len(await read_body(request_over(Wire(part(b"x" * MAX_BODY, more=True), part(b""))))) == MAX_BODY


@pytest.mark.parametrize("messages", [(DISCONNECT,), (part(b"a", more=True), DISCONNECT)])
async def test_a_client_that_hangs_up_is_no_request(messages: tuple[dict[str, Any], ...]) -> None:
    with pytest.raises(ClientDisconnect):
        await read_body(request_over(Wire(*messages)))


def outcome(parse: Callable[[], list[tuple[str, str]]]) -> object:
    try:
        return parse()
    except UnicodeDecodeError:
        return "not UTF-8"
    except (InvalidRequest, ValueError):
        return "too many"


@given(st.text(alphabet="ab=&%+20cCé;\x00 9", max_size=24))
def test_a_form_means_what_the_standard_library_takes_it_for(form: str) -> None:
    theirs = outcome(lambda: parse_qsl(form, keep_blank_values=True, errors="strict", max_num_fields=100))
    assert outcome(lambda: reading._pairs(form)) == theirs


@pytest.mark.parametrize("count", [100, 101])
def test_a_form_has_as_many_fields_as_the_standard_library_allows(count: int) -> None:
    form = "&".join(["a=1"] * count)
    theirs = outcome(lambda: parse_qsl(form, keep_blank_values=True, errors="strict", max_num_fields=100))
    assert outcome(lambda: reading._pairs(form)) == theirs


async def test_a_media_type_is_taken_with_parameters_and_in_any_case() -> None:
    for spelt in ("application/x-www-form-urlencoded", "Application/X-WWW-Form-Urlencoded; charset=utf-8"):
        form = await read_form(request_over(Wire(part(b"a=1")), content_type=spelt))
        assert form.get("a") == "1"


async def test_of_many_that_dawdle_the_one_that_does_for_longest_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_MOST_WAITING", 3)
    wires = [Wire() for _ in range(5)]
    bodies = []
    for wire in wires:
        bodies.append(asyncio.ensure_future(read_body(request_over(wire))))
        await asyncio.sleep(0)
    async with asyncio.timeout(1):
        for refused in bodies[:2]:
            with pytest.raises(InvalidRequest, match="in time"):
                await refused
        for wire in wires[2:]:
            wire.queue.put_nowait(part(b"a"))
        assert await asyncio.gather(*bodies[2:]) == [b"a"] * 3
    assert not reading._waiting
