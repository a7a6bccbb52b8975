"""The refresh run, played by hand: no clock, no chance, no I/O."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from tests.support.rfc import rfc

from watchword.client import token_state
from watchword.client.account import Account
from watchword.client.errors import Misconfigured, SignInAgain, TryLater
from watchword.client.messages import Answer, Unreachable
from watchword.client.refresh_steps import Ask, Failed, Outcome, Renewed, StillGood, Trouble, renew
from watchword.client.steps import (
    LOCK_PATIENCE,
    Discovered,
    Load,
    Look,
    Moment,
    Remember,
    Save,
    Send,
    Step,
    TryLock,
    Wait,
)
from watchword.client.token_state import Access, Held
from watchword.protocol.metadata import Metadata

ISSUER = "https://auth.example"
ACCOUNT = Account(issuer=ISSUER, client_id="app")
METADATA = Metadata(issuer=ISSUER, jwks_uri=f"{ISSUER}/jwks", token_endpoint=f"{ISSUER}/token")
NOW = 10_000.0
LOST = Unreachable("ReadTimeout")


def held(refresh_token: str | None = "r1", *, age: float = 1000.0, token: str = "a1", **changes: Any) -> Held:
    """Tokens obtained ``age`` seconds ago, living 900 s."""
    access = {ACCOUNT.key: Access(token, NOW - age, NOW - age + 900, "")}
    made = Held(issuer=ISSUER, client_id="app", acts_for="user", refresh_token=refresh_token, asked="", access=access)
    return msgspec.structs.replace(made, **changes)


def tokens(access: str = "a2", refresh: str | None = "r2", *, lifetime: int = 900) -> Answer:
    body = {"access_token": access, "token_type": "Bearer", "expires_in": lifetime, "refresh_token": refresh}
    return Answer(200, msgspec.json.encode(body))


def refused(code: str, status: int = 400) -> Answer:
    return Answer(status, msgspec.json.encode({"error": code}))


class World:
    """Plays the driver: a store, a lock, and the server's replies in order; notes all steps."""

    def __init__(
        self, stored: Held | None, replies: Iterable[Answer | Unreachable] = (), *, chance: float = 0.0
    ) -> None:
        self.store = None if stored is None else token_state.encode(stored)
        self.replies = list(replies)
        self.now, self.chance = NOW, chance
        self.steps: list[Step] = []
        self.lock_is_free: list[bool] = []
        self.failing: dict[type[Step], Exception] = {}
        self.meanwhile: list[Held | None] = []  # what others store while we wait, or before we look again

    def play(self, ask: Ask) -> Outcome:
        run = renew(ask)
        step = next(run)
        try:
            while True:
                self.steps.append(step)
                error = self.failing.get(type(step))
                step = run.send(self._do(step)) if error is None else run.throw(error)
        except StopIteration as end:
            outcome: Outcome = end.value
            return outcome

    def _do(self, step: Step) -> Any:
        match step:
            case Look():
                return Moment(self.now, self.chance)
            case Load():
                return self.store
            case Save(state):
                self.store = None if state is None else token_state.encode(state)
            case Send():
                reply = self.replies.pop(0)
                if self.meanwhile:
                    self._others_store()
                return reply
            case TryLock():
                return self.lock_is_free.pop(0) if self.lock_is_free else True
            case Wait(seconds):
                self.now += seconds
                if self.meanwhile:
                    self._others_store()
        return None

    def _others_store(self) -> None:
        state = self.meanwhile.pop(0)
        self.store = None if state is None else token_state.encode(state)

    def kinds(self) -> list[str]:
        return [type(step).__name__ for step in self.steps if not isinstance(step, Look)]

    def sent(self) -> list[str]:
        return [step.request.body.decode() for step in self.steps if isinstance(step, Send)]


def ask(**changes: Any) -> Ask:
    return replace(Ask(account=ACCOUNT, jitter=0.5, discovered=Discovered(METADATA, NOW)), **changes)


@rfc("6749", "6")
def test_the_new_refresh_token_is_saved_under_the_lock_before_the_access_token_is_out() -> None:
    world = World(held(), [tokens()])
    outcome = world.play(ask())
    assert isinstance(outcome, Renewed)
    assert outcome.access.token == "a2"
    assert world.kinds() == ["Load", "TryLock", "Load", "Send", "Save"]
    assert token_state.parse(world.store or b"") == outcome.held
    assert (outcome.held.refresh_token, outcome.held.generation) == ("r2", 2)


def test_a_fresh_token_in_the_store_needs_neither_lock_nor_server() -> None:
    world = World(held(age=10))
    assert isinstance(world.play(ask()), Renewed)
    assert world.kinds() == ["Load"]


def test_what_another_brought_while_we_waited_for_the_lock_is_taken() -> None:
    world = World(held())
    world.lock_is_free, world.meanwhile = [False, False], [held(), held("r2", age=0, token="a2")]
    outcome = world.play(ask())
    assert isinstance(outcome, Renewed)
    assert outcome.access.token == "a2"
    assert world.sent() == []
    assert world.kinds()[-1] == "Load", "and without the lock"


def test_what_another_brought_just_before_the_lock_was_ours_is_taken() -> None:
    world = World(held())
    world.lock_is_free, world.meanwhile = [False, True], [held("r2", age=0, token="a2")]
    outcome = world.play(ask())
    assert isinstance(outcome, Renewed)
    assert world.sent() == []


def test_while_another_renews_a_good_token_is_used_without_waiting() -> None:
    world = World(held(age=850))
    world.lock_is_free = [False]
    outcome = world.play(ask())
    assert isinstance(outcome, StillGood)
    assert outcome.trouble is None
    assert "Wait" not in world.kinds()


def test_a_lock_that_never_comes_free_is_waited_for_in_bounded_time() -> None:
    world = World(held())
    world.lock_is_free = [False] * 10_000
    outcome = world.play(ask())
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, TryLater)
    assert outcome.error.reason == "locked"
    assert LOCK_PATIENCE / 2 <= world.now - NOW <= LOCK_PATIENCE + 1


@pytest.mark.parametrize(
    "reply", [LOST, Answer(503, b""), Answer(200, b"garbage"), Answer(404, b"<html>"), refused("slow_down")]
)
def test_without_certainty_the_same_request_goes_out_again(reply: Answer | Unreachable) -> None:
    world = World(held(), [reply, reply, tokens()])
    assert isinstance(world.play(ask()), Renewed)
    assert len(set(world.sent())) == 1
    waits = [step.seconds for step in world.steps if isinstance(step, Wait)]
    assert waits == [0.1, 0.2]


def test_attempts_are_bounded_and_nothing_is_saved() -> None:
    before = held()
    world = World(before, [LOST] * 3)
    outcome = world.play(ask())
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, TryLater)
    assert outcome.held == before
    assert world.store == token_state.encode(before)


def test_a_long_retry_after_is_not_waited_for_within_the_call() -> None:
    world = World(held(), [Answer(503, b"", retry_after=30.0)])
    outcome = world.play(ask())
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, TryLater)
    assert outcome.error.retry_after == 30
    assert "Wait" not in world.kinds()


def test_with_a_good_token_there_is_one_attempt_and_the_token_stays() -> None:
    world = World(held(age=850), [LOST])
    outcome = world.play(ask())
    assert isinstance(outcome, StillGood)
    assert outcome.access.token == "a1"
    assert outcome.trouble is not None


@pytest.mark.parametrize(
    "code", ["invalid_client", "unauthorized_client", "invalid_request", "invalid_scope", "invalid_target"]
)
def test_other_refusals_are_misconfigured_and_keep_the_tokens(code: str) -> None:
    before = held()
    world = World(before, [refused(code)])
    outcome = world.play(ask())
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, Misconfigured)
    assert outcome.error.reason == code
    assert world.store == token_state.encode(before)


@rfc("6749", "5.2")
def test_invalid_grant_keeps_the_dead_token_for_revocation_and_nothing_to_use() -> None:
    world = World(held(age=850), [refused("invalid_grant")])
    outcome = world.play(ask())
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, SignInAgain)
    after = token_state.parse(world.store or b"")
    assert after is not None
    assert (after.over, after.refresh_token, after.access) == (True, "r1", {})
    assert world.kinds() == ["Load", "TryLock", "Load", "Send", "Load", "Save"], "the store is read again first"


def test_after_invalid_grant_another_token_in_the_store_is_tried() -> None:
    world = World(held("r1"), [refused("invalid_grant"), tokens("a3", "r3")])
    world.meanwhile = [held("r2")]
    outcome = world.play(ask())
    assert isinstance(outcome, Renewed)
    assert ["refresh_token=r1" in body for body in world.sent()] == [True, False]
    assert outcome.held.refresh_token == "r3"


def test_after_invalid_grant_a_fresh_sign_in_of_another_process_is_taken() -> None:
    world = World(held("r1"), [refused("invalid_grant")])
    world.meanwhile = [held("s1", age=0, token="b1")]
    outcome = world.play(ask())
    assert isinstance(outcome, Renewed)
    assert outcome.access.token == "b1"


def test_after_invalid_grant_a_store_that_was_emptied_stays_empty() -> None:
    world = World(held("r1"), [refused("invalid_grant")])
    world.meanwhile = [None]
    outcome = world.play(ask())
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, SignInAgain)
    assert world.store is None


def test_invalid_grant_with_a_store_that_cannot_be_written_is_still_a_sign_in() -> None:
    world = World(held(), [refused("invalid_grant")])
    world.failing[Save] = TryLater("full", reason="store")
    outcome = world.play(ask())
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, SignInAgain)


@pytest.mark.parametrize(
    "stored",
    [
        None,
        held(None),
        held(over=True),
        held(issuer="https://other.example"),
        held(client_id="other"),
        held(acts_for="client"),
    ],
)
def test_with_nothing_of_ours_to_go_on_only_a_sign_in_helps(stored: Held | None) -> None:
    world = World(stored)
    outcome = world.play(ask(known=held(age=10)))
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, SignInAgain)
    assert world.kinds() == ["Load"]


def test_a_sign_in_without_a_refresh_token_serves_until_its_end() -> None:
    assert isinstance(World(held(None, age=880)).play(ask()), Renewed)


def test_a_damaged_store_is_as_good_as_an_empty_one() -> None:
    world = World(None)
    world.store = b'{"format": 1, "issuer":'
    outcome = world.play(ask())
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, SignInAgain)


def test_a_store_of_a_newer_version_is_not_touched() -> None:
    world = World(None)
    world.store = b'{"format": 2}'
    outcome = world.play(ask())
    assert isinstance(outcome, Failed)
    assert outcome.error.reason == "store_newer"
    assert world.store == b'{"format": 2}'


def test_a_store_that_cannot_be_read_leaves_the_remembered_token_in_use() -> None:
    world = World(held())
    world.failing[Load] = TryLater("the keyring is locked", reason="store")
    outcome = world.play(ask(known=held(age=850)))
    assert isinstance(outcome, StillGood)


def test_a_refused_token_is_renewed_though_it_is_fresh_and_never_comes_back() -> None:
    world = World(held(age=10), [tokens()])
    outcome = world.play(ask(refused="a1"))
    assert isinstance(outcome, Renewed)
    assert outcome.access.token == "a2"
    assert isinstance(World(held(age=10), [LOST] * 3).play(ask(refused="a1")), Failed)


def test_a_refused_token_gives_way_to_the_one_in_the_store() -> None:
    world = World(held(age=10, token="a2"))
    assert isinstance(world.play(ask(refused="a1")), Renewed)
    assert world.sent() == []


def test_while_the_gate_is_shut_the_server_is_left_alone_but_the_store_is_read() -> None:
    trouble = Trouble(1, NOW + 7, TryLater("away"))
    world = World(held())
    outcome = world.play(ask(trouble=trouble))
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, TryLater)
    assert outcome.error.retry_after == 7
    assert outcome.trouble is trouble, "waiting is no failure"
    assert isinstance(World(held(age=0)).play(ask(trouble=trouble)), Renewed)


def test_pauses_double_up_to_a_minute_and_are_spread() -> None:
    trouble, pauses = None, []
    for _ in range(9):
        trouble = Trouble.after(trouble, TryLater("away", retry_after=0), Moment(NOW, 1.0))
        pauses.append(trouble.retry_at - NOW)
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert Trouble.after(None, TryLater("away", retry_after=0), Moment(NOW, 0.0)).retry_at == NOW + 0.5
    herd = [
        Trouble.after(None, TryLater("busy", retry_after=20), Moment(NOW, c)).retry_at - NOW for c in (0.0, 0.5, 1.0)
    ]
    assert herd == [20, 25, 30]
    assert Trouble.after(None, TryLater("busy", retry_after=1e9), Moment(NOW, 0.0)).retry_at == NOW + 300


def test_a_clock_that_was_set_back_opens_the_gate() -> None:
    trouble = Trouble(1, NOW + 10_000, TryLater("away"))
    assert isinstance(World(held(), [tokens()]).play(ask(trouble=trouble)), Renewed)


def test_metadata_is_read_once_an_hour_and_old_is_better_than_none() -> None:
    document = Answer(200, msgspec.json.encode(METADATA))
    world = World(held(), [document, tokens()])
    assert isinstance(world.play(ask(discovered=None)), Renewed)
    assert [step.found.metadata for step in world.steps if isinstance(step, Remember)] == [METADATA]
    old = Discovered(METADATA, NOW - 4000)
    world = World(held(), [LOST, LOST, LOST, tokens()])
    assert isinstance(world.play(ask(discovered=old)), Renewed)


def test_a_server_that_gives_no_new_refresh_token_means_the_old_one() -> None:
    outcome = World(held(), [tokens(refresh=None)]).play(ask())
    assert isinstance(outcome, Renewed)
    assert outcome.held.refresh_token == "r1"


def test_a_client_of_its_own_gets_its_first_token_with_an_empty_store() -> None:
    account = Account(issuer=ISSUER, client_id="app", client_secret="s", acts_for="client")
    world = World(None, [tokens(refresh=None)])
    outcome = world.play(ask(account=account))
    assert isinstance(outcome, Renewed)
    assert world.sent() == ["grant_type=client_credentials"]


def test_a_client_of_its_own_never_writes_over_a_users_sign_in() -> None:
    account = Account(issuer=ISSUER, client_id="app", client_secret="s", acts_for="client")
    outcome = World(held()).play(ask(account=account))
    assert isinstance(outcome, Failed)
    assert outcome.error.reason == "store_shared"
