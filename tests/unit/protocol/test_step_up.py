"""The step-up challenge: written by a resource, read by a client."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.rfc import rfc

from watchword.protocol.rejection import TokenRejected
from watchword.protocol.step_up import SignInDemand, parse_challenge, quoted

ERROR = 'error="insufficient_user_authentication"'
CLASSES = st.text(st.sampled_from([chr(c) for c in range(0x21, 0x7F) if chr(c) not in '"\\']), min_size=1, max_size=40)


@rfc("9470", "3")
@given(
    st.none() | st.integers(0, 999_999_999),
    st.lists(CLASSES, max_size=5).map(tuple),
)
@settings(max_examples=100, deadline=None)
def test_what_a_resource_demands_is_what_a_client_reads(max_age: int | None, acr_values: tuple[str, ...]) -> None:
    demand = SignInDemand.of(max_age=max_age, acr_values=acr_values)
    if demand is not None:
        challenge = TokenRejected("token.acr", sign_in=demand).challenge(realm='a "strange" \\ realm, Bearer x="y"')
        assert parse_challenge([challenge]) == demand


def test_nothing_demanded_is_no_demand() -> None:
    assert SignInDemand.of() is None
    assert SignInDemand.of(acr_values="  ") is None
    assert SignInDemand.of(max_age=0) == SignInDemand(max_age=0)
    assert SignInDemand.of(acr_values="a b") == SignInDemand.of(acr_values=["a", "b"])


@pytest.mark.parametrize("max_age", [-1, 1_000_000_000, True, 1.5])
def test_an_age_is_a_whole_number_of_seconds(max_age: int) -> None:
    with pytest.raises(ValueError, match="max_age"):
        SignInDemand.of(max_age=max_age)


@pytest.mark.parametrize("acr", ['a"b', "a\\b", "a b", "", "é", "a\nb", "a\x7f", "x" * 256])
def test_a_class_is_a_name_that_needs_no_escaping(acr: str) -> None:
    with pytest.raises(ValueError, match="acr_values"):
        SignInDemand.of(acr_values=[acr])


def test_classes_have_a_bound() -> None:
    with pytest.raises(ValueError, match="acr_values"):
        SignInDemand.of(acr_values=["a"] * 21)
    most = ["a" * 249] * 4
    assert SignInDemand.of(acr_values=most) == SignInDemand(acr_values=tuple(most))
    with pytest.raises(ValueError, match="acr_values"):
        SignInDemand.of(acr_values=[*most[1:], "a" * 251])


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        # The examples of the standard, one in two lines of text.
        (
            [f'Bearer {ERROR},  error_description="A different authentication level is required", acr_values="myACR"'],
            SignInDemand(acr_values=("myACR",)),
        ),
        ([f'Bearer {ERROR}, error_description="More recent", max_age="5"'], SignInDemand(max_age=5)),
        ([f"Bearer {ERROR}, max_age=5"], SignInDemand(max_age=5)),
        (['bearer max_age = "5" , ERROR=insufficient_user_authentication'], SignInDemand(max_age=5)),
        ([f'DPoP algs="ES256", {ERROR}, max_age=5'], SignInDemand(max_age=5)),
        ([f'Bearer {ERROR}, acr_values="a b", max_age="0"'], SignInDemand(max_age=0, acr_values=("a", "b"))),
        ([f'Bearer {ERROR}, acr_values="a\\\\" , max_age=7'], SignInDemand(max_age=7)),
        # Others in the same header, before and after, and in headers of their own.
        ([f'Basic realm="x, Bearer", Bearer {ERROR}, max_age=5'], SignInDemand(max_age=5)),
        ([f"Negotiate abc==, Bearer {ERROR}, max_age=5, Basic realm=y"], SignInDemand(max_age=5)),
        ([f", Negotiate,, Bearer {ERROR}, max_age=5,"], SignInDemand(max_age=5)),
        (["Basic realm=x", f"Bearer {ERROR}, max_age=5"], SignInDemand(max_age=5)),
        (['Basic realm="unclosed', f"Bearer {ERROR}, max_age=5"], SignInDemand(max_age=5)),
    ],
)
@rfc("9470", "3")
@rfc("9110", "11.6.1")
def test_a_challenge_is_read(headers: list[str], expected: SignInDemand) -> None:
    assert parse_challenge(headers) == expected


@pytest.mark.parametrize(
    "parameters",
    [
        *("", ", max_age=-1", ', max_age="1.5"', ", max_age=1e3", ', max_age="99999999999"', ', acr_values=""'),
        f', acr_values="{" ".join(["x" * 240] * 5)}"',
        *(', acr_values="a  b"', ', acr_values="é"', f', acr_values="{"x" * 256}"', f', acr_values="{"x " * 30}x"'),
    ],
)
def test_a_challenge_that_demands_nothing_that_can_be_met_asks_for_a_fresh_sign_in(parameters: str) -> None:
    assert parse_challenge([f"Bearer {ERROR}{parameters}"]) == SignInDemand(max_age=0)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        'Bearer error="invalid_token", max_age=5',
        f"Basic {ERROR}, max_age=5",
        f'Bearer error="invalid_token", Basic {ERROR}',
        f"Bearer {ERROR}, {ERROR}",
        f"Bearer {ERROR}, max_age=5, MAX_AGE=6",
        f"Bearer {ERROR} max_age=5",
        f"Bearer {ERROR}, max_age=5;x",
        f'Bearer {ERROR}, realm="a" "b"',
        f'Bearer {ERROR}, realm="\x00"',
        f'Bearer {ERROR}, realm="unclosed',
        f'Bearer {ERROR}, realm="unclosed\\"',
        f"{ERROR}, max_age=5",
        f"Bearer {ERROR}, =5",
        f"Bearer {ERROR}, " + "x" * 9000,
        'Bearer error_description="error=insufficient_user_authentication"',
    ],
)
def test_anything_else_is_no_step_up_challenge(header: str) -> None:
    assert parse_challenge([header]) is None


def test_only_so_many_headers_are_read() -> None:
    assert parse_challenge(["Basic realm=x"] * 10 + [f"Bearer {ERROR}"]) is None


@given(st.lists(st.text(st.characters(max_codepoint=255), max_size=200), max_size=3))
@settings(max_examples=200, deadline=None)
def test_whatever_a_service_sends_is_read_without_an_error(headers: list[str]) -> None:
    found = parse_challenge(headers)
    assert found is None or found.max_age is not None or found.acr_values


@rfc("9110", "5.6.4")
def test_a_challenge_is_quoted_so_that_nothing_breaks_out_of_it() -> None:
    assert quoted('a"b\\c') == '"a\\"b\\\\c"'
    assert TokenRejected("token.missing").challenge(realm='x", error="') == 'Bearer realm="x\\", error=\\""'


@pytest.mark.parametrize("realm", ["a\r\nSet-Cookie: x=1", "a\x00", "café", "a\x7f"])
def test_a_realm_that_no_header_can_carry_is_refused(realm: str) -> None:
    with pytest.raises(ValueError, match="printable ASCII"):
        TokenRejected("token.missing").challenge(realm=realm)
