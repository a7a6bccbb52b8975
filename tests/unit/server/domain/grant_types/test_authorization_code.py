"""The authorization code answers once, to the client with the verifier."""

from dataclasses import replace
from typing import Any

import pytest
from tests.support.rfc import rfc
from tests.unit.server.domain.build import NOW, ORDERS, caller

from watchword.protocol import pkce
from watchword.protocol.scope import Scope
from watchword.server.domain.grant_types.authorization_code import (
    AuthorizationCode,
    Judgement,
    Presentation,
    Redeem,
    Refuse,
    Replayed,
    judge,
)
from watchword.server.domain.session import Authentication

VERIFIER = "v" * 43
STRANGER = caller("198.51.100.0/24")
FRESH = AuthorizationCode(
    code_hash=b"h" * 32,
    client_id="app",
    authentication=Authentication(sub="sub", epoch=0, auth_time=int(NOW), acr="", amr=("pwd",)),
    scope=Scope(),
    audiences=(ORDERS,),
    code_challenge=pkce.challenge_of(VERIFIER),
    expires_at=NOW + 60,
    device="",
    redirect_uri="https://app.example/cb",
)
SPENT = replace(FRESH, redeemed_at=NOW, redeemed_by=caller().mark, gid="gid")


def told(code: AuthorizationCode, now: float = NOW, **changes: Any) -> Judgement:
    ordinary = Presentation(client_id="app", code_verifier=VERIFIER, redirect_uri=None, caller=caller())
    return judge(code, replace(ordinary, **changes), now=now, overlap=30)


def test_a_good_code_is_redeemed_with_or_without_its_redirect_uri() -> None:
    assert told(FRESH) == Redeem()
    assert told(FRESH, redirect_uri="https://app.example/cb") == Redeem()
    assert told(FRESH, caller=None) == Redeem()


@rfc("6749", "4.1.2")
def test_a_code_expires() -> None:
    assert told(FRESH, NOW + 59.999) == Redeem()
    assert told(FRESH, NOW + 60) == Refuse("code.expired")


@rfc("6749", "4.1.3")
@pytest.mark.parametrize("code", [FRESH, SPENT])
@pytest.mark.parametrize(
    ("changes", "slug"),
    [
        ({"client_id": "other"}, "code.other_client"),
        ({"code_verifier": "w" * 43}, "code.wrong_verifier"),
        ({"code_verifier": pkce.challenge_of(VERIFIER)}, "code.wrong_verifier"),
        ({"redirect_uri": "https://app.example/other"}, "code.other_redirect_uri"),
        ({"redirect_uri": ""}, "code.other_redirect_uri"),
    ],
)
def test_who_does_not_know_all_is_refused_and_changes_nothing(
    code: AuthorizationCode, changes: dict[str, str], slug: str
) -> None:
    assert told(code, NOW + 999, caller=STRANGER, **changes) == Refuse(slug)


@rfc("9700", "4.5")
@pytest.mark.parametrize(
    ("later", "who"), [(0.0, STRANGER), (0.0, None), (30.001, caller()), (999.0, STRANGER), (999.0, None)]
)
def test_a_replay_by_somebody_who_knows_all_ends_what_the_first_use_gave(later: float, who: object) -> None:
    assert told(SPENT, NOW + later, caller=who) == Replayed("gid")


@pytest.mark.parametrize("later", [0.0, 30.0])
def test_a_lost_answer_asked_for_again_is_refused_and_ends_nothing(later: float) -> None:
    assert told(SPENT, NOW + later) == Refuse("code.already_redeemed")


def test_a_replay_of_a_code_that_gave_nothing_ends_nothing() -> None:
    assert told(replace(SPENT, gid=None), NOW + 999, caller=STRANGER) == Refuse("code.already_redeemed")


def test_a_code_from_the_challenge_endpoint_has_no_redirect_uri_to_match() -> None:
    assert told(replace(FRESH, redirect_uri=None), redirect_uri="https://app.example/cb") == Refuse(
        "code.other_redirect_uri"
    )
