"""Sessions, as an operator sees and ends them."""

import pytest
from tests.unit.server.admin.conftest import ToldClock, log_of, told
from tests.unit.server.admin.test_users import ALICE

from watchword.server.domain.lifetimes import DAY
from watchword.server.domain.session import Session
from watchword.server.domain.user import User
from watchword.server.flows.admin import sessions, users
from watchword.server.flows.admin.refusal import Refused
from watchword.server.flows.parts import Parts


async def sign_in(parts: Parts, user: User, sid: str) -> None:
    now = parts.clock.now()
    async with parts.storage.write() as tx:
        await tx.add_session(
            Session(
                sid=sid,
                sub=user.sub,
                epoch=user.epoch,
                auth_time=int(now),
                acr="urn:example",
                amr=("pwd",),
                device="curl",
                created_at=now,
                expires_at=now + DAY,
            )
        )


async def states(parts: Parts) -> dict[str, tuple[str, str | None]]:
    return {seen.session.sid: (seen.state, seen.reason) for seen in await sessions.listed(parts, "alice")}


async def test_ending_one_session_leaves_the_others(parts: Parts) -> None:
    alice = await users.create(parts, ALICE)
    await sign_in(parts, alice, "one")
    await sign_in(parts, alice, "two")
    await sessions.revoke(parts, "one")

    assert await states(parts) == {"one": ("ended", "revoked_by_operator"), "two": ("live", None)}
    (entry,) = await log_of(parts)
    assert entry.sid == "one"
    assert (await told(parts))[1:] == ["session.ended", "session.revoked"]


async def test_ending_a_session_twice_writes_once(parts: Parts) -> None:
    alice = await users.create(parts, ALICE)
    await sign_in(parts, alice, "one")
    await sessions.revoke(parts, "one")
    await sessions.revoke(parts, "one")

    assert len(await log_of(parts)) == 1


async def test_ending_all_sessions_raises_the_epoch(parts: Parts) -> None:
    alice = await users.create(parts, ALICE)
    await sign_in(parts, alice, "one")
    ended = await sessions.revoke_all(parts, "alice")
    await sign_in(parts, ended, "later")

    assert await states(parts) == {"one": ("ended", "logged_out_everywhere"), "later": ("live", None)}
    (entry,) = await log_of(parts)
    assert (entry.sub, entry.epoch) == (alice.sub, 1)


async def test_what_disabling_ended_stays_ended_after_enabling(parts: Parts) -> None:
    alice = await users.create(parts, ALICE)
    await sign_in(parts, alice, "one")
    await users.disable(parts, "alice")
    assert await states(parts) == {"one": ("ended", "user_disabled")}
    await users.enable(parts, "alice")

    assert await states(parts) == {"one": ("ended", "logged_out_everywhere")}


async def test_a_session_past_its_end_is_shown_as_expired(parts: Parts, clock: ToldClock) -> None:
    await sign_in(parts, await users.create(parts, ALICE), "one")
    clock.at += DAY

    assert await states(parts) == {"one": ("expired", None)}


async def test_a_session_that_is_not_there_is_refused(parts: Parts) -> None:
    with pytest.raises(Refused, match="no session"):
        await sessions.revoke(parts, "none")
