"""What users do about themselves: password, sessions, applications.

R098-R100, R103.
"""

from typing import Any

import httpx2
import pytest
from tests.support.cast import PASSWORD, basic
from tests.support.door import ELSEWHERE, FAR_AWAY, Door
from tests.support.rfc import rfc, standard
from tests.support.visitor import Form, View, Visitor, read_id_token, refresh

ASVS = "OWASP ASVS 5.0"
NEW = "an entirely different passphrase"
DAY = 86_400


async def lives(visitor: Visitor) -> bool:
    return "password-form" in (await visitor.open("/account")).forms


async def account(visitor: Visitor) -> View:
    view = await visitor.open("/account")
    assert "password-form" in view.forms, view.text
    return view


def forms_to(view: View, action: str) -> list[Form]:
    return [form for form in view.forms.values() if form.action.endswith(action)]


async def change(visitor: Visitor, current: str = PASSWORD, new: str = NEW, repeated: str | None = None) -> View:
    form = (await account(visitor)).forms["password-form"]
    return await visitor.send(
        form, current_password=current, new_password=new, repeated_password=new if repeated is None else repeated
    )


async def active(door: Door, tokens: dict[str, Any]) -> bool:
    answer = await door.caller().post("/introspect", data={"token": tokens["access_token"]}, headers=basic("orders"))
    found: bool = answer.json()["active"]
    return found


async def test_without_a_sign_in_it_leads_to_the_sign_in_page(everywhere: Door) -> None:
    visitor = Visitor(everywhere)
    assert "sign-in-form" in (await visitor.open("/account")).forms
    view = await visitor.sign_in(await visitor.open("/account"))
    assert "password-form" in view.forms


@standard(ASVS, "7.5.2")
async def test_it_lists_the_users_own_sessions_and_applications_and_nobody_elses(everywhere: Door) -> None:
    # R100
    ada, second = Visitor(everywhere), Visitor(everywhere, ELSEWHERE)
    bob = Visitor(everywhere, FAR_AWAY, username="bob")
    await bob.tokens("hostile")
    await ada.tokens()
    await second.signed_in()
    view = await account(ada)
    assert len(forms_to(view, "/end-session")) == 2
    assert "end-this-session" in view.ids
    assert [form.fields["client_id"] for form in forms_to(view, "/remove-application")] == ["shop"]
    assert "The Shop" in view.text
    assert "bob" not in view.text


def listed(view: View) -> set[str]:
    """The sessions that the page shows, the browser's own too."""
    return {form.fields["sid"] for form in forms_to(view, "/end-session")}


@standard(ASVS, "7.5.2")
async def test_a_session_that_rested_too_long_is_listed_while_something_of_it_lives(everywhere: Door) -> None:
    # R100
    here, there = Visitor(everywhere), Visitor(everywhere, ELSEWHERE)
    tokens = await there.tokens()
    everywhere.clock.advance(2 * DAY)
    assert not await lives(there)
    await here.signed_in()
    assert read_id_token(everywhere, tokens)["sid"] in listed(await account(here))
    assert (await refresh(everywhere, tokens)).status_code == 200
    await here.send(
        *[
            form
            for form in forms_to(await account(here), "/end-session")
            if form.fields["sid"] == read_id_token(everywhere, tokens)["sid"]
        ]
    )
    assert (await refresh(everywhere, tokens)).json()["error"] == "invalid_grant"


@standard(ASVS, "7.5.2")
async def test_an_applications_own_session_is_listed_while_it_holds_a_grant(everywhere: Door) -> None:
    # R100
    visitor = Visitor(everywhere)
    await visitor.signed_in()
    own = listed(await account(visitor))
    tokens = await everywhere.sign_in(everywhere.caller())
    assert listed(await account(visitor)) == own | {tokens["sid"]}
    given_back = {"token": tokens["refresh_token"], "client_id": "web"}
    assert (await everywhere.caller().post("/revoke", data=given_back)).status_code == 200
    assert listed(await account(visitor)) == own


@standard(ASVS, "7.4.3")
@rfc("9700", "4.14.2")
async def test_a_new_password_ends_all_other_sessions_and_not_this_one(everywhere: Door) -> None:
    # R099
    here, there = Visitor(everywhere), Visitor(everywhere, ELSEWHERE)
    mine, theirs = await here.tokens(), await there.tokens()
    offline = await there.tokens(scope="openid offline_access orders.read")
    simple = await everywhere.sign_in(everywhere.caller())
    view = await change(here)
    assert "flash" in view.ids
    assert await lives(here)
    assert not await lives(there)
    assert (await there.ask(prompt="none")).answer["error"] == "login_required"
    for tokens in (theirs, offline):
        assert (await refresh(everywhere, tokens)).json()["error"] == "invalid_grant"
        assert not await active(everywhere, tokens)
    assert (await refresh(everywhere, simple, client_id="web")).json()["error"] == "invalid_grant"
    # What was given within this session goes on.
    assert (await refresh(everywhere, mine)).status_code == 200
    assert "code" in (await here.ask(prompt="none")).answer
    assert "user.password_changed" in await everywhere.kinds()
    # The old password is dead, the new one works.
    fresh = Visitor(everywhere)
    assert "sign-in-form" in (await fresh.sign_in(await fresh.open("/login"))).forms
    assert "password-form" in (await fresh.sign_in(await fresh.open("/login"), password=NEW)).forms


@standard(ASVS, "6.2.3")
@standard(ASVS, "7.5.1")
async def test_the_current_password_is_wanted_first(everywhere: Door) -> None:
    # R103
    visitor, other = Visitor(everywhere), Visitor(everywhere, ELSEWHERE)
    await visitor.signed_in()
    await other.signed_in()
    for current in ("", "not the password at all", NEW):
        view = await change(visitor, current=current)
        assert (view.status, "flash" in view.ids) == (400, False)
    assert await lives(other)
    assert "password-form" in (await visitor.sign_in(await visitor.open("/login"))).forms


@pytest.mark.parametrize(
    ("new", "repeated"),
    [("short", "short"), ("", ""), (NEW, NEW + "x"), (NEW, ""), ("a" * 30, "a" * 30), ("x" * 2000, "x" * 2000)],
)
async def test_a_bad_new_password_changes_nothing(door: Door, new: str, repeated: str) -> None:
    visitor, other = Visitor(door), Visitor(door, ELSEWHERE)
    await visitor.signed_in()
    await other.signed_in()
    view = await change(visitor, new=new, repeated=repeated)
    assert (view.status, "flash" in view.ids) == (400, False)
    assert new == "" or new not in view.text.replace('minlength="15"', "")
    assert await lives(other)
    fresh = Visitor(door)
    await fresh.signed_in()


async def test_guessing_the_password_there_counts_like_guessing_it_at_the_door(everywhere: Door) -> None:
    visitor = Visitor(everywhere)
    await visitor.signed_in()
    views = [await change(visitor, current="not the password at all") for _ in range(7)]
    assert views[-1].response.headers.get("retry-after") is not None
    refused = await everywhere.caller().post(
        "/session", json={"client_id": "web", "username": "ada", "password": "not the password at all"}
    )
    assert refused.status_code == 429


@standard(ASVS, "7.5.2")
async def test_a_session_that_is_ended_takes_its_grants_along_and_the_feed_says_so(everywhere: Door) -> None:
    here, there = Visitor(everywhere), Visitor(everywhere, ELSEWHERE)
    mine, theirs = await here.tokens(), await there.tokens()
    sid = read_id_token(everywhere, theirs)["sid"]
    _, before = await everywhere.parts.storage.log_head()
    (form,) = [form for form in forms_to(await account(here), "/end-session") if form.fields["sid"] == sid]
    await here.send(form)
    assert not await lives(there)
    assert await lives(here)
    assert (await refresh(everywhere, theirs)).json()["error"] == "invalid_grant"
    assert not await active(everywhere, theirs)
    assert (await refresh(everywhere, mine)).status_code == 200
    page = await everywhere.parts.storage.log_after(before, now=everywhere.clock.now(), limit=10)
    assert sid in str(page.entries)


async def test_nobody_ends_somebody_elses_session(everywhere: Door) -> None:
    ada, bob = Visitor(everywhere), Visitor(everywhere, ELSEWHERE, username="bob")
    await ada.signed_in()
    tokens = await bob.tokens()
    form = forms_to(await account(ada), "/end-session")[0]
    await ada.send(form, sid=read_id_token(everywhere, tokens)["sid"])
    assert await lives(bob)
    assert (await refresh(everywhere, tokens)).status_code == 200
    for odd in ("", "x", "\u00e9", "' OR 1=1"):
        await ada.send(form, sid=odd)
    assert await lives(ada)


@standard(ASVS, "7.4.3")
async def test_signing_out_everywhere_is_everywhere(everywhere: Door) -> None:
    here, there = Visitor(everywhere), Visitor(everywhere, ELSEWHERE)
    tokens = [await here.tokens(), await there.tokens(), await there.tokens(scope="offline_access orders.read")]
    left = await here.post((await account(here)).forms["everywhere-form"])
    assert left.headers["location"] == f"{everywhere.plan.issuer}/login"
    view = await here.follow(left)
    assert "sign-in-form" in view.forms
    assert "You are signed out everywhere." in view.text
    assert not await lives(here)
    assert not await lives(there)
    for each in tokens:
        assert (await refresh(everywhere, each)).json()["error"] == "invalid_grant"
        assert not await active(everywhere, each)


@rfc("9700", "4.14.2")
async def test_an_application_that_is_removed_loses_all_it_had_and_must_ask_again(everywhere: Door) -> None:
    visitor = Visitor(everywhere)
    online, other = await visitor.tokens(), await visitor.tokens("hostile")
    offline = await visitor.tokens(scope="openid offline_access orders.read")
    under_way = await visitor.code()
    (form,) = [
        one for one in forms_to(await account(visitor), "/remove-application") if one.fields["client_id"] == "shop"
    ]
    await visitor.send(form)
    for tokens in (online, offline):
        assert (await refresh(everywhere, tokens)).json()["error"] == "invalid_grant"
        assert not await active(everywhere, tokens)
    assert (await refresh(everywhere, other, client_id="hostile")).status_code == 200
    # A code that it was given a moment before gives nothing either.
    assert (await visitor.redeem(under_way)).json()["error"] == "invalid_grant"
    assert "consent-form" in (await visitor.visit()).forms
    assert (await visitor.ask(prompt="none")).answer["error"] == "consent_required"


@standard(ASVS, "3.5.1")
@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/account/password", {"current_password": PASSWORD, "new_password": NEW, "repeated_password": NEW}),
        ("/account/end-session", {"sid": "x"}),
        ("/account/everywhere", {}),
        ("/account/remove-application", {"client_id": "shop"}),
    ],
)
async def test_every_form_of_the_page_must_be_its_own(everywhere: Door, path: str, fields: dict[str, str]) -> None:
    # R021
    visitor, bob = Visitor(everywhere), Visitor(everywhere, ELSEWHERE, username="bob")
    tokens = await visitor.tokens()
    await bob.signed_in()
    good = (await account(visitor)).forms["password-form"].fields["csrf"]
    theirs = (await account(bob)).forms["password-form"].fields["csrf"]
    other_site = {"sec-fetch-site": "cross-site"}

    async def forged(csrf: str | None, headers: dict[str, str] | None = None) -> httpx2.Response:
        return await visitor.post(Form(path, {}), headers=headers, csrf=csrf, **fields)

    answers = [
        await forged(None),
        await forged(theirs),
        await forged(good, other_site),
        await forged(good, {"origin": "https://evil.example"}),
    ]
    for answer in answers:
        assert View(answer).problem in ("bad_request", "stale", "forbidden")
    assert await lives(visitor)
    assert (await refresh(everywhere, tokens)).status_code == 200
    assert "code" in (await visitor.ask(prompt="none")).answer
    assert (await forged(good)).status_code == 303
