"""E-mail addresses: one counts once it is proved, and what changes about an account is told to it.

R103, R113, R118.
"""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from tests.support.cast import PASSWORD, user_named
from tests.support.door import ELSEWHERE, Door, OpenStorage, Plan
from tests.support.mailbox import Mailbox, link_in, path_of
from tests.support.meanwhile import MeanwhileStorage
from tests.support.rfc import standard
from tests.support.troubled_storage import TroubledStorage
from tests.support.visitor import View, Visitor, refresh

from watchword.protocol.errors import TooManyTries
from watchword.server.domain.lifetimes import DAY, HOUR, MINUTE
from watchword.server.domain.user import User
from watchword.server.flows.admin import sessions, users
from watchword.server.flows.admin.refusal import Refused
from watchword.server.flows.verify_email import send_link

ASVS = "OWASP ASVS 5.0"
NEW = "ada@elsewhere.example"
DEAD = "dead-link"
PASSPHRASE = "quilt zebra forge mandolin"


@pytest.fixture
async def mailing(world: tuple[OpenStorage, Plan]) -> AsyncIterator[Door]:
    """As ``everywhere``, with mail and sign-up."""
    opener, plan = world
    door = Door(opener, replace(plan, sends_mail=True, sign_up_open=True))
    await door.open()
    yield door
    await door.close()


@pytest.fixture
async def here(door: Door) -> Door:
    """One node on SQLite that sends mail, for rules that no world could change."""
    door.plan = replace(door.plan, sends_mail=True, sign_up_open=True)
    await door.restart()
    return door


async def user_of(door: Door, name: str = "ada") -> User:
    async with door.parts.storage.read() as reading:
        user = await reading.user_by_name(name)
    assert user is not None
    return user


async def verified(door: Door, name: str = "ada") -> None:
    async with door.parts.storage.write() as tx:
        user = await tx.user_by_name(name)
        assert user is not None
        await tx.put_user(replace(user, email_verified=True))


async def account(visitor: Visitor) -> View:
    view = await visitor.open("/account")
    assert "email-form" in view.forms, view.text
    return view


async def ask_for(visitor: Visitor, address: str) -> View:
    return await visitor.send((await account(visitor)).forms["email-form"], email=address)


async def confirm(visitor: Visitor, link: str) -> View:
    view = await visitor.open(link)
    assert "verify-email-form" in view.forms, view.text
    return await visitor.send(view.forms["verify-email-form"])


async def sign_up_at_the_page(door: Door) -> None:
    visitor = Visitor(door)
    form = (await visitor.open("/sign-up")).forms["sign-up-form"]
    await visitor.send(form, username="grace", email="grace@example.org", password=PASSPHRASE)


async def sign_up_at_the_simple_door(door: Door) -> None:
    body = {"username": "grace", "email": "grace@example.org", "password": PASSPHRASE}
    assert (await door.caller().post("/users", json=body)).status_code == 201


@pytest.mark.parametrize("sign_up", [sign_up_at_the_page, sign_up_at_the_simple_door], ids=["page", "simple-door"])
async def test_who_signs_up_with_an_address_gets_a_link_that_proves_it(mailing: Door, sign_up: object) -> None:
    assert callable(sign_up)
    await sign_up(mailing)
    assert not (await user_of(mailing, "grace")).email_verified
    mail = await Mailbox(mailing).only()
    assert mail.to == "grace@example.org"
    # Whoever signs up must not choose what strangers read.
    assert "grace" not in mail.letter.text.replace("grace@example.org", "").lower()
    visitor = Visitor(mailing, username="grace", password=PASSPHRASE)
    await visitor.signed_in()
    view = await confirm(visitor, path_of(link_in(mail)))
    assert "flash" in view.ids
    assert "email-verified" in view.ids
    assert (await user_of(mailing, "grace")).email_verified
    assert "user.email_verified" in await mailing.kinds()
    # A proof changes nothing that anybody would have to hear of, or be signed out for.
    assert await Mailbox(mailing).deliver() == []


async def test_who_signs_up_with_an_address_is_told_of_the_mail_and_offered_no_other_yet(here: Door) -> None:
    visitor = Visitor(here)
    form = (await visitor.open("/sign-up")).forms["sign-up-form"]
    view = await visitor.send(form, username="grace", email="grace@example.org", password=PASSPHRASE)
    assert "We have sent a mail with a link." in view.text
    assert "send-again-form" not in view.forms
    assert "send-again-form" in (await visitor.open("/account")).forms
    assert "flash" in (await confirm(visitor, await Mailbox(here).link())).ids


async def test_without_an_address_nothing_is_sent(here: Door) -> None:
    body = {"username": "grace", "password": PASSPHRASE}
    assert (await here.caller().post("/users", json=body)).status_code == 201
    assert await Mailbox(here).deliver() == []


async def test_without_mail_nothing_is_sent_nor_offered_nor_kept_for_later(door: Door) -> None:
    door.plan = replace(door.plan, sign_up_open=True)
    await door.restart()
    await sign_up_at_the_simple_door(door)
    visitor = Visitor(door)
    view = await visitor.signed_in()
    assert "ada@example.org" in view.text
    assert "email-form" not in view.forms
    assert "send-again-form" not in view.forms
    door.plan = replace(door.plan, sends_mail=True)
    await door.restart()
    assert await Mailbox(door).deliver() == []


async def test_a_strangers_mailbox_is_not_flooded_by_sign_ups(here: Door) -> None:
    for number in range(8):
        body = {"username": f"grace-{number}", "email": "victim@example.org", "password": PASSPHRASE}
        caller = here.caller((f"203.0.{number}.9", 40000))
        assert (await caller.post("/users", json=body)).status_code == 201
    assert len(await Mailbox(here).deliver()) == 3


async def test_another_mail_is_sent_on_demand_and_kills_the_link_before(mailing: Door) -> None:
    visitor = Visitor(mailing)
    await visitor.signed_in()
    await visitor.send((await account(visitor)).forms["send-again-form"])
    first = await Mailbox(mailing).link()
    view = await visitor.send((await account(visitor)).forms["send-again-form"])
    assert "flash" in view.ids
    second = await Mailbox(mailing).link()
    assert DEAD in (await visitor.open(first)).ids
    assert "flash" in (await confirm(visitor, second)).ids
    assert "send-again-form" not in (await account(visitor)).forms


async def test_mail_on_demand_has_an_end(here: Door) -> None:
    visitor = Visitor(here)
    await visitor.signed_in()
    views = [await visitor.send((await account(visitor)).forms["send-again-form"]) for _ in range(4)]
    assert ["flash" in view.ids for view in views] == [True, True, True, False]
    assert "problem" in views[3].ids
    assert len(await Mailbox(here).deliver()) == 1
    here.clock.advance(HOUR)
    assert "flash" in (await visitor.send((await account(visitor)).forms["send-again-form"])).ids


@standard(ASVS, "7.4.3")
@standard(ASVS, "6.3.7")
async def test_another_address_counts_once_it_is_proved_and_the_old_one_hears_of_it(mailing: Door) -> None:
    await verified(mailing)
    visitor, other = Visitor(mailing), Visitor(mailing, ELSEWHERE)
    mine, theirs = await visitor.tokens(), await other.tokens()
    assert "flash" in (await ask_for(visitor, NEW)).ids
    assert (await user_of(mailing)).email == "ada@example.org"
    mail = await Mailbox(mailing).only()
    assert mail.to == NEW
    view = await visitor.open(path_of(link_in(mail)))
    assert "replaces" in view.ids
    assert NEW in view.text
    before = visitor.session
    done = await visitor.send(view.forms["verify-email-form"])
    assert "flash" in done.ids
    user = await user_of(mailing)
    assert (user.email, user.email_verified) == (NEW, True)
    # Here he stays signed in, under another cookie; everywhere else he is not.
    assert visitor.session not in (None, before)
    assert "sign-in-form" in (await other.open("/account")).forms
    assert (await refresh(mailing, theirs)).json()["error"] == "invalid_grant"
    assert (await refresh(mailing, mine)).status_code == 200
    notice = await Mailbox(mailing).only()
    assert notice.to == "ada@example.org"
    assert notice.letter.subject == "Your e-mail address at Watchword was changed"
    assert NEW not in notice.letter.text
    assert "user.email_changed" in await mailing.kinds()


async def test_an_old_address_that_was_never_proved_hears_nothing(here: Door) -> None:
    visitor = Visitor(here)
    await visitor.signed_in()
    await ask_for(visitor, NEW)
    await confirm(visitor, await Mailbox(here).link())
    assert (await user_of(here)).email == NEW
    assert await Mailbox(here).deliver() == []


async def test_a_user_without_an_address_gets_his_first(here: Door) -> None:
    async with here.parts.storage.write() as tx:
        await tx.add_user(user_named("carol", email=None))
    visitor, other = Visitor(here, username="carol"), Visitor(here, ELSEWHERE, username="carol")
    await visitor.signed_in()
    await other.signed_in()
    await ask_for(visitor, "carol@example.org")
    await confirm(visitor, await Mailbox(here).link())
    carol = await user_of(here, "carol")
    assert (carol.email, carol.email_verified) == ("carol@example.org", True)
    assert "email-form" in (await other.open("/account")).forms


@standard(ASVS, "7.5.1")
async def test_another_address_wants_a_fresh_sign_in(mailing: Door) -> None:
    # R103
    await verified(mailing)
    visitor = Visitor(mailing)
    await visitor.signed_in()
    form = (await account(visitor)).forms["email-form"]
    mailing.clock.advance(10 * MINUTE + 2)
    view = await visitor.send(form, email=NEW)
    assert view.response.url.path == "/login"
    assert view.response.url.params["again"]
    assert await Mailbox(mailing).deliver() == []
    await visitor.sign_in(view)
    assert "flash" in (await ask_for(visitor, NEW)).ids


@pytest.mark.parametrize(
    "typed", ["", "ada", "ada@", "ada@x", "a b@example.org", "<a@example.org>", "a@b.c\nBcc: d@e.f"]
)
async def test_what_is_no_address_is_said_to_be_none(here: Door, typed: str) -> None:
    visitor = Visitor(here)
    await visitor.signed_in()
    view = await ask_for(visitor, typed)
    assert "problem" in view.ids
    assert "flash" not in view.ids
    assert await Mailbox(here).deliver() == []


async def test_the_address_that_is_there_is_not_proved_twice(here: Door) -> None:
    await verified(here)
    visitor = Visitor(here)
    await visitor.signed_in()
    assert "problem" in (await ask_for(visitor, "ADA@example.org")).ids
    assert await Mailbox(here).deliver() == []


async def test_one_user_cannot_have_mail_sent_to_any_number_of_strangers(mailing: Door) -> None:
    visitor, box = Visitor(mailing), Mailbox(mailing)
    await visitor.signed_in()
    for number in range(9):
        await ask_for(visitor, f"stranger-{number}@example.org")
        await box.deliver()
    assert len(box.mailer.sent) == 3
    assert "This address has had several mails already." in (await ask_for(visitor, "another@example.org")).text
    # Another user is not held up by that.
    other = Visitor(mailing, ELSEWHERE)
    other.username = "bob"
    await other.signed_in()
    await ask_for(other, "bob@elsewhere.example")
    assert len(await box.deliver()) == 1


async def test_one_network_cannot_have_mail_sent_to_any_number_of_strangers(here: Door) -> None:
    box, now = Mailbox(here), here.clock.now()

    async def post(network: str | None, number: int) -> bool:
        user = user_named(f"user {number}", email=None)
        try:
            async with here.parts.storage.write() as tx:
                await tx.add_user(user)
                await send_link(here.parts, tx, user, f"stranger-{number}@example.org", now=now, network=network)
        except TooManyTries:
            return False
        return True

    assert [await post("203.0.113.0/24", number) for number in range(25)].count(True) <= 22
    assert await post("198.51.100.0/24", 30)
    assert await post(None, 31)
    await box.deliver()


async def test_who_is_not_signed_in_is_asked_to_and_his_account_page_leads_on(mailing: Door) -> None:
    owner = Visitor(mailing)
    await owner.signed_in()
    await owner.send((await account(owner)).forms["send-again-form"])
    link = await Mailbox(mailing).link()
    visitor = Visitor(mailing, ELSEWHERE)
    view = await visitor.open(link)
    assert view.ids["verify-email"]["data-problem"] == "signed_out"
    assert "ada" not in view.text
    view = await visitor.sign_in(await visitor.open(view.ids["sign-in-link"]["href"]))
    assert "link-waiting" in view.ids
    view = await visitor.open(view.ids["go-on"]["href"])
    assert "flash" in (await visitor.send(view.forms["verify-email-form"])).ids
    assert (await user_of(mailing)).email_verified
    assert "link-waiting" not in (await account(visitor)).ids


async def test_who_is_signed_in_as_somebody_else_proves_nothing_and_learns_nothing(mailing: Door) -> None:
    owner, bob = Visitor(mailing), Visitor(mailing, ELSEWHERE, username="bob")
    await owner.signed_in()
    await ask_for(owner, NEW)
    link = await Mailbox(mailing).link()
    await bob.signed_in()
    view = await bob.open(link)
    assert view.ids["verify-email"]["data-problem"] == "other_user"
    assert "ada" not in view.text
    csrf = (await account(bob)).forms["email-form"].fields["csrf"]
    answer = await bob.http.post("/verify-email", data={"csrf": csrf})
    assert View(answer).ids["verify-email"]["data-problem"] == "other_user"
    assert not (await user_of(mailing, "bob")).email_verified
    assert "link-waiting" not in (await account(bob)).ids
    assert "flash" in (await confirm(owner, link)).ids


async def test_a_link_to_an_address_is_good_for_a_day_and_dies_with_the_sessions(mailing: Door) -> None:
    visitor = Visitor(mailing)
    await visitor.signed_in()
    await ask_for(visitor, NEW)
    link = await Mailbox(mailing).link()
    mailing.clock.advance(1 * DAY)
    assert DEAD in (await visitor.open(link)).ids
    await visitor.signed_in()
    await ask_for(visitor, NEW)
    link = await Mailbox(mailing).link()
    await users.set_password(mailing.parts, "ada", PASSPHRASE)
    assert DEAD in (await visitor.open(link)).ids
    assert (await user_of(mailing)).email == "ada@example.org"


async def test_a_link_for_a_password_dies_with_the_address_that_it_went_to(mailing: Door) -> None:
    await verified(mailing)
    visitor, thief = Visitor(mailing), Visitor(mailing, ELSEWHERE)
    await thief.send((await thief.open("/forgot-password")).forms["forgot-password-form"], username="ada")
    stolen = await Mailbox(mailing).link()
    await visitor.signed_in()
    await ask_for(visitor, NEW)
    await confirm(visitor, await Mailbox(mailing).link())
    assert DEAD in (await thief.open(stolen)).ids


@standard(ASVS, "7.4.1")
async def test_a_session_that_ends_while_it_asks_for_another_mail_sends_none(here: Door) -> None:
    visitor = Visitor(here)
    form = (await visitor.signed_in()).forms["send-again-form"]
    sub = (await user_of(here)).sub
    async with here.parts.storage.read() as reading:
        [session] = await reading.sessions_of(sub)
    noted = here.parts.storage
    assert isinstance(noted, TroubledStorage)
    operator = replace(here.parts, storage=noted.inner)
    noted.inner = MeanwhileStorage(noted.inner, lambda: sessions.revoke(operator, session.sid))
    view = await visitor.send(form)
    assert ("sign-in-form" in view.forms, "problem" in view.ids) == (True, False)
    assert await Mailbox(here).deliver() == []


async def test_the_language_is_that_of_the_browser(here: Door) -> None:
    await verified(here)
    visitor = Visitor(here)
    visitor.http.headers["accept-language"] = "fr;q=0.9, de-AT;q=0.8, en;q=0.1"
    await visitor.send((await visitor.open("/forgot-password")).forms["forgot-password-form"], username="ada")
    mail = await Mailbox(here).only()
    assert (mail.letter.lang, mail.letter.subject) == ("de", "Neues Passwort für Watchword")
    assert "30 Minuten" in mail.letter.text
    await visitor.signed_in()
    form = (await account(visitor)).forms["password-form"]
    await visitor.send(form, current_password=PASSWORD, new_password=PASSPHRASE, repeated_password=PASSPHRASE)
    notice = await Mailbox(here).only()
    assert notice.letter.subject == "Ihr Passwort bei Watchword wurde geändert"
    assert "am 15. Januar 2027, 08:00 UTC geändert" in " ".join(notice.letter.text.split())


@standard(ASVS, "6.3.7")
async def test_a_password_that_the_operator_sets_is_told(mailing: Door) -> None:
    # R118
    await verified(mailing)
    await users.set_password(mailing.parts, "ada", PASSPHRASE)
    await users.set_password(mailing.parts, "bob", PASSPHRASE)
    notice = await Mailbox(mailing).only()
    assert (notice.to, notice.letter.subject) == ("ada@example.org", "Your password at Watchword was changed")


@standard(ASVS, "6.3.7")
@standard(ASVS, "7.4.3")
async def test_an_operator_may_set_an_address_and_the_one_before_hears_of_it(mailing: Door) -> None:
    await verified(mailing)
    visitor, box = Visitor(mailing), Mailbox(mailing)
    await visitor.signed_in()
    changed = await users.set_email(mailing.parts, "ada", NEW, verified=True)
    assert (changed.email, changed.email_verified) == (NEW, True)
    assert await user_of(mailing) == changed
    notice = await box.only()
    assert (notice.to, "e-mail" in notice.letter.subject) == ("ada@example.org", True)
    assert "email-form" not in (await visitor.open("/account")).forms
    # Without being vouched for, it gets no mail; and setting it again tells nobody else.
    assert not (await users.set_email(mailing.parts, "ada", NEW)).email_verified
    assert await box.deliver() == []
    with pytest.raises(Refused, match="no e-mail address"):
        await users.set_email(mailing.parts, "ada", "ada@")
    assert (await mailing.kinds()).count("admin") == 2


async def test_an_operator_may_vouch_for_an_address(here: Door) -> None:
    wanted = users.NewUser(username="dan", password=PASSPHRASE, email="dan@example.org", email_verified=True)
    assert (await users.create(here.parts, wanted)).email_verified
    visitor = Visitor(here)
    await visitor.send((await visitor.open("/forgot-password")).forms["forgot-password-form"], username="dan")
    assert (await Mailbox(here).only()).to == "dan@example.org"
