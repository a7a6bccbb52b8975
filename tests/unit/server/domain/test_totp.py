"""One-time passwords by the vectors of their standards, and the window in which they are taken."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.rfc import rfc, standard

from watchword.server.domain import totp
from watchword.server.domain.totp import Totp, accepted_step, code_at, parse_code

SEED = b"12345678901234567890"
NOW = 1_800_000_000.0
STEP = 60_000_000


@rfc("4226", "D")
@pytest.mark.parametrize(
    ("counter", "code"),
    [
        *enumerate(
            ["755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"],
        )
    ],
)
def test_the_vectors_of_the_counter(counter: int, code: str) -> None:
    assert code_at(SEED, counter) == code


@rfc("6238", "B")
@pytest.mark.parametrize(
    ("now", "code"),
    [
        (59, "94287082"),
        (1111111109, "07081804"),
        (1111111111, "14050471"),
        (1234567890, "89005924"),
        (2000000000, "69279037"),
        (20000000000, "65353130"),
    ],
)
def test_the_vectors_of_the_clock_cut_to_six_digits(now: int, code: str) -> None:
    assert accepted_step(SEED, code[-6:], last_step=-1, now=now) == now // 30


@rfc("6238", "5.2")
@pytest.mark.parametrize(("away", "taken"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_a_code_is_taken_one_step_around_and_no_further(away: int, taken: bool) -> None:
    found = accepted_step(SEED, code_at(SEED, STEP + away), last_step=-1, now=NOW)
    assert found == (STEP + away if taken else None)


@rfc("6238", "5.2")
def test_neither_a_code_that_was_taken_nor_an_older_one_is_taken_again() -> None:
    for away in (-1, 0, 1):
        code = code_at(SEED, STEP + away)
        assert accepted_step(SEED, code, last_step=STEP + away - 1, now=NOW) == STEP + away
        for last in (STEP + away, STEP + away + 1):
            assert accepted_step(SEED, code, last_step=last, now=NOW) is None


def test_the_first_seconds_of_time_have_no_step_before_them() -> None:
    assert accepted_step(SEED, "755224", last_step=-1, now=3) == 0


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("123456", "123456"),
        (" 123 456\n", "123456"),
        ("123-456", "123456"),
        ("\uff11\uff12\uff13\uff14\uff15\uff16", "123456"),
    ],
)
def test_a_code_is_read_as_people_type_it(typed: str, code: str) -> None:
    assert parse_code(typed) == code


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "12345",
        "1234567",
        "12345a",
        "\u0661\u0662\u0663\u0664\u0665\u0666",
        "1" * 1000,
        "123456" + " " * 99,
    ],
)
def test_what_is_no_code_is_none(typed: str) -> None:
    assert parse_code(typed) is None


@given(st.text())
def test_whatever_is_typed_is_a_code_or_none(typed: str) -> None:
    code = parse_code(typed)
    assert code is None or (len(code) == 6 and code.isascii() and code.isdecimal())
    assert accepted_step(SEED, typed, last_step=STEP + 1, now=NOW) is None


@standard("OWASP ASVS 5.0", "6.5.3")
@rfc("4226", "4")
def test_a_seed_is_as_long_as_the_hash() -> None:
    assert totp.SEED_BYTES * 8 == 160


def test_a_row_does_not_show_its_seed() -> None:
    assert "sealed-seed" not in repr(Totp(sub="s", sealed=b"sealed-seed", last_step=3, created_at=1))
