"""Scope: a set of tokens with one spelling."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.rfc import rfc, standard

from watchword.protocol.scope import OPENID_SCOPES, Scope

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
    with pytest.raises(ValueError, match="too many"):
        Scope.parse("a " * 1_000_000 + "a")


def test_tokens_are_case_sensitive() -> None:
    assert Scope.parse("Read") != Scope.parse("read")


@standard("OpenID Connect Core 1.0", "5.4")
def test_scopes_of_openid_belong_to_no_api() -> None:
    scope = Scope.parse("openid email orders:read")
    assert scope.of_apis == Scope.parse("orders:read")
    assert scope.only(OPENID_SCOPES) == Scope.parse("openid email")
    assert type(scope.of_apis) is type(scope.only(())) is Scope
