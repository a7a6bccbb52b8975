"""Keys derived from the server's secret."""

from dataclasses import fields

import pytest

from watchword.server.domain.secret_ring import DerivedKeys, SecretRing, parse_secrets

ONE = "0123456789-abcdefghijklmnopqrstuv"
TWO = "vutsrqponmlkjihgfedcba-9876543210"


@pytest.mark.parametrize("text", ["", " \n ", "short", ONE[:31], f"{ONE} short"])
def test_an_empty_or_short_secret_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(ValueError, match="secret") as caught:
        parse_secrets(text)
    assert not text.strip() or text.strip() not in str(caught.value)


def test_length_counts_in_bytes() -> None:
    assert len(parse_secrets("äöüßéèàçñøåæ" * 2).keys) == 1


def test_the_newest_secret_comes_first_and_all_are_kept() -> None:
    both, one, two = parse_secrets(f"{TWO}\n{ONE}\n"), parse_secrets(ONE), parse_secrets(TWO)
    assert both == SecretRing(two.keys + one.keys)
    assert both.newest == two.newest
    assert both.caller_keys == (two.newest.caller, one.newest.caller)


def test_each_purpose_has_a_key_of_its_own() -> None:
    keys = parse_secrets(ONE).newest
    made = [keys.refresh_token, keys.caller, keys.at_rest, keys.throttle]
    assert len(set(made)) == 4
    assert {len(key) for key in made} == {32}
    assert not set(made) & {bytes.fromhex(keys.check)}


def test_keys_are_the_same_at_every_start() -> None:
    assert parse_secrets(ONE) == parse_secrets(f"  {ONE}\n")


def test_a_check_value_knows_its_secrets_and_no_other() -> None:
    both = parse_secrets(f"{TWO} {ONE}")
    assert both.knows(parse_secrets(ONE).newest.check)
    assert both.knows(parse_secrets(TWO).newest.check)
    assert not parse_secrets(ONE).knows(parse_secrets(TWO).newest.check)
    assert not parse_secrets(ONE).knows("")


def test_a_repr_shows_no_key() -> None:
    ring = parse_secrets(ONE)
    shown = repr(ring)
    for field in fields(DerivedKeys):
        if field.name != "key_id":
            assert repr(getattr(ring.newest, field.name)) not in shown
