"""How strong a password is taken to be: what parts its words adds nothing."""

from collections.abc import AsyncIterator

import pytest
from tests.support.rfc import standard

from watchword.server.adapters.argon2_passwords import Argon2Passwords
from watchword.server.domain.password_policy import MIN_SCORE

NIST = "NIST SP 800-63B-4"


@pytest.fixture
async def passwords() -> AsyncIterator[Argon2Passwords]:
    """The real estimate."""
    found = Argon2Passwords()
    yield found
    found.close()


@standard(NIST, "3.1.1.2")
@pytest.mark.parametrize(
    "password",
    [
        "password password",
        "iloveyou iloveyou",
        "password  password",
        "password\u2003password",
        "password-password",
        "password_password",
        "password.password",
        "password - password",
        "password password!",
        "p@ssword-p@ssword",
        "password1password1",
        "password 1 password",
        "p a s s w o r d p a s s w o r d",
    ],
)
async def test_a_sign_between_words_makes_no_password_of_them(passwords: Argon2Passwords, password: str) -> None:
    assert await passwords.score(password, context=()) < MIN_SCORE


@pytest.mark.parametrize(
    "password",
    [
        "four words in a row",
        "correct horse battery staple",
        "correct-horse-battery-staple",
        "vier w\u00f6rter in einer reihe",
        "an entirely different passphrase",
        "917 3562 0841 77 3590 26",
        # Of signs alone, or nearly: what is left out is one of many.
        "$%&/()=!*+#-_.:~",
        "zK4$w;R!p0:q_Xe",
    ],
)
async def test_words_that_do_not_belong_together_do_and_so_does_what_chance_made(
    passwords: Argon2Passwords, password: str
) -> None:
    assert await passwords.score(password, context=()) >= MIN_SCORE


async def test_words_of_the_context_are_found_in_pieces_too(passwords: Argon2Passwords) -> None:
    alone = await passwords.score("marmaduke marmaduke", context=())
    assert alone < MIN_SCORE or await passwords.score("marmaduke marmaduke", context=("marmaduke",)) < MIN_SCORE
    assert await passwords.score("thunder bird example", context=("thunderbirdexample",)) < MIN_SCORE
