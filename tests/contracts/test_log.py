"""The revocation log: without gaps, linked, paged, and waited for."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress

import msgspec
import pytest
from msgspec.structs import replace
from tests.contracts.conftest import Nodes
from tests.contracts.test_redeem import seed
from tests.support.builders import NOW

from watchword.protocol.revocation_feed import Entry, first_link, next_link
from watchword.server.domain.grant import Grant, Standing
from watchword.server.domain.revocation import of_grant, of_key, of_token
from watchword.server.ports.storage import Decision, LogPage, Storage


async def revoke(storage: Storage, *names: str, until: int = int(NOW) + 1000) -> None:
    async with storage.write() as tx:
        for name in names:
            await tx.revoke(Entry(seq=0, until=until, gid=name))


def chain(log: str, entries: Sequence[Entry]) -> str:
    link = first_link(log)
    for entry in entries:
        link = next_link(link, entry)
    return link


async def everything(storage: Storage) -> LogPage:
    return await storage.log_after(0, now=NOW, limit=10_000)


async def test_a_new_log_has_a_random_name_and_no_entries(storage: Storage) -> None:
    page = await everything(storage)
    assert len(page.log) == 22
    assert (page.after, page.head, page.last, page.entries) == (0, 0, 0, ())
    assert page.after_link == page.head_link == page.last_link == first_link(page.log)
    assert await storage.log_head() == (page.log, 0)


async def test_every_kind_of_entry_comes_back_whole(storage: Storage) -> None:
    given = [
        Entry(seq=0, until=int(NOW) + 9, sid="s"),
        Entry(seq=0, until=int(NOW) + 9, sub="u", epoch=2**40),
        Entry(seq=0, until=int(NOW) + 9, client_id="c", issued_before=int(NOW)),
        Entry(seq=0, until=int(NOW) + 9, jti="j", client_id="c"),
        of_key("k"),
    ]
    async with storage.write() as tx:
        for entry in given:
            await tx.revoke(entry)
    page = await everything(storage)
    assert [(one.seq, unnumbered(one)) for one in page.entries] == list(enumerate(given, start=1))
    assert page.head_link == chain(page.log, page.entries)


def unnumbered(entry: Entry) -> Entry:
    return msgspec.structs.replace(entry, seq=0)


async def test_numbers_have_no_gaps_and_links_are_a_chain_with_writers_on_two_nodes(nodes: Nodes) -> None:
    one, other = await nodes.open(), await nodes.open()
    *_, grants = await seed(one, count=10)

    def end(grant: Grant, _: Standing) -> Decision[None]:
        entry = of_grant(grant.gid, now=NOW, longest=900)
        return Decision(None, NOW, replace(grant, ended_at=NOW, ended_reason="x"), (entry,))

    async def fail(storage: Storage) -> None:
        with suppress(ZeroDivisionError):
            async with storage.write() as tx:
                await tx.revoke(Entry(seq=0, until=int(NOW) + 9, gid="never"))
                raise ZeroDivisionError

    await asyncio.gather(
        *(revoke(node, f"{number}-a", f"{number}-b") for number in range(10) for node in (one, other)),
        *((one, other)[number % 2].redeem(grants[number].id, end) for number in range(10)),
        *(fail(node) for _ in range(5) for node in (one, other)),
    )
    page = await everything(other)
    assert [entry.seq for entry in page.entries] == list(range(1, 51))
    assert page.head == page.last == 50
    assert page.head_link == page.last_link == chain(page.log, page.entries)
    names = [entry.gid for entry in page.entries]
    assert "never" not in names
    # What one transaction recorded stands together, in its order.
    for place, name in enumerate(names):
        if name is not None and name.endswith("-a"):
            assert names[place + 1] == name.replace("-a", "-b")


async def test_pages_follow_each_other_link_by_link(storage: Storage) -> None:
    await revoke(storage, *(str(number) for number in range(7)))
    link = first_link((await storage.log_head())[0])
    pages = [await storage.log_after(after, now=NOW, limit=3) for after in (0, 3, 6)]
    assert [len(page.entries) for page in pages] == [3, 3, 1]
    for page in pages:
        assert page.after_link == link
        link = page.last_link
    seen = [entry for page in pages for entry in page.entries]
    assert [entry.gid for entry in seen] == [str(number) for number in range(7)]
    assert [(page.after, page.last) for page in pages] == [(0, 3), (3, 6), (6, 7)]
    assert link == chain(pages[0].log, seen)


async def test_a_page_that_is_just_full_ends_at_the_head(storage: Storage) -> None:
    await revoke(storage, "a", "b", "c")
    page = await storage.log_after(0, now=NOW, limit=3)
    assert (len(page.entries), page.last, page.last_link) == (3, 3, page.head_link)


async def test_after_the_head_there_is_nothing(storage: Storage) -> None:
    await revoke(storage, "a")
    page = await storage.log_after(1, now=NOW, limit=10)
    assert (page.after, page.after_link, page.entries, page.last) == (1, page.head_link, (), 1)


@pytest.mark.parametrize("unknown", [2, 99, 2**62, -1])
async def test_a_number_that_the_log_does_not_know_gives_everything(storage: Storage, unknown: int) -> None:
    await revoke(storage, "a")
    page = await storage.log_after(unknown, now=NOW, limit=10)
    assert (page.after, page.after_link) == (0, first_link(page.log))
    assert [entry.gid for entry in page.entries] == ["a"]


async def test_a_swept_number_gives_everything_that_still_matters(storage: Storage) -> None:
    await revoke(storage, "old", until=int(NOW) - 10)
    await revoke(storage, "new")
    assert await storage.sweep(now=NOW, limit=10) == 1
    page = await storage.log_after(1, now=NOW, limit=10)
    assert (page.after, page.after_link) == (0, first_link(page.log))
    assert [(entry.seq, entry.gid) for entry in page.entries] == [(2, "new")]
    assert page.head == 2


async def test_the_head_is_known_even_when_its_entry_was_swept(storage: Storage) -> None:
    await revoke(storage, "old", until=int(NOW) - 10)
    await storage.sweep(now=NOW, limit=10)
    page = await storage.log_after(1, now=NOW, limit=10)
    assert (page.after, page.after_link, page.head, page.entries) == (1, page.head_link, 1, ())


async def test_what_matters_no_more_is_left_out_and_keys_always_matter(storage: Storage) -> None:
    await revoke(storage, "dead", until=int(NOW) - 1)
    await revoke(storage, "dying", until=int(NOW))
    async with storage.write() as tx:
        await tx.revoke(Entry(seq=0, until=1, kid="k"))
    page = await everything(storage)
    assert [entry.seq for entry in page.entries] == [2, 3]
    assert (page.last, page.head) == (3, 3)


async def test_entries_of_single_tokens_are_counted_per_client(storage: Storage) -> None:
    async with storage.write() as tx:
        await tx.revoke(of_token("1", client_id="c", expires_at=NOW + 100))
        await tx.revoke(of_token("2", client_id="other", expires_at=NOW + 100))
        await tx.revoke(of_token("3", client_id="c", expires_at=NOW - 1000))
        assert await tx.live_token_entries("c", now=NOW) == 1
    async with storage.write() as tx:
        await tx.revoke(of_token("4", client_id="c", expires_at=NOW + 100))
        assert await tx.live_token_entries("c", now=NOW) == 2


async def test_a_cut_of_the_client_begins_the_count_anew(storage: Storage) -> None:
    async with storage.write() as tx:
        await tx.revoke(of_token("1", client_id="c", expires_at=NOW + 100))
    async with storage.write() as tx:
        await tx.revoke(Entry(seq=0, until=int(NOW) + 100, client_id="c", issued_before=5))
        assert await tx.live_token_entries("c", now=NOW) == 0
    async with storage.write() as tx:
        assert await tx.live_token_entries("c", now=NOW) == 0
        await tx.revoke(of_token("2", client_id="c", expires_at=NOW + 100))
        assert await tx.live_token_entries("c", now=NOW) == 1


async def test_simultaneous_reads_of_the_head_see_what_was_committed_before_them(storage: Storage) -> None:
    for number in range(1, 6):
        early = [asyncio.create_task(storage.log_head()) for _ in range(3)]
        await revoke(storage, str(number))
        heads = await asyncio.gather(*(storage.log_head() for _ in range(20)))
        assert {head for _, head in heads} == {number}
        await asyncio.gather(*early)


async def test_waiting_ends_at_once_when_the_log_is_longer(storage: Storage) -> None:
    await revoke(storage, "a")
    async with asyncio.timeout(5):
        await storage.wait_for_log(0, seconds=60)


async def test_waiting_ends_with_an_own_commit(storage: Storage) -> None:
    waiting = asyncio.create_task(storage.wait_for_log(0, seconds=60))
    await asyncio.sleep(0)
    await revoke(storage, "a")
    async with asyncio.timeout(5):
        await waiting


async def test_waiting_ends_soon_after_another_nodes_commit(nodes: Nodes) -> None:
    one, other = await nodes.open(), await nodes.open()
    waiting = asyncio.create_task(one.wait_for_log(0, seconds=60))
    await asyncio.sleep(0)
    await revoke(other, "a")
    began = time.monotonic()
    async with asyncio.timeout(10):
        await waiting
    assert time.monotonic() - began < 1


async def test_waiting_ends_when_its_time_is_over(storage: Storage) -> None:
    await revoke(storage, "a")
    async with asyncio.timeout(5):
        await storage.wait_for_log(1, seconds=0.05)


async def test_the_clock_is_the_databases(nodes: Nodes) -> None:
    storage = await nodes.open()
    told = await storage.clock()
    embedded = nodes.in_memory or not type(storage).__name__.startswith("Postgres")
    assert told == NOW if embedded else abs(told - time.time()) < 2
