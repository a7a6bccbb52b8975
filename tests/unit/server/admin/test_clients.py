"""Clients, as an operator registers and keeps them."""

from typing import Any

import pytest
from tests.support.builders import a_grant
from tests.support.rfc import rfc
from tests.unit.server.admin.conftest import ToldClock, log_of, told

from watchword.server.domain.client import Client
from watchword.server.flows.admin import apis, clients
from watchword.server.flows.admin.clients import NewClient, Registered
from watchword.server.flows.admin.refusal import Refused
from watchword.server.flows.parts import Parts

ORDERS, STOCK = "https://orders.example.com", "https://stock.example.com"


@pytest.fixture(autouse=True)
async def _apis(parts: Parts) -> None:
    await apis.create(parts, ORDERS, scopes=["orders:read", "orders:write", "both"])
    await apis.create(parts, STOCK, scopes=["stock:read", "both"])


async def create(parts: Parts, client_id: str, **wanted: Any) -> Registered:
    return await clients.create(parts, NewClient(client_id=client_id, **wanted))


async def stored(parts: Parts, client_id: str) -> Client:
    return await clients.shown(parts, client_id)


async def test_a_client_is_public_and_signs_users_in_unless_told_otherwise(parts: Parts) -> None:
    made = await create(parts, "web", scopes=("openid", "orders:read"))

    assert made.secret is None
    assert made.client == await stored(parts, "web")
    assert (made.client.type, made.client.auth_method) == ("public", "none")
    assert made.client.grant_types == {"authorization_code", "refresh_token"}
    assert made.client.apis == (ORDERS,)


async def test_only_the_hash_of_a_secret_is_kept(parts: Parts) -> None:
    made = await create(parts, "billing", type="confidential", scopes=("stock:read",))

    assert made.secret is not None
    assert len(made.secret) == 43
    assert (await stored(parts, "billing")).secret_hash == clients.hash_secret(made.secret)
    assert made.client.auth_method == "client_secret_basic"
    assert made.client.grant_types == {"client_credentials"}
    assert made.secret not in repr(made)


@pytest.mark.parametrize(
    ("wanted", "grant_types"),
    [
        ({"auth_method": "client_secret_post"}, {"client_credentials"}),
        ({"grant_types": ("client_credentials", "refresh_token")}, {"client_credentials", "refresh_token"}),
        ({"serves": ORDERS}, set()),
        ({"serves": ORDERS, "scopes": ("stock:read",)}, {"client_credentials"}),
        ({"type": "confidential", "first_party": True}, {"authorization_code", "refresh_token"}),
        (
            {"type": "confidential", "redirect_uris": ("https://app.example.com/back",)},
            {"authorization_code", "refresh_token"},
        ),
    ],
)
async def test_what_needs_a_secret_makes_a_client_confidential(
    parts: Parts, wanted: dict[str, Any], grant_types: set[str]
) -> None:
    made = await create(parts, "c1", **wanted)

    assert made.secret is not None
    assert made.client.type == "confidential"
    assert made.client.grant_types == grant_types


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"scopes": ("orders:delete",)}, "there is both, orders:read, orders:write, stock:read"),
        ({"scopes": ("a\tb",)}, "malformed scope"),
        ({"apis": ("https://nowhere.example.com",)}, f"there is {ORDERS}, {STOCK}"),
        ({"apis": (STOCK,), "scopes": ("orders:read",)}, "name its API with --api"),
        ({"scopes": ("both",)}, "say which with --api"),
        ({"serves": "https://nowhere.example.com"}, "there is no API"),
        ({"serves": ORDERS, "type": "public"}, "--type confidential"),
        ({"grant_types": ("client_credentials",), "type": "public"}, "--type confidential"),
        ({"auth_method": "client_secret_basic", "type": "public"}, "does not go with"),
        ({"auth_method": "none", "type": "confidential"}, "does not go with"),
        ({"redirect_uris": ("http://app.example.com/back",)}, "redirect URI"),
        ({"redirect_uris": ("https://app.example.com/back#x",)}, "fragment"),
        ({"origins": ("https://app.example.com/",)}, "origin"),
        ({"post_logout_redirect_uris": ("http://app.example.com/bye",)}, "redirect URI"),
        ({"backchannel_logout_uri": "http://app.example.com/out"}, "back-channel logout URI"),
        ({"backchannel_logout_uri": "com.example.app:/out"}, "back-channel logout URI"),
        ({"backchannel_logout_uri": "https://app.example.com/out#x"}, "fragment"),
        ({"backchannel_logout_uri": "https://me@app.example.com/out"}, "no user"),
        ({"name": "  "}, "1 to 80 visible"),
        ({"name": "x" * 81}, "1 to 80 visible"),
        ({"name": "a\u202eb"}, "1 to 80 visible"),
        ({"requires_pkce": False}, "--type confidential"),
        ({"requires_pkce": False, "type": "public"}, "--type confidential"),
        ({"client_id": "x"}, "2 to 64"),
        ({"client_id": "A" * 22}, "could be taken for a user"),
        ({"client_id": "taken"}, "already"),
    ],
)
async def test_a_client_that_will_not_do_is_refused_and_nothing_changes(
    parts: Parts, wanted: dict[str, Any], said: str
) -> None:
    await create(parts, "taken")

    with pytest.raises(Refused, match=said.replace(".", r"\.")):
        await clients.create(parts, NewClient(**{"client_id": "c1", **wanted}))
    assert [client.client_id for client in await clients.listed(parts)] == ["taken"]


@pytest.mark.parametrize(
    "uri",
    ["https://app.example.com/out?a=b", "https://app.example.com:8443/", "http://127.0.0.1:9000/out", "http://[::1]/"],
)
async def test_a_client_hears_of_sign_outs_by_https_or_on_loopback(parts: Parts, uri: str) -> None:
    made = await create(parts, "web", backchannel_logout_uri=uri)

    assert made.client.backchannel_logout_uri == uri


async def test_a_client_has_a_name_and_places_to_return_to_after_sign_out(parts: Parts) -> None:
    places = ("https://app.example.com/", "com.example.app:/bye", "http://localhost/bye")
    made = await create(parts, "web", name="  Zoe\u0308 ", post_logout_redirect_uris=(*places, places[0]))

    assert made.client == await stored(parts, "web")
    assert made.client.name == "Zo\u00eb"
    assert made.client.post_logout_redirect_uris == places
    assert made.client.requires_pkce


@rfc("9700", "2.1.1")
async def test_a_client_with_a_secret_may_do_without_pkce_where_the_operator_says_so(parts: Parts) -> None:
    made = await create(parts, "legacy", type="confidential", requires_pkce=False)

    assert not (await stored(parts, "legacy")).requires_pkce
    assert made.secret is not None


async def test_disabling_declares_the_tokens_of_the_next_minute_dead_too(parts: Parts, clock: ToldClock) -> None:
    await create(parts, "web")
    await clients.disable(parts, "web")

    (entry,) = await log_of(parts)
    assert (entry.client_id, entry.issued_before) == ("web", int(clock.at) + 60)
    assert not (await stored(parts, "web")).enabled
    assert (await told(parts))[-1] == "client.disabled"


async def test_a_client_that_is_enabled_again_waits_until_its_cut_is_over(parts: Parts, clock: ToldClock) -> None:
    await create(parts, "web")
    await clients.disable(parts, "web")
    clock.at += 5
    await clients.enable(parts, "web")

    (entry,) = await log_of(parts)
    found = await stored(parts, "web")
    assert found.enabled
    # A token minted at the first instant allowed carries the second after the cut, and is not caught by it.
    assert entry.issued_before is not None
    assert int(found.disabled_until) == entry.issued_before + 1


async def test_a_new_client_of_a_deleted_ones_id_waits_for_the_cut_too(parts: Parts, clock: ToldClock) -> None:
    await create(parts, "web")
    await clients.delete(parts, "web")
    with pytest.raises(Refused):
        await clients.shown(parts, "web")
    made = await create(parts, "web")

    (entry,) = await log_of(parts)
    assert (entry.client_id, entry.issued_before) == ("web", int(clock.at) + 60)
    assert made.client.disabled_until == int(clock.at) + 61


@rfc("6749", "2.3.1")
async def test_a_rotated_secret_replaces_the_old_one(parts: Parts) -> None:
    first = await create(parts, "billing", type="confidential")
    second = await clients.rotate_secret(parts, "billing")

    assert second.secret is not None
    assert second.secret != first.secret
    assert (await stored(parts, "billing")).secret_hash == clients.hash_secret(second.secret)
    assert await log_of(parts) == []


async def test_a_public_client_has_no_secret_to_rotate(parts: Parts) -> None:
    await create(parts, "web")

    with pytest.raises(Refused, match="public"):
        await clients.rotate_secret(parts, "web")


@pytest.mark.parametrize(
    "flow", [clients.shown, clients.disable, clients.enable, clients.rotate_secret, clients.delete]
)
async def test_a_client_that_is_not_there_is_refused(parts: Parts, flow: object) -> None:
    assert callable(flow)
    with pytest.raises(Refused, match="no client 'nobody'"):
        await flow(parts, "nobody")


async def test_a_deleted_clients_grants_go_in_small_transactions(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "_GRANTS_AT_ONCE", 3)
    made = (await create(parts, "web")).client
    grants = [a_grant(client=made) for _ in range(8)]
    other = a_grant()
    async with parts.storage.write() as tx:
        for grant in (*grants, other):
            await tx.add_grant(grant)
    begun = 0
    write = parts.storage.write

    def counted() -> Any:
        nonlocal begun
        begun += 1
        return write()

    monkeypatch.setattr(parts.storage, "write", counted)
    assert await clients.delete(parts, "web") == made
    # It is disabled, three times grants go, and then the client itself.
    assert begun == 5
    async with parts.storage.read() as reading:
        assert [await reading.grant(grant.id) for grant in grants] == [None] * 8
        assert await reading.grant(other.id) is not None
    assert (await told(parts))[-2:] == ["client.disabled", "client.deleted"]
