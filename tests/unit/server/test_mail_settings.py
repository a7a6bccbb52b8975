"""How mail leaves: what an operator may write, and what he is told otherwise; a password is in no sentence."""

import os
from pathlib import Path

import pytest
from tests.support.rfc import rfc

from watchword.server.settings import Mail, SettingsError, read

PASSWORD = "p@ss/w?rd#:%"
QUOTED = "p%40ss%2Fw%3Frd%23%3A%25"
FROM = "Accounts <accounts@example.com>"


@pytest.fixture(autouse=True)
def nothing_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("WATCHWORD_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def mail(monkeypatch: pytest.MonkeyPatch, url: str | None = None, sender: str | None = FROM) -> Mail | None:
    for name, value in (("SMTP_URL", url), ("MAIL_FROM", sender)):
        if value is not None:
            monkeypatch.setenv(f"WATCHWORD_{name}", value)
    return read().mail


def test_nothing_said_is_no_mail() -> None:
    assert read().mail is None


@rfc("8314", "3.3")
@pytest.mark.parametrize(
    ("url", "host", "port", "security"),
    [
        ("smtp://mail.example.com", "mail.example.com", 587, "starttls"),
        ("smtp://mail.example.com:2525", "mail.example.com", 2525, "starttls"),
        ("smtps://mail.example.com", "mail.example.com", 465, "tls"),
        ("smtps://mail.example.com:4650/", "mail.example.com", 4650, "tls"),
        ("smtp://localhost:25", "localhost", 25, "none"),
        ("smtp://127.0.0.1", "127.0.0.1", 587, "none"),
        ("smtp://[::1]:25", "::1", 25, "none"),
        ("smtps://localhost", "localhost", 465, "tls"),
        ("smtp://localhost.example.com", "localhost.example.com", 587, "starttls"),
    ],
)
def test_a_url_says_where_and_how(
    monkeypatch: pytest.MonkeyPatch, url: str, host: str, port: int, security: str
) -> None:
    found = mail(monkeypatch, url)
    assert found is not None
    assert (found.host, found.port, found.security) == (host, port, security)
    assert (found.username, found.password) == (None, None)


def test_name_and_password_are_decoded_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    found = mail(monkeypatch, f"smtp://ada%40example.com:{QUOTED}@mail.example.com:587")
    assert found is not None
    assert (found.username, found.password) == ("ada@example.com", PASSWORD)
    shown = repr(read())
    assert PASSWORD not in shown
    assert QUOTED not in shown


def test_the_url_may_lie_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "url").write_text(f"smtps://ada:{QUOTED}@mail.example.com\n")
    monkeypatch.setenv("WATCHWORD_SMTP_URL_FILE", "url")
    found = mail(monkeypatch)
    assert found is not None
    assert found.password == PASSWORD


@pytest.mark.parametrize(
    ("sender", "name", "address"),
    [
        ("accounts@example.com", "", "accounts@example.com"),
        ("  accounts@example.com ", "", "accounts@example.com"),
        (FROM, "Accounts", "accounts@example.com"),
        ("Mühle & Söhne <accounts@example.com>", "Mühle & Söhne", "accounts@example.com"),
        ('"Mill, Inc." <accounts@example.com>', "Mill, Inc.", "accounts@example.com"),
        ("<accounts@example.com>", "", "accounts@example.com"),
    ],
)
def test_a_sender_is_an_address_with_or_without_a_name(
    monkeypatch: pytest.MonkeyPatch, sender: str, name: str, address: str
) -> None:
    found = mail(monkeypatch, "smtp://localhost", sender)
    assert found is not None
    assert (found.sender_name, found.sender_address) == (name, address)


@pytest.mark.parametrize(
    "sender",
    [
        "Accounts",
        "accounts@",
        "a@example.com, b@example.com",
        "Accounts <accounts@example.com",
        "Accounts <müller@example.com>",
        "Acc\r\nBcc: eve@evil.example <accounts@example.com>",
        "x" * 61 + " <accounts@example.com>",
        "<>",
        "a(b)@example.com",
        "accounts@exa(mple.com",
        "accounts@-.example",
    ],
)
def test_other_senders_are_refused(monkeypatch: pytest.MonkeyPatch, sender: str) -> None:
    with pytest.raises(SettingsError, match="WATCHWORD_MAIL_FROM"):
        mail(monkeypatch, "smtp://localhost", sender)


@pytest.mark.parametrize(
    "url",
    [
        "mail.example.com",
        "mail.example.com:587",
        f"http://ada:{QUOTED}@mail.example.com",
        f"smtp://ada:{QUOTED}@",
        f"smtp://ada:{PASSWORD}@mail.example.com",
        f"smtp://ada:{QUOTED}@mail.example.com:0",
        f"smtp://ada:{QUOTED}@mail.example.com:99999",
        f"smtp://ada:{QUOTED}@mail.example.com:port",
        f"smtp://ada:{QUOTED}@mail.example.com/inbox",
        f"smtp://ada:{QUOTED}@mail.example.com?tls=no",
        "smtp://ada@mail.example.com",
        f"smtp://:{QUOTED}@mail.example.com",
        f"smtp://ada:{QUOTED}%0a@mail.example.com",
        f"smtp://ada:{QUOTED}%ff@mail.example.com",
        f"smtp://ada:{QUOTED}@mail example.com",
        "smtp://[::1",
    ],
)
def test_other_urls_are_refused_by_a_sentence_that_does_not_quote_them(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    with pytest.raises(SettingsError, match="WATCHWORD_SMTP_URL") as refused:
        mail(monkeypatch, url)
    sentence = str(refused.value)
    assert "ada" not in sentence
    assert "p%40" not in sentence
    assert "p@ss" not in sentence
    assert refused.value.__suppress_context__ or refused.value.__context__ is None


def test_one_without_the_other_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match="WATCHWORD_MAIL_FROM needs WATCHWORD_SMTP_URL"):
        mail(monkeypatch)
    monkeypatch.delenv("WATCHWORD_MAIL_FROM")
    with pytest.raises(SettingsError, match="WATCHWORD_SMTP_URL needs WATCHWORD_MAIL_FROM"):
        mail(monkeypatch, "smtp://localhost", None)
