"""Scope: a set of tokens with one spelling."""

import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.rfc import rfc, standard

from watchword.protocol.scope import Scope

TOKENS = st.text([chr(code) for code in (0x21, *range(0x23, 0x5C), *range(0x5D, 0x7F))], min_size=1, max_size=12)


@rfc("6749", "3.3")
@given(st.lists(TOKENS, max_size=8))
@settings(max_examples=100, deadline=None)
def test_order_and_repetition_mean_nothing(tokens: list[str]) -> None:
    scope = Scope.parse(" ".join(tokens))
    assert set(scope) == set(tokens)
    assert str(scope) == str(Scope.of(reversed(tokens))) == " ".join(sorted(set(tokens)))
    assert Scope.parse(str(scope)) == scope


@rfc("6749", "3.3")
@pytest.mark.parametrize(
    "text", [" ", " a", "a ", "a  b", "a\tb", "a\nb", "a\0", 'a"b', "a\\b", "é", "a\x7f", "a\u00a0b", "a" * 129]
)
def test_text_outside_the_grammar_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="scope"):
        Scope.parse(text)


def test_the_empty_text_is_the_empty_scope() -> None:
    assert Scope.parse("") == Scope()
    assert str(Scope()) == ""


def test_a_scope_has_a_bounded_number_of_tokens() -> None:
    assert len(Scope.parse(" ".join(f"s{n}" for n in range(100)))) == 100
    with pytest.raises(ValueError, match="too many"):
        Scope.parse(" ".join(f"s{n}" for n in range(101)))
    with pytest.raises(ValueError, match="too long"):
        Scope.parse("a " * 1_000_000 + "a")


def test_a_scope_has_a_bounded_length() -> None:
    tokens = [f"{n:02}" + "a" * 98 for n in range(21)]
    assert len(Scope.parse(" ".join(tokens[:20]))) == 20
    for text in (" ".join(tokens), " ".join(["a" * 128] * 100)):
        with pytest.raises(ValueError, match="too long"):
            Scope.parse(text)


def test_long_scopes_that_anybody_made_up_are_not_kept_in_memory() -> None:
    tracemalloc.start()
    for n in range(2000):
        Scope.parse(f"{n:04} " + " ".join(f"{n:04}{m:02}" + "a" * 120 for m in range(15)))
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 100_000


def test_tokens_are_case_sensitive() -> None:
    assert Scope.parse("Read") != Scope.parse("read")


@standard("OpenID Connect Core 1.0", "5.4")
def test_scopes_of_openid_belong_to_no_api() -> None:
    scope = Scope.parse("openid email orders:read")
    assert scope.of_apis == Scope.parse("orders:read")
    assert type(scope.of_apis) is Scope
