"""Upgrading a database in place: what is in it stays, whole or not at all, and an old one is not served."""

import asyncio
import os
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from tests.contracts.conftest import StoppedClock
from tests.contracts.test_schema import upgrade_elsewhere, url_of
from tests.support.builders import NOW, a_browser_session, a_client, a_code, a_grant, a_session, a_user
from tests.support.ports import free_port
from tests.support.postgres import PostgresServer

from watchword.server.domain.client import Client
from watchword.server.domain.grant_types.authorization_code import AuthorizationCode
from watchword.server.domain.session import Session
from watchword.server.domain.user import User
from watchword.server.ports.storage import Storage
from watchword.server.storage import grant_rows, rows
from watchword.server.storage.database_url import Database, SqliteDatabase
from watchword.server.storage.opening import open_storage
from watchword.server.storage.postgres_pool import connect as connect_postgres
from watchword.server.storage.postgres_schema import upgrade_postgres
from watchword.server.storage.schema import REVISIONS, SchemaState, inspect, run_migrations, upgrade
from watchword.server.storage.sqlite_driver import connect as connect_sqlite
from watchword.server.storage.sqlite_schema import upgrade_sqlite

# What the version before knew of these tables: the columns that its statements name.
_NEW_COLUMNS = {
    "clients": {"post_logout_redirect_uris", "backchannel_logout_uri", "name", "requires_pkce"},
    "users": {"email_key"},
    "codes": {"id_token_claims"},
    "grants": {"auth_time", "acr", "amr"},
    "sessions": {"cookie_hash", "idle", "last_seen_at", "opened_in"},
}


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def first(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    """A database of the first revision."""
    to_first = partial(run_migrations, to="0001")
    if request.param == "sqlite":
        database = SqliteDatabase(tmp_path / "watchword.db")
        await asyncio.to_thread(upgrade_sqlite, database, to_first)
        return database
    server: PostgresServer = request.getfixturevalue("postgres_server")
    found = server.create_database()
    await upgrade_postgres(found, to_first)
    return found


async def insert(database: Database, table: str, row: dict[str, Any]) -> None:
    """Insert as the version before would."""
    known = {name: value for name, value in row.items() if name not in _NEW_COLUMNS.get(table, set())}
    names = ", ".join(known)
    if isinstance(database, SqliteDatabase):
        holes = ", ".join("?" for _ in known)
        connection = connect_sqlite(database)
        connection.execute(f"INSERT INTO {table} ({names}) VALUES ({holes})", tuple(known.values()))
        connection.close()
        return
    holes = ", ".join(f"${number + 1}" for number in range(len(known)))
    connection = await connect_postgres(database)
    await connection.execute(f"INSERT INTO {table} ({names}) VALUES ({holes})", *known.values())
    await connection.close()


async def fill(database: Database) -> tuple[User, Client, Session, AuthorizationCode]:
    """A row of the tables that change, as the version before would write them."""
    user, client = a_user(), a_client(redirect_uris=("https://a/ä",))
    session, code = a_session(user), a_code(user, client, sid="s", redirect_uri="https://a/ä", redeemed_by=b"who")
    await insert(database, "users", rows.of_user(user))
    await insert(database, "clients", rows.of_client(client))
    await insert(database, "sessions", grant_rows.of_session(session))
    await insert(database, "codes", grant_rows.of_code(code))
    return user, client, session, code


async def opened(database: Database) -> Storage:
    return await open_storage(database, clock=StoppedClock())


async def test_a_database_of_the_first_revision_is_upgraded_in_place(first: Database) -> None:
    user, client, session, code = await fill(first)
    assert await inspect(first) == SchemaState("0001", REVISIONS[-1])
    assert await upgrade(first) == list(REVISIONS[1:])
    storage = await opened(first)
    async with storage.write() as tx:
        assert await tx.user(user.sub) == user
        assert await tx.client(client.client_id) == client
        assert await tx.session(session.sid) == session
        assert await tx.lock_code(code.code_hash) == code
        await tx.add_code(bare := a_code(user, client, code_challenge=None))
        assert await tx.lock_code(bare.code_hash) == bare
        await tx.add_session(browsers := a_browser_session(user))
        await tx.put_client(confidential := replace(client, name="Shop"))
        await tx.add_grant(a_grant(browsers, client))
        await tx.add_session(own := a_session(user, opened_in=browsers.sid))
        assert await tx.session(own.sid) == own
    async with storage.read() as reading:
        assert await reading.clients() == [confidential]
        assert await reading.session_by_cookie(browsers.cookie_hash or b"") == (browsers, user)
    # The indexes of a table that was copied are there again: the sweep goes by one.
    assert await storage.sweep(now=NOW + 61, limit=10) == 2
    await storage.close()


async def test_a_node_of_the_version_before_can_write_on_beside_an_upgrade(first: Database) -> None:
    await upgrade(first)
    user, client, session, code = await fill(first)
    storage = await opened(first)
    async with storage.write() as tx:
        assert await tx.client(client.client_id) == client
        assert await tx.session(session.sid) == session
        assert await tx.lock_code(code.code_hash) == code
        assert await tx.user(user.sub) == user
    await storage.close()


async def test_a_grant_of_the_version_before_goes_by_the_sign_in_of_its_session(first: Database) -> None:
    await upgrade(first)
    user, client, session, _ = await fill(first)
    grant = a_grant(session, client)
    await insert(first, "grants", grant_rows.of_grant(grant))
    storage = await opened(first)
    async with storage.write() as tx:
        found = await tx.lock_grant(grant.id)
        assert found is not None
        assert found[0] == grant
        # A change of something else leaves it to the session.
        await tx.put_grant(structs.replace(grant, last_used_at=NOW + 9))
        await tx.put_session(replace(session, acr="stronger", auth_time=session.auth_time + 9))
        found = await tx.lock_grant(grant.id)
        assert found is not None
        assert (found[0].acr, found[0].auth_time, found[0].amr) == ("stronger", session.auth_time + 9, session.amr)
        new = a_grant(session, client)
        await tx.add_grant(new)
        await tx.put_session(replace(session, acr="another"))
        found = await tx.lock_grant(new.id)
        assert found is not None
        assert found[0] == new
    assert user.sub == grant.sub
    await storage.close()


async def test_an_upgrade_in_place_that_is_killed_half_way_leaves_the_old_form(first: Database) -> None:
    user, client, session, code = await fill(first)
    dead = await asyncio.to_thread(upgrade_elsewhere, first, "die")
    assert dead.returncode == -9
    assert await inspect(first) == SchemaState("0001", REVISIONS[-1])
    assert await upgrade(first) == list(REVISIONS[1:])
    storage = await opened(first)
    async with storage.write() as tx:
        assert await tx.user(user.sub) == user
        assert await tx.client(client.client_id) == client
        assert await tx.session(session.sid) == session
        assert await tx.lock_code(code.code_hash) == code
    await storage.close()


async def test_nodes_that_upgrade_in_place_at_once_do_not_break(first: Database) -> None:
    done = await asyncio.gather(*(asyncio.to_thread(upgrade_elsewhere, first) for _ in range(3)))
    assert [one.stderr for one in done] == ["", "", ""]
    assert sorted(one.stdout.strip() for one in done) == sorted([str(list(REVISIONS[1:])), "[]", "[]"])
    assert (await inspect(first)).verdict == "current"


async def test_an_old_database_is_not_served_until_it_is_migrated(first: Database, tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("WATCHWORD_")}
    environment |= {
        "WATCHWORD_DATABASE_URL": url_of(first),
        "WATCHWORD_SECRET": "not-a-real-secret-but-long-enough-0123456789",
    }

    def watchword(*arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [str(Path(sys.executable).with_name("watchword")), *arguments]
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=30, check=False
        )

    said = f"the database is of revision 0001, this version wants {REVISIONS[-1]}: run `watchword migrate`"
    for command in (("serve", "--port", str(free_port())), ("users", "list")):
        refused = await asyncio.to_thread(watchword, *command)
        assert (refused.returncode, refused.stdout, refused.stderr) == (1, "", f"watchword: {said}\n")
    migrated = await asyncio.to_thread(watchword, "migrate")
    assert migrated.stdout == f"applied {', '.join(REVISIONS[1:])}\n"
    assert (await asyncio.to_thread(watchword, "users", "list")).returncode == 0
