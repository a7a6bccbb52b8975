"""The refresh token's own form."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.rfc import rfc
from tests.unit.server.domain.build import NOW, SECRETS

from watchword.protocol import base64url
from watchword.server.domain.refresh_token import PREFIX, InvalidRefreshToken, RefreshToken, mint, parse
from watchword.server.domain.secret_ring import SecretRing, parse_secrets

TOKEN = RefreshToken(bytes(range(16)), 7, 2, int(NOW) + 60)
OTHER = parse_secrets("another-secret-of-these-tests-0123456789")


def refused(text: str, secrets: SecretRing = SECRETS, now: float = NOW) -> InvalidRefreshToken:
    with pytest.raises(InvalidRefreshToken) as caught:
        parse(text, secrets, now=now)
    return caught.value


def test_a_token_has_the_form_that_the_design_pins() -> None:
    text = mint(TOKEN, SECRETS)
    data = base64url.decode(text.removeprefix("wwr_"))
    assert len(data) == 44
    assert data[0] == 1
    assert data[1] == SECRETS.newest.key_id
    assert data[2:18] == TOKEN.grant_id
    assert data[18:28] == b"\0\0\0\x07" + b"\0\x02" + TOKEN.expires_at.to_bytes(4)


@given(
    grant_id=st.binary(min_size=16, max_size=16),
    generation=st.integers(0, 2**32 - 1),
    branch=st.integers(0, 2**16 - 1),
    expires_at=st.integers(int(NOW) + 1, 2**32 - 1),
)
@settings(max_examples=50, deadline=None)
def test_what_is_minted_parses_to_the_same_position(
    grant_id: bytes, generation: int, branch: int, expires_at: int
) -> None:
    token = RefreshToken(grant_id, generation, branch, expires_at)
    assert parse(mint(token, SECRETS), SECRETS, now=NOW) == token
    assert mint(token, SECRETS) == mint(token, SECRETS)


@rfc("6749", "10.4")
def test_a_token_with_any_one_bit_flipped_is_refused() -> None:
    data = base64url.decode(mint(TOKEN, SECRETS).removeprefix(PREFIX))
    for bit in range(len(data) * 8):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        refused(PREFIX + base64url.encode(bytes(flipped)))


@pytest.mark.parametrize(
    "mangle",
    [
        lambda text: "",
        lambda text: text[:-1],
        lambda text: text + "A",
        lambda text: text + "=",
        lambda text: " " + text[1:],
        lambda text: text.replace("wwr_", "WWR_"),
        lambda text: text[:-1] + "\n",
        lambda text: text[:-1] + "é",
        lambda text: text[:10] + "\0" + text[11:],
        lambda text: "wwr_" + "+" * 59,
        lambda text: "x" * 1_000_000,
    ],
)
def test_text_of_another_form_is_refused(mangle: object) -> None:
    assert callable(mangle)
    assert not refused(mangle(mint(TOKEN, SECRETS))).expired


def test_the_last_character_has_one_spelling() -> None:
    text = mint(TOKEN, SECRETS)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    for last in alphabet.replace(text[-1], ""):
        refused(text[:-1] + last)


def test_a_token_of_another_installation_is_refused() -> None:
    refused(mint(TOKEN, OTHER))


def test_a_secret_that_shares_the_key_id_by_chance_does_not_open_it() -> None:
    number = 0
    while (twin := parse_secrets(f"twin-secret-of-these-tests-{number:08d}")).newest.key_id != SECRETS.newest.key_id:
        number += 1
    both = SecretRing(twin.keys + SECRETS.keys)
    assert len(both.by_id(twin.newest.key_id)) == 2
    assert parse(mint(TOKEN, SECRETS), both, now=NOW) == TOKEN, "all keys of that id are tried"
    refused(mint(TOKEN, SECRETS), twin)


def test_after_a_new_secret_old_tokens_still_open_and_new_ones_are_made_with_it() -> None:
    ring = SecretRing(OTHER.keys + SECRETS.keys)
    assert parse(mint(TOKEN, SECRETS), ring, now=NOW) == TOKEN
    assert mint(TOKEN, ring) == mint(TOKEN, OTHER)


def test_a_token_is_refused_from_its_end_on() -> None:
    text = mint(TOKEN, SECRETS)
    assert parse(text, SECRETS, now=TOKEN.expires_at - 0.001) == TOKEN
    assert refused(text, now=TOKEN.expires_at).expired


def test_a_forged_token_is_not_said_to_be_expired() -> None:
    assert not refused(mint(TOKEN, OTHER), now=TOKEN.expires_at + 1).expired


@pytest.mark.parametrize("version", [0, 2, 255])
def test_a_version_that_is_not_known_is_refused(version: int) -> None:
    data = base64url.decode(mint(TOKEN, SECRETS).removeprefix(PREFIX))
    refused(PREFIX + base64url.encode(bytes([version]) + data[1:]))


def test_neither_repr_nor_error_shows_the_grant_or_the_token() -> None:
    text = mint(TOKEN, SECRETS)
    shown = repr(TOKEN) + repr(SECRETS) + str(refused(text[:-1])) + str(refused(mint(TOKEN, OTHER)))
    assert text[4:30] not in shown
    assert str(TOKEN.grant_id)[2:-1] not in shown
