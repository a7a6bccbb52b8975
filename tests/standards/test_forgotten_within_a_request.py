"""A forgotten password in the middle of an application's request: the application still gets its user."""

import pytest
from tests.standards.conftest import OpenDoor
from tests.support.cast import SHOP
from tests.support.door import Door
from tests.support.every_form import prove_address
from tests.support.mailbox import Mailbox
from tests.support.rfc import rfc, standard
from tests.support.visitor import View, Visitor

CORE = "OpenID Connect Core 1.0"


@pytest.fixture
async def house(open_door: OpenDoor) -> Door:
    """One node that sends mail."""
    door = await open_door(sends_mail=True)
    await prove_address(door)
    return door


async def linked(visitor: Visitor, view: View, ident: str) -> View:
    """Where a link of the page leads."""
    return await visitor.follow(await visitor.http.get(view.ids[ident]["href"]))


@rfc("6749", "4.1.1")
async def test_there_and_back_the_application_gets_its_user(house: Door) -> None:
    visitor = Visitor(house)
    view = await linked(visitor, await visitor.visit(), "forgotten-link")
    view = await visitor.sign_in(await linked(visitor, view, "sign-in-link"))
    assert (await visitor.decide(view)).target == SHOP


@rfc("6749", "4.1.1")
async def test_after_the_mail_was_asked_for_too(house: Door) -> None:
    visitor = Visitor(house)
    view = await linked(visitor, await visitor.visit(), "forgotten-link")
    view = await visitor.send(view.forms["forgot-password-form"], username="ada")
    assert "sent" in view.ids
    view = await visitor.sign_in(await linked(visitor, view, "sign-in-link"))
    assert (await visitor.decide(view)).target == SHOP
    # The mail is read wherever it is, perhaps by somebody else.
    assert "request=" not in (await Mailbox(house).only()).letter.text


@standard(CORE, "3.1.2.1")
async def test_the_language_that_the_application_asked_for_is_kept_in_pages_and_mail(house: Door) -> None:
    visitor = Visitor(house)
    view = await linked(visitor, await visitor.visit(ui_locales="de"), "forgotten-link")
    assert '<html lang="de">' in view.text
    view = await visitor.send(view.forms["forgot-password-form"], username="ada")
    assert '<html lang="de">' in view.text
    assert '<html lang="de">' in (await linked(visitor, view, "sign-in-link")).text
    assert (await Mailbox(house).only()).letter.subject.startswith("Neues Passwort")


async def test_too_many_attempts_keep_it_too(house: Door) -> None:
    visitor = Visitor(house)
    view = await linked(visitor, await visitor.visit(), "forgotten-link")
    form = view.forms["forgot-password-form"]
    for number in range(200):
        view = await visitor.send(form, username=f"nobody {number}")
        if view.status == 429:
            break
    assert view.status == 429
    assert view.forms["forgot-password-form"].fields["request"]
    view = await visitor.sign_in(await linked(visitor, view, "sign-in-link"))
    assert (await visitor.decide(view)).target == SHOP


async def test_without_an_application_the_way_back_is_the_sign_in_page_alone(house: Door) -> None:
    visitor = Visitor(house)
    view = await linked(visitor, await visitor.open("/login"), "forgotten-link")
    assert view.forms["forgot-password-form"].fields["request"] == ""
    assert view.ids["sign-in-link"]["href"] == f"{house.plan.issuer}/login"


async def test_a_request_that_is_none_of_ours_is_not_carried_along(house: Door) -> None:
    view = await Visitor(house).open("/forgot-password", request="zzz")
    assert (view.status, view.problem) == (400, "expired")
