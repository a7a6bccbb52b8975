"""Where a browser may be sent: the registered address, character by character, and nowhere else.

R001-R003; faults of the table of peers that let a redirect URI through which only looks registered.
"""

from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from tests.support.cast import LOOPBACK, PRIVATE, REDIRECT_URI, SHOP
from tests.support.door import ISSUER, Door
from tests.support.rfc import rfc, standard
from tests.support.visitor import Visitor

from watchword.server.domain import authorization_steps
from watchword.server.domain.api import Catalog
from watchword.server.domain.authorization_steps import (
    STEPS,
    Draft,
    NotToBeRedirected,
    World,
    exact_redirect_uri,
    known_client,
)

MANGLED = [
    pytest.param(uri, id=name)
    for name, uri in {
        "missing": None,
        "empty": "",
        "another host": "https://evil.example/callback",
        "the host as user information": "https://shop.example@evil.example/callback",
        "the host as user and password": "https://shop.example:443@evil.example/callback",
        "user information": "https://user@shop.example/callback",
        "empty user information": "https://@shop.example/callback",
        "the host below another": "https://shop.example.evil.example/callback",
        "a host below ours": "https://x.shop.example/callback",
        "a host that ends alike": "https://evilshop.example/callback",
        "host in capitals": "https://SHOP.example/callback",
        "scheme in capitals": "HTTPS://shop.example/callback",
        "path in capitals": "https://shop.example/Callback",
        "trailing dot": "https://shop.example./callback",
        "trailing slash": "https://shop.example/callback/",
        "shorter": "https://shop.example/callbac",
        "longer": "https://shop.example/callbackx",
        "below the path": "https://shop.example/callback/more",
        "no path": "https://shop.example",
        "traversal": "https://shop.example/callback/../evil",
        "traversal to itself": "https://shop.example/x/../callback",
        "encoded traversal": "https://shop.example/callback/%2e%2e/evil",
        "dot segment": "https://shop.example/./callback",
        "double slash": "https://shop.example//callback",
        "encoded letter": "https://shop.example/%63allback",
        "encoded slash": "https://shop.example%2fcallback",
        "default port": "https://shop.example:443/callback",
        "other port": "https://shop.example:8443/callback",
        "empty port": "https://shop.example:/callback",
        "plain http": "http://shop.example/callback",
        "query": "https://shop.example/callback?next=evil",
        "empty query": "https://shop.example/callback?",
        "path parameter": "https://shop.example/callback;x=1",
        "fragment": "https://shop.example/callback#x",
        "empty fragment": "https://shop.example/callback#",
        "backslash": "https://shop.example\\@evil.example/callback",
        "backslashes for slashes": "https:\\\\shop.example\\callback",
        "relative": "/callback",
        "scheme-relative": "//shop.example/callback",
        "space before": " https://shop.example/callback",
        "space after": "https://shop.example/callback ",
        "line end": "https://shop.example/callback\n",
        "header injection": "https://shop.example/callback\r\nset-cookie: x=1",
        "tab inside": "https://shop.example/call\tback",
        "two in one": "https://shop.example/callback https://evil.example/",
        "wildcard": "https://*.example/callback",
        "cyrillic letter": "https://sh\u043ep.example/callback",
        "full-width dot": "https://shop\uff0eexample/callback",
        "soft hyphen": "https://sho\u00adp.example/callback",
        "javascript": "javascript:alert(1)",
        "data": "data:text/html,x",
        "out-of-band": "urn:ietf:wg:oauth:2.0:oob",
        "another client's": REDIRECT_URI,
        "a registered one without its query": "https://shop.example/second",
        "a registered one with another query": "https://shop.example/second?kept=2",
        "a registered one with a longer query": "https://shop.example/second?kept=1&x=1",
    }.items()
]


@rfc("9700", "2.1")
@rfc("9700", "4.1.3")
@rfc("6749", "3.1.2.3")
@pytest.mark.parametrize("uri", MANGLED)
async def test_what_is_not_the_registered_uri_is_an_error_page_and_no_redirect(door: Door, uri: str | None) -> None:
    visitor = Visitor(door)
    for signed_in in (False, True):
        if signed_in:
            await visitor.signed_in()
        view = await visitor.ask(redirect_uri=uri)
        assert (view.status, view.problem, view.location) == (400, "bad_redirect_uri", None)
        assert not view.forms
        assert "continue" not in view.ids
        assert "evil.example" not in view.text


@rfc("9700", "2.1")
@pytest.mark.parametrize("uri", [SHOP, "https://shop.example/second?kept=1"])
async def test_each_registered_uri_is_taken_as_it_is(everywhere: Door, uri: str) -> None:
    view = await Visitor(everywhere).arrive(redirect_uri=uri)
    assert view.location is not None
    assert view.location.startswith(uri)
    assert {"code", "state", "iss"} <= set(view.answer)


@rfc("8252", "7.3")
@rfc("9700", "4.1.3")
@pytest.mark.parametrize(
    "uri",
    [LOOPBACK, "http://127.0.0.1/callback", "http://127.0.0.1:1/callback", "http://127.0.0.1:65535/callback", PRIVATE],
)
async def test_of_a_loopback_address_the_port_alone_may_differ(door: Door, uri: str) -> None:
    view = await Visitor(door).arrive("desktop", redirect_uri=uri)
    assert view.target == uri
    assert "code" in view.answer


@rfc("8252", "7.3")
@rfc("8252", "8.4")
@pytest.mark.parametrize(
    "uri",
    [
        "http://localhost:4100/callback",
        "http://[::1]:4100/callback",
        "http://127.0.0.2:4100/callback",
        "http://127.1:4100/callback",
        "http://2130706433:4100/callback",
        "http://0.0.0.0:4100/callback",
        "https://127.0.0.1:4100/callback",
        "http://127.0.0.1:4100/other",
        "http://127.0.0.1:4100/callback/",
        "http://127.0.0.1:4100/callback?x=1",
        "http://127.0.0.1:4100/callback#x",
        "http://127.0.0.1:0/callback",
        "http://127.0.0.1:65536/callback",
        "http://127.0.0.1:04100/callback",
        "http://127.0.0.1:/callback",
        "http://127.0.0.1:x/callback",
        "http://127.0.0.1:4100:4100/callback",
        "http://127.0.0.1.evil.example:4100/callback",
        "http://127.0.0.1@evil.example/callback",
        "http://127.0.0.1:4100@evil.example/callback",
        "http://user@127.0.0.1:4100/callback",
        "HTTP://127.0.0.1:4100/callback",
        "org.example.app:/other",
        "org.example.app:callback",
        "org.example.app://callback",
        "org.example.app:/callback/",
        "ORG.example.app:/callback",
        "org.example.app.evil:/callback",
    ],
)
async def test_anything_else_of_a_native_application_is_refused(door: Door, uri: str) -> None:
    view = await Visitor(door).ask("desktop", redirect_uri=uri)
    assert (view.status, view.problem, view.location) == (400, "bad_redirect_uri", None)


@rfc("6749", "4.1.2.1")
@rfc("9700", "4.11.2")
@pytest.mark.parametrize(
    "beside",
    [
        {},
        {"response_type": "token"},
        {"response_type": None},
        {"scope": '"'},
        {"prompt": "none"},
        {"prompt": "none login"},
        {"response_mode": "fragment"},
        {"response_mode": "form_post"},
        {"code_challenge": None},
        {"request": "e30.e30."},
        {"request_uri": "https://evil.example/request"},
        {"state": "x" * 5000},
        {"max_age": "x"},
    ],
    ids=str,
)
@pytest.mark.parametrize(
    ("client", "problem"),
    [
        ({"client_id": "nobody"}, "unknown_client"),
        ({"client_id": None}, "unknown_client"),
        ({"client_id": ""}, "unknown_client"),
        ({"client_id": "off", "redirect_uri": REDIRECT_URI}, "unknown_client"),
        ({"client_id": "machine"}, "bad_redirect_uri"),
        ({"redirect_uri": "https://evil.example/"}, "bad_redirect_uri"),
        ({"redirect_uri": None}, "bad_redirect_uri"),
    ],
    ids=str,
)
async def test_whatever_else_is_wrong_an_unknown_client_or_address_comes_first(
    door: Door, client: dict[str, Any], problem: str, beside: dict[str, Any]
) -> None:
    # R002
    visitor = Visitor(door)
    view = await visitor.ask(**{**beside, **client})
    assert (view.status, view.problem, view.location) == (400, problem, None)
    assert "continue" not in view.ids


@rfc("6749", "3.1")
@pytest.mark.parametrize("name", ["client_id", "redirect_uri"])
@pytest.mark.parametrize("second", ["same", "other"])
async def test_a_client_or_address_that_is_there_twice_is_an_error_page(door: Door, name: str, second: str) -> None:
    given = {"client_id": "shop", "redirect_uri": SHOP}
    other = {"client_id": "hostile", "redirect_uri": "https://evil.example/"}
    twice = [*given.items(), (name, given[name] if second == "same" else other[name]), ("response_type", "code")]
    for pairs in (twice, twice[::-1]):
        answer = await Visitor(door).http.get(f"/authorize?{urlencode(pairs)}")
        assert answer.status_code == 400
        assert "location" not in answer.headers


@rfc("6749", "4.1.2.1")
def test_nothing_before_the_redirect_uri_is_known_can_redirect() -> None:
    assert STEPS[:2] == (known_client, exact_redirect_uri)
    assert len(set(STEPS)) == len(STEPS)
    # One step alone puts an address into the draft; until it has, a refusal becomes a page.
    source = Path(authorization_steps.__file__).read_text("utf-8")
    assert source.count("replace(draft, redirect_uri=") == 1
    world = World(client=None, catalog=Catalog(apis={}, roles={}), issuer=ISSUER, hinted_sub=None)
    for step in STEPS[:1]:
        with pytest.raises(NotToBeRedirected):
            step(Draft(parameters=[("redirect_uri", SHOP), ("state", "x")]), world)


@standard("OpenID Connect Core 1.0", "3.1.2.1")
async def test_post_is_held_to_the_same_address(door: Door) -> None:
    visitor = Visitor(door)
    answer = await visitor.http.post("/authorize", data={"client_id": "shop", "redirect_uri": "https://evil.example/"})
    assert answer.status_code == 400
    assert "location" not in answer.headers
