"""Languages: which is chosen, that catalogues say the same things, and that all of it is used."""

import ast
import re
import string
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from tests.support.rfc import rfc
from tests.unit.server.web.specimens import specimens

import watchword.server
from watchword.protocol.errors import InvalidRequestUri, RequestTooLarge
from watchword.server.domain import password_policy
from watchword.server.domain.one_time_link import Purpose
from watchword.server.flows.notices import Notice
from watchword.server.web.pages import Brand, Pages, engine, preferred_locales, texts
from watchword.server.web.pages.contexts import CONTEXTS
from watchword.server.web.pages.locales import chosen
from watchword.server.web.sign_in_page import AGAIN

SERVER = Path(watchword.server.__file__).parent
CATALOGUES = {path.stem: dict(texts.flat(tomllib.loads(path.read_text("utf-8")))) for path in texts.OURS.glob("*.toml")}


def values_in(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def test_all_catalogues_have_the_same_keys_and_take_the_same_values() -> None:
    assert CATALOGUES.keys() == {"en", "de"}
    english = CATALOGUES["en"]
    for lang, catalogue in CATALOGUES.items():
        assert catalogue.keys() == english.keys(), lang
        for key, text in catalogue.items():
            assert values_in(text) == values_in(english[key]), f"{lang}: {key}"
            assert text.strip() == text, f"{lang}: {key}"
            assert text, f"{lang}: {key}"


def test_every_text_is_used_and_every_used_one_is_there() -> None:
    files = (*engine.OURS.glob("*.html"), *engine.OURS.glob("mail/*.txt"))
    templates = "".join(path.read_text("utf-8") for path in files)
    spelled = set(re.findall(r'(?:\bt|counted)\("([a-z_.]+)"', templates))
    built = {
        *(f"sign_in.problem.{problem}" for problem in CONTEXTS["sign_in"].problems),
        *(f"sign_up.problem.{problem}" for problem in CONTEXTS["sign_up"].problems),
        *(f"account.problem.{problem}" for problem in CONTEXTS["account"].problems),
        *(f"sign_in.flash.{flash}" for flash in CONTEXTS["sign_in"].flashes),
        *(f"account.flash.{flash}" for flash in CONTEXTS["account"].flashes),
        *(f"forgot_password.problem.{problem}" for problem in CONTEXTS["forgot_password"].problems),
        "forgot_password.problem.throttled_soon",
        *(f"reset_password.problem.{problem}" for problem in CONTEXTS["reset_password"].problems),
        *(f"account.email.problem.{problem}" for problem in ("malformed", "same")),
        *(f"mail.{mail}.subject" for mail in (*get_args(Notice), *get_args(Purpose))),
        *(f"mail.{mail}.lead" for mail in get_args(Notice)),
        *(f"new_passkey.problem.{problem}" for problem in CONTEXTS["new_passkey"].problems),
        *(f"{page}.problem.{problem}" for page in ("second_step", "totp") for problem in CONTEXTS[page].problems),
        *(f"sign_in.again.{again}" for again in AGAIN.values()),
        *(f"error.{problem}.{part}" for problem in CONTEXTS["error"].problems for part in ("title", "lead")),
        *(f"{page}.problem.throttled_soon" for page in ("sign_in", "sign_up", "account", "second_step")),
    }
    spelled = {key for key in spelled if not key.endswith(".")}
    by_program = ("moment.", "span.", "month.", "scope.", "sentence.")
    numbered = {"consent.days", "account.second_step.codes"}
    counted = {f"{key}.{form}" for key in numbered for form in ("one", "other")}
    keys = {key for key in CATALOGUES["en"] if not key.startswith(by_program)}
    assert keys == (spelled - numbered) | built | counted


def test_every_objection_to_a_password_is_known_to_the_catalogues() -> None:
    context = ("watchword",)
    objections = {
        password_policy.objection("short", score=4, context=()),
        password_policy.objection("x" * 2000, score=4, context=()),
        password_policy.objection("watchwordwatchword", score=4, context=context),
        password_policy.objection("x" * 20, score=0, context=()),
    }
    assert None not in objections
    english = texts.catalogues(None)["en"]
    assert objections <= set(english.sentences().values())
    german = texts.catalogues(None)["de"]
    for objection in objections:
        said, lang = texts.translated(str(objection), into=german, of=english)
        assert lang == "de"
        assert said != objection


def trees_of_the_server() -> Iterator[ast.Module]:
    for path in SERVER.rglob("*.py"):
        yield ast.parse(path.read_text("utf-8"))


def said_by(tree: ast.AST, error: str, place: int) -> Iterator[str]:
    """What stands at ``place`` wherever ``error`` is made: the sentence, or how it is come by."""
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and ast.unparse(call.func) == error and len(call.args) > place:
            argument = call.args[place]
            yield str(argument.value) if isinstance(argument, ast.Constant) else f"<{ast.unparse(argument)}>"


def function(module: str, name: str) -> ast.AST:
    tree = ast.parse((SERVER / module).read_text("utf-8"))
    return next(one for one in ast.walk(tree) if getattr(one, "name", None) == name)


def test_every_sentence_that_a_page_tells_its_reader_is_known_to_the_catalogues() -> None:
    trees = list(trees_of_the_server())
    told = {
        # What ends at an error page by itself, whichever endpoint it comes from,
        *(said for tree in trees for said in said_by(tree, "NotToBeRedirected", 1)),
        *(said for tree in trees for said in said_by(tree, "BadLogout", 1)),
        # what ``page_edge`` makes one of,
        RequestTooLarge.bland,
        *said_by(function("web/reading.py", "read_body"), "InvalidRequest", 0),
        # and what a form explains.
        *said_by(function("domain/identifiers.py", "parse_username"), "ValueError", 0),
        *said_by(function("domain/identifiers.py", "parse_email"), "ValueError", 0),
    }
    # Of a bad logout, see above; of a request in which ``client_id`` or ``redirect_uri`` is there twice, which is for
    # who made the application.
    elsewhere = {"<str(refusal)>", "<error.description>"}
    told = {InvalidRequestUri.bland if said == "<InvalidRequestUri.bland>" else said for said in told}
    assert elsewhere < told
    english = texts.catalogues(None)["en"]
    assert {said for said in told - elsewhere if not english.speaks(said)} == set()


def test_every_sentence_has_words_of_its_own_in_every_language() -> None:
    english = texts.catalogues(None)["en"].sentences()
    for lang, catalogue in CATALOGUES.items():
        same = [key for key, said in english.items() if lang != "en" and catalogue[key] == said]
        assert same == [], lang


def test_a_sentence_for_who_made_the_application_is_announced_as_one_in_the_readers_language() -> None:
    pages = Pages(Brand())
    shown = {}
    for detail in ("client_id is there twice", "a form is wanted"):
        page = pages.page("error", locales=("de",), problem="bad_request", reference=None, detail=detail)
        html = bytes(page.body).decode()
        found = re.search(r'<p[^>]* id="detail">(.*?)</p>', html)
        assert found is not None
        shown[detail] = found[1]
    announced = CATALOGUES["de"]["error.technical"]
    assert shown == {
        "client_id is there twice": f'{announced} <span lang="en">client_id is there twice</span>',
        "a form is wanted": "Hier wird ein Formular erwartet.",
    }


def test_german_pages_have_one_word_for_an_authenticator_app() -> None:
    assert [key for key, said in CATALOGUES["de"].items() if "uthenticator" in said] == []


def test_every_sentence_of_the_catalogues_is_one_that_the_server_speaks() -> None:
    places = (SERVER, SERVER.parent / "protocol")
    spoken = "".join(path.read_text("utf-8") for place in places for path in place.rglob("*.py"))
    sentences = texts.catalogues(None)["en"].sentences()
    assert [one for key, one in sentences.items() if "password" not in key and f'"{one}"' not in spoken] == []


def test_every_problem_has_a_specimen() -> None:
    told = {(one.page, one.context.get("problem")) for one in specimens()}
    assert {(page, problem) for page, kind in CONTEXTS.items() for problem in kind.problems} <= told


@rfc("9110", "12.5.4")
@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        ("", ()),
        ("de", ("de",)),
        ("de-CH, de;q=0.9, en;q=0.8", ("de-CH", "de", "en")),
        ("en;q=0.2, fr;q=0.7, de", ("de", "fr", "en")),
        ("en;q=0, de;q=0.1", ("de",)),
        ("*, de;q=0.5", ("de",)),
        ("en;q=2, de;q=abc, fr;q=0.5", ("fr",)),
        ("../../etc, <script>, de_DE, fr", ("fr",)),
        ("de, de, en", ("de", "en")),
    ],
)
def test_a_browser_says_what_its_reader_prefers(header: str, wanted: tuple[str, ...]) -> None:
    assert preferred_locales(header) == wanted


def test_an_endless_header_is_not_read_to_its_end() -> None:
    assert len(preferred_locales(",".join(f"x{chr(97 + n % 26)}-{n}" for n in range(100_000)), ["en"] * 10_000)) <= 41


def test_what_the_application_asked_for_comes_first() -> None:
    assert preferred_locales("en", ("fr-CA", "de")) == ("fr-CA", "de", "en")


@rfc("4647", "3.4")
@pytest.mark.parametrize(
    ("wanted", "lang"),
    [((), "en"), (("fr", "de-CH-1996"), "de"), (("DE",), "de"), (("en-GB", "de"), "en"), (("den",), "en")],
)
def test_a_language_is_found_by_its_shorter_tags(wanted: tuple[str, ...], lang: str) -> None:
    assert chosen(wanted, ("de", "en"), default="en") == lang
