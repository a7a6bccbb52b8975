"""Pages as they are sent: texts, escaping, languages, and what stands in for scripts."""

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from tests.support.rfc import rfc
from tests.unit.server.web.specimens import COMPLETE, LEAST, NOW, Specimen, specimens

from watchword.server.web.pages import Brand, Logo, PageName, Pages
from watchword.server.web.pages.contexts import CONTEXTS
from watchword.server.web.pages.engine import scopes_in_order

SPECIMENS = list(specimens())
# What was supplied stands in their attributes alone.
SAY_NOTHING_OF_ANYBODY = ("form_post", "forgot_password", "dead_link", "new_passkey")
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{ 7 * 7 }}{csrf}\u202e"


@pytest.fixture(scope="module")
def pages() -> Pages:
    return Pages(Brand())


class Seen(HTMLParser):
    """What a browser would make of a page: elements with their attributes, and the text."""

    VOID = frozenset({"meta", "link", "input", "img", "br", "hr"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len({name for name, _ in attrs}) == len(attrs), f"an attribute twice in {tag}"
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def one(self, ident: str) -> dict[str, str | None]:
        (found,) = [attributes for _, attributes in self.elements if attributes.get("id") == ident]
        return found


def seen(pages: Pages, page: PageName, lang: str = "en", **context: Any) -> Seen:
    return Seen(bytes(pages.page(page, locales=(lang,), **context).body).decode())


def spoken_by(text: str, value: Any) -> Any:
    """The same context, with ``text`` for every text of it that is no key."""
    if isinstance(value, str):
        return text
    if isinstance(value, dict):
        return {key: spoken_by(text, one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(spoken_by(text, one) for one in value)
    return value


@pytest.mark.parametrize("lang", ["en", "de"])
@pytest.mark.parametrize("specimen", SPECIMENS, ids=lambda specimen: specimen.title)
def test_every_page_renders_in_every_language(pages: Pages, specimen: Specimen, lang: str) -> None:
    response = pages.page(specimen.page, locales=(lang,), status=418, **specimen.context)
    page = Seen(bytes(response.body).decode())
    assert response.status_code == 418
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["content-language"] == lang
    assert page.all("html") == [{"lang": lang}]
    assert page.open == []
    assert len(page.all("h1")) == len(page.all("main")) == 1
    idents = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(idents) == len(set(idents))
    assert "{" not in page.text


@pytest.mark.parametrize("specimen", SPECIMENS, ids=lambda specimen: specimen.title)
def test_the_languages_differ_in_their_texts_alone(pages: Pages, specimen: Specimen) -> None:
    english, german = (seen(pages, specimen.page, lang, **specimen.context) for lang in ("en", "de"))
    # What a program said in English is marked as such.
    tags = [
        [tag for tag, named in page.elements if named != {"lang": "en"} or tag == "html"] for page in (english, german)
    ]
    assert tags[0] == tags[1]
    assert english.text != german.text


@pytest.mark.parametrize("page", CONTEXTS)
def test_nothing_that_somebody_supplied_becomes_html(pages: Pages, page: PageName) -> None:
    kind = CONTEXTS[page]
    ours = {*kind.urls, "problem", "flash", "now", "lifetime_days", "retry_after"}
    page_seen, clean = (
        seen(
            pages,
            page,
            **{key: value if key in ours else spoken_by(text, value) for key, value in COMPLETE[page].items()},
        )
        for text in (HOSTILE, "harmless")
    )
    assert [tag for tag, _ in page_seen.elements] == [tag for tag, _ in clean.elements]
    assert [sorted(attributes) for _, attributes in page_seen.elements] == [
        sorted(attributes) for _, attributes in clean.elements
    ]
    assert HOSTILE in page_seen.text or page in SAY_NOTHING_OF_ANYBODY
    assert "49" not in page_seen.text


@pytest.mark.parametrize("specimen", SPECIMENS, ids=lambda specimen: specimen.title)
def test_no_page_holds_code_or_style_of_its_own_or_anything_from_elsewhere(pages: Pages, specimen: Specimen) -> None:
    page = seen(pages, specimen.page, **specimen.context)
    for tag, attributes in page.elements:
        assert tag not in ("style", "iframe", "object", "embed", "base")
        # A QR code is drawn for its one reader, so there is no file to load; it is a path and nothing else.
        assert tag not in ("svg", "path") or specimen.page == "totp"
        assert not any(name.startswith("on") or name == "style" for name in attributes)
    loaded = [one.get("src") or one["href"] for tag in ("script", "link", "img") for one in page.all(tag)]
    assert all(str(url).startswith("/static/") for url in loaded)
    of_passkeys = specimen.page == "new_passkey" or specimen.context.get("passkey") or specimen.context.get("passkeys")
    kind = CONTEXTS[specimen.page]
    holds_form = kind.holds_form(kind.filled(specimen.context))
    assert [str(one["src"]).rpartition("-")[0] for one in page.all("script")] == [
        *(["/static/forms"] if holds_form else []),
        *(["/static/form_post"] if specimen.page == "form_post" else []),
        *(["/static/passkeys"] if of_passkeys else []),
    ]


@pytest.mark.parametrize("specimen", SPECIMENS, ids=lambda specimen: specimen.title)
def test_every_field_has_a_label_and_every_reference_leads_to_something(pages: Pages, specimen: Specimen) -> None:
    page = seen(pages, specimen.page, **specimen.context)
    labelled = {label["for"] for label in page.all("label")}
    idents = {attributes["id"] for _, attributes in page.elements if "id" in attributes}
    for field in page.all("input"):
        if field["type"] != "hidden" and "aria-hidden" not in field:
            assert field["id"] in labelled
            assert field.get("autocomplete")
    for _, attributes in page.elements:
        for name in ("aria-describedby", "aria-labelledby"):
            assert set((attributes.get(name) or "").split()) <= idents
    assert sum("autofocus" in attributes for _, attributes in page.elements) <= 1


def test_forms_carry_what_they_are_recognised_by(pages: Pages) -> None:
    wanted: dict[PageName, tuple[str, set[str]]] = {
        "sign_in": ("sign-in-form", {"csrf", "request", "username", "password", "challenge", "assertion"}),
        "sign_up": ("sign-up-form", {"csrf", "request", "username", "email", "password"}),
        "consent": ("consent-form", {"csrf", "request"}),
        "sign_out": ("sign-out-form", {"csrf", "client_id", "state"}),
        "form_post": ("form-post", {"code", "state", "iss", "submit"}),
    }
    for name, (ident, fields) in wanted.items():
        page = seen(pages, name, **COMPLETE[name])
        assert page.one(ident) == {"id": ident, "method": "post", "action": COMPLETE[name]["action"]}
        assert {field["name"] for field in page.all("input")} == fields
    sign_in = seen(pages, "sign_in", **COMPLETE["sign_in"])
    assert sign_in.one("username")["autocomplete"] == "username webauthn"
    plain = seen(pages, "sign_in", **COMPLETE["sign_in"] | {"passkey": None})
    assert plain.one("username")["autocomplete"] == "username"
    assert sign_in.one("password")["autocomplete"] == "current-password"
    assert sign_in.one("sign-in")["type"] == "submit"
    consent = seen(pages, "consent", **COMPLETE["consent"])
    assert [(consent.one(key)["name"], consent.one(key)["value"]) for key in ("allow", "deny")] == [
        ("decision", "allow"),
        ("decision", "deny"),
    ]


def test_the_account_page_has_a_form_for_each_session_and_application(pages: Pages) -> None:
    page = seen(pages, "account", **COMPLETE["account"])
    actions = [form["action"] for form in page.all("form")]
    assert actions.count("/account/end-session") == 3
    assert actions.count("/account/remove-application") == 2
    assert actions.count("/account/passkeys/remove") == 2
    assert [field["value"] for field in page.all("input") if field["name"] == "sid"] == ["sid-1", "sid-2", "sid-3"]
    assert {"/account/everywhere", "/account/password"} < set(actions)
    assert [field["value"] for field in page.all("input") if field["name"] == "csrf"] == ["csrf-value"] * len(actions)


@rfc("8252", "8.6")
def test_consent_warns_of_a_program_that_cannot_prove_who_it_is(pages: Pages) -> None:
    warned = seen(pages, "consent", **COMPLETE["consent"] | {"is_loopback": True})
    assert "cannot prove who it is" in warned.text
    assert "cannot prove who it is" not in seen(pages, "consent", **COMPLETE["consent"]).text


def test_consent_names_client_scopes_audience_and_lifetime(pages: Pages) -> None:
    text = seen(pages, "consent", **COMPLETE["consent"]).text
    for named in ("Plum Street Books", "plum-street-books", "https://orders.example", "orders:write", "books.example"):
        assert named in text
    assert "90 days" in text
    assert "1 day at" in seen(pages, "consent", **COMPLETE["consent"] | {"lifetime_days": 1}).text


def test_an_explanation_is_shown_where_it_adds_something(pages: Pages) -> None:
    for problem, shown in (("password", True), ("malformed", True), ("taken", False), ("busy", False)):
        page = seen(pages, "sign_up", **COMPLETE["sign_up"] | {"problem": problem, "explanation": "say more"})
        assert ("Say more." in page.text) is shown


def test_a_problem_is_announced_and_its_field_says_so(pages: Pages) -> None:
    page = seen(pages, "sign_in", **COMPLETE["sign_in"] | {"problem": "credentials", "username": "mira"})
    assert page.one("problem")["role"] == "alert"
    assert page.one("password")["aria-invalid"] == "true"
    assert page.one("password")["aria-describedby"] == "problem"
    assert "autofocus" in page.one("password")
    assert page.one("username")["value"] == "mira"
    assert "Problem: Sign in" in page.text
    assert "value" not in page.one("password")


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.2, "1 second"), (90, "90 seconds"), (121, "3 minutes"), (7200, "2 hours")]
)
def test_waiting_is_told_to_people_and_to_programs(pages: Pages, seconds: float, said: str) -> None:
    context = COMPLETE["sign_in"] | {"problem": "throttled", "retry_after": seconds}
    response = pages.page("sign_in", locales=(), status=429, **context)
    assert f"again in {said}." in bytes(response.body).decode()
    assert response.headers["retry-after"] == str(seconds if isinstance(seconds, int) else 1)


def test_the_servers_own_sentences_are_spoken_in_the_readers_language(pages: Pages) -> None:
    known = COMPLETE["sign_up"] | {
        "problem": "password",
        "explanation": "use at least 15 characters: a few words in a row will do",
    }
    assert (
        "Mindestens 15 Zeichen: ein paar Wörter hintereinander genügen." in seen(pages, "sign_up", "de", **known).text
    )
    page = seen(pages, "sign_up", "de", **known | {"explanation": "never heard of this"})
    assert "Never heard of this." in page.text
    assert {"lang": "en"} in page.all("span")


def test_times_are_readable_in_the_readers_language_and_by_programs(pages: Pages) -> None:
    session = {"sid": "s", "device": "d", "created_at": NOW, "last_seen_at": NOW - 3 * 3600, "current": False}
    context = COMPLETE["account"] | {"sessions": [session], "applications": [], "passkeys": None}
    english, german = (seen(pages, "account", lang, **context) for lang in ("en", "de"))
    assert "3 hours ago" in english.text
    assert "25 February 2026" in english.text
    assert "vor 3 Stunden" in german.text
    assert "25. Februar 2026" in german.text
    assert [time["datetime"] for time in english.all("time")] == ["2026-02-25T03:13:20Z", "2026-02-25T06:13:20Z"]


@pytest.mark.parametrize(
    ("ago", "said"),
    [(-5, "just now"), (119, "just now"), (120, "2 minutes ago"), (3600, "1 hour ago"), (86400, "1 day ago"),
     (29 * 86400, "29 days ago"), (30 * 86400, "26 January 2026")],
)  # fmt: skip
def test_what_was_long_ago_has_a_date_and_the_rest_a_distance(pages: Pages, ago: float, said: str) -> None:
    session = {"sid": "s", "device": "d", "created_at": NOW - 9e7, "last_seen_at": NOW - ago, "current": False}
    assert f"Last used {said}" in seen(pages, "account", **COMPLETE["account"] | {"sessions": [session]}).text


def test_a_name_too_many_or_too_few_is_refused(pages: Pages) -> None:
    with pytest.raises(TypeError, match="csrf"):
        pages.page("sign_in", locales=(), action="/login")
    with pytest.raises(TypeError, match="pasword"):
        pages.page("sign_in", locales=(), **LEAST["sign_in"], pasword="x")
    with pytest.raises(ValueError, match="problem"):
        pages.page("sign_in", locales=(), **LEAST["sign_in"], problem="tired")


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "JavaScript:alert(1)",
        "java\tscript:alert(1)",
        " javascript:alert(1)",
        "\x01javascript:alert(1)",
        "data:text/html,x",
        "//elsewhere.example",
        "/\\elsewhere.example",
        "books.example",
        "",
        "https:",
    ],
)
def test_a_page_leads_nowhere_dangerous(pages: Pages, url: str) -> None:
    with pytest.raises(ValueError, match="continue_url"):
        pages.page("signed_out", locales=(), continue_url=url)


@pytest.mark.parametrize("url", ["https://books.example/", "http://127.0.0.1:1/", "com.example.app:/bye", "/account"])
def test_a_page_leads_to_applications_and_to_ourselves(pages: Pages, url: str) -> None:
    assert seen(pages, "signed_out", continue_url=url).one("continue")["href"] == url


def test_a_brand_dresses_every_page() -> None:
    pages = Pages(Brand(name="Baker & Søn", logo=Logo(content=b"<svg/>", media_type="image/svg+xml"), colour="#fc0"))
    page = seen(pages, "sign_in", **COMPLETE["sign_in"])
    (logo,) = page.all("img")
    assert logo["alt"] == "Baker & Søn"
    assert re.fullmatch(r"/static/logo-[0-9a-f]{16}\.svg", str(logo["src"]))
    assert "Sign in · Baker & Søn" in page.text
    assert "Watchword" not in page.text


def test_an_operators_folder_changes_templates_texts_and_files_and_adds_a_language(tmp_path: Path) -> None:
    (tmp_path / "static").mkdir()
    (tmp_path / "texts").mkdir()
    (tmp_path / "static" / "extra.css").write_text("h1{color:red}")
    (tmp_path / "texts" / "en.toml").write_text('[sign_in]\ntitle = "Come in"\n')
    (tmp_path / "texts" / "fr.toml").write_text('[sign_in]\ntitle = "Connexion"\n')
    (tmp_path / "sign_in.html").write_text(
        '{% extends "watchword/sign_in.html" %}'
        '{% block scripts %}<link rel="stylesheet" href="{{ static("extra.css") }}">{% endblock %}'
    )
    pages = Pages(Brand(), tmp_path, prefix="/tenant")
    english, french = (seen(pages, "sign_in", lang, **COMPLETE["sign_in"]) for lang in ("en", "fr-CA"))
    assert "Come in" in english.text
    assert "Connexion" in french.text
    assert french.all("html") == [{"lang": "fr"}]
    assert "Password" in french.text
    sheets = [str(link["href"]) for link in english.all("link") if link["rel"] == "stylesheet"]
    assert [re.sub(r"[0-9a-f]{16}", "HASH", sheet) for sheet in sheets] == [
        "/tenant/static/pages-HASH.css",
        "/tenant/static/extra-HASH.css",
    ]
    assert pages.static_file(sheets[1].rpartition("/")[2]).body == b"h1{color:red}"


def test_the_template_engine_is_loaded_by_the_first_page_and_not_before() -> None:
    probe = (
        "import sys\n"
        "from watchword.server.web.pages import Brand, Pages, preferred_locales\n"
        "pages = Pages(Brand())\n"
        "before = 'jinja2' in sys.modules\n"
        "pages.page('signed_out', locales=preferred_locales('de'))\n"
        "print(before, 'jinja2' in sys.modules)\n"
    )
    run = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True, timeout=60)
    assert run.stdout.split() == ["False", "True"]


def test_scopes_stand_in_the_order_of_what_a_person_wants_to_know(pages: Pages) -> None:
    scopes = ["admin.all", "profile", "orders.read", "offline_access", "openid", "email"]
    assert scopes_in_order(scopes) == ["openid", "email", "offline_access", "profile", "admin.all", "orders.read"]
    account = {**COMPLETE["account"], "applications": [{**COMPLETE["account"]["applications"][0], "scopes": scopes}]}
    html = bytes(pages.page("account", locales=["en"], **account).body).decode()
    assert html.index("Recognise you") < html.index("See your e-mail") < html.index("admin.all")
    consent = {**COMPLETE["consent"], "openid_scopes": ["email", "openid"]}
    html = bytes(pages.page("consent", locales=["en"], **consent).body).decode()
    assert html.index("Recognise you") < html.index("See your e-mail")
