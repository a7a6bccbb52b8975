"""Logout tokens: their claims."""

import pytest
from tests.support.rfc import standard

from watchword.protocol import logout_token

LOGOUT = "OpenID Connect Back-Channel Logout 1.0"


@standard(LOGOUT, "2.4")
@pytest.mark.parametrize("sid", ["a-session", None])
def test_a_logout_token_says_who_and_which_session_and_lives_two_minutes(sid: str | None) -> None:
    made = logout_token.claims(
        issuer="https://auth.example", client_id="shop", subject="ada", sid=sid, issued_at=1000, jti="once"
    )
    assert made == {
        "iss": "https://auth.example",
        "aud": "shop",
        "sub": "ada",
        "iat": 1000,
        "exp": 1120,
        "jti": "once",
        # §2.4: the member's value "MUST be a JSON object and SHOULD be the empty JSON object {}".
        "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
        **({} if sid is None else {"sid": sid}),
    }
    assert "nonce" not in made
