"""Names of things."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.rfc import rfc

from watchword.server.domain.identifiers import (
    MAX_TYPED_NAME,
    parse_client_id,
    parse_client_name,
    parse_email,
    parse_username,
    random_id,
    username_key,
)


def test_a_random_id_has_twenty_two_characters_of_all_its_bytes() -> None:
    assert random_id(bytes(16)) == "A" * 22
    assert random_id(b"\xff" * 16) == "_" * 21 + "w"
    for length in (0, 15, 17):
        with pytest.raises(ValueError, match="16 bytes"):
            random_id(bytes(length))


@pytest.mark.parametrize("text", ["ab", "orders-api", "App.2_~x", "0" * 21, "0" * 23, "a" * 64, "a" * 21 + "."])
def test_a_client_id_is_taken_as_it_is(text: str) -> None:
    assert parse_client_id(text) == text


@pytest.mark.parametrize("text", ["", "a", "-app", ".app", "a" * 65, "my app", "app\n", "äpp", "a:b", "a/b", "a\0b"])
def test_another_client_id_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="client id"):
        parse_client_id(text)


@pytest.mark.parametrize(
    ("typed", "name"),
    [("The Shop", "The Shop"), (" Cafe\u0301 ", "Caf\u00e9"), ("a" * 80, "a" * 80), ("e\u0301" * 80, "\u00e9" * 80)],
)
def test_a_clients_name_is_trimmed_and_in_one_form(typed: str, name: str) -> None:
    assert parse_client_name(typed) == name


@pytest.mark.parametrize(
    "text",
    # What is too long as it was typed is not looked at: putting its marks in order could take seconds.
    ["", "  ", "a" * 81, "a\u200bb", "a\nb", "\u3164", " " * MAX_TYPED_NAME + "Shop", "a" + "\u0316\u0301" * 200_000],
    ids=range(8),
)
def test_another_clients_name_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="80 visible"):
        parse_client_name(text)


@rfc("9700", "4.15")
@given(st.binary(min_size=16, max_size=16))
@settings(max_examples=50, deadline=None)
def test_no_client_id_can_be_taken_for_a_user(entropy: bytes) -> None:
    with pytest.raises(ValueError, match="client id"):
        parse_client_id(random_id(entropy))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Alice", "aLICE"),
        ("straße", "STRASSE"),
        ("ﬁnn", "finn"),
        ("\uff21\uff4c\uff49\uff43\uff45", "alice"),
        ("é", "e\u0301"),
        ("Å", "\u212b"),
        ("\u017fam", "sam"),
        ("ǅ", "ǆ"),
        ("Σίσυφος", "σίσυφοσ"),
        (" alice ", "alice"),
        ("\u0345", "\u03b9"),
    ],
)
def test_two_spellings_of_one_name_are_one_name(one: str, other: str) -> None:
    assert username_key(one) == username_key(other)


@pytest.mark.parametrize(("one", "other"), [("alice", "alíce"), ("alice", "alic"), ("a b", "ab"), ("o", "0")])
def test_two_names_are_two(one: str, other: str) -> None:
    assert username_key(one) != username_key(other)


@given(st.text(min_size=1, max_size=20))
@settings(max_examples=200, deadline=None)
def test_case_and_normal_form_never_make_another_name(text: str) -> None:
    try:
        name = parse_username(text)
    except ValueError:
        return
    key = username_key(name)
    assert key == username_key(text)
    assert key == username_key(unicodedata.normalize("NFD", name))
    assert key == username_key(unicodedata.normalize("NFKC", name))
    assert key == username_key(name.casefold())
    assert parse_username(name) == name


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  ",
        "a" * 129,
        " " * 400 + "a" + " " * 112,
        "a" + "\u0315" * 512,
        "a\0b",
        "a\nb",
        "a\u200bb",
        "a\u202eb",
        "a\u00adb",
        "\ud800",
        "\ue000",
        "a\u2028b",
        "\u0378",
        "a\u3164",
        "a\u034fb",
        "a\u2800",
        "a\ufe0f",
    ],
)
def test_a_name_that_cannot_be_seen_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="user name"):
        parse_username(text)


def test_a_name_is_shown_as_it_was_chosen() -> None:
    assert parse_username("  \uff21lice Müller ") == "\uff21lice Müller"
    assert parse_username("u\u0308") == "ü"
    assert len(parse_username("ä" * 128)) == 128


@pytest.mark.parametrize(
    "text", ["a@b.c", "first.last+tag@example.org", " a@b.c ", '"a.b"@example.org', "ä@exämple.org"]
)
def test_an_email_address_is_read_loosely(text: str) -> None:
    assert parse_email(text) == text.strip()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "@b.c",
        "a@",
        "a@b",
        "a@.",
        "a@b.",
        "a b@c.d",
        "a@b.c,d@e.f",
        "a@b.c\nBcc: x@y.z",
        "<a@b.c>",
        "a@b@c.d",
        '"a@b"@c.d',
        "a\u200b@b.c",
        "a\u00ad@b.c",
        "\u202ea@b.c",
        "a\x7f@b.c",
        "a@ex\u200bample.com",
        "\ud800@b.c",
        "a\ufe0f@b.c",
        "a" * 251 + "@b.c",
    ],
)
def test_what_is_certainly_no_email_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="e-mail"):
        parse_email(text)
