"""Links in mails: their tokens, and when they are dead."""

from dataclasses import replace
from typing import Any

import pytest
from tests.support.builders import NOW, a_user
from tests.support.rfc import standard

from watchword.protocol import base64url
from watchword.server.domain.one_time_link import OneTimeLink, format_link, parse_link
from watchword.server.domain.secret_ring import parse_secrets

OLD, NEW = "an-old-secret-of-at-least-32-bytes", "a-newer-secret-of-at-least-32-bytes"
ID = bytes(range(16))
USER = a_user(email="ada@example.org", email_verified=True, epoch=3)


def a_link(**changes: Any) -> OneTimeLink:
    given: dict[str, Any] = {
        "id": ID,
        "purpose": "reset_password",
        "sub": USER.sub,
        "email": "ada@example.org",
        "epoch": 3,
        "expires_at": NOW + 60,
    }
    return OneTimeLink(**given | changes)


def test_a_token_is_read_back_under_every_listed_secret_and_no_other() -> None:
    token = format_link(ID, parse_secrets(OLD))
    assert token.startswith("wwl_")
    assert parse_link(token, parse_secrets(OLD)) == ID
    assert parse_link(token, parse_secrets(f"{NEW} {OLD}")) == ID
    assert parse_link(token, parse_secrets(NEW)) is None
    assert format_link(ID, parse_secrets(f"{NEW} {OLD}")) == format_link(ID, parse_secrets(NEW))


def test_every_changed_bit_is_seen() -> None:
    secrets = parse_secrets(OLD)
    raw = base64url.decode(format_link(ID, secrets)[4:])
    for bit in range(len(raw) * 8):
        changed = bytearray(raw)
        changed[bit // 8] ^= 1 << bit % 8
        assert parse_link("wwl_" + base64url.encode(bytes(changed)), secrets) is None


@pytest.mark.parametrize(
    "text", ["", "wwl_", "wwl_*", "wwl_" + "A" * 42, "wwl_" + "A" * 44, "wwr_" + "A" * 43, "\ud800"]
)
def test_other_texts_are_none(text: str) -> None:
    assert parse_link(text, parse_secrets(OLD)) is None


@standard("OWASP ASVS 5.0", "6.4.1")
@pytest.mark.parametrize(
    ("link", "user", "alive"),
    [
        ({}, {}, True),
        ({"expires_at": NOW + 0.1}, {}, True),
        ({"expires_at": NOW}, {}, False),
        ({}, {"epoch": 4}, False),
        ({}, {"enabled": False}, False),
        ({}, {"email": "eve@example.org"}, False),
        ({}, {"email": None}, False),
        ({}, {"email_verified": False}, False),
        ({"sub": "another"}, {}, False),
        ({"purpose": "verify_email"}, {}, True),
        ({"purpose": "verify_email", "email": "new@example.org"}, {"email_verified": False}, True),
        ({"purpose": "verify_email"}, {"epoch": 4}, False),
    ],
)
def test_when_a_link_is_dead(link: dict[str, Any], user: dict[str, Any], alive: bool) -> None:
    assert a_link(**link).lives(user=replace(USER, **user), now=NOW) is alive


def test_a_link_shows_neither_id_nor_address_when_printed() -> None:
    printed = repr(a_link())
    assert "ada" not in printed
    assert repr(ID) not in printed
