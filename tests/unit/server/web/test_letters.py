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
