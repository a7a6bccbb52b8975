"""Users, clients, sessions, lifetimes, claims: what cannot be built, and what is not shown."""

from typing import Any

import pytest
from tests.support.rfc import rfc
from tests.unit.server.domain.build import ISSUER, NOW, ORDERS, catalog, client, grant, standing

from watchword.protocol.scope import Scope
from watchword.server.domain import claims
from watchword.server.domain.audit import Administered, RefreshForked
from watchword.server.domain.lifetimes import BROWSER_APP, NATIVE_APP, PROFILES, SERVICE, Lifetimes, RefreshLifetime
from watchword.server.domain.user import User


@pytest.mark.parametrize(
    "changes",
    [
        {"type": "confidential"},
        {"auth_method": "client_secret_basic"},
        {"secret_hash": b"h" * 32},
        {"type": "confidential", "auth_method": "client_secret_basic"},
        {"grant_types": frozenset({"client_credentials"})},
        {"serves": ORDERS},
    ],
)
@rfc("6749", "4.4.2")
def test_a_client_that_contradicts_itself_cannot_be_built(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"client|confidential"):
        client(**changes)


def test_only_public_clients_rotate() -> None:
    assert client().rotates
    assert not client(type="confidential", auth_method="client_secret_post", secret_hash=b"h" * 32).rotates


def test_no_repr_shows_a_secret() -> None:
    shown = repr(client(type="confidential", auth_method="client_secret_post", secret_hash=b"a secret hash"))
    user = User(sub="s", username="n", username_key="n", created_at=NOW, password_hash="$argon2", email="a@b.c")
    assert "secret hash" not in shown
    assert "$argon2" not in repr(user)
    assert "a@b.c" not in repr(user)


@pytest.mark.parametrize(("idle", "absolute"), [(0, 1), (-1, 1), (2, 1), (1, 0), (float("nan"), 1)])
def test_a_lifetime_that_ends_before_it_begins_cannot_be_built(idle: float, absolute: float) -> None:
    with pytest.raises(ValueError, match="idle end"):
        RefreshLifetime(idle=idle, absolute=absolute)


def test_a_client_with_a_profile_has_its_lifetime_and_one_without_has_the_operators() -> None:
    chosen = Lifetimes(refresh=RefreshLifetime(idle=1, absolute=2))
    assert chosen.refresh_of(None) == RefreshLifetime(idle=1, absolute=2)
    assert [chosen.refresh_of(name) for name in PROFILES] == [BROWSER_APP, NATIVE_APP, SERVICE]
    assert (NATIVE_APP.idle, NATIVE_APP.absolute) == (14 * 86_400, 90 * 86_400)


@rfc("9068", "2.2")
def test_a_users_token_names_all_by_which_it_can_be_revoked() -> None:
    made = claims.of_user_token(
        grant(),
        standing(),
        issuer=ISSUER,
        audience=ORDERS,
        scope=Scope.parse("orders:read"),
        jti="jti",
        iat=1,
        exp=2,
    )
    assert {"iss", "exp", "aud", "sub", "client_id", "iat", "jti"} <= made.keys()
    assert (made["sid"], made["gid"], made["epoch"], made["jti"]) == ("sid", "gid", 2, "jti")
    assert (made["auth_time"], made["acr"], made["amr"]) == (int(NOW), "acr", ["pwd"])
    assert grant().id not in str(made).encode()


@rfc("9068", "2.2")
def test_a_clients_own_token_names_the_client_as_its_subject_and_no_session() -> None:
    made = claims.of_client_token("job", issuer=ISSUER, audience=ORDERS, scope=Scope(), jti="jti", iat=1, exp=2)
    assert (made["sub"], made["client_id"]) == ("job", "job")
    assert made.keys().isdisjoint({"sid", "gid", "epoch", "auth_time", "acr", "amr"})


@pytest.mark.parametrize(
    ("on", "reason"),
    [
        (standing(), None),
        (standing(session_ended_reason="signed_out", user_enabled=False), "signed_out"),
        (standing(user_enabled=False, client_enabled=False), "user_disabled"),
        (standing(session_epoch=1), "logged_out_everywhere"),
        (standing(client_enabled=False), "client_disabled"),
    ],
)
def test_a_grant_falls_with_what_it_stands_on(on: Any, reason: str | None) -> None:
    assert on.ended_reason(grant()) == reason


def test_roles_open_guarded_scopes_and_leave_the_others_alone() -> None:
    whole = Scope.parse("orders:read orders:write")
    assert catalog().open_to(frozenset(), whole) == Scope.parse("orders:read")
    assert catalog().open_to(frozenset({"clerk"}), whole) == whole


def test_an_audit_event_keeps_what_is_known() -> None:
    assert Administered(what="user.created", subject="s").fields() == {"what": "user.created", "subject": "s"}
    assert RefreshForked.kind == "refresh.fork"
