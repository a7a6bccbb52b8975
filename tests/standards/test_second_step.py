"""The second step at every door: what is known between the steps is good for one, once, and for ten minutes.

draft-ietf-oauth-first-party-apps §5.3; R108-R110, R112, R117.
"""

from typing import Any

import pytest
from tests.support.cast import CLIENT_SECRET, PASSWORD, basic, user_named
from tests.support.codes import OTHER_VERIFIER, VERIFIER, challenge_form, code_form
from tests.support.door import ELSEWHERE, Door
from tests.support.rfc import standard
from tests.support.second_factor import enrol, give_recovery_codes
from tests.support.second_step_doors import AtChallenge, AtPages, AtSession, at_api_doors, at_every_door
from tests.support.visitor import View, Visitor

from watchword.server.flows.admin import factors, sessions, users

ASVS = "OWASP ASVS 5.0"
DRAFT = "draft-ietf-oauth-first-party-apps"
MINUTE = 60
AtDoor = type[AtSession] | type[AtChallenge] | type[AtPages]


# --- what the password alone gives


@at_every_door
@standard(ASVS, "6.3.3")
async def test_the_password_alone_gives_nothing(everywhere: Door, at: AtDoor) -> None:
    await enrol(everywhere)
    agent = at(everywhere)
    told = await agent.password()
    assert told.word == "more"
    assert "set-cookie" not in told.raw.headers or "ww-session" not in told.raw.headers["set-cookie"]
    for word in ("access_token", "refresh_token", "authorization_code"):
        assert word not in told.raw.text
    assert await everywhere.kinds() == []


@standard(DRAFT, "5.2.2")
async def test_the_simple_door_says_what_is_wanted_and_how_to_go_on(door: Door) -> None:
    await enrol(door)
    answer = (await AtSession(door).password()).raw
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json().keys() == {"error", "error_description", "auth_session", "methods"}
    assert answer.json()["error"] == "insufficient_authorization"


@standard(DRAFT, "5.2.2")
async def test_so_does_the_standard_door(door: Door) -> None:
    await enrol(door)
    answer = (await AtChallenge(door).password()).raw
    assert answer.status_code == 400
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json().keys() == {"error", "error_description", "auth_session", "methods"}
    assert answer.json()["error"] == "insufficient_authorization"


async def test_what_was_asked_for_with_the_password_is_given_after_the_code(everywhere: Door) -> None:
    app = await enrol(everywhere)
    http = everywhere.caller()
    body = {"client_id": "both-apis", "username": "ada", "password": PASSWORD, "scope": "inventory.read"}
    step = (await http.post("/session", json=body)).json()["auth_session"]
    # What is asked for with the code does not count: the first request was judged, and is held to.
    second = {"client_id": "both-apis", "auth_session": step, "otp": app.code(), "scope": "orders.read orders.write"}
    answer = await http.post("/session", json=second)
    assert (answer.status_code, answer.json()["scope"]) == (201, "inventory.read")
    everywhere.clock.advance(30)
    answer = await http.post("/authorize-challenge", data=challenge_form(scope="orders.read"))
    form = {"client_id": "web", "auth_session": answer.json()["auth_session"], "otp": app.code()}
    code = (await http.post("/authorize-challenge", data=form)).json()["authorization_code"]
    assert (await http.post("/token", data=code_form(code, code_verifier=OTHER_VERIFIER))).status_code == 400
    tokens = await http.post("/token", data=code_form(code, code_verifier=VERIFIER))
    assert (tokens.status_code, tokens.json()["scope"]) == (200, "orders.read")


async def test_the_refresh_token_can_be_kept_from_scripts_after_a_second_step_too(door: Door) -> None:
    app, http = await enrol(door), door.caller()
    agent = AtSession(door)
    await agent.password()
    body = {"client_id": "web", "auth_session": agent.step, "otp": app.code(), "cookie": True}
    answer = await http.post("/session", json=body)
    assert answer.status_code == 201
    assert "refresh_token" not in answer.json()
    assert "wwr-" in answer.headers["set-cookie"]
    assert "HttpOnly" in answer.headers["set-cookie"]


@pytest.mark.parametrize("codes", [{}, {"otp": ""}, {"otp": "123456", "recovery_code": "0000-0000-0000-0000"}])
async def test_one_code_is_wanted(door: Door, codes: dict[str, str]) -> None:
    await enrol(door)
    for agent, path in ((AtSession(door), "/session"), (AtChallenge(door), "/authorize-challenge")):
        await agent.password()
        sent: dict[str, Any] = {"client_id": "web", "auth_session": agent.step, **codes}
        as_json = path == "/session"
        answer = await (agent.http.post(path, json=sent) if as_json else agent.http.post(path, data=sent))
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


async def test_a_confidential_client_proves_itself_at_the_second_step_too(door: Door) -> None:
    app, http = await enrol(door), door.caller()
    body = {"username": "ada", "password": PASSWORD}
    step = (await http.post("/session", json=body, headers=basic("backend"))).json()["auth_session"]
    second = {"auth_session": step, "otp": app.code()}
    answer = await http.post("/session", json={"client_id": "backend", **second})
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert (await http.post("/session", json=second, headers=basic("backend", CLIENT_SECRET))).status_code == 201


# --- the step itself


@at_every_door
async def test_a_step_waits_ten_minutes(everywhere: Door, at: AtDoor) -> None:
    app, agent, late = await enrol(everywhere), at(everywhere), at(everywhere)
    await agent.password()
    await late.password()
    everywhere.clock.advance(10 * MINUTE - 1)
    assert (await agent.code(otp=app.code())).word == "in"
    everywhere.clock.advance(1)
    assert (await late.code(otp=app.code(steps=1))).word == "over"


@at_every_door
async def test_a_step_is_taken_once(everywhere: Door, at: AtDoor) -> None:
    app, agent = await enrol(everywhere), at(everywhere)
    await agent.password()
    assert (await agent.code(otp=app.code())).word == "in"
    everywhere.clock.advance(60)
    if isinstance(agent, AtPages):
        # The form belongs to the session before; somebody who kept it and the cookies sends it once more.
        return
    assert (await agent.code(otp=app.code())).word == "over"
    # Nobody's code was judged, so it is good yet.
    await agent.password()
    assert (await agent.code(otp=app.code())).word == "in"


async def test_a_step_at_the_pages_is_taken_once_whoever_kept_form_and_cookies(everywhere: Door) -> None:
    app, agent = await enrol(everywhere), AtPages(everywhere)
    await agent.password()
    kept = dict(agent.visitor.http.cookies)
    assert (await agent.code(otp=app.code())).word == "in"
    everywhere.clock.advance(60)
    agent.visitor.http.cookies.clear()
    for name, value in kept.items():
        agent.visitor.http.cookies.set(name, value)
    assert (await agent.code(otp=app.code())).word == "over"


@at_every_door
async def test_a_wrong_code_may_be_followed_by_the_right_one(everywhere: Door, at: AtDoor) -> None:
    app, agent = await enrol(everywhere), at(everywhere)
    await agent.password()
    for _ in range(3):
        assert (await agent.code(otp=app.wrong())).word == "wrong"
    assert (await agent.code(otp=app.code())).word == "in"


@at_api_doors
@standard(DRAFT, "5.3.1")
async def test_another_client_cannot_take_the_step(everywhere: Door, at: type[AtSession | AtChallenge]) -> None:
    app, agent = await enrol(everywhere), at(everywhere)
    await agent.password()
    other = at(everywhere, client_id="other")
    other.step = agent.step
    assert (await other.code(otp=app.code())).word == "over"
    assert (await agent.code(otp=app.code())).word == "in"


async def test_a_step_is_taken_at_the_door_where_it_was_begun(everywhere: Door) -> None:
    app = await enrol(everywhere)
    session, challenge, pages = AtSession(everywhere), AtChallenge(everywhere), AtPages(everywhere)
    for told in (await session.password(), await challenge.password(), await pages.password()):
        assert told.word == "more"
    assert pages.view is not None
    sealed = pages.view.forms["otp-form"].fields["step"]
    begun: dict[AtSession | AtChallenge, str] = {session: session.step, challenge: challenge.step}
    for at_api, own in begun.items():
        for step in {sealed, *begun.values()} - {own}:
            at_api.step = step
            assert (await at_api.code(otp=app.code())).word == "over"
    for step in begun.values():
        answer = await pages.visitor.post(pages.view.forms["otp-form"], step=step, otp=app.code())
        assert "sign-in-form" in View(answer).forms


async def test_another_browser_cannot_take_the_step(everywhere: Door) -> None:
    app, agent = await enrol(everywhere), AtPages(everywhere)
    await agent.password()
    assert agent.view is not None
    thief = AtPages(everywhere, ELSEWHERE)
    await thief.password()
    assert thief.view is not None
    # With a form of his own and the owner's step.
    stolen = agent.view.forms["otp-form"].fields["step"]
    answer = await thief.visitor.post(thief.view.forms["otp-form"], step=stolen, otp=app.code())
    assert "sign-in-form" in View(answer).forms
    # With the owner's form as it is.
    answer = await thief.visitor.post(agent.view.forms["otp-form"], otp=app.code())
    assert View(answer).problem == "stale"
    assert (await agent.code(otp=app.code())).word == "in"


@standard(ASVS, "6.3.4")
@pytest.mark.parametrize("forged", ["", "x", "A" * 200, "AQ" + "A" * 300])
async def test_nobody_skips_the_first_step(everywhere: Door, forged: str) -> None:
    app = await enrol(everywhere)
    for agent in (AtSession(everywhere), AtChallenge(everywhere)):
        agent.step = forged
        if forged:
            assert (await agent.code(otp=app.code())).word == "over"
    visitor = Visitor(everywhere)
    page = await visitor.open("/login")
    form = page.forms["sign-in-form"]
    form.action = f"{everywhere.plan.issuer}/login/second-step"
    answer = await visitor.post(form, username="ada", password=None, step=forged, otp=app.code())
    view = View(answer)
    assert answer.status_code == 400
    assert "sign-in-form" in view.forms
    assert visitor.session is None
    # Who comes there by an address begins with the password.
    assert "sign-in-form" in (await visitor.open("/login/second-step")).forms
    # None of these used up anything, or counted as a try.
    agent = AtSession(everywhere)
    await agent.password()
    assert (await agent.code(otp=app.code())).word == "in"


@at_every_door
async def test_one_changed_letter_spoils_the_step(door: Door, at: AtDoor) -> None:
    app, agent = await enrol(door), at(door)
    await agent.password()
    if isinstance(agent, AtPages):
        assert agent.view is not None
        form = agent.view.forms["otp-form"]
        form.fields["step"] = _changed(form.fields["step"])
    else:
        agent.step = _changed(agent.step)
    assert (await agent.code(otp=app.code())).word == "over"


def _changed(sealed: str) -> str:
    middle = len(sealed) // 2
    return sealed[:middle] + ("A" if sealed[middle] != "A" else "B") + sealed[middle + 1 :]


async def _new_password(door: Door) -> None:
    await users.set_password(door.parts, "ada", "an entirely different passphrase")


async def _disabled(door: Door) -> None:
    await users.disable(door.parts, "ada")


async def _disabled_and_enabled(door: Door) -> None:
    await users.disable(door.parts, "ada")
    await users.enable(door.parts, "ada")


async def _signed_out(door: Door) -> None:
    await sessions.revoke_all(door.parts, "ada")


async def _factors_removed(door: Door) -> None:
    await factors.remove(door.parts, "ada")


async def _deleted(door: Door) -> None:
    await users.delete(door.parts, "ada")


async def _deleted_and_made_anew(door: Door) -> None:
    await users.delete(door.parts, "ada")
    async with door.parts.storage.write() as tx:
        await tx.add_user(user_named("ada", sub="another-sub-of-22-char"))


@at_every_door
@pytest.mark.parametrize(
    "happening",
    [
        _new_password,
        _disabled,
        _disabled_and_enabled,
        _signed_out,
        _factors_removed,
        _deleted,
        _deleted_and_made_anew,
    ],
)
async def test_what_happens_to_the_user_in_between_ends_the_step(everywhere: Door, at: AtDoor, happening: Any) -> None:
    app, agent = await enrol(everywhere), at(everywhere)
    codes = await give_recovery_codes(everywhere)
    await agent.password()
    await happening(everywhere)
    assert (await agent.code(otp=app.code())).word == "over"
    if isinstance(agent, AtPages):
        await agent.password()
        return
    assert (await agent.code(recovery_code=codes[0])).word == "over"
