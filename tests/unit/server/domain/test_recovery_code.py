"""Recovery codes: as they are written down, and as they are typed on a bad day."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.rfc import standard

from watchword.server.domain import recovery_code
from watchword.server.domain.recovery_code import format_code, hash_of, parse_code


@standard("OWASP ASVS 5.0", "6.5.4")
def test_a_code_has_eighty_bits() -> None:
    assert recovery_code.BYTES * 8 == 80
    assert format_code(bytes(10)) == "0000-0000-0000-0000"
    assert format_code(b"\xff" * 10) == "zzzz-zzzz-zzzz-zzzz"
    with pytest.raises(ValueError, match="10 bytes"):
        format_code(bytes(9))


@given(st.binary(min_size=10, max_size=10))
def test_a_code_is_read_as_it_was_written_in_capitals_and_without_its_dashes_too(entropy: bytes) -> None:
    code = format_code(entropy)
    letters = code.replace("-", "")
    for typed in (code, code.upper(), letters, f" {code.replace('-', ' ')} ", code.replace("-", "–")):  # noqa: RUF001 - typed so
        assert parse_code(typed) == letters


def test_what_is_misread_is_meant() -> None:
    assert parse_code("OoIi-LlIi-0000-1111") == "0011111100001111"


@pytest.mark.parametrize("typed", ["", "0000", "0000-0000-0000-000u", "0" * 17, "0" * 1000, "0000-0000-0000-000\u0661"])
def test_what_is_no_code_is_none(typed: str) -> None:
    assert parse_code(typed) is None


@given(st.text())
def test_whatever_is_typed_is_a_code_or_none(typed: str) -> None:
    assert parse_code(typed) is None or len(parse_code(typed) or "") == 16


def test_a_hash_is_bound_to_its_user() -> None:
    assert hash_of("ada", "0" * 16) != hash_of("bob", "0" * 16)
    assert len(hash_of("ada", "0" * 16)) == 32
