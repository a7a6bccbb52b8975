"""Access tokens as services read them that have never heard of Watchword: other people's verifiers, keys over HTTP."""

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import joserfc.errors
import joserfc.jwk
import joserfc.jwt
import jwt
import pytest
from tests.support.envoy import gateway, knock
from tests.support.relying_party import INTEROP, node
from tests.support.rfc import rfc
from tests.support.running_server import PASSWORD, RunningServer

pytestmark = [pytest.mark.interop, pytest.mark.slow, pytest.mark.xdist_group("interop")]

APIS: Final = {"ES256": "https://stock.example", "RS256": "https://bills.example"}


class Refused(Exception):
    """A verifier did not take the token."""


@dataclass(frozen=True, slots=True)
class Issued:
    """A server, and an access token of it for each algorithm."""

    server: RunningServer
    tokens: dict[str, str]


Verifier = Callable[[Issued, str, str], tuple[dict[str, Any], dict[str, Any]]]


@pytest.fixture(scope="module")
def issued(server: RunningServer) -> Issued:
    """Tokens of a user for an API of each kind."""
    tokens = {}
    for alg, audience in APIS.items():
        scope = f"{alg.lower()}.read"
        server.command("apis", "create", audience, "--scope", scope, "--alg", alg)
        server.command("clients", "create", f"till-{alg}", "--first-party", "--api", audience, "--scope", scope)
        wanted = {"client_id": f"till-{alg}", "username": "ada", "password": PASSWORD, "scope": scope}
        with server.http() as http:
            answer = http.post("/session", json=wanted)
        assert answer.status_code == 201, answer.text
        tokens[alg] = answer.json()["access_token"]
    return Issued(server, tokens)


def by_node(library: str) -> Verifier:
    def verify(issued: Issued, token: str, audience: str) -> tuple[dict[str, Any], dict[str, Any]]:
        issuer = issued.server.issuer
        command = [node(), str(INTEROP / "verify_token.js"), library, f"{issuer}/jwks", issuer, audience]
        done = subprocess.run(command, input=token, capture_output=True, text=True, timeout=30, check=False)
        if done.returncode != 0:
            raise Refused(done.stderr)
        found = json.loads(done.stdout)
        return found["header"], found["claims"]

    return verify


def by_pyjwt(issued: Issued, token: str, audience: str) -> tuple[dict[str, Any], dict[str, Any]]:
    issuer = issued.server.issuer
    key = jwt.PyJWKClient(f"{issuer}/jwks").get_signing_key_from_jwt(token)
    try:
        found = jwt.decode_complete(token, key, algorithms=["ES256", "RS256"], audience=audience, issuer=issuer)
    except jwt.InvalidTokenError as fault:
        raise Refused(str(fault)) from fault
    return found["header"], found["payload"]


def by_joserfc(issued: Issued, token: str, audience: str) -> tuple[dict[str, Any], dict[str, Any]]:
    with issued.server.http() as http:
        keys = joserfc.jwk.KeySet.import_key_set(http.get("/jwks").json())
    found = joserfc.jwt.decode(token, keys, algorithms=["ES256", "RS256"])
    rules = joserfc.jwt.JWTClaimsRegistry(
        iss={"essential": True, "value": issued.server.issuer}, aud={"essential": True, "value": audience}
    )
    try:
        rules.validate(found.claims)
    except joserfc.errors.JoseError as fault:
        raise Refused(str(fault)) from fault
    return dict(found.header), dict(found.claims)


VERIFIERS: Final[dict[str, Verifier]] = {
    "jose": by_node("jose"),
    "jsonwebtoken": by_node("jsonwebtoken"),
    "PyJWT": by_pyjwt,
    "joserfc": by_joserfc,
}


@rfc("9068", "4")
@rfc("7517", "5")
@pytest.mark.parametrize("alg", APIS)
@pytest.mark.parametrize("library", VERIFIERS)
def test_a_foreign_verifier_takes_an_access_token(library: str, alg: str, issued: Issued) -> None:
    header, claims = VERIFIERS[library](issued, issued.tokens[alg], APIS[alg])
    assert (header["alg"], header["typ"].lower()) == (alg, "at+jwt")
    assert claims["iss"] == issued.server.issuer
    assert (claims["client_id"], claims["scope"]) == (f"till-{alg}", f"{alg.lower()}.read")


@rfc("9068", "4")
@pytest.mark.parametrize("library", VERIFIERS)
def test_a_foreign_verifier_refuses_a_token_for_another_api(library: str, issued: Issued) -> None:
    with pytest.raises(Refused):
        VERIFIERS[library](issued, issued.tokens["ES256"], APIS["RS256"])


@rfc("9068", "4")
@pytest.mark.parametrize("alg", APIS)
def test_envoy_lets_in_who_has_an_access_token_for_its_api(alg: str, issued: Issued, tmp_path: Path) -> None:
    other = next(token for name, token in issued.tokens.items() if name != alg)
    with gateway(issued.server, APIS[alg], tmp_path) as port:
        assert knock(port, issued.tokens[alg]) == (200, "let in")
        assert knock(port, other)[0] == 403
        assert knock(port, issued.tokens[alg][:-8] + "AAAAAAAA")[0] == 401
