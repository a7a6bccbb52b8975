"""Server-sent events, cut anywhere."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchword.resource.event_stream import Event, EventStream

STREAM = (
    b": hello\n\nid: 1\nevent: revocations\ndata: one\n\n"
    b"retry: 5\r\nid:2\r\nevent:revocations\r\ndata:two\r\n\r\ndata: a\ndata: b\n\nid: 3\n\n"
)
EVENTS = [Event("revocations", "1", "one"), Event("revocations", "2", "two"), Event("message", "2", "a\nb")]


@given(st.lists(st.integers(0, len(STREAM)), max_size=8))
def test_events_do_not_depend_on_how_the_bytes_arrive(cuts: list[int]) -> None:
    stream = EventStream(limit=1000)
    edges = [0, *sorted(cuts), len(STREAM)]
    found = [event for a, b in pairwise(edges) for event in stream.feed(STREAM[a:b])]
    assert found == EVENTS


def test_a_message_cut_off_at_the_end_is_no_message() -> None:
    assert EventStream(limit=1000).feed(b"data: half\n") == []


@pytest.mark.parametrize("chunk", [b"data: " + b"x" * 2000, b"data: " + b"x" * 900 + b"\ndata: " + b"x" * 900 + b"\n"])
def test_a_message_beyond_the_limit_is_refused(chunk: bytes) -> None:
    with pytest.raises(ValueError, match="too long"):
        EventStream(limit=1000).feed(chunk)


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(ValueError, match="utf-8"):
        EventStream(limit=1000).feed(b"data: \xff\n")
