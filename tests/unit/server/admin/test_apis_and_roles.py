"""APIs and roles, as an operator makes them."""

import pytest

from watchword.protocol.scope import Scope
from watchword.server.domain.api import Api
from watchword.server.domain.lifetimes import ACCESS_TOKEN
from watchword.server.flows.admin import apis, roles
from watchword.server.flows.admin.refusal import Refused
from watchword.server.flows.parts import Parts

ORDERS = "https://orders.example.com"


async def longest(parts: Parts) -> float:
    async with parts.storage.read() as reading:
        return await reading.longest_access_token()


async def test_an_api_is_listed_as_it_was_created(parts: Parts) -> None:
    made = await apis.create(parts, ORDERS, scopes=["b", "a"], alg="RS256", access_token_ttl=60)

    assert made == Api(audience=ORDERS, scope=Scope({"a", "b"}), alg="RS256", access_token_ttl=60)
    assert await apis.listed(parts) == [made]


async def test_the_longest_lifetime_is_remembered_with_the_api(parts: Parts) -> None:
    await apis.create(parts, ORDERS, scopes=["a"])
    assert await longest(parts) == ACCESS_TOKEN
    await apis.create(parts, "urn:example:batch", scopes=["b"], access_token_ttl=7200)
    assert await longest(parts) == 7200
    await apis.create(parts, "urn:example:quick", scopes=["c"], access_token_ttl=60)
    assert await longest(parts) == 7200


@pytest.mark.parametrize(
    ("audience", "scopes", "said"),
    [
        (ORDERS, ["a"], "already"),
        ("orders", ["a"], "^the audience 'orders' is no absolute URI, such as https://orders.example$"),
        ("https://orders.example/#top", ["a"], "is no absolute URI without a fragment, such as"),
        ("urn:" + "x" * 509, ["a"], "is no absolute URI of at most 512 characters, such as"),
        ("https://auth.example.com", ["a"], "issuer"),
        ("urn:x:y", [], "at least one scope"),
        ("urn:x:y", ["a", "openid"], "openid is a scope of OpenID Connect"),
        ("urn:x:y", ["a\\b"], "malformed scope"),
    ],
)
async def test_an_api_that_will_not_do_is_refused(parts: Parts, audience: str, scopes: list[str], said: str) -> None:
    await apis.create(parts, ORDERS, scopes=["first"])

    with pytest.raises(Refused, match=said):
        await apis.create(parts, audience, scopes=scopes)
    assert [api.audience for api in await apis.listed(parts)] == [ORDERS]


async def test_a_role_is_listed_with_its_scopes(parts: Parts) -> None:
    await apis.create(parts, ORDERS, scopes=["a", "b", "c"])
    await roles.create(parts, "clerk", scopes=["b", "a"])

    assert await roles.listed(parts) == [("clerk", Scope({"a", "b"}))]


@pytest.mark.parametrize(
    ("name", "scopes", "said"),
    [
        ("clerk", ["a"], "already"),
        ("boss", ["z"], "there is a"),
        ("boss", [], "at least one scope"),
        ("boss", ["openid"], "open to every user"),
        ("two words", ["a"], "1 to 64"),
    ],
)
async def test_a_role_that_will_not_do_is_refused(parts: Parts, name: str, scopes: list[str], said: str) -> None:
    await apis.create(parts, ORDERS, scopes=["a"])
    await roles.create(parts, "clerk", scopes=["a"])

    with pytest.raises(Refused, match=said):
        await roles.create(parts, name, scopes=scopes)
    assert [role for role, _ in await roles.listed(parts)] == ["clerk"]
