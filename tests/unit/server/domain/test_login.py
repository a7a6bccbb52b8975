"""What a user has to do before the application gets its answer."""

from dataclasses import replace
from typing import Any

import pytest
from tests.support.builders import NOW, a_browser_session, a_user
from tests.support.rfc import rfc, standard

from watchword.protocol.scope import Scope
from watchword.server.domain import login
from watchword.server.domain.authorization_request import AuthorizationRequest
from watchword.server.domain.login import (
    CLOCKS_APART,
    NOT_SEEN,
    Asked,
    NotSeen,
    needs_sign_in,
    next_step,
    silent_refusal,
)
from watchword.server.domain.session import Session

CORE = "OpenID Connect Core 1.0"


def asked(*, before: bytes | NotSeen | None = None, since: float = NOW, **fields: Any) -> Asked:
    request = AuthorizationRequest(
        client_id="shop",
        redirect_uri="https://shop.example/callback",
        response_mode="query",
        scope=Scope(),
        resources=(),
        code_challenge=None,
        **fields,
    )
    return Asked(request=request, before=before, since=since)


def session_of(*, auth_time: int = int(NOW), cookie_hash: bytes = b"now", **changes: Any) -> Session:
    return replace(a_browser_session(a_user()), auth_time=auth_time, cookie_hash=cookie_hash, **changes)


@standard(CORE, "3.1.2.3")
def test_without_a_session_the_user_signs_in() -> None:
    assert needs_sign_in(asked(), None, now=NOW)
    assert next_step(asked(), None, consent_needed=True, now=NOW) == "sign_in"


def test_with_a_session_nothing_more_is_asked() -> None:
    session = session_of(auth_time=int(NOW) - 10_000)
    assert next_step(asked(before=b"now"), session, consent_needed=False, now=NOW) == "answer"
    assert next_step(asked(before=b"now"), session, consent_needed=True, now=NOW) == "consent"


@standard(CORE, "3.1.2.1")
@pytest.mark.parametrize("prompt", ["login", "select_account", "create"])
def test_a_demanded_sign_in_must_change_the_cookie_and_be_no_older_than_the_request(prompt: Any) -> None:
    wanted = asked(before=b"then", prompt=frozenset({prompt}))
    assert needs_sign_in(wanted, session_of(cookie_hash=b"then"), now=NOW)
    assert not needs_sign_in(wanted, session_of(cookie_hash=b"now"), now=NOW)
    # An old sign-in does not become new by a request that was begun without its cookie.
    old = session_of(auth_time=int(NOW) - CLOCKS_APART - 1)
    assert needs_sign_in(asked(prompt=frozenset({prompt})), old, now=NOW)
    assert not needs_sign_in(asked(prompt=frozenset({prompt})), replace(old, auth_time=old.auth_time + 1), now=NOW)


@standard(CORE, "3.1.2.1")
@pytest.mark.parametrize("fields", [{"prompt": frozenset({"login"})}, {"max_age": 0}], ids=str)
def test_no_sign_in_is_new_while_the_browsers_cookie_was_not_looked_for(fields: dict[str, Any]) -> None:
    assert needs_sign_in(asked(before=NOT_SEEN, **fields), session_of(), now=NOW + 1)
    assert not needs_sign_in(asked(before=None, **fields), session_of(), now=NOW + 1)


@standard(CORE, "3.1.2.1")
@pytest.mark.parametrize(("age", "needed"), [(0, False), (60, False), (61, True)])
def test_max_age_counts_from_the_sign_in(age: int, needed: bool) -> None:
    session = session_of(auth_time=int(NOW) - age)
    assert needs_sign_in(asked(before=b"now", max_age=60), session, now=NOW) is needed


def test_max_age_zero_is_met_by_a_sign_in_made_for_it() -> None:
    wanted = asked(before=b"then", max_age=0)
    assert not needs_sign_in(wanted, session_of(), now=NOW + 30)
    assert needs_sign_in(wanted, session_of(cookie_hash=b"then"), now=NOW + 30)


@standard(CORE, "3.1.2.2")
def test_another_user_than_the_hinted_one_must_sign_in_once_and_no_more() -> None:
    session = session_of(cookie_hash=b"then")
    wanted = asked(before=b"then", hinted_sub="somebody-else")
    assert needs_sign_in(wanted, session, now=NOW)
    assert not login.is_somebody_else(wanted, session)
    assert login.is_somebody_else(wanted, replace(session, cookie_hash=b"now"))
    assert not needs_sign_in(asked(hinted_sub=session.sub), session, now=NOW)


@rfc("9470", "5")
def test_a_weaker_sign_in_never_satisfies_a_stronger_demand() -> None:
    session = session_of()
    assert needs_sign_in(asked(acr_values=("urn:example:passkey",)), session, now=NOW)
    assert not needs_sign_in(asked(acr_values=("urn:example:passkey", session.acr)), session, now=NOW)


@standard(CORE, "3.1.2.6")
def test_what_a_silent_request_is_told() -> None:
    refusals = {step: silent_refusal(step) for step in ("sign_in", "consent", "answer")}
    codes = {step: None if error is None else error.code for step, error in refusals.items()}
    assert codes == {"sign_in": "login_required", "consent": "consent_required", "answer": None}
