"""Who may have what."""

import pytest
from tests.support.rfc import rfc
from tests.unit.server.domain.build import ISSUER, ORDERS, STOCK, catalog, client

from watchword.protocol.scope import Scope
from watchword.server.domain import permission
from watchword.server.domain.client import Client
from watchword.server.domain.permission import NoSuchTarget, NothingGranted, audiences, grantable, scope_for

BOTH = client(apis=(ORDERS, STOCK), scope=Scope.parse("openid orders:read orders:write stock:read"))


def meant(asked: str, resources: tuple[str, ...] = (), of: Client = BOTH) -> tuple[str, ...]:
    return audiences(Scope.parse(asked), resources, client=of, catalog=catalog(), issuer=ISSUER)


@rfc("9068", "3")
@pytest.mark.parametrize(
    ("asked", "audience"),
    [
        ("orders:read", ORDERS),
        ("openid orders:read", ORDERS),
        ("stock:read", STOCK),
        ("openid", ISSUER),
        ("openid profile offline_access", ISSUER),
    ],
)
def test_without_resource_the_scope_tells_the_audience(asked: str, audience: str) -> None:
    assert meant(asked) == (audience,)


@pytest.mark.parametrize("asked", ["", "orders:read stock:read", "unknown", "openid unknown"])
def test_a_scope_that_tells_no_one_api_is_an_invalid_target(asked: str) -> None:
    with pytest.raises(NoSuchTarget):
        meant(asked)


@pytest.mark.parametrize("asked", ["", "unknown", "stock:read"])
def test_the_only_api_of_a_client_needs_no_telling(asked: str) -> None:
    assert meant(asked, of=client()) == (ORDERS,)


def test_a_client_without_apis_gets_the_issuer_for_openid_and_nothing_else() -> None:
    assert meant("openid", of=client(apis=())) == (ISSUER,)
    with pytest.raises(NoSuchTarget):
        meant("orders:read", of=client(apis=()))


@rfc("8707", "2")
@pytest.mark.parametrize("resource", [STOCK, ISSUER, ORDERS + "/", "https://unknown.example", ""])
def test_a_resource_that_is_not_the_clients_is_refused(resource: str) -> None:
    with pytest.raises(NoSuchTarget):
        meant("orders:read", (ORDERS, resource), of=client())


def test_an_api_that_was_never_registered_is_no_target_even_where_the_client_lists_it() -> None:
    with pytest.raises(NoSuchTarget):
        meant("orders:read", ("https://gone.example",), of=client(apis=("https://gone.example",)))


@rfc("8707", "2.2")
def test_several_resources_are_kept_once_and_in_order() -> None:
    assert meant("openid", (STOCK, ORDERS, STOCK, ISSUER)) == (STOCK, ORDERS, ISSUER)


def granted(asked: str, *roles: str, of: Client = BOTH, at: tuple[str, ...] = (ORDERS,)) -> str:
    found = grantable(Scope.parse(asked), at, client=of, catalog=catalog(), roles=frozenset(roles))
    return str(found)


def test_a_scope_that_a_role_names_needs_such_a_role() -> None:
    assert granted("orders:read orders:write") == "orders:read"
    assert granted("orders:read orders:write", "clerk") == "orders:read orders:write"
    assert granted("orders:read orders:write", "unknown") == "orders:read"


def test_nothing_beyond_the_client_the_audience_and_the_catalog_is_granted() -> None:
    assert granted("orders:read stock:read unknown") == "orders:read"
    assert granted("orders:read stock:read unknown", at=(STOCK,)) == "stock:read"


def test_the_scopes_of_openid_connect_need_no_registration() -> None:
    assert granted("openid profile orders:read") == "openid orders:read profile"


@rfc("6749", "3.3")
def test_no_scope_asked_means_all_that_may_be_had() -> None:
    assert granted("") == "openid orders:read"
    assert granted("", "clerk") == "openid orders:read orders:write"


@pytest.mark.parametrize("asked", ["orders:write", "unknown", "stock:read", "address"])
def test_scope_of_which_nothing_is_left_is_refused(asked: str) -> None:
    with pytest.raises(NothingGranted):
        granted(asked)


def own(asked: str) -> str:
    return str(grantable(Scope.parse(asked), (ORDERS,), client=BOTH, catalog=catalog(), roles=None))


def test_a_client_acting_for_itself_needs_no_role_and_gets_no_openid_scope() -> None:
    assert own("") == "orders:read orders:write"
    assert own("openid orders:write") == "orders:write"
    with pytest.raises(NothingGranted):
        own("openid")


@rfc("9068", "3")
def test_scopes_of_one_api_do_not_leak_into_a_token_for_another() -> None:
    whole = Scope.parse("openid orders:read stock:read")
    for audience, scope in (
        (ORDERS, "openid orders:read"),
        (STOCK, "openid stock:read"),
        (ISSUER, "openid"),
        ("https://gone.example", "openid"),
    ):
        assert str(scope_for(whole, audience, catalog=catalog(), issuer=ISSUER)) == scope


def test_what_anybody_can_make_up_is_not_kept() -> None:
    many = Scope.parse(" ".join(f"made-up-{number}" for number in range(9)))
    known = catalog()
    kept = [cache.cache_info().currsize for cache in (permission._audience_of, permission._grantable)]
    audiences(many, (), client=client(), catalog=known, issuer=ISSUER)
    with pytest.raises(NothingGranted):
        grantable(many, (ORDERS,), client=client(), catalog=known, roles=frozenset())
    assert [cache.cache_info().currsize for cache in (permission._audience_of, permission._grantable)] == kept
