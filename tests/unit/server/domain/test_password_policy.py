"""Which new passwords are accepted."""

import pytest
from tests.support.rfc import standard

from watchword.server.domain.password_policy import objection

GOOD = "lamp kettle orbit moss"


def says(password: str, *context: str, score: int = 4) -> str | None:
    return objection(password, score=score, context=context)


@standard("NIST SP 800-63B-4", "3.1.1.2")
@pytest.mark.parametrize(
    ("length", "accepted"), [(0, False), (14, False), (15, True), (64, True), (1024, True), (1025, False)]
)
def test_length_is_judged_by_code_points(length: int, accepted: bool) -> None:
    for character in ("x", "é", "漢", "🔑", " "):
        assert (says(character * length) is None) is accepted


@standard("NIST SP 800-63B-4", "3.1.1.2")
@pytest.mark.parametrize("password", ["a" * 20, "onlylowercaseletters", "123456789012345678", "                 x"])
def test_nothing_is_demanded_of_its_composition(password: str) -> None:
    assert says(password) is None


@pytest.mark.parametrize(("score", "accepted"), [(0, False), (2, False), (3, True), (4, True)])
def test_what_is_easy_to_guess_is_refused_with_a_reason(score: int, accepted: bool) -> None:
    sentence = says(GOOD, score=score)
    assert (sentence is None) is accepted
    assert accepted or "guess" in str(sentence)


@pytest.mark.parametrize("password", ["alice.mueller99", "Alice.Mueller!!!", "xALICE.MUELLERx"])
def test_a_password_made_of_the_users_name_is_refused(password: str) -> None:
    assert "name" in str(says(password, "alice.mueller"))


def test_a_name_within_an_otherwise_long_password_does_no_harm() -> None:
    assert says(f"{GOOD} alice", "alice") is None
    assert says(GOOD, "", "ex", "lam") is None


def test_no_sentence_repeats_the_password() -> None:
    for password in ("hunter2", "alice.mueller99", "x" * 1025):
        assert password not in str(says(password, "alice.mueller"))
