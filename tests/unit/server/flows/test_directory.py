"""The directory: as fresh as a second, and silent when the database is away."""

import asyncio
from dataclasses import replace

import pytest
from tests.support.cast import APP_ORIGIN, ORDERS, public
from tests.support.door import Door

from watchword.server.domain.api import Api
from watchword.server.flows.directory import FRESH_SECONDS, origins_of
from watchword.server.ports.storage import StorageUnavailable


async def test_a_client_is_believed_for_a_second_and_then_read_again(door: Door) -> None:
    directory, clock = door.parts.directory, door.clock
    first = await directory.client("web", now=clock.now())
    assert first is not None
    async with door.parts.storage.write() as tx:
        await tx.put_client(replace(first, enabled=False))
    clock.advance(FRESH_SECONDS - 0.1)
    assert await directory.client("web", now=clock.now()) is first
    clock.advance(0.1)
    again = await directory.client("web", now=clock.now())
    assert again is not None
    assert not again.enabled


async def test_that_a_client_is_not_there_is_believed_for_a_second_too(door: Door) -> None:
    directory, clock = door.parts.directory, door.clock
    assert await directory.client("newcomer", now=clock.now()) is None
    async with door.parts.storage.write() as tx:
        await tx.add_client(public("newcomer"))
    door.trouble.listen()
    assert await directory.client("newcomer", now=clock.now()) is None
    assert door.trouble.operations == []
    clock.advance(FRESH_SECONDS)
    assert await directory.client("newcomer", now=clock.now()) is not None
    assert await directory.client("newcomer", now=clock.now()) is not None
    assert door.trouble.operations == ["read", "client"]


async def test_unknown_ids_are_remembered_within_a_bound_and_drive_out_no_client(door: Door) -> None:
    directory, now = door.parts.directory, door.clock.now()
    web = await directory.client("web", now=now)
    for number in range(2500):
        await directory.client(f"nobody-{number}", now=now)
    assert len(directory._unknown) <= 1000
    assert await directory.client("web", now=now) is web


async def test_all_who_ask_at_once_share_one_read(door: Door) -> None:
    directory, now = door.parts.directory, door.clock.now()
    door.trouble.listen()
    found = await asyncio.gather(*(directory.client("web", now=now) for _ in range(50)))
    assert {client.client_id for client in found if client is not None} == {"web"}
    assert door.trouble.operations == ["read", "client"]
    door.trouble.listen()
    await asyncio.gather(*(directory.client("nobody", now=now) for _ in range(50)))
    assert door.trouble.operations == ["read", "client"]
    door.trouble.listen()
    await asyncio.gather(*(directory.offer(now=now) for _ in range(50)))
    assert door.trouble.operations.count("catalog") == 1
    await asyncio.gather(*(directory.origins(now=now) for _ in range(50)))
    assert door.trouble.operations.count("clients") == 1


async def test_who_goes_away_takes_the_read_from_nobody(door: Door) -> None:
    directory, now = door.parts.directory, door.clock.now()
    first = asyncio.create_task(directory.client("web", now=now))
    second = asyncio.create_task(directory.client("web", now=now))
    await asyncio.sleep(0)
    first.cancel()
    assert await second is not None
    assert first.cancelled()


async def test_a_shared_read_that_fails_is_not_remembered(door: Door) -> None:
    directory, now = door.parts.directory, door.clock.now()
    door.trouble.down = True
    asked = (directory.client("web", now=now), directory.client("web", now=now), directory.offer(now=now))
    failed = await asyncio.gather(*asked, return_exceptions=True)
    assert {type(one) for one in failed} == {StorageUnavailable}
    door.trouble.down = False
    assert await directory.client("web", now=now) is not None
    assert (await directory.offer(now=now)).longest == 900


async def test_what_is_known_outlives_no_second_without_the_database(door: Door) -> None:
    directory, clock = door.parts.directory, door.clock
    await directory.client("web", now=clock.now())
    await directory.offer(now=clock.now())
    await directory.origins(now=clock.now())
    door.trouble.down = True
    assert await directory.client("web", now=clock.now()) is not None
    clock.advance(FRESH_SECONDS)
    for read in (directory.offer, directory.origins):
        with pytest.raises(StorageUnavailable):
            await read(now=clock.now())
    with pytest.raises(StorageUnavailable):
        await directory.client("web", now=clock.now())


async def test_a_clock_that_was_set_back_makes_nothing_fresh_for_ever(door: Door) -> None:
    directory, clock = door.parts.directory, door.clock
    await directory.client("web", now=clock.now())
    await directory.offer(now=clock.now())
    door.trouble.listen()
    clock.advance(-3600)
    await directory.client("web", now=clock.now())
    await directory.offer(now=clock.now())
    assert door.trouble.operations.count("read") == 2


async def test_the_offer_holds_apis_roles_and_the_longest_lifetime(door: Door) -> None:
    directory, clock = door.parts.directory, door.clock
    offer = await directory.offer(now=clock.now())
    assert offer.longest == 900
    assert set(offer.catalog.roles) == {"admin"}
    assert offer.catalog.apis[ORDERS].alg == "ES256"
    async with door.parts.storage.write() as tx:
        await tx.add_api(Api(audience="https://new.example", scope=offer.catalog.apis[ORDERS].scope))
        await tx.raise_longest_access_token(3600)
    clock.advance(FRESH_SECONDS)
    offer = await directory.offer(now=clock.now())
    assert "https://new.example" in offer.catalog.apis
    assert offer.longest == 3600


async def test_origins_are_those_registered_and_those_of_redirect_uris(door: Door) -> None:
    found = await door.parts.directory.origins(now=door.clock.now())
    assert found == {APP_ORIGIN, "https://spa.example", "https://shop.example", "http://127.0.0.1:4100"}


def test_a_redirect_uri_of_a_private_scheme_has_no_origin() -> None:
    client = public("app", redirect_uris=("com.example.app:/callback", "https://a.example/x"), origins=("https://b",))
    assert origins_of(client) == {"https://a.example", "https://b"}
