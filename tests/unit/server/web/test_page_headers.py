"""The headers of pages and of the files that they load."""

import re

import pytest
from tests.support.rfc import rfc
from tests.unit.server.web.specimens import COMPLETE, Specimen, specimens

from watchword.protocol.errors import NotFound
from watchword.server.web.pages import Brand, Logo, PageName, Pages
from watchword.server.web.pages.contexts import CONTEXTS
from watchword.server.web.pages.page_headers import form_source

SPECIMENS = list(specimens())
# The complete error page leads on by a link.
WITHOUT_FORM = ("signed_out", "error", "dead_link", "recovery_codes")


@pytest.fixture(scope="module")
def pages() -> Pages:
    return Pages(Brand())


def policy(pages: Pages, page: PageName, *, form_targets: tuple[str, ...] = ()) -> dict[str, list[str]]:
    response = pages.page(page, locales=(), form_targets=form_targets, **COMPLETE[page])
    directives = [part.split() for part in response.headers["content-security-policy"].split(";")]
    assert len({directive[0] for directive in directives}) == len(directives)
    return {directive[0]: directive[1:] for directive in directives}


@rfc("9700", "4.16")
@pytest.mark.parametrize("specimen", SPECIMENS, ids=lambda specimen: specimen.title)
def test_no_page_may_be_framed_kept_or_read_from_elsewhere(pages: Pages, specimen: Specimen) -> None:
    headers = pages.page(specimen.page, locales=(), **specimen.context).headers
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["x-frame-options"] == "DENY"
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "camera=()" in headers["permissions-policy"]
    assert not any(name.startswith("access-control-") for name in headers)


@pytest.mark.parametrize("page", COMPLETE)
def test_only_what_this_server_sends_is_loaded_and_nothing_inline(pages: Pages, page: PageName) -> None:
    directives = policy(pages, page)
    scripts, asked = directives.pop("script-src", None), directives.pop("connect-src", None)
    assert scripts == (None if page in WITHOUT_FORM else ["'self'"])
    assert asked == (["'self'"] if page == "sign_in" else None)
    del directives["form-action"]
    assert directives == {
        "default-src": ["'none'"],
        "style-src": ["'self'"],
        "img-src": ["'self'"],
        "font-src": ["'self'"],
        "frame-ancestors": ["'none'"],
        "base-uri": ["'none'"],
    }


@rfc("9700", "4.2.4")
@pytest.mark.parametrize("page", COMPLETE)
def test_no_page_tells_another_site_where_the_reader_was(pages: Pages, page: PageName) -> None:
    sent = pages.page(page, locales=(), **COMPLETE[page]).headers["referrer-policy"]
    # A form that comes back to this server needs an Origin other than `null` to be checked by.
    comes_back = CONTEXTS[page].posts_to_us
    assert comes_back == (page not in ("signed_out", "error", "form_post", "dead_link", "recovery_codes"))
    assert sent == ("same-origin" if comes_back else "no-referrer")


def test_only_pages_about_the_account_are_cut_off_from_the_window_that_opened_them(pages: Pages) -> None:
    cut = {
        page: pages.page(page, locales=(), **COMPLETE[page]).headers["cross-origin-opener-policy"] for page in COMPLETE
    }
    assert {page for page, value in cut.items() if value == "same-origin"} == {
        *("account", "new_passkey", "totp", "recovery_codes"),
        *("reset_password", "verify_email", "dead_link"),
    }
    assert set(cut.values()) == {"same-origin", "unsafe-none"}


def test_forms_may_lead_to_us_and_to_the_named_places_alone(pages: Pages) -> None:
    assert policy(pages, "consent")["form-action"] == ["'self'"]
    targets = ("https://books.example/cb?x=1", "https://books.example/other")
    assert policy(pages, "consent", form_targets=targets)["form-action"] == ["'self'", "https://books.example"]
    assert policy(pages, "form_post")["form-action"] == ["'self'", "https://books.example"]


@pytest.mark.parametrize(
    ("url", "source"),
    [
        ("https://books.example/cb", "https://books.example"),
        ("https://BOOKS.example:8443/cb", "https://books.example:8443"),
        ("http://127.0.0.1:51234/cb", "http://127.0.0.1:51234"),
        ("http://[::1]:51234/cb", "http:"),
        ("http://localhost:*", "http://localhost:*"),
        ("https:", "https:"),
        ("com.example.app:/cb", "com.example.app:"),
        ("https://a;script-src *.example/", "https:"),
        ("https://a b/", "https:"),
    ],
)
def test_a_place_is_named_by_its_origin_and_cannot_add_to_the_policy(url: str, source: str) -> None:
    assert form_source(url) == source


@pytest.mark.parametrize("url", ["/cb", "", "books.example", ";default-src *"])
def test_a_place_elsewhere_is_an_absolute_url(url: str) -> None:
    with pytest.raises(ValueError, match="absolute"):
        form_source(url)


@pytest.mark.parametrize("specimen", SPECIMENS, ids=lambda specimen: specimen.title)
def test_a_page_with_a_form_loads_what_has_it_sent_once(pages: Pages, specimen: Specimen) -> None:
    response = pages.page(specimen.page, locales=(), **specimen.context)
    html = bytes(response.body).decode()
    loads = re.search(r'<script src="/static/forms-[0-9a-f]{16}\.js" defer></script>', html) is not None
    assert loads or "<form" not in html
    assert loads == ("script-src 'self'" in response.headers["content-security-policy"])
    # Before any other, which may send a form at once.
    assert not loads or html.index("<script") == html.index('<script src="/static/forms-')


def names(pages: Pages, page: PageName = "form_post") -> dict[str, str]:
    html = bytes(pages.page(page, locales=(), **COMPLETE[page]).body).decode()
    found = re.findall(r"/static/(([a-z_]+)-[0-9a-f]{16}(\.[a-z]+))", html)
    return {stem + suffix: name for name, stem, suffix in found}


def test_files_are_kept_for_ever_and_have_the_right_type(pages: Pages) -> None:
    types = {"pages.css": "text/css", "icon.svg": "image/svg+xml"}
    types |= dict.fromkeys(("forms.js", "form_post.js"), "text/javascript")
    assert names(pages).keys() == types.keys()
    for plain, name in names(pages).items():
        response = pages.static_file(name)
        assert response.headers["content-type"].partition(";")[0] == types[plain]
        assert response.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert response.headers["x-content-type-options"] == "nosniff"
        assert "sandbox" in response.headers["content-security-policy"]
        assert len(bytes(response.body)) > 100


def test_a_file_of_another_version_is_answered_with_ours_and_not_kept(pages: Pages) -> None:
    response = pages.static_file("pages-0123456789abcdef.css")
    assert response.body == pages.static_file(names(pages)["pages.css"]).body
    assert response.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    "name",
    ["", "pages.css", "none-0123456789abcdef.css", "../pages-0123456789abcdef.css", "pages-0123456789abcdef.css/",
     "pages-0123456789ABCDEF.css", "..%2fpages.css"],
)  # fmt: skip
def test_no_other_file_is_served(pages: Pages, name: str) -> None:
    with pytest.raises(NotFound):
        pages.static_file(name)


def test_another_brand_has_other_names_for_what_it_changes() -> None:
    logo = Logo(content=b"\x89PNG", media_type="image/png")
    plain, dressed = names(Pages(Brand())), names(Pages(Brand(name="Acme", colour="#a00", logo=logo)))
    assert plain["pages.css"] != dressed["pages.css"]
    assert plain["form_post.js"] == dressed["form_post.js"]
    assert "logo.png" in dressed
