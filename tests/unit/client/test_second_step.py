"""The second step of a first-party sign-in, by both sources against a real server on loopback."""

import pytest
from tests.support.fake_token_server import DROP_ANSWER, DROP_REQUEST, FakeTokenServer, unavailable
from tests.support.rfc import standard
from tests.unit.client.driving import PASSWORD, Driven, Make

from watchword.client import MemoryTokenStore, SecondStep, SecondStepNeeded, SignInAgain, TryLater

DRAFT = "OAuth 2.0 for First-Party Applications"
CODE = "314159"


def begun(source: Driven, server: FakeTokenServer, **options: str) -> SecondStep:
    """A sign-in of a user with an authenticator app, after the password."""
    server.otps["alice"] = CODE
    with pytest.raises(SecondStepNeeded) as caught:
        source.sign_in(**options)
    return caught.value.step


@standard(DRAFT, "5.3")
def test_a_right_password_that_does_not_do_alone_says_what_is_wanted_and_signs_nobody_in(
    make: Make, server: FakeTokenServer
) -> None:
    source = make()
    server.otps["alice"] = CODE
    with pytest.raises(SecondStepNeeded) as caught:
        source.sign_in()
    assert (caught.value.reason, caught.value.methods) == ("second_step", ("otp", "recovery_code"))
    # Whoever only knows SignInAgain does the right thing.
    assert isinstance(caught.value, SignInAgain)
    with pytest.raises(SignInAgain):
        source.token()
    assert server.count("/token") == 0


@pytest.mark.parametrize("method", ["otp", "recovery_code"])
def test_the_code_gives_a_token(make: Make, server: FakeTokenServer, method: str) -> None:
    source = make(scope="orders:read")
    step = begun(source, server)
    source.take_second_step(step, **{method: CODE})
    assert source.token() in server.issued
    _, second = server.forms("/authorize-challenge")
    assert second == {"client_id": "app", "auth_session": step.auth_session, method: CODE}


@standard(DRAFT, "5.3.1")
def test_a_wrong_code_may_be_followed_by_another_one(make: Make, server: FakeTokenServer) -> None:
    source = make()
    step = begun(source, server)
    for typed in ("000000", "111111"):
        with pytest.raises(SecondStepNeeded) as caught:
            source.take_second_step(step, otp=typed)
        assert caught.value.reason == "wrong_code"
        assert caught.value.step.auth_session != step.auth_session
        step = caught.value.step
    source.take_second_step(step, otp=CODE)
    assert source.token() in server.issued


def test_another_source_of_the_same_client_can_go_on(make: Make, server: FakeTokenServer) -> None:
    # A web server asks for the code in another request than for the password, and maybe in another process.
    store = MemoryTokenStore()
    step = begun(make(store=store), server)
    make(store=store).take_second_step(step, otp=CODE)
    assert make(store=store).token() in server.issued


def test_a_step_that_was_taken_is_over(make: Make, server: FakeTokenServer) -> None:
    source = make()
    step = begun(source, server)
    source.take_second_step(step, otp=CODE)
    with pytest.raises(SignInAgain) as caught:
        source.take_second_step(step, otp=CODE)
    assert caught.value.reason == "invalid_session"
    assert source.token() in server.issued


def test_a_request_that_never_came_is_sent_again_with_the_same_code(make: Make, server: FakeTokenServer) -> None:
    source = make()
    step = begun(source, server)
    server.fail("/authorize-challenge", DROP_REQUEST)
    source.take_second_step(step, otp=CODE)
    assert source.token() in server.issued


@pytest.mark.parametrize(("path", "reason"), [("/authorize-challenge", "invalid_session"), ("/token", "answer_lost")])
def test_where_an_answer_is_lost_the_user_signs_in_again_as_his_code_is_used_up(
    make: Make, server: FakeTokenServer, path: str, reason: str
) -> None:
    source = make()
    step = begun(source, server)
    server.fail(path, DROP_ANSWER)
    with pytest.raises(SignInAgain) as caught:
        source.take_second_step(step, otp=CODE)
    assert caught.value.reason == reason
    source.take_second_step(begun(source, server), otp=CODE)
    assert source.token() in server.issued


def test_too_many_tries_say_when_to_come_again(make: Make, server: FakeTokenServer) -> None:
    source = make()
    step = begun(source, server)
    server.fail("/authorize-challenge", unavailable(30, status=429))
    with pytest.raises(TryLater) as caught:
        source.take_second_step(step, otp=CODE)
    assert caught.value.retry_after == 30
    source.take_second_step(step, otp=CODE)


def test_a_new_sign_in_by_two_steps_hands_the_old_token_back(user: Driven, server: FakeTokenServer) -> None:
    step = begun(user, server)
    assert server.forms("/revoke") == []
    user.take_second_step(step, otp=CODE)
    assert [form["token"] for form in server.forms("/revoke")] == ["rt-0-1"]


@pytest.mark.parametrize("codes", [{}, {"otp": CODE, "recovery_code": CODE}])
def test_one_code_is_given(make: Make, server: FakeTokenServer, codes: dict[str, str]) -> None:
    source = make()
    step = begun(source, server)
    with pytest.raises(ValueError, match="one of otp and recovery_code"):
        source.take_second_step(step, **codes)


def test_neither_the_error_nor_the_step_shows_anything_secret(make: Make, server: FakeTokenServer) -> None:
    server.otps["alice"] = CODE
    with pytest.raises(SecondStepNeeded) as caught:
        make().sign_in()
    step = caught.value.step
    for secret in (step.auth_session, step.verifier, PASSWORD):
        assert secret not in repr(caught.value)
        assert secret not in repr(step)
