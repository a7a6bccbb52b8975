"""RFC 9470, as a resource server and its clients have to keep it."""

import pytest
from tests.support.rfc import rfc

from watchword.protocol.step_up import SignInDemand, parse_challenge
from watchword.resource import ACR_PASSKEY, ACR_PASSWORD, ACR_TWO_FACTOR, ResourceServer, TokenRejected
from watchword.resource.refusal import render_refusal
from watchword.testing import FrozenClock, TestIssuer

FOREIGN = "urn:example:smart-card"


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def issuer(clock: FrozenClock) -> TestIssuer:
    return TestIssuer(clock=clock)


@pytest.fixture
def server(issuer: TestIssuer) -> ResourceServer:
    return issuer.resource_server()


def refused(server: ResourceServer, token: str, **demanded: object) -> TokenRejected:
    with pytest.raises(TokenRejected) as caught:
        server.verify(token, **demanded)  # type: ignore[arg-type] # what a test demands is checked by verify
    return caught.value


@rfc("9470", "3")
def test_the_challenge_names_the_error_and_all_that_is_demanded(server: ResourceServer, issuer: TestIssuer) -> None:
    rejected = refused(server, issuer.token(), max_age=300, acr_values=[ACR_PASSKEY, FOREIGN])
    answer = render_refusal(rejected)
    assert (answer.status, answer.error) == (401, "insufficient_user_authentication")
    challenge = answer.headers["WWW-Authenticate"]
    assert challenge.startswith('Bearer error="insufficient_user_authentication", error_description="')
    assert challenge.endswith(f'acr_values="{ACR_PASSKEY} {FOREIGN}", max_age="300"')
    assert parse_challenge([challenge]) == SignInDemand(max_age=300, acr_values=(ACR_PASSKEY, FOREIGN))


@rfc("9470", "3")
def test_a_challenge_says_nothing_of_what_was_not_demanded(server: ResourceServer, issuer: TestIssuer) -> None:
    old = issuer.token(signed_in_ago=400)
    assert "acr_values" not in refused(server, old, max_age=300).challenge()
    assert "max_age" not in refused(server, old, acr_values=ACR_PASSKEY).challenge()


@rfc("9470", "6.1")
def test_a_sign_in_that_lies_too_far_back_is_refused_on_the_second(
    server: ResourceServer, issuer: TestIssuer, clock: FrozenClock
) -> None:
    token = issuer.token(expires_in=3600)
    assert server.verify(token, max_age=300).auth_time == clock()
    clock.advance(310)  # with the leeway
    assert server.verify(token, max_age=300).subject == "alice"
    clock.advance(1)
    assert refused(server, token, max_age=300).reason == "token.auth_time"
    assert server.verify(token).subject == "alice", "it is as good as ever for what demands nothing"
    assert server.verify(token, max_age=600).subject == "alice"


@rfc("9470", "6.1")
def test_a_token_that_does_not_say_when_its_user_signed_in_meets_no_age(
    server: ResourceServer, issuer: TestIssuer
) -> None:
    own = issuer.token("a-service", signed_in_ago=None, acr=None, amr=None, sid=None, gid=None, epoch=None)
    found = server.verify(own)
    assert (found.auth_time, found.acr, found.amr) == (None, None, ())
    assert refused(server, own, max_age=999_999_999).reason == "token.auth_time"
    assert refused(server, own, acr_values=ACR_PASSWORD).reason == "token.acr"


def test_a_sign_in_in_the_future_is_not_fresh_for_ever(server: ResourceServer, issuer: TestIssuer) -> None:
    assert server.verify(issuer.token(signed_in_ago=-10), max_age=60).subject == "alice"
    assert refused(server, issuer.token(signed_in_ago=-11), max_age=60).reason == "token.auth_time"


@rfc("9470", "3")
def test_any_of_the_demanded_classes_will_do_and_a_stronger_one_of_ours_too(
    server: ResourceServer, issuer: TestIssuer
) -> None:
    two, card = issuer.token(acr=ACR_TWO_FACTOR, amr=["pwd", "otp"]), issuer.token(acr=FOREIGN)
    assert server.verify(two, acr_values=f"{FOREIGN} {ACR_TWO_FACTOR}").amr == ("pwd", "otp")
    assert server.verify(two, acr_values=ACR_PASSWORD).acr == ACR_TWO_FACTOR
    assert refused(server, two, acr_values=ACR_PASSKEY).reason == "token.acr"
    assert server.verify(card, acr_values=[ACR_PASSKEY, FOREIGN]).acr == FOREIGN
    assert refused(server, card, acr_values=ACR_PASSWORD).reason == "token.acr"


def test_what_would_be_refused_all_the_same_sends_nobody_to_sign_in(
    server: ResourceServer, issuer: TestIssuer, clock: FrozenClock
) -> None:
    assert refused(server, issuer.token(signed_in_ago=99), scope="a", max_age=5).reason == "token.scope"
    assert refused(server, issuer.token(expires_in=-60), max_age=5).reason == "token.expired"
    revoked = issuer.token(sid="gone", signed_in_ago=99)
    issuer.revoke(session="gone")
    assert refused(server, revoked, max_age=5).reason == "token.revoked"
    stale = issuer.token(expires_in=3600, signed_in_ago=99)
    assert refused(server, stale, max_age=5).reason == "token.auth_time"
    issuer.reachable = False
    clock.advance(301)
    assert refused(server, stale, max_age=5).status == 503, "whether it was revoked is not known"


@pytest.mark.parametrize(
    "demanded", [{"max_age": -1}, {"max_age": "300"}, {"acr_values": 'a"'}, {"acr_values": ["a b"]}, {"max_age": True}]
)
def test_a_malformed_demand_is_the_programs_mistake(
    server: ResourceServer, issuer: TestIssuer, demanded: dict[str, object]
) -> None:
    with pytest.raises(ValueError, match=r"max_age|acr_values"):
        server.verify(issuer.token(), **demanded)  # type: ignore[arg-type] # wrong on purpose


@pytest.mark.parametrize("auth_time", [-1, 10**12, 2**70, 1.5, "now"])
def test_a_claim_that_is_no_time_is_refused_whatever_is_demanded(
    server: ResourceServer, issuer: TestIssuer, auth_time: object
) -> None:
    assert refused(server, issuer.token(auth_time=auth_time)).reason == "token.claims"


async def test_the_asynchronous_server_demands_the_same(issuer: TestIssuer) -> None:
    server = issuer.async_resource_server()
    token = issuer.token(signed_in_ago=60)
    assert (await server.verify(token, max_age=60, acr_values=ACR_PASSWORD)).acr == ACR_PASSWORD
    with pytest.raises(TokenRejected) as caught:
        await server.verify(token, max_age=30)
    assert caught.value.reason == "token.auth_time"
