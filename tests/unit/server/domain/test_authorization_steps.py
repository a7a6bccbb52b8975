"""The steps of an authorization request, one by one."""

from collections.abc import Sequence
from typing import Any

import pytest
from tests.support.cast import INVENTORY, ORDERS, SHOP, confidential, public
from tests.support.codes import VERIFIER
from tests.support.rfc import rfc, standard

from watchword.protocol.pkce import challenge_of
from watchword.protocol.scope import Scope
from watchword.server.domain.api import Api, Catalog
from watchword.server.domain.authorization_steps import KNOWN, NotToBeRedirected, ToTheClient, World, known, understand
from watchword.server.domain.client import Client

ISSUER = "https://auth.example"
SCOPE = Scope.parse("openid orders.read orders.write")
CODE = frozenset({"authorization_code"})
CLIENT = confidential("shop", redirect_uris=(SHOP,), scope=SCOPE, grant_types=CODE)


def world(client: Client | None = CLIENT, *, hinted_sub: str | None = None) -> World:
    apis = {
        ORDERS: Api(audience=ORDERS, scope=Scope.parse("orders.read orders.write")),
        INVENTORY: Api(audience=INVENTORY, scope=Scope.parse("inventory.read")),
    }
    return World(client=client, catalog=Catalog(apis=apis, roles={}), issuer=ISSUER, hinted_sub=hinted_sub)


def pairs(**fields: Any) -> Sequence[tuple[str, str]]:
    form = {
        "client_id": "shop",
        "redirect_uri": SHOP,
        "response_type": "code",
        "code_challenge": challenge_of(VERIFIER),
        "code_challenge_method": "S256",
        "state": "s",
        **fields,
    }
    return [(name, value) for name, value in form.items() if value is not None]


def refusal(**fields: Any) -> ToTheClient:
    with pytest.raises(ToTheClient) as caught:
        understand(pairs(**fields), world())
    return caught.value


def test_a_whole_request_is_understood() -> None:
    request = understand(
        pairs(
            scope="openid orders.read",
            nonce="n",
            prompt="login consent",
            max_age="60",
            login_hint="ada",
            ui_locales="de en",
            response_mode="form_post",
            resource=ORDERS,
        ),
        world(),
    )
    assert (request.client_id, request.redirect_uri, request.state, request.nonce) == ("shop", SHOP, "s", "n")
    assert request.prompt == {"login", "consent"}
    assert (request.max_age, request.login_hint, request.ui_locales) == (60, "ada", ("de", "en"))
    assert (request.response_mode, request.resources) == ("form_post", (ORDERS,))
    assert request.code_challenge == challenge_of(VERIFIER)


@rfc("6749", "4.1.2.1")
@pytest.mark.parametrize(
    ("client", "problem"),
    [
        (None, "unknown_client"),
        (confidential("shop", redirect_uris=(SHOP,), enabled=False), "unknown_client"),
        (confidential("shop"), "bad_redirect_uri"),
    ],
)
def test_who_is_not_known_is_never_answered(client: Client | None, problem: str) -> None:
    with pytest.raises(NotToBeRedirected) as caught:
        understand(pairs(response_type="token"), world(client))
    assert caught.value.problem == problem


@rfc("6749", "3.1")
def test_an_empty_parameter_is_a_missing_one() -> None:
    request = understand(pairs(state="", nonce="", prompt="", max_age="", response_mode="", resource=""), world())
    assert (request.state, request.nonce, request.max_age, request.resources) == (None, None, None, ())


@rfc("6749", "3.1")
@pytest.mark.parametrize("name", ["nonce", "login_hint", "ui_locales", "display", "claims", "dpop_jkt"])
def test_a_parameter_that_nobody_judges_is_there_once_at_most(name: str) -> None:
    with pytest.raises(ToTheClient) as caught:
        understand([*pairs(**{name: "a"}), (name, "a")], world())
    assert caught.value.error.slug == "authorize.repeated_parameter"


@rfc("8707", "2.1")
def test_the_resource_alone_may_repeat() -> None:
    client = confidential("shop", redirect_uris=(SHOP,), scope=SCOPE, grant_types=CODE, apis=(ORDERS, INVENTORY))
    request = understand([*pairs(resource=ORDERS), ("resource", INVENTORY)], world(client))
    assert request.resources == (ORDERS, INVENTORY)


def test_a_refusal_carries_what_is_needed_to_answer() -> None:
    told = refusal(response_type="token", response_mode="form_post", prompt="none")
    assert (told.redirect_uri, told.response_mode, told.state, told.silent) == (SHOP, "form_post", "s", True)
    assert refusal(response_type="token").silent is False


@rfc("9700", "2.1.1")
def test_pkce_may_be_left_out_by_a_client_made_so_and_by_no_other() -> None:
    excused = confidential("shop", redirect_uris=(SHOP,), scope=SCOPE, grant_types=CODE, requires_pkce=False)
    bare = pairs(code_challenge=None, code_challenge_method=None, nonce="n", scope="openid")
    assert understand(bare, world(excused)).code_challenge is None
    # A method without a challenge: somebody took it away.
    for half in (pairs(code_challenge=None), pairs(code_challenge_method=None), pairs(code_challenge_method="plain")):
        with pytest.raises(ToTheClient):
            understand(half, world(excused))
    assert refusal(code_challenge=None, code_challenge_method=None).error.slug == "authorize.pkce"
    with pytest.raises(ValueError, match="PKCE"):
        public("x", requires_pkce=False)


@rfc("9700", "2.1.1")
def test_without_pkce_there_must_be_a_nonce_and_an_id_token_to_hold_it() -> None:
    excused = confidential("shop", redirect_uris=(SHOP,), scope=SCOPE, grant_types=CODE, requires_pkce=False)
    bare: dict[str, Any] = {"code_challenge": None, "code_challenge_method": None}
    # Without a scope the client's own counts, and that has openid.
    assert understand(pairs(**bare, nonce="n"), world(excused)).nonce == "n"
    for fields in ({}, {"scope": "openid"}, {"scope": "orders.read", "nonce": "n"}):
        with pytest.raises(ToTheClient) as caught:
            understand(pairs(**bare, **fields), world(excused))
        assert (caught.value.error.code, caught.value.error.slug) == ("invalid_request", "authorize.nonce")


def test_what_is_not_listed_is_not_seen_and_what_is_listed_is_there_once() -> None:
    assert known([("x", "1"), ("state", "2"), ("x", "3"), ("resource", "4")]) == (("state", "2"), ("resource", "4"))
    assert understand([*pairs(), *[("x", str(number)) for number in range(9)]], world()).state == "s"
    for name in KNOWN - {"resource", "client_id", "redirect_uri"}:
        with pytest.raises(ToTheClient):
            understand([*pairs(**{name: "x"}), (name, "x")], world())


@standard("OpenID Connect Core 1.0", "3.1.2.2")
def test_a_hint_is_ours_or_refused() -> None:
    assert refusal(id_token_hint="x").error.slug == "authorize.id_token_hint"
    assert understand(pairs(id_token_hint="x"), world(hinted_sub="ada")).hinted_sub == "ada"


@pytest.mark.parametrize("age", ["-1", "1.0", "1e3", " 1", "+1", "\u0661", "9999999999", "x"])
def test_an_age_is_a_number_of_seconds(age: str) -> None:
    assert refusal(max_age=age).error.slug == "authorize.max_age"


def test_neither_the_request_nor_its_parameters_are_in_what_an_error_says() -> None:
    told = refusal(scope='"secret-looking-text"')
    assert "secret-looking-text" not in str(told.error)
