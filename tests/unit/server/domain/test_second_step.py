"""When a password does not do alone, and what is known between the two steps."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.cast import user_named

from watchword.protocol.authentication_class import ACR_PASSKEY, ACR_PASSWORD, ACR_TWO_FACTOR
from watchword.server.domain.factors import Factors
from watchword.server.domain.second_step import SecondStep, Wish, mark_of, methods_of, pack, unpack

ADA = user_named("ada", password_hash="a hash")
STEP = SecondStep(
    sub=ADA.sub,
    username="ada",
    epoch=ADA.epoch,
    password_at=1_800_000_000.25,
    password_mark=mark_of(ADA.password_hash),
    nonce=bytes(range(16)),
    methods=("otp",),
)


def factors(*, totp: bool = False, passkeys: int = 0, recovery_codes: int = 0) -> Factors:
    return Factors(totp=totp, passkeys=passkeys, recovery_codes=recovery_codes)


@pytest.mark.parametrize(
    ("held", "wanted", "methods"),
    [
        (factors(), (), ()),
        (factors(), (ACR_TWO_FACTOR,), ()),
        (factors(totp=True), (), ("otp",)),
        (factors(totp=True), (ACR_PASSWORD,), ("otp",)),
        (factors(totp=True, recovery_codes=3), (), ("otp", "recovery_code")),
        # A user with passkeys alone signs in with his password, unless more is wanted.
        (factors(passkeys=1, recovery_codes=3), (), ()),
        (factors(passkeys=1, recovery_codes=3), (ACR_PASSWORD,), ()),
        (factors(passkeys=1, recovery_codes=3), (ACR_TWO_FACTOR,), ("recovery_code",)),
        (factors(passkeys=1, recovery_codes=3), (ACR_TWO_FACTOR, ACR_PASSWORD), ()),
        # No code makes a passkey of a password.
        (factors(passkeys=1, recovery_codes=3), (ACR_PASSKEY,), ()),
        (factors(passkeys=1), (ACR_TWO_FACTOR,), ()),
        (factors(passkeys=1, recovery_codes=3), ("urn:of:somebody:else",), ()),
    ],
)
def test_what_a_second_step_is_taken_with(held: Factors, wanted: tuple[str, ...], methods: tuple[str, ...]) -> None:
    assert methods_of(held, wanted) == methods


@pytest.mark.parametrize(
    "user",
    [
        replace(ADA, enabled=False),
        replace(ADA, epoch=ADA.epoch + 1),
        replace(ADA, password_hash="another hash"),
        replace(ADA, password_hash=None),
        user_named("bob", password_hash="a hash"),
    ],
    ids=["disabled", "logged out everywhere", "another password", "no password", "another user"],
)
def test_a_step_is_for_the_user_as_he_was(user: object) -> None:
    assert STEP.is_for(ADA)
    assert not STEP.is_for(user)  # type: ignore[arg-type]


@given(st.text(), st.lists(st.text()).map(tuple), st.none() | st.text(), st.binary(min_size=16, max_size=16))
def test_a_step_comes_back_as_it_went(scope: str, resources: tuple[str, ...], challenge: str, nonce: bytes) -> None:
    wish = Wish(scope=scope, resources=resources, code_challenge=challenge)
    step = replace(STEP, wish=wish, nonce=nonce, methods=("otp", "recovery_code"))
    assert unpack(pack(step)) == step
    assert unpack(pack(STEP)) == STEP


def test_a_mark_says_nothing_of_the_hash_and_the_nonce_names_the_step() -> None:
    assert "a hash" not in STEP.password_mark
    assert len({mark_of("a"), mark_of("b"), mark_of(None)}) == 3
    assert STEP.spent_key != replace(STEP, nonce=bytes(16)).spent_key
    assert "nonce" not in repr(STEP)
