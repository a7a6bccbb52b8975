"""Both resource servers against a real issuer over HTTP: what they fetch, when, and what they survive."""

import asyncio
import gc
import logging
import os
import stat
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.support.fake_issuer import FakeIssuer
from tests.unit.resource.builders import API, eventually

from watchword.protocol.bearer import render_basic
from watchword.resource import (
    INSECURE_WITHOUT_FEED,
    INTROSPECT,
    UNTIL_EXPIRY,
    AsyncResourceServer,
    Closed,
    ConfigurationError,
    KeysUnavailable,
    ResourceServer,
    TokenRejected,
    VerifiedToken,
)


@pytest.fixture
def fake() -> Iterator[FakeIssuer]:
    with FakeIssuer() as fake:
        yield fake


def reason(server: ResourceServer, token: str) -> str | None:
    try:
        server.verify(token)
    except TokenRejected as rejected:
        return rejected.reason
    return None


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "watchword-resource"]


@pytest.mark.parametrize("audience", [[], "", ["https://api.test", ""], ()])
def test_a_server_without_an_audience_is_not_made(audience: str | list[str]) -> None:
    for shell in (ResourceServer, AsyncResourceServer):
        with pytest.raises(ValueError, match="audience"):
            shell(issuer="https://issuer.test", audience=audience)
        with pytest.raises(TypeError):
            shell(issuer="https://issuer.test")  # type: ignore[call-arg]


def test_half_a_credential_and_introspection_without_one_are_refused() -> None:
    with pytest.raises(ValueError, match="go together"):
        ResourceServer(issuer="https://issuer.test", audience=API, client_id="orders")
    with pytest.raises(ValueError, match="INTROSPECT needs"):
        ResourceServer(issuer="https://issuer.test", audience=API, revocations=INTROSPECT)


def test_a_plain_http_issuer_elsewhere_is_refused() -> None:
    with pytest.raises(ValueError, match="https"):
        ResourceServer(issuer="http://issuer.test", audience=API)


def test_making_one_needs_no_network_and_starts_nothing(fake: FakeIssuer) -> None:
    before = len(threads())
    server = ResourceServer(issuer=fake.url, audience=API)
    assert (len(threads()), sum(fake.asked.values())) == (before, 0)
    server.close()


def test_a_good_token_is_verified_and_a_second_one_costs_no_request(fake: FakeIssuer) -> None:
    with ResourceServer(issuer=fake.url, audience=[API, "https://other.test"]) as server:
        assert server.verify(fake.wire.token("alice", scope="a b"), scope=["a", "b"]).subject == "alice"
        asked = fake.asked["/jwks"], fake.asked["/.well-known/oauth-authorization-server"]
        assert server.verify(fake.wire.token("bob", audience="https://other.test")).subject == "bob"
        assert (fake.asked["/jwks"], fake.asked["/.well-known/oauth-authorization-server"]) == asked == (1, 1)


def test_what_was_revoked_before_the_start_is_known_to_the_first_answer(fake: FakeIssuer) -> None:
    token = fake.wire.token(sid="s1")
    fake.wire.revoke(session="s1")
    with ResourceServer(issuer=fake.url, audience=API) as server:
        assert reason(server, token) == "token.revoked"


def test_a_revocation_arrives_while_the_server_runs(fake: FakeIssuer) -> None:
    token = fake.wire.token(sid="s1")
    with ResourceServer(issuer=fake.url, audience=API) as server:
        server.verify(token)
        fake.wire.revoke(session="s1")
        eventually(lambda: reason(server, token) == "token.revoked")
        assert server.status.revocations == 1


def test_a_cut_feed_is_taken_up_where_it_ended_and_nothing_is_missed(fake: FakeIssuer) -> None:
    token = fake.wire.token(sid="s2")
    with ResourceServer(issuer=fake.url, audience=API) as server:
        server.verify(token)
        fake.wire.revoke(session="s1")
        eventually(lambda: server.status.sequence == 1)
        fake.cut_feeds()
        fake.wire.revoke(session="s2")
        eventually(lambda: reason(server, token) == "token.revoked")
        assert fake.last_event_ids[-1] == "1"


def test_a_renamed_log_is_read_anew_and_nothing_is_unseen(fake: FakeIssuer) -> None:
    before, after = fake.wire.token(sid="before"), fake.wire.token(sid="after")
    with ResourceServer(issuer=fake.url, audience=API) as server:
        fake.wire.revoke(session="before")
        assert reason(server, before) == "token.revoked"
        fake.wire.rename_log()
        fake.wire.revoke(session="after")
        fake.cut_feeds()
        eventually(lambda: reason(server, after) == "token.revoked")
        assert reason(server, before) == "token.revoked"


def test_replayed_and_foreign_messages_on_the_feed_do_no_harm(fake: FakeIssuer) -> None:
    token = fake.wire.token(sid="s1")
    old = fake.wire.batch(0)
    with ResourceServer(issuer=fake.url, audience=API) as server:
        fake.wire.revoke(session="s1")
        assert reason(server, token) == "token.revoked"
        fake.feed_messages += [old, old, fake.wire.batch(0), "no.jws.atall", fake.wire.token()]
        eventually(lambda: not fake.feed_messages)
        later = fake.wire.token(sid="s2")
        fake.wire.revoke(session="s2")
        eventually(lambda: reason(server, later) == "token.revoked")
        assert reason(server, token) == "token.revoked"


def test_many_threads_at_the_first_moment_share_one_fetch(fake: FakeIssuer) -> None:
    tokens = [fake.wire.token(f"user-{n}") for n in range(40)]
    with ResourceServer(issuer=fake.url, audience=API) as server, ThreadPoolExecutor(20) as pool:
        found = list(pool.map(server.verify, tokens))
        assert {token.subject for token in found} == {f"user-{n}" for n in range(40)}
        assert fake.asked["/jwks"] == 1
        assert len(threads()) == 1


def test_unknown_kids_cause_one_fetch_however_many_come(fake: FakeIssuer) -> None:
    with ResourceServer(issuer=fake.url, audience=API) as server:
        server.verify(fake.wire.token())
        published = dict(fake.wire.published)
        for _ in range(20):
            fake.wire.rotate_key()
            unknown = fake.wire.token()
            fake.wire.published = dict(published)
            assert reason(server, unknown) == "token.unknown_key"
        assert fake.asked["/jwks"] == 2


def test_a_new_key_is_fetched_for_all_who_wait_for_it(fake: FakeIssuer) -> None:
    with ResourceServer(issuer=fake.url, audience=API) as server, ThreadPoolExecutor(10) as pool:
        server.verify(fake.wire.token())
        fake.wire.rotate_key()
        found = list(pool.map(server.verify, [fake.wire.token() for _ in range(30)]))
        assert len(found) == 30
        assert fake.asked["/jwks"] == 2


@pytest.mark.parametrize(
    "body",
    [b"", b"garbage", b"[]", b'{"keys":[]}', b'{"keys":1}', b'{"keys":[{"kty":"oct","k":"AA"}]}', b" " * 300_000],
    ids=["empty", "garbage", "list", "no keys", "no list", "symmetric", "oversized"],
)
def test_a_bad_key_set_never_replaces_good_keys(fake: FakeIssuer, body: bytes) -> None:
    with ResourceServer(issuer=fake.url, audience=API) as server:
        good = fake.wire.token("alice")
        server.verify(good)
        fake.answers["/jwks"] = lambda: (200, {}, body)
        signing = fake.wire.signing_key
        fake.wire.rotate_key()
        assert reason(server, fake.wire.token()) == "token.unknown_key"
        assert fake.asked["/jwks"] == 2
        fake.wire.signing_key = signing
        assert server.verify(fake.wire.token("bob")).subject == "bob"


def test_a_redirected_key_set_is_not_followed(fake: FakeIssuer) -> None:
    fake.answers["/jwks"] = lambda: (302, {"Location": f"{fake.url}/elsewhere"}, b"")
    with ResourceServer(issuer=fake.url, audience=API) as server:
        with pytest.raises(KeysUnavailable):
            server.verify(fake.wire.token())
        assert fake.asked["/elsewhere"] == 0


def test_metadata_of_another_issuer_is_refused(fake: FakeIssuer) -> None:
    body = fake.wire.metadata().replace(fake.url.encode(), b"https://evil.test")
    fake.answers["/.well-known/oauth-authorization-server"] = lambda: (200, {}, body)
    with ResourceServer(issuer=fake.url, audience=API) as server, pytest.raises(KeysUnavailable):
        server.verify(fake.wire.token())


def test_an_issuer_that_is_away_gives_an_outage_and_no_refusal_and_is_found_when_it_comes() -> None:
    with FakeIssuer() as gone:
        port = int(gone.url.rpartition(":")[2])
        url = gone.url
    with ResourceServer(issuer=url, audience=API) as server:
        with pytest.raises(KeysUnavailable) as caught:
            server.verify("aaaa.bbbb.cccc")
        assert caught.value.retry_after >= 1
        with FakeIssuer(port=port) as fake:
            token = fake.wire.token("alice")
            eventually(lambda: server.status.keys == 1 and server.status.revocations_known_at is not None, seconds=15)
            assert server.verify(token).subject == "alice"


def test_verification_goes_on_while_the_issuer_is_away(fake: FakeIssuer) -> None:
    with ResourceServer(issuer=fake.url, audience=API) as server:
        server.verify(fake.wire.token())
        fake.close()
        assert server.verify(fake.wire.token("bob")).subject == "bob"


def test_an_issuer_without_a_feed_is_refused_unless_told_otherwise(fake: FakeIssuer) -> None:
    without = fake.wire.metadata().replace(b"revocation_feed_endpoint", b"something_else")
    fake.answers["/.well-known/oauth-authorization-server"] = lambda: (200, {}, without)
    token = fake.wire.token("alice")
    with ResourceServer(issuer=fake.url, audience=API) as server:
        for _ in range(2):
            with pytest.raises(ConfigurationError, match="INSECURE_WITHOUT_FEED"):
                server.verify(token)
    with ResourceServer(issuer=fake.url, audience=API, revocations=INSECURE_WITHOUT_FEED) as server:
        assert server.verify(token).subject == "alice"


def test_a_feed_that_wants_credentials_gets_them(fake: FakeIssuer, caplog: pytest.LogCaptureFixture) -> None:
    fake.credentials = render_basic("orders", "canary +:%")
    token = fake.wire.token("alice")
    with (
        caplog.at_level(logging.DEBUG),
        ResourceServer(issuer=fake.url, audience=API, client_id="orders", client_secret="canary +:%") as server,
    ):
        assert server.verify(token).subject == "alice"
        assert "canary" not in repr(server)
    with ResourceServer(issuer=fake.url, audience=API) as server:
        assert reason(server, token) == "token.revocation_unknown"
    assert "client_id and client_secret" in caplog.text
    assert "canary" not in caplog.text
    assert token not in caplog.text


def test_introspection_decides_while_the_feed_is_cut(fake: FakeIssuer) -> None:
    fake.answers["/revocations"] = lambda: (503, {}, b"")
    alive, dead = fake.wire.token("alice"), fake.wire.token()
    fake.dead_tokens.add(dead)
    with ResourceServer(
        issuer=fake.url, audience=API, revocations=INTROSPECT, client_id="orders", client_secret="secret"
    ) as server:
        assert server.verify(alive).subject == "alice"
        assert reason(server, dead) == "token.inactive"
        assert reason(server, alive[:-8] + "AAAAAAAA") == "token.signature"
        assert fake.asked["/introspect"] == 2
        fake.answers["/introspect"] = lambda: (500, {}, b"")
        assert reason(server, alive) == "token.revocation_unknown"


def test_a_restart_while_the_issuer_is_away_lives_on_the_snapshot(fake: FakeIssuer, tmp_path: Path) -> None:
    path = tmp_path / "snapshot.json"
    good, dead = fake.wire.token("alice"), fake.wire.token(sid="dead")
    fake.wire.revoke(session="dead")
    with ResourceServer(issuer=fake.url, audience=API, snapshot_path=path) as server:
        server.verify(good)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["snapshot.json"]  # noqa: PTH208 - names are all that is wanted
    fake.close()
    with ResourceServer(issuer=fake.url, audience=API, snapshot_path=path) as server:
        assert server.verify(good).subject == "alice"
        assert reason(server, dead) == "token.revoked"


def test_a_snapshot_that_is_too_old_falls_under_the_policy(fake: FakeIssuer, tmp_path: Path) -> None:
    path = tmp_path / "snapshot.json"
    token = fake.wire.token("alice", expires_in=7200)
    with ResourceServer(issuer=fake.url, audience=API, snapshot_path=path) as server:
        server.verify(token)
    fake.close()
    later = time.time() + 3600
    with ResourceServer(issuer=fake.url, audience=API, snapshot_path=path, clock=lambda: later) as server:
        assert reason(server, token) == "token.revocation_unknown"
    with ResourceServer(
        issuer=fake.url, audience=API, snapshot_path=path, clock=lambda: later, revocations=UNTIL_EXPIRY
    ) as server:
        assert server.verify(token).subject == "alice"


def test_close_ends_the_thread_and_a_with_block_opens_again(fake: FakeIssuer) -> None:
    server = ResourceServer(issuer=fake.url, audience=API)
    server.verify(fake.wire.token())
    assert len(threads()) == 1
    server.close()
    server.close()
    assert threads() == []
    with pytest.raises(Closed):
        server.verify(fake.wire.token())
    with server:
        assert server.verify(fake.wire.token("bob")).subject == "bob"
    assert threads() == []


def test_a_forgotten_server_ends_its_thread(fake: FakeIssuer) -> None:
    server = ResourceServer(issuer=fake.url, audience=API)
    server.verify(fake.wire.token())
    del server
    gc.collect()
    eventually(lambda: threads() == [])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_works_on_its_own_and_leaves_the_parent_alone(fake: FakeIssuer) -> None:
    with ResourceServer(issuer=fake.url, audience=API) as server:
        server.verify(fake.wire.token())
        token = fake.wire.token("alice")
        child = os.fork()
        if child == 0:
            good = False
            try:
                good = server.verify(token).subject == "alice" and len(threads()) == 1
            finally:
                os._exit(0 if good else 1)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        later = fake.wire.token(sid="later")
        fake.wire.revoke(session="later")
        eventually(lambda: reason(server, later) == "token.revoked")


async def test_the_asynchronous_server_does_not_block_the_loop(fake: FakeIssuer) -> None:
    slow = threading.Event()

    def answer() -> tuple[int, dict[str, str], bytes]:
        slow.wait(5)
        return 200, {}, fake.wire.key_set()

    fake.answers["/jwks"] = answer
    async with AsyncResourceServer(issuer=fake.url, audience=API) as server:
        tasks = [asyncio.ensure_future(server.verify(fake.wire.token(f"user-{n}"), scope="")) for n in range(50)]
        turns = 0
        while not fake.asked["/jwks"]:
            await asyncio.sleep(0.01)  # the loop turns while the fetch waits
            turns += 1
        assert turns
        assert not any(task.done() for task in tasks)
        slow.set()
        found: list[VerifiedToken] = await asyncio.gather(*tasks)
        assert {token.subject for token in found} == {f"user-{n}" for n in range(50)}
        assert fake.asked["/jwks"] == 1
    assert threads() == []
    with pytest.raises(Closed):
        await server.verify(fake.wire.token())


async def test_a_caller_who_gives_up_disturbs_nobody(fake: FakeIssuer) -> None:
    slow = threading.Event()

    def answer() -> tuple[int, dict[str, str], bytes]:
        slow.wait(5)
        return 200, {}, fake.wire.key_set()

    fake.answers["/jwks"] = answer
    async with AsyncResourceServer(issuer=fake.url, audience=API) as server:
        first = asyncio.ensure_future(server.verify(fake.wire.token()))
        second = asyncio.ensure_future(server.verify(fake.wire.token("bob")))
        while not fake.asked["/jwks"]:
            await asyncio.sleep(0.01)  # polling
        first.cancel()
        slow.set()
        assert (await second).subject == "bob"


async def test_the_asynchronous_server_refuses_as_the_other_one(fake: FakeIssuer) -> None:
    async with AsyncResourceServer(issuer=fake.url, audience=API) as server:
        with pytest.raises(TokenRejected) as caught:
            await server.verify(fake.wire.token(scope="read"), scope="write")
        assert caught.value.challenge().endswith('scope="write"')
