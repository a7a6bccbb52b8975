"""Signing in and out, client credentials, and discovery, by both sources against a real server on loopback."""

import pytest
from tests.support.fake_token_server import (
    DROP_ANSWER,
    GARBAGE,
    METADATA,
    FakeTokenServer,
    unavailable,
)
from tests.support.rfc import rfc, standard
from tests.unit.client.driving import PASSWORD, Driven, Make

from watchword.client import MemoryTokenStore, Misconfigured, SignInAgain, TokenSource, TryLater

# --- signing in


@standard("OAuth 2.0 for First-Party Applications", "5")
def test_a_sign_in_sends_s256_and_gives_a_token(make: Make, server: FakeTokenServer) -> None:
    source = make(scope="orders:read", resource="https://orders.example")
    source.sign_in()
    assert source.token() in server.issued
    (challenge,) = server.forms("/authorize-challenge")
    assert challenge["code_challenge_method"] == "S256"
    assert (challenge["scope"], challenge["resource"]) == ("orders:read", "https://orders.example")
    assert "password" not in server.forms("/token")[0]


def test_a_wrong_password_is_the_users_affair_and_leaves_no_tokens(make: Make) -> None:
    source = make()
    with pytest.raises(SignInAgain) as caught:
        source.sign_in(password="wrong")
    assert caught.value.reason == "credentials"
    with pytest.raises(SignInAgain):
        source.token()


@rfc("7636", "4.1")
def test_a_lost_answer_to_the_code_starts_the_sign_in_again_with_a_new_verifier(
    make: Make, server: FakeTokenServer
) -> None:
    server.fail("/token", DROP_ANSWER)
    source = make()
    source.sign_in()
    first, second = server.forms("/authorize-challenge")
    assert first["code_challenge"] != second["code_challenge"]
    assert source.token() in server.issued


def test_a_failed_sign_in_leaves_who_was_signed_in(user: Driven) -> None:
    before = user.token()
    with pytest.raises(SignInAgain):
        user.sign_in(password="wrong")
    assert user.token() == before


@rfc("7009", "2")
def test_a_new_sign_in_hands_the_old_token_back(user: Driven, server: FakeTokenServer) -> None:
    user.sign_in()
    assert [form["token"] for form in server.forms("/revoke")] == ["rt-0-1"]
    assert not server.is_ended("rt-1-1")


def test_a_throttled_sign_in_says_when_to_come_again(make: Make, server: FakeTokenServer) -> None:
    server.fail("/authorize-challenge", unavailable(30, status=429))
    with pytest.raises(TryLater) as caught:
        make().sign_in()
    assert caught.value.retry_after == 30


def test_sources_of_one_sign_in_share_a_store_and_keep_a_token_for_each_audience(
    make: Make, server: FakeTokenServer
) -> None:
    store = MemoryTokenStore()
    orders = make(scope="orders:read", resource="https://orders.example", store=store)
    stock = make(scope="stock:read", resource="https://stock.example", store=store)
    orders.sign_in(scope="orders:read stock:read", resources=["https://stock.example"])
    tokens = {orders.token(), stock.token(), orders.token(), stock.token()}
    assert len(tokens) == 2
    refreshes = [form for form in server.forms("/token") if form["grant_type"] == "refresh_token"]
    assert [(form["scope"], form["resource"]) for form in refreshes] == [
        ("orders:read", "https://orders.example"),
        ("stock:read", "https://stock.example"),
    ]


# --- clients that speak for themselves


@rfc("6749", "2.3.1")
def test_client_credentials_go_as_basic_with_both_parts_encoded(make: Make, server: FakeTokenServer) -> None:
    source = make("service", client_secret="s3cret with:colon%", scope="stock:read")
    assert source.token() == source.token()
    (seen,) = [seen for seen in server.seen if seen.path == "/token"]
    assert seen.authorization is not None
    assert seen.form == {"grant_type": "client_credentials", "scope": "stock:read"}


def test_a_wrong_client_secret_is_misconfigured_and_not_tried_again_at_once(
    make: Make, server: FakeTokenServer
) -> None:
    source = make("service", client_secret="wrong")
    for _ in range(3):
        with pytest.raises(Misconfigured) as caught:
            source.token()
        assert caught.value.reason == "invalid_client"
    assert server.count("/token") == 1


def test_a_users_sign_in_never_gives_way_to_the_clients_own_token(make: Make, server: FakeTokenServer) -> None:
    store = MemoryTokenStore()
    options = {"client_secret": "s3cret with:colon%", "store": store}
    user = make("service", acts_for="user", **options)
    user.sign_in()
    with pytest.raises(Misconfigured):
        make("service", **options).token()
    server.end("rt-0-1")
    with pytest.raises(SignInAgain):
        user.renew(user.token())


# --- the issuer


@rfc("8414", "3.3")
def test_metadata_of_another_issuer_is_refused(make: Make, server: FakeTokenServer) -> None:
    server.metadata_changes["issuer"] = "https://other.example"
    with pytest.raises(Misconfigured) as caught:
        make().sign_in()
    assert caught.value.reason == "wrong_metadata"
    assert server.count("/authorize-challenge") == 0


def test_an_endpoint_without_tls_elsewhere_is_refused(make: Make, server: FakeTokenServer) -> None:
    server.metadata_changes["token_endpoint"] = "http://auth.example/token"
    with pytest.raises(Misconfigured):
        make().sign_in()


def test_a_page_of_the_network_in_place_of_metadata_is_trouble_that_passes(make: Make, server: FakeTokenServer) -> None:
    server.fail(METADATA, GARBAGE, unavailable())
    make().sign_in()
    assert server.count(METADATA) == 3


def test_tokens_of_another_issuer_are_not_used(make: Make, server: FakeTokenServer) -> None:
    store = MemoryTokenStore()
    with FakeTokenServer() as other:
        source = TokenSource(other.issuer, "app", store=store)
        source.sign_in("alice", PASSWORD)
        with pytest.raises(SignInAgain):
            make(store=store).token()
        assert server.counts["/token"] == 0
        server.grant()  # so that the two refresh tokens differ
        make(store=store).sign_in()
        assert server.counts["/revoke"] == 0, "a token goes to nobody but the issuer that gave it"


def test_signing_out_ends_the_grant_and_empties_the_store(make: Make, server: FakeTokenServer) -> None:
    store = MemoryTokenStore()
    source = make(store=store)
    source.sign_in()
    source.sign_out()
    assert server.is_ended("rt-0-1")
    assert store.load() is None
    with pytest.raises(SignInAgain):
        source.token()
    source.sign_out()


def test_signing_out_while_the_server_is_away_empties_the_store_and_says_so(
    make: Make, server: FakeTokenServer
) -> None:
    store = MemoryTokenStore()
    source = make(store=store)
    source.sign_in()
    server.fail("/revoke", unavailable(60))
    with pytest.raises(TryLater):
        source.sign_out()
    assert store.load() is None
    with pytest.raises(SignInAgain):
        source.token()


# --- what must not be seen


def test_no_repr_and_no_error_shows_a_secret(make: Make, server: FakeTokenServer) -> None:
    store = MemoryTokenStore()
    source = make("service", client_secret="s3cret with:colon%", acts_for="user", store=store)
    source.sign_in()
    secrets = ["s3cret", PASSWORD, "rt-", source.token()]
    memory = source.source._memory
    shown = [repr(thing) for thing in (source.source, memory, memory.account, memory._held, memory.ask(), store)]
    with pytest.raises(SignInAgain) as caught:
        source.sign_in(password="wrong")
    shown += [str(caught.value), repr(caught.value)]
    assert not [secret for secret in secrets for text in shown if secret in text]
