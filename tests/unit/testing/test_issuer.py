"""The issuer for our users' tests keeps its promises."""

import subprocess
import sys
from pathlib import Path

import pytest

from watchword.resource import (
    ACR_PASSKEY,
    ACR_PASSWORD,
    AsyncResourceServer,
    KeysUnavailable,
    ResourceServer,
    TokenRejected,
)
from watchword.testing import FrozenClock, TestIssuer


def reason(server: ResourceServer, token: str) -> str | None:
    try:
        server.verify(token)
    except TokenRejected as rejected:
        return rejected.reason
    return None


def test_the_fixtures_are_there_without_being_imported(
    watchword_issuer: TestIssuer, watchword_clock: FrozenClock
) -> None:
    server = watchword_issuer.resource_server()
    token = watchword_issuer.token("alice", scope="a", tenant="blue", expires_in=60)
    found = server.verify(token, scope="a")
    assert (found.subject, found.claims["tenant"], found.expires_at) == ("alice", "blue", watchword_clock() + 60)
    watchword_clock.advance(71)
    assert reason(server, token) == "token.expired"


@pytest.mark.parametrize("thing", ["session", "user", "client"])
def test_a_revocation_is_known_at_once_everywhere(watchword_issuer: TestIssuer, thing: str) -> None:
    first, second = watchword_issuer.resource_server(), watchword_issuer.resource_server()
    token = watchword_issuer.token("bob", sid="s1", client_id="web")
    assert reason(first, token) is reason(second, token) is None
    watchword_issuer.revoke(**{thing: {"session": "s1", "user": "bob", "client": "web"}[thing]})
    assert reason(first, token) == reason(second, token) == "token.revoked"
    assert not watchword_issuer.active(token)


def test_a_single_token_and_a_key_can_be_revoked(watchword_issuer: TestIssuer) -> None:
    server = watchword_issuer.resource_server()
    one, other = watchword_issuer.token(), watchword_issuer.token()
    watchword_issuer.revoke(one)
    assert (reason(server, one), reason(server, other)) == ("token.revoked", None)
    watchword_issuer.revoke(key=watchword_issuer.signing_key.kid)
    assert (reason(server, other), reason(server, watchword_issuer.token())) == ("token.revoked", None)


def test_revoking_nothing_or_two_things_is_a_mistake(watchword_issuer: TestIssuer) -> None:
    with pytest.raises(ValueError, match="exactly one"):
        watchword_issuer.revoke()
    with pytest.raises(ValueError, match="exactly one"):
        watchword_issuer.revoke(session="a", user="b")


def test_a_rotated_key_is_found_and_old_tokens_stay_good(watchword_issuer: TestIssuer) -> None:
    server = watchword_issuer.resource_server()
    old = watchword_issuer.token()
    assert reason(server, old) is None
    watchword_issuer.rotate_key()
    assert reason(server, watchword_issuer.token()) is None
    assert reason(server, old) is None


def test_time_passes_without_an_outage_as_long_as_the_issuer_is_reachable(
    watchword_issuer: TestIssuer, watchword_clock: FrozenClock
) -> None:
    server = watchword_issuer.resource_server()
    for _ in range(3):
        assert reason(server, watchword_issuer.token()) is None
        watchword_clock.advance(48 * 3600)


def test_an_outage_can_be_played(watchword_issuer: TestIssuer, watchword_clock: FrozenClock) -> None:
    server = watchword_issuer.resource_server()
    token = watchword_issuer.token(expires_in=7200, sid="s1")
    server.verify(token)
    watchword_issuer.reachable = False
    watchword_issuer.revoke(session="s1")
    assert reason(server, token) is None
    watchword_clock.advance(301)
    assert reason(server, token) == "token.revocation_unknown"
    watchword_issuer.reachable = True
    watchword_clock.advance(5)
    assert reason(server, token) == "token.revoked"


def test_an_outage_from_the_beginning_leaves_a_server_without_keys(watchword_issuer: TestIssuer) -> None:
    watchword_issuer.reachable = False
    with pytest.raises(KeysUnavailable):
        watchword_issuer.resource_server().verify(watchword_issuer.token())


async def test_it_stands_in_for_the_issuer_of_a_server_that_exists_already(watchword_issuer: TestIssuer) -> None:
    async with AsyncResourceServer(issuer="https://real.test", audience=watchword_issuer.audience) as server:
        with watchword_issuer.stand_in(server):
            assert (await server.verify(watchword_issuer.token("alice"))).subject == "alice"
            with pytest.raises(TokenRejected, match="audience"):
                await server.verify(watchword_issuer.token(audience="https://other.test"))
        assert server.issuer == "https://real.test"


def test_claims_can_be_left_out_to_make_bad_tokens(watchword_issuer: TestIssuer) -> None:
    server = watchword_issuer.resource_server()
    assert reason(server, watchword_issuer.token(jti=None)) == "token.claims"
    assert reason(server, watchword_issuer.token(exp="tomorrow")) == "token.claims"


def test_pytest_does_not_take_the_issuer_for_a_test_and_the_plugin_is_light(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        "import sys\n"
        "heavy = {'cryptography', 'httpx2', 'msgspec'} & set(sys.modules)\n"
        "from watchword.testing import TestIssuer\n"
        "def test_light(): assert not heavy\n"
    )
    run = subprocess.run(
        [
            sys.executable,
            "-W",
            "error",
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:anyio",
            str(tmp_path),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=tmp_path,
        env={"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_PLUGINS": "watchword.testing.pytest_plugin"},
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "1 passed" in run.stdout


def test_a_token_tells_of_the_sign_in_that_a_test_chooses(
    watchword_issuer: TestIssuer, watchword_clock: FrozenClock
) -> None:
    server = watchword_issuer.resource_server()
    usual = server.verify(watchword_issuer.token(), max_age=0, acr_values=ACR_PASSWORD)
    assert (usual.auth_time, usual.acr, usual.amr) == (watchword_clock(), ACR_PASSWORD, ("pwd",))
    chosen = server.verify(watchword_issuer.token(signed_in_ago=600, acr=ACR_PASSKEY, amr=["hwk", "user"]))
    assert (chosen.auth_time, chosen.acr, chosen.amr) == (watchword_clock() - 600, ACR_PASSKEY, ("hwk", "user"))
    bare = server.verify(watchword_issuer.token(signed_in_ago=None, acr=None, amr=None))
    assert (bare.auth_time, bare.acr, bare.amr) == (None, None, ())
    assert server.verify(watchword_issuer.token(auth_time=7)).auth_time == 7
