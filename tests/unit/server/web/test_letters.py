"""What mails say: every one of them, in every language, plainly, and as an operator wants it."""

import re
from pathlib import Path
from typing import get_args

import pytest

from watchword.server.domain.one_time_link import Purpose
from watchword.server.flows.notices import Notice
from watchword.server.web.pages import Brand
from watchword.server.web.pages.letters import Letters

NAMES = (*get_args(Purpose), *get_args(Notice))
LINK = "https://auth.example/link?token=wwl_" + "A" * 43
VALUES = {
    "username": "Ada <b>&amp; Söhne</b> {{ 7 * 7 }} {brand}",
    "at": "1800000000",
    "link": LINK,
    "lifetime": "1800",
    "account_url": "https://auth.example/account",
    "forgotten_url": "https://auth.example/forgot-password",
}
HTML = re.compile(r"&(amp|lt|gt|#\d+);|</?[a-z]+>")


@pytest.mark.parametrize("locale", ["en", "de"])
@pytest.mark.parametrize("name", NAMES)
def test_every_mail_is_plain_text_with_a_subject(name: str, locale: str) -> None:
    letter = Letters(Brand(name="Mühle & Söhne"), None).letter(name, locale=locale, values=VALUES)
    assert letter.lang == locale
    assert "Mühle & Söhne" in letter.subject
    assert letter.subject.isprintable()
    assert letter.text.endswith("Mühle & Söhne\n")
    assert HTML.search(letter.text.replace(VALUES["username"], "")) is None
    assert "{" not in letter.subject + letter.text.replace("{{ 7 * 7 }} {brand}", "")
    assert max(len(line) for line in letter.text.splitlines() if "http" not in line) <= 72
    if name in get_args(Purpose):
        assert LINK in letter.text.splitlines()
    else:
        assert "UTC" in letter.text
        assert "/link" not in letter.text


def test_a_name_is_shown_as_it_is() -> None:
    letter = Letters(Brand(), None).letter("password_changed", locale="", values=VALUES)
    assert VALUES["username"] in " ".join(letter.text.split())


def test_the_first_language_that_there_is_wins_and_english_otherwise() -> None:
    letters = Letters(Brand(), None)
    spoken = {
        locale: letters.letter("password_changed", locale=locale, values=VALUES).lang
        for locale in ("", "fr de-AT en", "fr", "../../etc", "en de")
    }
    assert spoken == {"": "en", "fr de-AT en": "de", "fr": "en", "../../etc": "en", "en de": "en"}


@pytest.mark.parametrize(
    ("template", "words"),
    [("verify_email", "{{ nobody_knows }}"), ("notice", "{% if %}"), ("totp_added", "{{ moment(username) }}")],
)
def test_a_broken_template_shows_before_a_mail_waits_for_it(tmp_path: Path, template: str, words: str) -> None:
    (tmp_path / "mail").mkdir()
    (tmp_path / "mail" / f"{template}.txt").write_text(words)
    name = "password_changed" if template == "notice" else template
    with pytest.raises(ValueError, match=f"the mail '{name}' cannot be worded in"):
        Letters(Brand(), tmp_path).try_all(NAMES)
    (tmp_path / "mail" / f"{template}.txt").write_text("{{ link }} {{ username }} {{ moment(at) }}")
    Letters(Brand(), tmp_path).try_all(NAMES)


@pytest.mark.parametrize("locale", ["en", "de"])
@pytest.mark.parametrize("name", get_args(Notice))
def test_who_was_robbed_by_a_factor_of_the_thiefs_is_sent_to_the_operator_and_not_to_a_new_password(
    name: str, locale: str
) -> None:
    # A thief's factor outlives a new password, and keeps the owner from the account page.
    text = Letters(Brand(), None).letter(name, locale=locale, values=VALUES).text
    to_operator = "operator of Watchword at once" in " ".join(text.split()) or "sofort an den Betreiber" in text
    assert to_operator is (name in ("passkey_added", "totp_added"))
    assert ("forgot-password" in text) is (not to_operator and name != "email_changed")
    assert "\n\n\n" not in text


def test_an_operator_replaces_letters_subjects_and_texts(tmp_path: Path) -> None:
    (tmp_path / "mail").mkdir()
    (tmp_path / "texts").mkdir()
    (tmp_path / "mail" / "password_changed.txt").write_text("Dear {{ username }}, at {{ moment(at) }}.\n")
    (tmp_path / "mail" / "notice.txt").write_text("{% include 'watchword/mail/notice.txt' %}\n\nYours, the crew\n")
    (tmp_path / "texts" / "en.toml").write_text('[mail.password_changed]\nsubject = "{brand}: a new\\npassword"\n')
    letters = Letters(Brand(name="Mill"), tmp_path)
    changed = letters.letter("password_changed", locale="en", values=VALUES | {"username": "ada"})
    assert changed.text == "Dear ada, at 15 January 2027, 08:00 UTC.\n"
    assert changed.subject == "Mill: a new password"
    added = letters.letter("passkey_added", locale="en", values=VALUES)
    assert added.text.endswith("Mill\n\nYours, the crew\n")
