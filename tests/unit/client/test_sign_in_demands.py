"""What a client asked of a sign-in is what the ID token must say of it."""

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from tests.support.rfc import rfc, standard

from watchword.client import Identity, SignInAgain
from watchword.client.authorization import Transaction, Wish
from watchword.client.browser_steps import _identity
from watchword.client.web_session import Ending, WebSession
from watchword.protocol import id_token
from watchword.protocol.authentication_class import ACR_PASSKEY, ACR_PASSWORD, ACR_TWO_FACTOR
from watchword.protocol.jws import SigningKey
from watchword.protocol.token_response import TokenResponse

ISSUER, CLIENT, NOW = "https://auth.example", "shop", 1_800_000_000
KEY = SigningKey("k1", ec.generate_private_key(ec.SECP256R1()))


def signed_in(
    *, wish: Wish, begun_ago: float = 5, signed_in_ago: int | None = 1, acr: str | None = ACR_PASSWORD
) -> Any:
    transaction = Transaction(
        issuer=ISSUER,
        client_id=CLIENT,
        redirect_uri="https://shop.example/callback",
        state="s",
        nonce="n",
        verifier="v" * 43,
        begun_at=NOW - begun_ago,
        wish=wish,
    )
    made = id_token.claims(
        issuer=ISSUER,
        subject="ada",
        client_id=CLIENT,
        issued_at=NOW,
        expires_at=NOW + 300,
        auth_time=NOW - (signed_in_ago or 0),
        acr=acr or "",
        amr=(),
        sid="s1",
        access_token="at",
        nonce="n",
    )
    missing = {"acr"} if acr is None else set()
    missing |= {"auth_time"} if signed_in_ago is None else set()
    token = KEY.sign({name: value for name, value in made.items() if name not in missing}, typ="JWT")
    response = TokenResponse(access_token="at", token_type="Bearer", expires_in=900, scope="openid", id_token=token)
    return _identity(transaction, response, {"k1": KEY.verification_key}, now=float(NOW))


def wish(**asked: Any) -> Wish:
    return Wish(scope=("openid",), **asked)


@standard("OpenID Connect Core 1.0", "3.1.3.7")
@pytest.mark.parametrize(
    ("acr", "good"),
    [(ACR_PASSKEY, True), (ACR_TWO_FACTOR, True), (ACR_PASSWORD, False), ("urn:x", False), (None, False)],
)
def test_a_sign_in_weaker_than_what_was_asked_for_is_refused(acr: str | None, good: bool) -> None:
    asked = wish(acr_values=(ACR_TWO_FACTOR,))
    if good:
        found = signed_in(wish=asked, acr=acr)
        assert isinstance(found, Identity)
        assert found.acr == acr
    else:
        with pytest.raises(SignInAgain) as caught:
            signed_in(wish=asked, acr=acr)
        assert caught.value.reason == "unmet_authentication_requirements"


@standard("OpenID Connect Core 1.0", "3.1.3.7")
@pytest.mark.parametrize("signed_in_ago", [None, 60 + 120 + 6])
def test_a_sign_in_older_than_what_was_asked_for_is_refused(signed_in_ago: int | None) -> None:
    with pytest.raises(SignInAgain) as caught:
        signed_in(wish=wish(max_age=60), signed_in_ago=signed_in_ago)
    assert caught.value.reason == "wrong_id_token"


def test_a_user_may_take_his_time_on_the_issuers_pages_after_he_signed_in() -> None:
    assert signed_in(wish=wish(max_age=0), begun_ago=500, signed_in_ago=490).subject == "ada"


def session(**changed: Any) -> WebSession:
    kept: dict[str, Any] = {
        "issuer": ISSUER,
        "subject": "ada",
        "session_id": "s1",
        "auth_time": NOW,
        "acr": ACR_TWO_FACTOR,
        "amr": (),
        "claims": {"iat": NOW},
        "id_token": "x",
        "until": NOW + 1000,
    }
    return WebSession(**kept | changed)


@rfc("9470", "4")
def test_a_session_knows_whether_its_sign_in_meets_a_demand() -> None:
    assert session().meets(max_age=60, acr_values=(ACR_PASSWORD,), now=NOW + 60)
    assert session().meets(max_age=None, acr_values=(), now=NOW + 1e6)
    assert not session().meets(max_age=60, acr_values=(), now=NOW + 61)
    assert not session(auth_time=None).meets(max_age=60, acr_values=(), now=NOW)
    assert not session().meets(max_age=None, acr_values=(ACR_PASSKEY,), now=NOW)
    assert not session(acr=None).meets(max_age=None, acr_values=(ACR_PASSWORD,), now=NOW)


def test_an_ending_means_a_session_by_its_name_or_by_its_user_and_its_age() -> None:
    def ended(subject: str | None, session_id: str | None, at: float = NOW, **changed: Any) -> bool:
        return session(**changed).is_ended_by(Ending(subject=subject, session_id=session_id, at=at))

    assert ended("ada", "s1", at=NOW - 1e6), "a session's name is never used again"
    assert ended(None, "s1")
    assert not ended("bob", "s1")
    assert not ended("ada", "s2")
    assert ended("ada", None)
    assert ended("ada", None, claims={}), "whoever does not say when it began is not spared"
    assert not ended("ada", None, at=NOW - 1)
    assert not ended("bob", None)
