"""Base64url without padding, canonical in both directions."""

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.rfc import rfc

from watchword.protocol.base64url import decode, encode


@given(st.binary(max_size=100))
@settings(max_examples=50, deadline=None)
def test_what_is_encoded_decodes_to_the_same_and_is_what_everybody_writes(data: bytes) -> None:
    assert encode(data) == base64.urlsafe_b64encode(data).decode().rstrip("=")
    assert decode(encode(data)) == data


@given(st.text(st.sampled_from("AQgwBz09-_+/= \n\té"), max_size=9))
@settings(max_examples=200, deadline=None)
def test_a_text_is_refused_or_is_the_one_spelling_of_its_value(text: str) -> None:
    try:
        data = decode(text)
    except ValueError:
        return
    assert encode(data) == text


@rfc("7515", "2")
@pytest.mark.parametrize(
    "text",
    [
        "A",
        "AAAAA",
        "AA=",
        "AA==",
        "AAA=",
        "=",
        "====",
        "AA+A",
        "AA/A",
        "A A",
        "AAAA\n",
        "\nAAAA",
        "AA\0A",
        "AAéA",
        "AAA\u0661",
    ],
)
def test_padding_white_space_and_foreign_characters_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="base64url"):
        decode(text)


@rfc("4648", "3.5")
@pytest.mark.parametrize("text", ["AB", "Ax", "A_", "AAB", "AA_"])
def test_unused_bits_must_be_zero(text: str) -> None:
    with pytest.raises(ValueError, match="canonical"):
        decode(text)


def test_an_error_does_not_repeat_what_was_sent() -> None:
    with pytest.raises(ValueError, match="base64url") as caught:
        decode("secret!secret!!!")
    assert "secret" not in str(caught.value)
