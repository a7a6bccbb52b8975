"""The verifier: what it accepts, what it remembers, and what it judges each time anew."""

import pytest
from tests.support.rfc import rfc
from tests.unit.resource.builders import API, make_issuer, make_verifier, read

from watchword.protocol import jwk_set
from watchword.protocol.rejection import TokenRejected
from watchword.protocol.scope import Scope
from watchword.resource.errors import ConfigurationError, KeysUnavailable
from watchword.resource.policy import (
    DEFAULT_POLICY,
    INSECURE_WITHOUT_FEED,
    INTROSPECT,
    UNTIL_EXPIRY,
    RevocationPolicy,
    fail_closed_after,
)
from watchword.resource.verifier import Need, Pause, Verifier, parse_demand
from watchword.testing import TestIssuer

ANY = Scope()


def refused(verifier: Verifier, token: str, *, now: float, demanded: Scope = ANY) -> TokenRejected:
    with pytest.raises(TokenRejected) as caught:
        verifier.verify(token, demanded, now=now, settled=frozenset[Need](["keys"]))
    return caught.value


def test_a_good_token_tells_who_and_what() -> None:
    issuer, clock = make_issuer()
    token = issuer.token("alice", scope="a b", client_id="web", sid="s1", tenant="blue")
    found = make_verifier(issuer).verify(token, Scope.parse("a"), now=clock())
    assert (found.subject, found.client_id, str(found.scope), found.session_id) == ("alice", "web", "a b", "s1")
    assert (found.issuer, found.audience, found.expires_at) == (issuer.issuer, (API,), clock() + 900)
    assert found.claims["tenant"] == "blue"


def test_claims_are_read_only_so_that_a_remembered_token_cannot_be_changed() -> None:
    issuer, clock = make_issuer()
    found = make_verifier(issuer).verify(issuer.token(), ANY, now=clock())
    with pytest.raises(TypeError):
        found.claims["sub"] = "mallory"  # type: ignore[index]


def test_a_verified_token_shows_no_claims_in_its_repr() -> None:
    issuer, clock = make_issuer()
    found = make_verifier(issuer).verify(issuer.token("alice", secret_note="canary"), ANY, now=clock())
    assert "canary" not in repr(found)
    assert "alice" in repr(found)


@pytest.mark.parametrize("audiences", [[], [""]])
def test_it_never_starts_without_an_audience(audiences: list[str]) -> None:
    with pytest.raises(ValueError, match="audience"):
        Verifier(
            issuer="https://issuer.test",
            audiences=frozenset(audiences),
            leeway=10,
            policy=DEFAULT_POLICY,
            cache_size=1,
        )


@pytest.mark.parametrize("leeway", [-1, 60.1, 3600])
def test_a_leeway_beyond_a_minute_is_refused(leeway: float) -> None:
    issuer, _ = make_issuer()
    with pytest.raises(ValueError, match="leeway"):
        make_verifier(issuer, leeway=leeway)


@rfc("9068", "4")
def test_a_token_for_somebody_else_is_refused() -> None:
    issuer, clock = make_issuer()
    verifier = make_verifier(issuer)
    assert refused(verifier, issuer.token(audience="https://other.test"), now=clock()).reason == "token.audience"
    assert refused(verifier, issuer.token(audience=[]), now=clock()).reason == "token.audience"


def test_a_remembered_token_expires_on_the_second() -> None:
    issuer, clock = make_issuer()
    verifier = make_verifier(issuer, leeway=10)
    token = issuer.token(expires_in=100)
    verifier.verify(token, ANY, now=clock())
    verifier.verify(token, ANY, now=clock() + 109.9)
    assert refused(verifier, token, now=clock() + 110).reason == "token.expired"


def test_a_remembered_token_is_refused_once_it_is_revoked() -> None:
    issuer, clock = make_issuer()
    verifier = make_verifier(issuer)
    token = issuer.token(sid="s1")
    verifier.verify(token, ANY, now=clock())
    issuer.revoke(session="s1")
    verifier.view.take(read(issuer, issuer.batch(0)), kid=issuer.signing_key.kid, now=clock())
    assert refused(verifier, token, now=clock()).reason == "token.revoked"


def test_a_remembered_token_is_refused_once_its_key_is_gone() -> None:
    issuer, clock = make_issuer()
    verifier = make_verifier(issuer)
    token = issuer.token()
    verifier.verify(token, ANY, now=clock())
    verifier.keys.take(jwk_set.parse(TestIssuer().key_set()), now=clock())
    verifier.forget_tokens()
    assert refused(verifier, token, now=clock()).reason == "token.unknown_key"


def test_a_scope_is_demanded_of_remembered_tokens_too() -> None:
    issuer, clock = make_issuer()
    verifier = make_verifier(issuer)
    token = issuer.token(scope="read")
    verifier.verify(token, Scope.parse("read"), now=clock())
    rejected = refused(verifier, token, now=clock(), demanded=Scope.parse("read write"))
    assert (rejected.reason, rejected.status, rejected.scope) == ("token.scope", 403, "read write")


def test_remembered_tokens_are_bounded_and_the_used_ones_stay() -> None:
    issuer, clock = make_issuer()
    verifier = make_verifier(issuer, cache_size=10)
    used = issuer.token()
    for _ in range(50):
        verifier.verify(used, ANY, now=clock())
        verifier.verify(issuer.token(), ANY, now=clock())
        assert len(verifier._young) + len(verifier._old) <= 10
    assert used in verifier._young or used in verifier._old


def test_without_room_nothing_is_remembered() -> None:
    issuer, clock = make_issuer()
    verifier = make_verifier(issuer, cache_size=0)
    verifier.verify(issuer.token(), ANY, now=clock())
    assert not verifier._young


def test_one_changed_character_is_another_token() -> None:
    issuer, clock = make_issuer()
    verifier = make_verifier(issuer)
    token = issuer.token()
    verifier.verify(token, ANY, now=clock())
    changed = token[:-5] + ("A" if token[-5] != "A" else "B") + token[-4:]
    assert refused(verifier, changed, now=clock()).reason == "token.signature"


def test_before_the_start_it_pauses_and_afterwards_says_that_no_key_is_there() -> None:
    issuer, clock = make_issuer()
    verifier = Verifier(
        issuer=issuer.issuer, audiences=frozenset([API]), leeway=10, policy=DEFAULT_POLICY, cache_size=10
    )
    with pytest.raises(Pause) as pause:
        verifier.verify(issuer.token(), ANY, now=clock())
    assert pause.value.need == "start"
    verifier.started = True
    verifier.settle()
    with pytest.raises(KeysUnavailable) as caught:
        verifier.verify(issuer.token(), ANY, now=clock())
    assert (caught.value.status, isinstance(caught.value, TokenRejected)) == (503, False)


def test_keys_older_than_a_day_are_no_keys_even_for_remembered_tokens() -> None:
    issuer, clock = make_issuer()
    verifier = make_verifier(issuer, policy=UNTIL_EXPIRY)
    token = issuer.token(expires_in=3 * 24 * 3600)
    verifier.verify(token, ANY, now=clock())
    verifier.verify(token, ANY, now=clock() + 24 * 3600)
    with pytest.raises(KeysUnavailable):
        verifier.verify(token, ANY, now=clock() + 24 * 3600 + 1)


def test_an_unknown_kid_asks_for_keys_once_in_thirty_seconds() -> None:
    issuer, clock = make_issuer()
    verifier = make_verifier(issuer)
    issuer.rotate_key()
    token = issuer.token()
    with pytest.raises(Pause) as pause:
        verifier.verify(token, ANY, now=clock())
    assert pause.value.need == "keys"
    verifier.keys.asked_for_unknown(clock())
    with pytest.raises(TokenRejected, match="unknown_key"):
        verifier.verify(token, ANY, now=clock() + 29)
    verifier.keys.in_flight = True
    with pytest.raises(Pause):
        verifier.verify(token, ANY, now=clock() + 29)


def test_a_token_of_a_revoked_key_causes_no_fetch() -> None:
    issuer, clock = make_issuer()
    verifier = make_verifier(issuer)
    token = issuer.token()
    issuer.revoke(key=issuer.signing_key.kid)
    verifier.view.take(read(issuer, issuer.batch(0)), kid=issuer.signing_key.kid, now=clock())
    verifier.keys.take(jwk_set.parse(issuer.key_set()), now=clock())
    with pytest.raises(TokenRejected, match=r"token\.revoked"):
        verifier.verify(token, ANY, now=clock())


def test_fail_closed_refuses_with_503_after_its_patience_and_not_before() -> None:
    issuer, clock = make_issuer()
    verifier = make_verifier(issuer, policy=fail_closed_after(60))
    token = issuer.token(expires_in=3600)
    verifier.verify(token, ANY, now=clock() + 60)
    rejected = refused(verifier, token, now=clock() + 60.1)
    assert (rejected.reason, rejected.status) == ("token.revocation_unknown", 503)


def test_an_expired_token_is_called_expired_also_while_the_feed_is_cut() -> None:
    issuer, clock = make_issuer()
    verifier = make_verifier(issuer, policy=fail_closed_after(60))
    token = issuer.token(expires_in=30)
    assert refused(verifier, token, now=clock() + 1000).reason == "token.expired"


def test_until_expiry_goes_on_and_still_knows_what_it_saw() -> None:
    issuer, clock = make_issuer()
    issuer.revoke(session="dead")
    verifier = make_verifier(issuer, policy=UNTIL_EXPIRY)
    verifier.verify(issuer.token(expires_in=7200), ANY, now=clock() + 7000)
    assert refused(verifier, issuer.token(sid="dead", expires_in=7200), now=clock() + 7000).reason == "token.revoked"


def test_introspect_asks_only_about_tokens_that_are_good_otherwise() -> None:
    issuer, clock = make_issuer()
    verifier = make_verifier(issuer, policy=INTROSPECT)
    token = issuer.token(expires_in=3600)
    verifier.verify(token, ANY, now=clock() + 30)
    with pytest.raises(Pause) as pause:
        verifier.verify(token, ANY, now=clock() + 31)
    assert pause.value.need == "introspection"
    verifier.verify(token, ANY, now=clock() + 31, settled=frozenset[Need](["introspection"]))
    assert refused(verifier, token[:-8] + "AAAAAAAA", now=clock() + 31).reason == "token.signature"
    assert refused(verifier, issuer.token(expires_in=1), now=clock() + 31).reason == "token.expired"


@pytest.mark.parametrize("policy", [UNTIL_EXPIRY, INSECURE_WITHOUT_FEED])
def test_policies_without_end_accept_an_issuer_that_never_vouched(policy: RevocationPolicy) -> None:
    issuer, clock = make_issuer()
    verifier = Verifier(issuer=issuer.issuer, audiences=frozenset([API]), leeway=10, policy=policy, cache_size=10)
    verifier.started = True
    verifier.keys.take(jwk_set.parse(issuer.key_set()), now=clock())
    verifier.settle()
    assert verifier.verify(issuer.token(), ANY, now=clock()).subject == "alice"


def test_a_misfit_of_settings_is_neither_refusal_nor_outage() -> None:
    issuer, clock = make_issuer()
    verifier = make_verifier(issuer)
    verifier.misconfigured = "no feed"
    verifier.settle()
    with pytest.raises(ConfigurationError, match="no feed"):
        verifier.verify(issuer.token(), ANY, now=clock())


@pytest.mark.parametrize("seconds", [0, 14.9, float("inf"), float("nan")])
def test_a_patience_that_cannot_work_is_refused(seconds: float) -> None:
    with pytest.raises(ValueError, match="15 seconds"):
        fail_closed_after(seconds)


def test_a_demand_is_a_string_with_spaces_or_several_strings() -> None:
    assert parse_demand("a b") == parse_demand(["a", "b"]) == parse_demand(("b", "a")) == Scope.parse("a b")
    assert parse_demand("") == parse_demand([]) == Scope()
    with pytest.raises(ValueError, match="scope"):
        parse_demand('a"b')
