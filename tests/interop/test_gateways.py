"""Gateways in front of an API, set up as the guide shows them: who is let through with which access token."""

import base64
import hmac
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from tests.support.apache import apache
from tests.support.behind_proxy import showing_headers
from tests.support.envoy import gateway as envoy
from tests.support.envoy import knock
from tests.support.guide import shown_config
from tests.support.haproxy import haproxy, renew_keys
from tests.support.ports import free_port
from tests.support.rfc import rfc
from tests.support.running_server import PASSWORD, RunningServer, wait_until

pytestmark = [pytest.mark.interop, pytest.mark.slow, pytest.mark.xdist_group("interop")]

ORDERS: Final = "https://orders.example"
STOCK: Final = "https://stock.example"
HASTY: Final = "https://hasty.example"

Gateway = Callable[[RunningServer, str, Path], AbstractContextManager[int]]


@contextmanager
def mod_oauth2(server: RunningServer, audience: str, folder: Path) -> Iterator[int]:
    """Apache with mod_oauth2; yields its port."""
    port = free_port()
    with showing_headers() as behind:
        config = shown_config(
            "reverse-proxy",
            "apache",
            nth=1,
            replacing={
                "https://auth.example.com": server.issuer,
                "https://orders.example": audience,
                "http://127.0.0.1:9000": behind,
            },
        )
        with apache("oauth2", config, port=port, package="libapache2-mod-oauth2", folder=folder):
            yield port


GATEWAYS: Final[dict[str, Gateway]] = {"haproxy": haproxy, "mod_oauth2": mod_oauth2, "envoy": envoy}
every_gateway = pytest.mark.parametrize("gateway", GATEWAYS.values(), ids=GATEWAYS)
# Envoy takes an expired token for a minute yet, and is not asked for a scope.
exact_gateway = pytest.mark.parametrize("gateway", [haproxy, mod_oauth2], ids=["haproxy", "mod_oauth2"])


@dataclass(frozen=True, slots=True)
class Issuers:
    """Two issuers with the same keys, users and APIs: their tokens differ by ``iss`` alone."""

    one: RunningServer
    other: RunningServer


@pytest.fixture(scope="module")
def issuers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Issuers]:
    """Both of them, running."""
    one = RunningServer(tmp_path_factory.mktemp("one")).start()
    other = RunningServer(tmp_path_factory.mktemp("other"))
    try:
        one.with_people()
        one.command("apis", "create", STOCK, "--scope", "orders.read")
        one.command("apis", "create", HASTY, "--scope", "orders.read", "--access-token-ttl", "2s")
        scopes = ("--scope", "orders.read", "--scope", "orders.write")
        apis = ("--api", ORDERS, "--api", STOCK, "--api", HASTY)
        one.command("clients", "create", "till", "--first-party", *apis, *scopes)
        one.stop()
        shutil.copytree(one.folder / "data", other.folder / "data")
        one.start()
        other.start()
        yield Issuers(one, other)
    finally:
        for server in (one, other):
            if server.process is not None and server.process.poll() is None:
                server.stop()


def minted(server: RunningServer, *, api: str = ORDERS, scope: str = "orders.read") -> str:
    """An access token of ``ada``."""
    wanted = {"client_id": "till", "username": "ada", "password": PASSWORD, "scope": scope, "resource": api}
    with server.http() as http:
        answer = http.post("/session", json=wanted)
    assert answer.status_code == 201, answer.text
    token: str = answer.json()["access_token"]
    return token


def packed(content: bytes | dict[str, str]) -> str:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def unpacked(part: str) -> dict[str, str]:
    content: dict[str, str] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return content


def claims_of(token: str) -> dict[str, str]:
    return unpacked(token.split(".")[1])


def forged(token: str, keys: list[bytes]) -> dict[str, str]:
    """What somebody makes of a good token who has none of the private keys."""
    header, payload, signature = token.split(".")
    promoted = packed({**claims_of(token), "sub": "root"})
    unsigned = packed({**unpacked(header), "alg": "none"})
    by_secret = f"{packed({**unpacked(header), 'alg': 'HS256'})}.{promoted}"
    return {
        "another subject": f"{header}.{promoted}.{signature}",
        "another signature": f"{header}.{payload}.{signature[:-8]}AAAAAAAA",
        "no signature": f"{header}.{payload}.",
        "alg none": f"{unsigned}.{promoted}.",
        "no token at all": "x",
        **{
            f"public key {number} as a secret": f"{by_secret}.{packed(hmac.digest(key, by_secret.encode(), 'sha256'))}"
            for number, key in enumerate(keys)
        },
    }


@rfc("9068", "4")
@rfc("6750", "2.1")
@every_gateway
def test_a_gateway_lets_good_tokens_through_alone(gateway: Gateway, issuers: Issuers, tmp_path: Path) -> None:
    good = minted(issuers.one)
    renew_keys(issuers.one, tmp_path)
    keys = [path.read_bytes() for path in tmp_path.glob("keys/*.pem")]
    assert keys
    with gateway(issuers.one, ORDERS, tmp_path) as port:
        assert knock(port, good)[0] == 200
        refused = {
            "for another API": minted(issuers.one, api=STOCK),
            "of another issuer": minted(issuers.other),
            **forged(good, keys),
        }
        assert claims_of(refused["of another issuer"])["aud"] == claims_of(good)["aud"]
        answers = {what: knock(port, token)[0] for what, token in refused.items()}
        assert set(answers.values()) <= {401, 403}, answers
        assert knock(port, None)[0] == 401
        assert knock(port, good)[0] == 200


@rfc("9068", "4")
@exact_gateway
def test_a_gateway_refuses_a_token_that_has_expired(gateway: Gateway, issuers: Issuers, tmp_path: Path) -> None:
    tokens: list[str] = []

    def is_let_through() -> bool:
        # They live for two seconds; a slow machine may take as long to knock.
        tokens.append(minted(issuers.one, api=HASTY))
        return knock(port, tokens[-1])[0] == 200

    with gateway(issuers.one, HASTY, tmp_path) as port:
        wait_until(is_let_through, seconds=60, what="a fresh token being good")
        wait_until(lambda: knock(port, tokens[-1])[0] == 401, seconds=60, what="the token's end")


@rfc("6750", "3.1")
@exact_gateway
def test_a_gateway_asks_for_the_scope(gateway: Gateway, issuers: Issuers, tmp_path: Path) -> None:
    with gateway(issuers.one, ORDERS, tmp_path) as port:
        assert knock(port, minted(issuers.one, scope="orders.write"))[0] in (401, 403)
        assert knock(port, minted(issuers.one, scope="orders.write orders.read"))[0] == 200


@exact_gateway
def test_a_gateway_tells_the_api_who_asks(gateway: Gateway, issuers: Issuers, tmp_path: Path) -> None:
    token = minted(issuers.one)
    with gateway(issuers.one, ORDERS, tmp_path) as port:
        told = json.loads(knock(port, token, headers={"X-User": "root"})[1])
    assert told["x-user"] == claims_of(token)["sub"]
    assert "root" not in json.dumps(told)


def test_haproxy_takes_tokens_of_the_next_key_before_it_hears_of_it(issuers: Issuers, tmp_path: Path) -> None:
    with haproxy(issuers.one, ORDERS, tmp_path) as port:
        assert not renew_keys(issuers.one, tmp_path)
        signed_by = minted(issuers.one).partition(".")[0]
        issuers.one.command("keys", "rotate")

        def of_the_next_key() -> str | None:
            token = minted(issuers.one)
            return None if token.partition(".")[0] == signed_by else token

        token: str = wait_until(of_the_next_key, seconds=60, what="the next key signing")
        assert knock(port, token)[0] == 200
        assert renew_keys(issuers.one, tmp_path)
