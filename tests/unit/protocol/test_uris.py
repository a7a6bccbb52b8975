"""Redirect URIs, origins, resource indicators and issuers: what may be registered."""

import json
from typing import Any

import pytest
from tests.support.rfc import rfc, standard

from watchword.protocol.metadata import is_loopback, parse, parse_issuer, well_known
from watchword.protocol.redirect_uri import origin_of, parse_origin, parse_redirect_uri
from watchword.protocol.resource_indicator import parse_resource


@rfc("8252", "7")
@pytest.mark.parametrize(
    "uri",
    [
        "https://app.example/cb",
        "https://app.example:8443/cb?x=1",
        "http://127.0.0.1/cb",
        "http://127.0.0.1:51004/cb",
        "http://[::1]:51004/cb",
        "http://localhost:3000/cb",
        "com.example.app:/oauth2redirect",
    ],
)
def test_a_redirect_uri_is_taken_unchanged(uri: str) -> None:
    assert parse_redirect_uri(uri) == uri


@rfc("9700", "2.1")
@pytest.mark.parametrize(
    "uri",
    [
        "",
        "/cb",
        "//app.example/cb",
        "app.example/cb",
        "https:///cb",
        "https://",
        "https://app.example/cb#x",
        "https://app.example/cb#",
        "https://user@app.example/cb",
        "https://user:pw@app.example/cb",
        "https://app.example@evil.example/cb",
        "https://app.example\\@evil.example/cb",
        "https://app.example:port/cb",
        "https://app.example:99999/cb",
        "https://app.example/c b",
        "https://app.example/cb\n",
        "https://app.example/\u200bcb",
        "https://äpp.example/cb",
        "http://app.example/cb",
        "http://127.0.0.1.evil.example/cb",
        "http://localhost.evil.example/cb",
        "http://127.0.0.2/cb",
        "http://[::2]/cb",
        "http://[::1",
        "javascript:alert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "vbscript:x",
        "myapp:/cb",
        "com.example.app:",
        "com.example.app://host/cb",
        "ftp://app.example/cb",
        "https://app.example/" + "x" * 2048,
    ],
)
def test_another_redirect_uri_is_refused(uri: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_redirect_uri(uri)


@rfc("6454", "6.1")
@pytest.mark.parametrize(
    "origin",
    [
        "https://app.example",
        "https://app.example:8443",
        "http://localhost:3000",
        "http://127.0.0.1",
        "http://[::1]:8080",
    ],
)
def test_an_origin_is_taken_in_the_spelling_that_browsers_send(origin: str) -> None:
    assert parse_origin(origin) == origin
    assert origin_of(f"{origin}/any/path?x=1") == origin


@pytest.mark.parametrize(
    "origin",
    [
        "",
        "null",
        "*",
        "https:",
        "https://",
        "https://app.example/",
        "https://app.example?",
        "https://app.example#",
        "https://app.example:443",
        "http://localhost:80",
        "https://App.example",
        "HTTPS://app.example",
        "https://app.example:",
        "https://app.example:0443",
        "http://app.example",
        "https://user@app.example",
        "ftp://app.example",
        "com.example.app:/cb",
        "https://app.example https://evil.example",
        "https://app.example,https://evil.example",
    ],
)
def test_what_no_browser_sends_is_no_origin(origin: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_origin(origin)


@pytest.mark.parametrize(
    ("uri", "origin"),
    [
        ("https://App.Example:443/cb", "https://app.example"),
        ("http://[::1]:3000/cb", "http://[::1]:3000"),
        ("com.example.app:/cb", None),
    ],
)
def test_the_origin_of_a_redirect_uri(uri: str, origin: str | None) -> None:
    assert origin_of(uri) == origin


@rfc("8707", "2")
@pytest.mark.parametrize("uri", ["https://orders.example", "https://orders.example/v1?x=1", "urn:example:orders"])
def test_a_resource_is_an_absolute_uri(uri: str) -> None:
    assert parse_resource(uri) == uri


@rfc("8707", "2")
@pytest.mark.parametrize(
    "uri",
    [
        "",
        "orders",
        "/orders",
        "//orders.example",
        "https://",
        "https:///x",
        "urn:",
        "https://orders.example#",
        "https://orders.example#x",
        "https://orders.example/ x",
        "https://orders.example\n",
        "https://örders.example",
        "https://o.example/" + "x" * 512,
        "https://[",
    ],
)
def test_another_resource_is_refused(uri: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_resource(uri)


@rfc("8414", "2")
@pytest.mark.parametrize(
    "issuer", ["https://id.example", "https://id.example/tenant", "https://id.example:8443", "http://localhost:8000"]
)
def test_an_issuer_is_taken_unchanged(issuer: str) -> None:
    assert parse_issuer(issuer) == issuer


@rfc("8414", "2")
@pytest.mark.parametrize(
    "issuer",
    [
        "",
        "id.example",
        "http://id.example",
        "https://",
        "https://id.example/",
        "https://id.example?",
        "https://id.example?x",
        "https://id.example#",
        "https://user@id.example",
        "https://id.example:port",
        "https://id .example",
        "https://id.exa\nmple",
        "https://id.example\t",
        "https://ïd.example",
        "ftp://id.example",
        "http://localhost.evil.example",
    ],
)
def test_another_issuer_is_refused(issuer: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_issuer(issuer)


@pytest.mark.parametrize("host", ["localhost", "app.localhost", "127.0.0.1", "127.9.9.9", "::1"])
def test_loopback_is_this_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["", "localhost.example", "10.0.0.1", "0.0.0.0", "::", "127.0.0.1.example"])
def test_other_hosts_are_not(host: str) -> None:
    assert not is_loopback(host)


@rfc("8414", "3")
def test_the_path_of_the_metadata_is_put_before_the_issuers_own() -> None:
    assert well_known("https://id.example") == "https://id.example/.well-known/oauth-authorization-server"
    assert well_known("https://id.example/a") == "https://id.example/.well-known/oauth-authorization-server/a"


def document(**changes: Any) -> bytes:
    members = {
        "issuer": "https://id.example",
        "jwks_uri": "https://id.example/jwks",
        "token_endpoint": "https://id.example/token",
        **changes,
    }
    return json.dumps({name: value for name, value in members.items() if value is not ...}).encode()


def test_metadata_is_read_and_unknown_members_are_ignored() -> None:
    found = parse(
        document(scopes_supported=["openid"], userinfo_endpoint="https://x.example/u"), issuer="https://id.example"
    )
    assert found.jwks_uri == "https://id.example/jwks"
    assert found.userinfo_endpoint == "https://x.example/u"
    assert found.revocation_feed_endpoint is None


@rfc("8414", "3.3")
@standard("OpenID Connect Discovery 1.0", "4.3")
@pytest.mark.parametrize("issuer", ["https://evil.example", "https://id.example/", "https://ID.example", ..., 1, None])
def test_metadata_of_another_issuer_are_refused(issuer: object) -> None:
    with pytest.raises(ValueError, match="metadata"):
        parse(document(issuer=issuer), issuer="https://id.example")


@pytest.mark.parametrize(
    ("issuer", "changes"),
    [
        ("https://id.example", {"jwks_uri": "http://id.example/jwks"}),
        ("https://id.example", {"jwks_uri": "http://localhost/jwks"}),
        ("https://id.example", {"revocation_feed_endpoint": "file:///etc/passwd"}),
        ("http://localhost:8000", {"issuer": "http://localhost:8000", "token_endpoint": "http://id.example/token"}),
        ("https://id.example", {"jwks_uri": "jwks"}),
    ],
)
def test_an_endpoint_is_as_safe_as_its_issuer(issuer: str, changes: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="https"):
        parse(document(**changes), issuer=issuer)


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"<html>", b"\xff", b'{"issuer": 1}'])
def test_what_is_no_metadata_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match="metadata"):
        parse(body, issuer="https://id.example")
