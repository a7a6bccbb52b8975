"""One thread through all three products: sign in, call, expire, refresh, revoke, refuse."""

import time
from pathlib import Path

import pytest
from tests.support.running_server import PASSWORD, RunningServer, wait_until

from watchword.client import FileTokenStore, SignInAgain, TokenSource
from watchword.resource import KeysUnavailable, ResourceServer, TokenRejected

ORDERS = "https://orders.example"


def refusal(resource: ResourceServer, token: str, *, scope: str = "") -> str | None:
    """Why ``token`` is refused, or None while it is accepted."""
    try:
        resource.verify(token, scope=scope)
    except TokenRejected as rejected:
        return rejected.reason
    return None


def source_of(server: RunningServer, folder: Path, name: str = "tokens") -> TokenSource:
    return TokenSource(server.issuer, "web", store=FileTokenStore(folder / f"{name}.json"))


def test_a_user_signs_in_and_calls_and_after_sign_out_no_service_accepts_the_token(
    server: RunningServer, tmp_path: Path
) -> None:
    with ResourceServer(issuer=server.issuer, audience=ORDERS) as resource, source_of(server, tmp_path) as source:
        source.sign_in("ada", PASSWORD)
        token = source.token()
        verified = resource.verify(token, scope="orders.read")
        assert verified.client_id == "web"
        assert verified.scope >= {"orders.read", "orders.write"}
        assert refusal(resource, token, scope="orders.delete") == "token.scope"
        source.sign_out()
        began = time.monotonic()
        wait_until(lambda: refusal(resource, token) == "token.revoked", seconds=5, what="the refusal")
        assert time.monotonic() - began < 3
        with pytest.raises(SignInAgain):
            source.token()


def test_an_operator_logs_a_user_out_everywhere_by_command(server: RunningServer, tmp_path: Path) -> None:
    with ResourceServer(issuer=server.issuer, audience=ORDERS) as resource:
        sources = [source_of(server, tmp_path, name) for name in ("phone", "laptop")]
        tokens = []
        for source in sources:
            source.sign_in("ada", PASSWORD)
            tokens.append(source.token())
        assert [refusal(resource, token) for token in tokens] == [None, None]
        server.command("sessions", "revoke", "--user", "ada")
        for token in tokens:
            wait_until(lambda token=token: refusal(resource, token) == "token.revoked", seconds=5, what="the cut")
        with pytest.raises(SignInAgain):
            sources[0].renew(tokens[0])
        sources[0].sign_in("ada", PASSWORD)
        assert refusal(resource, sources[0].token()) is None


def test_a_signing_key_is_revoked_and_tokens_under_the_next_one_are_good(server: RunningServer, tmp_path: Path) -> None:
    with ResourceServer(issuer=server.issuer, audience=ORDERS) as resource, source_of(server, tmp_path) as source:
        source.sign_in("ada", PASSWORD)
        token = source.token()
        kid = next(k["kid"] for k in server.records("keys", "list") if (k["alg"], k["state"]) == ("ES256", "signing"))
        assert refusal(resource, token) is None
        server.command("keys", "revoke", kid)
        wait_until(lambda: refusal(resource, token) == "token.revoked", seconds=10, what="the key's end")
        assert refusal(resource, source.renew(token)) is None


def test_keys_rotate_without_a_gap(server: RunningServer) -> None:
    with ResourceServer(issuer=server.issuer, audience=ORDERS) as resource, server.http() as http:
        tokens = http.post("/session", json={"client_id": "web", "username": "ada", "password": PASSWORD}).json()
        old = tokens["access_token"]
        assert refusal(resource, old) is None
        server.command("keys", "rotate")

        def signed_anew() -> str | None:
            form = {"grant_type": "refresh_token", "client_id": "web", "refresh_token": tokens["refresh_token"]}
            token: str = http.post("/token", data=form).json()["access_token"]
            return token if token.split(".", maxsplit=1)[0] != old.split(".")[0] else None

        new = wait_until(signed_anew, seconds=5, what="a token under the new key")
        assert refusal(resource, new) is None
        assert refusal(resource, old) is None


def test_services_go_on_verifying_and_start_again_while_the_server_is_down(
    server: RunningServer, tmp_path: Path
) -> None:
    snapshot = tmp_path / "snapshot"
    with (
        ResourceServer(issuer=server.issuer, audience=ORDERS, snapshot_path=snapshot) as resource,
        source_of(server, tmp_path) as source,
    ):
        source.sign_in("ada", PASSWORD)
        token = source.token()
        assert refusal(resource, token) is None
        server.stop()
        assert refusal(resource, token) is None
        assert source.token() == token
    with ResourceServer(issuer=server.issuer, audience=ORDERS, snapshot_path=snapshot) as restarted:
        assert refusal(restarted, token) is None
    with ResourceServer(issuer=server.issuer, audience=ORDERS) as unknowing, pytest.raises(KeysUnavailable):
        unknowing.verify(token)
    server.start()
    assert source.renew(token) != token


def test_what_was_revoked_stays_revoked_over_a_restart_of_everything(server: RunningServer, tmp_path: Path) -> None:
    with source_of(server, tmp_path) as source:
        source.sign_in("ada", PASSWORD)
        token = source.token()
        server.command("users", "disable", "ada")
        server.kill()
        server.start()
        with ResourceServer(issuer=server.issuer, audience=ORDERS) as resource:
            assert refusal(resource, token) == "token.revoked"
        server.command("users", "enable", "ada")
        with pytest.raises(SignInAgain):
            source.renew(token)
