"""The commands: what they print, how they end, and the one line in which they refuse."""

import gc
from dataclasses import replace

import anyio
import pytest
from tests.support.builders import a_session, a_totp
from tests.unit.server.cli.conftest import PASSWORD, Commands

from watchword.protocol import base64url
from watchword.server.settings import Settings

ORDERS = "https://orders.example.com"


def with_alice(watchword: Commands) -> str:
    """Alice's sub."""
    said = watchword.done("users", "create", "alice", "--password-stdin", "--json", stdin=PASSWORD.encode())
    return str(said.json["sub"])


def with_orders(watchword: Commands) -> None:
    watchword.done("apis", "create", ORDERS, "--scope", "orders:read", "--scope", "orders:write")


def test_a_user_is_created_shown_and_listed(watchword: Commands) -> None:
    with_orders(watchword)
    watchword.done("roles", "create", "clerk", "--scope", "orders:write")
    made = watchword.done(
        *("users", "create", "Alice", "--password-stdin", "--email", "a@example.com", "--role", "clerk", "--json"),
        stdin=f"{PASSWORD}\n".encode(),
    ).json

    assert made["username"] == "Alice"
    assert made["roles"] == ["clerk"]
    assert made["created_at"] == "2027-01-15T08:00:00Z"
    assert watchword.done("users", "show", "alice", "--json").json == made
    assert watchword.done("users", "show", made["sub"], "--json").json == made
    assert watchword.done("users", "list", "--json").json == [made]
    heading, row = watchword.done("users", "list").out.splitlines()
    assert heading.split()[:2] == ["USERNAME", "SUB"]
    assert row.split()[:2] == ["Alice", made["sub"]]


def test_no_password_is_ever_printed(watchword: Commands) -> None:
    made = watchword.done("users", "create", "alice", "--password-stdin", "--json", stdin=PASSWORD.encode())
    refused = watchword.refused("users", "create", "bob", "--password-stdin", stdin=b"squirrel")

    assert PASSWORD not in made.out
    assert "password" not in made.json
    assert "squirrel" not in refused
    assert "at least 15 characters" in refused


def test_a_password_comes_on_standard_input_and_nowhere_else(watchword: Commands) -> None:
    assert "--password-stdin" in watchword.refused("users", "create", "alice", status=2)
    assert "UTF-8" in watchword.refused("users", "create", "alice", "--password-stdin", stdin=b"\xff" * 20)
    assert "no users yet" in watchword("users", "list").err


def test_an_operator_may_vouch_for_an_address(watchword: Commands) -> None:
    address = ("--email", "a@example.com")
    password = PASSWORD.encode()
    made = watchword.done(
        "users", "create", "alice", "--password-stdin", *address, "--email-verified", "--json", stdin=password
    ).json
    assert (made["email"], made["email_verified"]) == ("a@example.com", True)
    told = watchword.done("users", "create", "bob", "--password-stdin", *address, "--json", stdin=password).json
    assert told["email_verified"] is False
    shown = watchword.done("users", "show", "alice").out
    assert "email verified  yes" in shown
    assert "--email" in watchword.refused(
        "users", "create", "carol", "--password-stdin", "--email-verified", stdin=password
    )


def test_a_user_is_disabled_enabled_and_deleted(watchword: Commands) -> None:
    with_alice(watchword)

    assert watchword.done("users", "disable", "alice", "--json").json["enabled"] is False
    assert watchword.done("users", "enable", "alice").out == "enabled user alice\n"
    said = watchword.done("users", "set-password", "alice", "--password-stdin", stdin=b"another long password")
    assert said.out == "set the password of alice; all sessions ended\n"
    assert watchword.done("users", "show", "alice", "--json").json["epoch"] == 2
    said = watchword("users", "set-email", "alice", "alice@example.org", "--verified")
    assert (said.status, said.out) == (0, "set the e-mail address of alice; all sessions ended\n")
    assert "no mail tells the user" in said.err
    shown = watchword.done("users", "show", "alice", "--json").json
    assert (shown["email"], shown["email_verified"], shown["epoch"]) == ("alice@example.org", True, 3)
    watchword.done("users", "delete", "alice")
    assert watchword.refused("users", "show", "alice") == "watchword: there is no user 'alice'\n"


def test_a_users_roles_are_set_and_taken_away(watchword: Commands) -> None:
    with_orders(watchword)
    sub = with_alice(watchword)
    for role, scope in (("clerk", "orders:write"), ("reader", "orders:read")):
        watchword.done("roles", "create", role, "--scope", scope)

    said = watchword.done("users", "set-roles", "alice", "--role", "reader", "--role", "clerk")
    assert said.out == "alice has these roles now: clerk, reader\n"
    assert watchword.done("users", "set-roles", sub, "--role", "clerk", "--json").json["roles"] == ["clerk"]
    assert watchword.done("users", "show", "alice", "--json").json["roles"] == ["clerk"]
    assert watchword.done("users", "set-roles", "alice", "--none").out == "alice has these roles now: none\n"
    assert watchword.done("users", "show", "alice", "--json").json["roles"] == []


@pytest.mark.parametrize(
    ("flags", "status", "said"),
    [
        (("--role", "boss"), 1, "watchword: there is no role 'boss': there is clerk\n"),
        # A slip must not be taken for "none at all".
        (("--roles", "clerk"), 2, "--roles"),
        (("-r", "clerk"), 2, "-r"),
        (("clerk",), 2, "clerk"),
        ((), 2, "--none"),
        (("--role", "clerk", "--none"), 2, "--none"),
    ],
)
def test_roles_that_will_not_do_take_none_away(
    watchword: Commands, flags: tuple[str, ...], status: int, said: str
) -> None:
    with_orders(watchword)
    watchword.done("roles", "create", "clerk", "--scope", "orders:write")
    with_alice(watchword)
    watchword.done("users", "set-roles", "alice", "--role", "clerk")

    assert said in watchword.refused("users", "set-roles", "alice", *flags, status=status)
    assert watchword.done("users", "show", "alice", "--json").json["roles"] == ["clerk"]


def test_a_users_factors_are_shown_without_secrets_and_removed(watchword: Commands) -> None:
    sub = with_alice(watchword)

    shown = watchword.done("users", "factors", "alice", "--json").json
    assert shown == {
        "sub": sub,
        "username": "alice",
        "authenticator_app_since": None,
        "passkeys": [],
        "recovery_codes": 0,
    }
    assert watchword.done("users", "factors", sub).out.splitlines()[-1].split() == ["recovery", "codes", "0"]
    assert watchword.done("users", "remove-factors", "alice").out == "alice has no factors; nothing was changed\n"
    assert watchword.done("users", "show", "alice", "--json").json["epoch"] == 0

    async def with_an_app() -> None:
        async with watchword.storage().write() as tx:
            found = await tx.lock_user(sub)
            assert found is not None
            await tx.put_totp(a_totp(found))

    anyio.run(with_an_app)
    said = watchword.done("users", "remove-factors", "alice")
    assert said.out == "removed all factors of alice; all sessions ended\n"
    assert watchword.done("users", "show", "alice", "--json").json["epoch"] == 1
    for command in ("factors", "remove-factors"):
        assert watchword.refused("users", command, "bob") == "watchword: there is no user 'bob'\n"


def test_an_api_takes_a_duration(watchword: Commands) -> None:
    made = watchword.done(
        *("apis", "create", ORDERS, "--scope", "a b", "--alg", "RS256", "--access-token-ttl", "15m", "--json")
    ).json

    assert made == {"audience": ORDERS, "scope": ["a", "b"], "alg": "RS256", "access_token_ttl": 900}
    assert watchword.done("apis", "list", "--json").json == [made]
    assert watchword.done("apis", "list").out.splitlines()[1].split()[-1] == "15m"
    assert "such as 90s" in watchword.refused(
        *("apis", "create", "urn:x:y", "--scope", "a", "--access-token-ttl", "soon"), status=2
    )


def test_creating_a_client_prints_id_and_secret_as_json(watchword: Commands) -> None:
    with_orders(watchword)
    public = watchword.done("clients", "create", "web", "--scope", "orders:read", "--first-party").json
    confidential = watchword.done("clients", "create", "billing", "--type", "confidential", "--json").json

    assert public == {"client_id": "web", "client_secret": None}
    assert set(confidential) == {"client_id", "client_secret"}
    assert len(base64url.decode(confidential["client_secret"])) == 32


def test_a_secret_is_shown_once(watchword: Commands) -> None:
    first = watchword.done("clients", "create", "billing", "--type", "confidential").json["client_secret"]
    second = watchword.done("clients", "rotate-secret", "billing").json["client_secret"]

    shown = watchword.done("clients", "show", "billing", "--json").out + watchword.done("clients", "list").out
    assert first != second
    assert first not in shown
    assert second not in shown


def test_every_flag_of_a_client_is_kept(watchword: Commands) -> None:
    with_orders(watchword)
    watchword.done(
        *("clients", "create", "shop", "--type", "confidential", "--auth-method", "client_secret_post"),
        *("--grant-type", "authorization_code", "--grant-type", "refresh_token", "--scope", "openid orders:read"),
        *("--redirect-uri", "https://shop.example.com/back", "--origin", "https://shop.example.com"),
        *("--post-logout-redirect-uri", "https://shop.example.com/", "--name", "Zoë's Shop", "--no-pkce"),
        *("--post-logout-redirect-uri", "https://shop.example.com/bye"),
        *("--backchannel-logout-uri", "https://shop.example.com/out"),
        *("--api", ORDERS, "--serves", ORDERS, "--first-party", "--reuse", "strict", "--lifetime", "browser_app"),
    )

    assert watchword.done("clients", "show", "shop", "--json").json == {
        "client_id": "shop",
        "name": "Zoë's Shop",
        "type": "confidential",
        "auth_method": "client_secret_post",
        "grant_types": ["authorization_code", "refresh_token"],
        "redirect_uris": ["https://shop.example.com/back"],
        "post_logout_redirect_uris": ["https://shop.example.com/", "https://shop.example.com/bye"],
        "backchannel_logout_uri": "https://shop.example.com/out",
        "origins": ["https://shop.example.com"],
        "scope": ["openid", "orders:read"],
        "apis": [ORDERS],
        "serves": ORDERS,
        "first_party": True,
        "requires_pkce": False,
        "reuse": "strict",
        "lifetime": "browser_app",
        "enabled": True,
        "tokens_after": None,
        "created_at": "2027-01-15T08:00:00Z",
    }


def test_clients_are_listed_with_the_names_that_users_read(watchword: Commands) -> None:
    watchword.done("clients", "create", "shop", "--name", "The Shop", "--first-party")
    watchword.done("clients", "create", "web", "--first-party")

    (web,) = [row for row in watchword.done("clients", "list", "--json").json if row["client_id"] == "web"]
    assert (web["name"], web["requires_pkce"]) == (None, True)
    heading, shop, _ = watchword.done("clients", "list").out.splitlines()
    assert heading.split()[:3] == ["CLIENT", "ID", "NAME"]
    assert shop.split()[:3] == ["shop", "The", "Shop"]


def test_a_public_client_may_not_do_without_pkce(watchword: Commands) -> None:
    said = watchword.refused("clients", "create", "web", "--redirect-uri", "https://web.example.com/", "--no-pkce")

    assert said == "watchword: only a client with a secret may do without PKCE: --type confidential\n"
    assert watchword.done("clients", "list", "--json").json == []


@pytest.mark.parametrize("flags", [(), ("--name", "Web"), ("--grant-type", "refresh_token")])
def test_a_client_that_can_do_nothing_is_made_with_a_word_about_it(watchword: Commands, flags: tuple[str, ...]) -> None:
    said = watchword("clients", "create", "web", *flags)

    assert (said.status, said.json["client_id"], said.err.count("\n")) == (0, "web", 1)
    assert said.err.startswith("watchword: web can get no token: delete it")


@pytest.mark.parametrize(
    "flags",
    [
        ("--redirect-uri", "https://web.example.com/"),
        ("--grant-type", "client_credentials"),
        ("--type", "confidential"),
        ("--serves", ORDERS),
    ],
)
def test_a_client_that_can_do_something_is_made_in_silence(watchword: Commands, flags: tuple[str, ...]) -> None:
    with_orders(watchword)
    watchword.done("clients", "create", "web", *flags)


def test_a_client_is_disabled_enabled_and_deleted(watchword: Commands) -> None:
    watchword.done("clients", "create", "web", "--first-party")

    assert watchword.done("clients", "disable", "web", "--json").json["enabled"] is False
    assert watchword.done("clients", "enable", "web").out.endswith("tokens after 2027-01-15T08:01:01Z\n")
    watchword.done("clients", "delete", "web")
    assert watchword.done("clients", "list", "--json").json == []


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--auth-method", "private_key_jwt"), "not offered yet"),
        (("--jwks", "keys.json"), "not offered yet"),
        (("--jwks-uri", "https://app.example.com/jwks"), "not offered yet"),
        (("--grant-type", "urn:ietf:params:oauth:grant-type:device_code"), "not offered yet"),
        (("--grant-type", "urn:ietf:params:oauth:grant-type:token-exchange"), "not offered yet"),
        (("--grant-type", "password"), "is unknown: there is authorization_code"),
        (("--type", "secret"), "'public', 'confidential'"),
        (("--reuse", "lax"), "'balanced', 'strict'"),
        (("--colour", "red"), "--colour"),
    ],
)
def test_a_flag_that_will_not_do_is_refused_with_a_sentence(
    watchword: Commands, flags: tuple[str, ...], said: str
) -> None:
    assert said in watchword.refused("clients", "create", "web", *flags, status=2)
    assert watchword.done("clients", "list", "--json").json == []


@pytest.mark.parametrize("command", ["doctor", "explain", "backup", "restore"])
def test_a_command_that_is_not_built_is_not_offered(watchword: Commands, command: str) -> None:
    assert command in watchword.refused(command, status=2)
    assert command not in watchword("--help").out


def test_sessions_are_named_by_id_or_by_user(watchword: Commands) -> None:
    with_alice(watchword)

    assert watchword.done("sessions", "list", "--user", "alice", "--json").json == []
    assert watchword.done("sessions", "revoke", "--user", "alice").out == "ended all sessions of alice\n"
    assert "no session '-dashed'" in watchword.refused("sessions", "revoke", "-dashed")
    assert "either" in watchword.refused("sessions", "revoke", status=2)
    assert "either" in watchword.refused("sessions", "revoke", "some", "--user", "alice", status=2)


def test_devices_are_listed_by_the_names_that_their_users_read(watchword: Commands) -> None:
    sub = with_alice(watchword)
    agent = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/149.0.0.0 Safari/537.36"

    async def signed_in() -> None:
        async with watchword.storage().write() as tx:
            found = await tx.user(sub)
            assert found is not None
            session = a_session(found)
            await tx.add_session(replace(session, device=agent, expires_at=session.expires_at + 2e9))

    anyio.run(signed_in)
    listed = watchword.done("sessions", "list", "--user", "alice").out
    assert "  Chrome · Linux  " in listed
    assert "Mozilla" not in listed
    assert watchword.done("sessions", "list", "--user", "alice", "--json").json[0]["device"] == agent


def test_keys_are_rotated_and_revoked(watchword: Commands) -> None:
    first = watchword.done("keys", "rotate", "--json").json
    signing = next(key["kid"] for key in first if key["state"] == "signing" and key["alg"] == "ES256")
    after = {key["kid"]: key for key in watchword.done("keys", "revoke", signing, "--json").json}

    assert after[signing]["state"] == "revoked"
    assert after[signing]["published"] is False
    assert watchword.done("keys", "list", "--json").json == list(after.values())
    assert "watchword keys list" in watchword.refused("keys", "revoke", "-nothing")


def test_a_wrong_setting_is_told_in_one_line(watchword: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHWORD_ISUER", "https://auth.example.com")

    assert "did you mean WATCHWORD_ISSUER?" in watchword.refused("users", "list")


def test_what_should_not_happen_tells_its_place_and_nothing_else(
    watchword: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("postgresql://watchword:hidden@db/watchword")

    monkeypatch.setattr("watchword.server.app.opened", broken)
    said = watchword.refused("users", "list")
    assert "ZeroDivisionError at test_commands.py:" in said
    assert "hidden" not in said


def test_names_cannot_play_tricks_on_the_terminal(watchword: Commands) -> None:
    said = watchword.refused("users", "show", "a\x1b[2J\nb")

    assert "\x1b" not in said


def test_a_server_runs_with_the_collector_on_and_its_status_is_the_commands(
    watchword: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[bool, Settings]] = []

    def serve(found: Settings) -> int:
        seen.append((gc.isenabled(), found))
        return 3

    monkeypatch.setattr("watchword.server.node.serve", serve)
    said = watchword("serve", "--host", "127.0.0.1", "--port", "9005")
    gc.unfreeze()

    ((collecting, found),) = seen
    assert collecting
    assert (found.hosts, found.port, found.issuer) == (("127.0.0.1",), 9005, "http://localhost:9005")
    assert (said.status, said.out, said.err) == (3, "", "")
