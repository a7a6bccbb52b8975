"""Couriers: what one kind of delivery waits for holds up no other, and mail that cannot go now goes later, once."""

import asyncio
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from tests.support.builders import a_delivery
from tests.support.cast import user_named
from tests.support.door import Door
from tests.support.fake_outgoing import FakeOutgoing
from tests.support.mailbox import Mailbox

from watchword.server.domain.delivery import Delivery
from watchword.server.domain.lifetimes import DAY, HOUR, MINUTE
from watchword.server.flows import maintenance
from watchword.server.flows.courier import LONGEST_REST, Courier, Load, NotTaken
from watchword.server.flows.links import make_link
from watchword.server.flows.mail import AT_ONCE, LEASE, Mails, Post, post, post_link
from watchword.server.flows.maintenance import maintained
from watchword.server.flows.notices import tell
from watchword.server.ports.mail import Mail, PutOff, Refused, Unreached
from watchword.server.web.pages import Brand
from watchword.server.web.pages.letters import Letters

PATIENCE = 30


@pytest.fixture
async def mailing(door: Door) -> Door:
    door.plan = replace(door.plan, sends_mail=True)
    await door.restart()
    return door


async def post_notices(door: Door, count: int = 1) -> None:
    user = user_named("ada", email_verified=True)
    async with door.parts.storage.write() as tx:
        for _ in range(count):
            await tell(door.parts, tx, user, "password_changed", now=door.clock.now())


async def waiting(door: Door) -> int:
    """How many mails wait; none is put off by asking."""

    class Unchanged(Exception):
        """Rolls the transaction back."""

    count = -1
    try:
        async with door.parts.storage.write() as tx:
            count = len(await tx.lease_deliveries(kind="mail", now=door.clock.now() + HOUR, until=0, limit=1000))
            raise Unchanged
    except Unchanged:
        return count


async def test_a_mail_that_does_not_go_out_goes_out_later_under_the_same_id(mailing: Door) -> None:
    box = Mailbox(mailing)
    await post_notices(mailing)
    box.mailer.trouble = Unreached("no answer in time")
    for pause in (5, 10, 20):
        assert await box.deliver() == []
        mailing.clock.advance(pause - 0.1)
        assert await box.deliver() == []
        mailing.clock.advance(0.2)
    box.mailer.trouble = None
    mail = await box.only()
    assert await box.deliver() == []
    assert mailing.heard.count("mail.failed") == 1
    [failed] = [fields for slug, fields in mailing.heard.said if slug == "mail.failed"]
    assert failed == {"mail": "password_changed", "message": mail.id, "detail": "no answer in time"}
    assert "ada" not in str(mailing.heard.said)


async def test_a_dead_relay_is_not_stormed(mailing: Door) -> None:
    tries = 0

    class Counting:
        async def send(self, mail: Mail) -> None:
            nonlocal tries
            tries += 1
            raise Unreached("nobody answers")

    await post_notices(mailing, 20 * AT_ONCE)
    courier = Courier(mailing.parts, Mails(mailing.parts, Post(Counting(), Letters(Brand(), None))))
    await courier.bring()
    assert 1 <= tries <= AT_ONCE
    for _ in range(int(10 * MINUTE)):
        mailing.clock.advance(1)
        await courier.bring()
    # One each time that it has rested, for all that waits.
    assert tries <= AT_ONCE + 4 + 10 * MINUTE / LONGEST_REST
    assert await waiting(mailing) == 20 * AT_ONCE


async def test_while_the_relay_is_away_waiting_mail_is_neither_written_nor_asked_for(mailing: Door) -> None:
    box, begun = Mailbox(mailing), 0
    await post_notices(mailing, 20 * AT_ONCE)
    box.mailer.trouble = Unreached("nobody answers")
    courier = Courier(mailing.parts, Mails(mailing.parts, Post(box.mailer, Letters(Brand(), None))))
    await courier.bring()
    mailing.clock.advance(4.9)
    mailing.trouble.listen()
    await courier.bring()
    assert mailing.trouble.operations == []
    for _ in range(int(10 * MINUTE)):
        mailing.clock.advance(1)
        await courier.bring()
        begun += mailing.trouble.operations.count("put_delivery")
        mailing.trouble.listen()
    assert 10 <= begun <= 4 + 10 * MINUTE / LONGEST_REST
    # When it is back, all goes at once.
    box.mailer.trouble = None
    mailing.clock.advance(HOUR)
    await courier.bring()
    assert len(box.mailer.sent) == 20 * AT_ONCE


async def test_what_waits_for_one_that_rests_is_not_rewritten_for_another(mailing: Door) -> None:
    far, now = Far(), mailing.clock.now()
    async with mailing.parts.storage.write() as tx:
        for number in range(100):
            await tx.add_delivery(
                a_delivery(kind="mail", target="far", due_at=now - 200 + number, expires_at=now + DAY)
            )
    courier, written = Courier(mailing.parts, far), 0
    mailing.trouble.listen()
    for number in range(int(2 * MINUTE)):
        async with mailing.parts.storage.write() as tx:
            due = mailing.clock.now()
            await tx.add_delivery(a_delivery(kind="mail", target=f"near {number}", due_at=due, expires_at=now + DAY))
        await courier.bring()
        written += mailing.trouble.operations.count("put_delivery")
        mailing.trouble.listen()
        mailing.clock.advance(1)
    assert len([target for target in far.brought if target != "far"]) == 2 * MINUTE
    assert written <= far.load.at_once * (4 + 2 * MINUTE / LONGEST_REST)


async def test_a_mail_that_nobody_can_bring_holds_up_no_other(mailing: Door) -> None:
    class Broken(Far):
        """Fails by surprise."""

        async def bring(self, delivery: Delivery) -> None:
            self.brought.append(delivery.target)
            if delivery.target == "odd":
                raise ZeroDivisionError("with ada@example.org in it")

        def tell_failed(self, delivery: Delivery, reason: str) -> None:
            mailing.heard.warn("mail.failed", detail=reason)

    broken, now = Broken(), mailing.clock.now()
    async with mailing.parts.storage.write() as tx:
        for number, target in enumerate(("odd", "odd", "odd", "near", "near")):
            delivery = a_delivery(kind="mail", target=target, due_at=now - 9 + number, expires_at=now + DAY)
            await tx.add_delivery(delivery)
    await Courier(mailing.parts, broken).bring()
    assert broken.brought == ["odd", "odd", "odd", "near", "near"]
    assert "ada" not in str(mailing.heard.said)
    assert ("mail.failed", {"detail": "ZeroDivisionError"}) in mailing.heard.said
    assert mailing.heard.count("maintenance.failed") == 3
    assert await waiting(mailing) == 3


class Far:
    """Places, of which one is far away."""

    load = Load(kind="mail", at_once=2, lease=15)

    def __init__(self) -> None:
        self.brought: list[str] = []

    async def bring(self, delivery: Delivery) -> None:
        self.brought.append(delivery.target)
        if delivery.target == "far":
            raise NotTaken("too far", resting="far")

    def tell_failed(self, delivery: Delivery, reason: str) -> None: ...

    def tell_given_up(self, delivery: Delivery, reason: str) -> None: ...


@dataclass
class Picky:
    """A relay that will not talk of one address just now."""

    puts_off: str
    sent: list[str] = field(default_factory=list)

    async def send(self, mail: Mail) -> None:
        if mail.to == self.puts_off:
            raise PutOff("status 450")
        self.sent.append(mail.to)


async def test_one_address_that_is_put_off_holds_up_no_other(mailing: Door) -> None:
    await post_notices(mailing)
    mailing.clock.advance(1)
    bob = user_named("bob", email_verified=True)
    async with mailing.parts.storage.write() as tx:
        for _ in range(2 * AT_ONCE):
            await tell(mailing.parts, tx, bob, "password_changed", now=mailing.clock.now())
    picky = Picky(puts_off="ada@example.org")
    await Courier(mailing.parts, Mails(mailing.parts, Post(picky, Letters(Brand(), None)))).bring()
    assert picky.sent == ["bob@example.org"] * (2 * AT_ONCE)
    assert await waiting(mailing) == 1


async def test_what_is_refused_for_good_is_told_and_not_tried_again(mailing: Door) -> None:
    box = Mailbox(mailing)
    await post_notices(mailing)
    box.mailer.trouble = Refused("status 550")
    assert await box.deliver() == []
    assert mailing.heard.count("mail.refused") == 1
    assert await waiting(mailing) == 0


async def test_after_a_day_a_notice_is_given_up_with_a_warning(mailing: Door) -> None:
    box = Mailbox(mailing)
    await post_notices(mailing)
    box.mailer.trouble = Unreached("nobody answers")
    began = mailing.clock.now()
    while "mail.given_up" not in mailing.heard.slugs():
        mailing.clock.advance(600)
        await box.deliver()
        assert mailing.clock.now() < began + DAY
    assert await waiting(mailing) == 0


async def test_a_mail_that_cannot_be_written_is_told_of_and_forgotten_and_the_others_go(mailing: Door) -> None:
    box, now = Mailbox(mailing), mailing.clock.now()
    async with mailing.parts.storage.write() as tx:
        for to in ("hidden\u200b@example.org", "ada@example.org"):
            content = {"username": "x", "at": "1"}
            await post(mailing.parts, tx, "password_changed", to, content=content, now=now, until=now + DAY)
    assert (await box.only()).to == "ada@example.org"
    [broken] = [fields for slug, fields in mailing.heard.said if slug == "mail.broken"]
    assert set(broken) == {"mail", "message", "detail"}
    assert broken["mail"] == "password_changed"
    assert broken["detail"] == "ValueError"
    assert await waiting(mailing) == 0


@pytest.mark.parametrize("change", [{"enabled": False}, {"epoch": 7}, {"email": "other@example.org"}])
async def test_a_mail_whose_link_died_is_not_sent(mailing: Door, change: dict[str, Any]) -> None:
    now = mailing.clock.now()
    async with mailing.parts.storage.write() as tx:
        ada = await tx.user_by_name("ada")
        assert ada is not None
        link = await make_link(mailing.parts, tx, ada, "reset_password", "ada@example.org", now=now)
        await post_link(mailing.parts, tx, link, content={}, now=now)
        changed = {"email_verified": True} | change
        await tx.put_user(replace(ada, **changed))
    assert await Mailbox(mailing).deliver() == []
    assert mailing.heard.count("mail.obsolete") == 1


async def test_a_mail_whose_link_is_over_is_not_sent(mailing: Door) -> None:
    now = mailing.clock.now()
    async with mailing.parts.storage.write() as tx:
        ada = await tx.user_by_name("ada")
        assert ada is not None
        for _ in range(2):
            link = await make_link(mailing.parts, tx, ada, "verify_email", "ada@example.org", now=now)
            await post_link(mailing.parts, tx, link, content={}, now=now)
    box = Mailbox(mailing)
    await box.only()
    assert mailing.heard.count("mail.obsolete") == 1
    assert await waiting(mailing) == 0


async def test_what_a_node_held_when_it_died_is_sent_by_another(mailing: Door) -> None:
    await post_notices(mailing)
    now = mailing.clock.now()
    async with mailing.parts.storage.write() as tx:
        assert len(await tx.lease_deliveries(kind="mail", now=now, until=now + LEASE, limit=AT_ONCE)) == 1
    await mailing.restart()
    box = Mailbox(mailing)
    assert await box.deliver() == []
    mailing.clock.advance(LEASE)
    await box.only()


class Hanging:
    """Never comes to an end."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()

    async def send(self, mail: Mail) -> None:
        self.begun.set()
        await asyncio.Event().wait()

    async def post(self, url: str, form: object, *, seconds: float) -> int:
        self.begun.set()
        await asyncio.Event().wait()
        return 200


async def until(condition: object) -> None:
    assert callable(condition)
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.001)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The courier comes round at once."""
    monkeypatch.setattr(maintenance, "_COURIER_SECONDS", 0.001)


async def with_call_and_mail(door: Door) -> None:
    """A sign-out to be announced to ``web``, and a mail."""
    uri = "https://web.example/out"
    async with door.parts.storage.write() as tx:
        client = await tx.lock_client("web")
        assert client is not None
        await tx.put_client(replace(client, backchannel_logout_uri=uri))
        content = {"client_id": "web", "sub": "somebody"}
        call: Delivery = a_delivery(
            target=uri, content=content, due_at=door.clock.now(), expires_at=door.clock.now() + DAY
        )
        await tx.add_delivery(call)
    await post_notices(door)


@pytest.mark.usefixtures("quick")
async def test_a_mail_server_that_hangs_holds_up_no_sign_out(mailing: Door) -> None:
    hanging, outgoing = Hanging(), FakeOutgoing()
    await with_call_and_mail(mailing)
    async with maintained(mailing.parts, outgoing, Post(hanging, Letters(Brand(), None))):
        await until(lambda: hanging.begun.is_set() and len(outgoing.posted) == 1)
        await with_call_and_mail(mailing)
        await until(lambda: len(outgoing.posted) == 2)


@pytest.mark.usefixtures("quick")
async def test_a_client_that_hangs_holds_up_no_mail(mailing: Door) -> None:
    hanging, box = Hanging(), Mailbox(mailing)
    await with_call_and_mail(mailing)
    async with maintained(mailing.parts, hanging, Post(box.mailer, Letters(Brand(), None))):
        await until(lambda: hanging.begun.is_set() and len(box.mailer.sent) == 1)
        await post_notices(mailing)
        await until(lambda: len(box.mailer.sent) == 2)


async def test_without_a_mailer_mail_is_left_to_nodes_that_have_one(mailing: Door) -> None:
    await post_notices(mailing)
    before = asyncio.all_tasks()
    async with maintained(mailing.parts, FakeOutgoing()):
        names = {task.get_name() for task in asyncio.all_tasks() - before}
    assert "bring backchannel_logout" in names
    assert "bring mail" not in names
    assert await waiting(mailing) == 1


async def test_the_rest_is_the_places_and_not_the_deliverys(mailing: Door) -> None:
    far, now = Far(), mailing.clock.now()
    async with mailing.parts.storage.write() as tx:
        for number, target in enumerate(("far", "far", "far", "near", "near")):
            delivery = a_delivery(kind="mail", target=target, due_at=now - 9 + number, expires_at=now + DAY)
            await tx.add_delivery(delivery)
    await Courier(mailing.parts, far).bring()
    assert far.brought.count("near") == 2
    assert 1 <= far.brought.count("far") <= 2
