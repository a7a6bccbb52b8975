"""Discovery tells the truth: what is listed works, and what is not listed is refused.

R005, R119, R120, R081; faults 22 and 59 of the table of peers.
"""

import json
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
from tests.standards.conftest import OpenDoor
from tests.support.cast import CLIENT_SECRET, INVENTORY, ORDERS, basic, bearer
from tests.support.codes import challenge_form, code_for, code_form
from tests.support.door import ISSUER, Door
from tests.support.rfc import rfc, standard

from watchword.protocol import id_token, jws, metadata
from watchword.protocol.metadata import OAUTH_PATH, OPENID_PATH
from watchword.server.flows import key_ring

ENDPOINTS = {
    "token_endpoint",
    "revocation_endpoint",
    "introspection_endpoint",
    "userinfo_endpoint",
    "authorization_challenge_endpoint",
    "revocation_feed_endpoint",
    "jwks_uri",
    "authorization_endpoint",
    "pushed_authorization_request_endpoint",
    "end_session_endpoint",
}
PLANNED = ["/device_authorization", "/register", "/admin", "/admin/api/v1", "/metrics"]


async def discovered(http: httpx2.AsyncClient, path: str = OAUTH_PATH) -> dict[str, Any]:
    answer = await http.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    found: dict[str, Any] = answer.json()
    return found


@rfc("8414", "3.2")
@standard("OpenID Connect Discovery 1.0", "4.2")
async def test_both_documents_say_the_same(home: httpx2.AsyncClient) -> None:
    assert await discovered(home, OPENID_PATH) == await discovered(home, OAUTH_PATH)


@rfc("8414", "3.3")
async def test_the_issuer_is_the_one_that_was_asked(open_door: OpenDoor) -> None:
    # R119: our own reader takes it, and refuses it under another name.
    for issuer in (ISSUER, "https://auth.example", "https://example.com/auth"):
        door = await open_door(issuer=issuer)
        answer = await door.caller().get(metadata.well_known(issuer))
        assert metadata.parse(answer.content, issuer=issuer).issuer == issuer
        with pytest.raises(ValueError, match="another issuer"):
            metadata.parse(answer.content, issuer=issuer + "x")


@rfc("8414", "3.1")
@standard("OpenID Connect Discovery 1.0", "4.1")
async def test_below_a_path_the_documents_are_where_each_standard_looks(open_door: OpenDoor) -> None:
    door = await open_door(issuer="https://example.com/auth")
    http = door.caller()
    for path in (f"{OAUTH_PATH}/auth", f"/auth{OPENID_PATH}"):
        found = json.loads((await http.get(f"https://example.com{path}")).content)
        assert found["issuer"] == "https://example.com/auth"
        assert all(found[name].startswith("https://example.com/auth/") for name in ENDPOINTS)
    assert (await http.get("https://example.com/token")).status_code == 404
    tokens = await http.post("https://example.com/auth/token", data={"grant_type": "x"})
    assert tokens.json()["error"] == "invalid_client"


@rfc("8414", "2")
async def test_every_listed_endpoint_is_there(home: httpx2.AsyncClient) -> None:
    found = await discovered(home)
    listed = {name for name in found if name.endswith(("_endpoint", "_uri"))}
    assert listed == ENDPOINTS
    for name in listed:
        assert urlsplit(found[name])._replace(path="").geturl() == ISSUER
        assert (await home.get(found[name])).status_code != 404


@rfc("8414", "2")
@pytest.mark.parametrize("path", PLANNED)
async def test_what_is_not_listed_is_not_there(home: httpx2.AsyncClient, path: str) -> None:
    for method in ("GET", "POST"):
        answer = await home.request(method, path)
        assert (answer.status_code, answer.json()["error"]) == (404, "not_found")


@rfc("8414", "2")
async def test_every_listed_grant_works_and_no_other(door: Door, home: httpx2.AsyncClient) -> None:
    found = await discovered(home)
    code = await code_for(home)
    tokens = (await home.post("/token", data=code_form(code))).json()
    proofs: dict[str, dict[str, Any]] = {
        "authorization_code": {"data": code_form(await code_for(home))},
        "refresh_token": {
            "data": {
                "grant_type": "refresh_token",
                "client_id": "web",
                "refresh_token": tokens["refresh_token"],
            }
        },
        "client_credentials": {"data": {"grant_type": "client_credentials"}, "headers": basic("machine")},
    }
    assert set(found["grant_types_supported"]) == set(proofs)
    for request in proofs.values():
        assert (await home.post("/token", **request)).status_code == 200
    for other in (
        *("password", "implicit", "urn:ietf:params:oauth:grant-type:device_code"),
        *("urn:ietf:params:oauth:grant-type:token-exchange", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
    ):
        answer = await home.post("/token", data={"grant_type": other, "client_id": "web"})
        assert answer.json()["error"] == "unsupported_grant_type"


@rfc("8414", "2")
async def test_every_listed_way_of_client_authentication_works_and_no_other(
    door: Door, home: httpx2.AsyncClient
) -> None:
    found = await discovered(home)
    form = {"grant_type": "client_credentials"}
    posted = {"client_id": "poster", "client_secret": CLIENT_SECRET}
    refresh = (await door.sign_in(home))["refresh_token"]
    proofs: dict[str, dict[str, Any]] = {
        "client_secret_basic": {"data": form, "headers": basic("machine")},
        "client_secret_post": {"data": {**form, **posted}},
        "none": {"data": {"grant_type": "refresh_token", "client_id": "web", "refresh_token": refresh}},
    }
    assert set(found["token_endpoint_auth_methods_supported"]) == set(proofs)
    for request in proofs.values():
        assert (await home.post("/token", **request)).status_code == 200
    assertion = {
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": "e30.e30.e30",
    }
    answer = await home.post("/token", data={**form, **assertion, "client_id": "machine"})
    assert answer.json()["error"] == "invalid_client"
    assert set(found["revocation_endpoint_auth_methods_supported"]) == set(proofs)
    offered: list[tuple[dict[str, str], dict[str, str]]] = [
        ({}, basic("machine")),
        (posted, {}),
        ({"client_id": "web"}, {}),
    ]
    for fields, headers in offered:
        assert (await home.post("/revoke", data={"token": "x", **fields}, headers=headers)).is_success
    assert set(found["introspection_endpoint_auth_methods_supported"]) == {"client_secret_basic", "client_secret_post"}
    assert (await home.post("/introspect", data={"token": "x"}, headers=basic("orders"))).is_success
    assert (await home.post("/introspect", data={"token": "x", **posted})).is_success
    assert (await home.post("/introspect", data={"token": "x", "client_id": "web"})).status_code == 401


@rfc("9700", "2.1.1")
async def test_s256_is_listed_and_plain_is_not(home: httpx2.AsyncClient) -> None:
    # Fault 22.
    assert (await discovered(home))["code_challenge_methods_supported"] == ["S256"]
    answer = await home.post("/authorize-challenge", data=challenge_form(code_challenge_method="plain"))
    assert answer.json()["error"] == "invalid_request"


@rfc("9700", "2.1.2")
@rfc("9700", "2.4")
async def test_neither_implicit_nor_password_nor_none_is_offered(home: httpx2.AsyncClient) -> None:
    found = await discovered(home)
    assert found["response_types_supported"] == ["code"]
    assert set(found["response_modes_supported"]) == {"query", "form_post"}
    assert not {"implicit", "password"} & set(found["grant_types_supported"])
    for name, value in found.items():
        if name.endswith("alg_values_supported"):
            assert set(value) <= {"RS256", "ES256"}, name


@standard("OpenID Connect Discovery 1.0", "3")
async def test_every_listed_scope_and_claim_is_given(door: Door, home: httpx2.AsyncClient) -> None:
    found = await discovered(home)
    scopes = found["scopes_supported"]
    tokens = await door.sign_in(home, scope=" ".join(scopes))
    assert sorted(tokens["scope"].split()) == sorted(scopes)
    told = (await home.get("/userinfo", headers=bearer(tokens["access_token"]))).json()
    header, claims = jws.verify(tokens["id_token"], door.parts.signer.find, typ=id_token.TYP.lower())
    assert set(found["claims_supported"]) == set(claims) | set(told)
    assert found["id_token_signing_alg_values_supported"] == [header.alg]
    for other in ("address", "phone"):
        assert other not in scopes


@rfc("8414", "2")
async def test_nothing_in_the_request_changes_what_the_issuer_says_of_itself(home: httpx2.AsyncClient) -> None:
    # Fault 59: links made from Host and X-Forwarded headers, fixed three times elsewhere.
    expected = await discovered(home)
    for headers in (
        {"host": "evil.example"},
        {"x-forwarded-host": "evil.example", "x-forwarded-proto": "https", "x-forwarded-prefix": "/evil"},
        {"forwarded": "host=evil.example;proto=https"},
        {"x-original-url": "/evil", "x-rewrite-url": "/evil"},
    ):
        assert (await home.get(OAUTH_PATH, headers=headers)).json() == expected


@rfc("7517", "4")
@rfc("7517", "8.5")
async def test_the_key_set_holds_public_keys_that_say_what_they_are_for(door: Door, home: httpx2.AsyncClient) -> None:
    # R081
    answer = await home.get("/jwks")
    assert answer.headers["content-type"] == "application/json"
    assert "max-age" in answer.headers["cache-control"]
    keys = answer.json()["keys"]
    assert {key["alg"] for key in keys} == {"ES256", "RS256"}
    assert len({key["kid"] for key in keys}) == len(keys) == 4
    for key in keys:
        assert key["use"] == "sig"
        assert {"d", "p", "q", "dp", "dq", "qi", "k", "oth"}.isdisjoint(key)
        if key["kty"] == "RSA":
            assert len(key["n"]) >= 2048 // 8 * 4 // 3
        else:
            assert (key["kty"], key["crv"]) == ("EC", "P-256")


@rfc("9068", "4")
async def test_every_token_is_signed_by_a_key_of_the_set_with_the_apis_algorithm(
    door: Door, home: httpx2.AsyncClient
) -> None:
    algs = {key["kid"]: key["alg"] for key in (await home.get("/jwks")).json()["keys"]}
    for audience, alg in ((ORDERS, "ES256"), (INVENTORY, "RS256")):
        tokens = await door.sign_in(home, client_id="both-apis", resource=audience)
        assert algs[door.read(tokens["access_token"]).kid] == alg


@standard("OpenID Connect Core 1.0", "10.1.1")
async def test_a_rotation_leaves_no_gap(everywhere: Door) -> None:
    # R126: published before it signs, kept until the last token dies.
    http = everywhere.caller()
    before = {key["kid"] for key in (await http.get("/jwks")).json()["keys"]}
    old = (await everywhere.sign_in(http))["access_token"]
    for node in everywhere.nodes:
        await key_ring.rotate(node.parts.storage, node.parts.signer, now=everywhere.clock.now())
    new = (await everywhere.sign_in(http))["access_token"]
    after = {key["kid"] for key in (await http.get("/jwks")).json()["keys"]}
    kids = everywhere.read(old).kid, everywhere.read(new).kid
    assert kids[0] != kids[1]
    assert set(kids) <= after
    if len(everywhere.nodes) == 1:
        assert kids[1] in before
    for token in (old, new):
        answer = await http.post("/introspect", data={"token": token}, headers=basic("orders"))
        assert answer.json()["active"] is True
