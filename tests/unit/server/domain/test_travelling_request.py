"""A request on its way through the browser."""

from secrets import token_bytes, token_urlsafe

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchword.protocol import base64url
from watchword.server.domain.login import NOT_SEEN, NotSeen
from watchword.server.domain.travelling_request import MAX_SEALED, fits, pack, unpack

# What AES-GCM adds: a version, a nonce, a tag.
SEAL = 1 + 12 + 16
# A word for the cookie that a later version of ours may know.
UNHEARD_OF = pack([], since=0, before=None)[:8] + b"\x03" + pack([], since=0, before=None)[9:]
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@given(
    st.lists(st.tuples(TEXT, TEXT), max_size=8),
    st.floats(0, 1e11),
    st.one_of(st.none(), st.just(NOT_SEEN), st.binary(min_size=32, max_size=32)),
)
def test_it_arrives_as_it_left(pairs: list[tuple[str, str]], since: float, before: bytes | NotSeen | None) -> None:
    assert unpack(pack(pairs, since=since, before=before)) == (pairs, since, before)


@pytest.mark.parametrize("size", [0, 100, 6500, *range(6800, 7200, 7), 20_000])
@pytest.mark.parametrize("alike", [True, False], ids=["alike", "random"])
def test_what_fits_stays_within_the_bound_whichever_session_it_meets(size: int, *, alike: bool) -> None:
    pairs = [("claims", "a" * size if alike else token_urlsafe(size)[:size])]
    for before in (None, NOT_SEEN, token_bytes(32)):
        sealed = base64url.encode(token_bytes(SEAL) + pack(pairs, since=1e9 + 0.1, before=before))
        assert (len(sealed) <= MAX_SEALED) or not fits(pairs)
    assert 6500 < size < 7200 or fits(pairs) is (alike or size < 7000)


def test_what_is_alike_is_made_shorter() -> None:
    pairs = [("resource", f"https://api.example/orders/{number}") for number in range(60)]
    assert len(pack(pairs, since=0, before=None)) < 1000


@pytest.mark.parametrize("bad", [b"", b"x" * 10, b"x" * 60, pack([], since=0, before=None)[:-1], UNHEARD_OF])
def test_what_was_packed_otherwise_is_refused(bad: bytes) -> None:
    with pytest.raises(ValueError, match="otherwise"):
        unpack(bad)
