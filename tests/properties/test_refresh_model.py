"""The refresh rule, explored whole: four sentences that hold in every reachable state of a small world.

Single holder, shared store, owner and thief: each world is walked until nothing new is found, so no number of steps
bounds it; ``pytest -rP`` prints how many states and how deep. Callers stand for networks; "-" brings no evidence.

Beyond the four sentences the walks found, and tests below hold:

- a request that a network held back over a whole rotation, and that comes from elsewhere, is taken for a thief's;
- a thief who also acted within the overlap once, and so has the owner's own token beside his fork, is out by the
  owner's third refresh rather than the second.
"""

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import pytest
from tests.properties import refresh_model
from tests.properties.refresh_model import (
    BIRTH,
    FIRST,
    KEEPING,
    NOBODY,
    NOW,
    OVERLAP,
    STRICT,
    Row,
    Token,
    Violation,
    Walk,
    explore,
    grant_of,
    judge,
    later,
    present,
    row_of,
    wait,
)
from tests.properties.refresh_worlds import (
    EVERYBODY,
    Burgled,
    Holder,
    Shared,
    burgled_moves,
    holder_moves,
    plain,
    shared_moves,
)
from tests.support.rfc import rfc

from watchword.server.domain.grant import Grant
from watchword.server.domain.grant_types.refresh_token import MAX_FORKS, Granted, Keep, Policy
from watchword.server.domain.refresh_token import RefreshToken, mint
from watchword.server.domain.secret_ring import parse_secrets

# 1. One holder


@pytest.fixture(scope="module")
def alone() -> Walk[Holder]:
    return explore(Holder(), partial(holder_moves, callers="ABC" + NOBODY))


@rfc("9700", "4.14.2")
def test_a_single_holder_who_roams_and_loses_answers_is_never_refused(alone: Walk[Holder]) -> None:
    print(alone)
    assert alone.depth > 2 * MAX_FORKS, "the walk reached the most forks there can be"
    assert {state.row.forks for state in alone.states} == set(range(MAX_FORKS + 1))
    assert {state.row.by for state in alone.states} == {"A", "B", "C", NOBODY}


def test_requests_that_arrive_late_do_a_single_holder_no_harm() -> None:
    walk = explore(Holder(), partial(holder_moves, callers="AB" + NOBODY, late_requests=True))
    print(walk)
    assert any(state.late and state.late[0].ahead == 0 and state.token.ahead == 1 for state in walk.states)


def test_a_database_that_goes_back_in_time_does_a_single_holder_no_harm() -> None:
    walk = explore(Holder(), partial(holder_moves, callers="AB" + NOBODY, fail_overs=True, most_forks=2))
    print(walk)
    assert max(state.token.ahead for state in walk.states) == 4, "the row went back three generations"


def test_the_only_thief_among_single_holders_asks_for_a_ninth_fork(alone: Walk[Holder]) -> None:
    verdicts = {
        (step.verdict, step.why)
        for state in alone.states
        for caller in "ABC" + NOBODY
        for step in [present(state.row, state.token, caller)]
    }
    assert verdicts == {("rotate", ""), ("converge", ""), ("fork", ""), ("theft", "refresh.too_many_forks")}


def test_a_request_held_back_over_a_whole_rotation_is_taken_for_a_thief_from_elsewhere_alone() -> None:
    old = Token(-1, 0)
    row = Row(by="B", fresh=False)
    assert present(row, old, "B").verdict == "superseded"
    assert present(row, old, "A").verdict == "theft"


# 2. Several processes of one caller


@pytest.mark.parametrize("locked", [True, False], ids=["under a lock", "without a lock"])
def test_processes_of_one_caller_that_share_a_store_are_never_taken_for_thieves(locked: bool) -> None:
    walk = explore(Shared(), partial(shared_moves, locked=locked))
    print(walk)
    lags = [state for state in walk.states for process in state.processes if process.token.ahead < 0]
    assert lags, "the walk saw processes that lag by more than a rotation"


def test_whatever_token_one_caller_presents_in_whatever_order_he_is_no_thief() -> None:
    def moves(row: Row) -> Iterator[tuple[str, Row]]:
        if row.fresh:
            yield "the overlap ends", wait(row)
        tokens = [Token(1, branch) for branch in range(row.forks + 1)]
        tokens += [Token(0, branch) for branch in range(3)] + [Token(-1, 0), Token(3, 0)] if row.born else []
        for token in tokens:
            step = present(row, token, "A")
            refresh_model.must(step.verdict in ("rotate", "converge", "superseded"), step.verdict)
            yield f"{token}", plain(step.row)

    assert {(row.born, row.fresh) for row in explore(BIRTH, moves).states} == {
        (False, False),
        (True, True),
        (True, False),
    }


@pytest.mark.parametrize("row", [BIRTH, Row(by="A"), Row(by="A", fresh=False, forks=3, forked_by="T")])
def test_a_client_that_proves_a_secret_keeps_its_token_whoever_carries_it(row: Row) -> None:
    kept = FIRST if not row.born else Token(0, row.branch)
    for caller in EVERYBODY:
        step = present(row, kept, caller, KEEPING)
        assert (step.verdict, step.answer, step.row) == ("keep", kept, row)
    assert present(row, FIRST, "U", KEEPING).verdict == "keep"


def test_a_client_that_proves_a_secret_writes_its_row_at_most_once_per_tenth_of_the_idle_time() -> None:
    grant = grant_of(BIRTH)
    token = RefreshToken(grant.id, 1, 0, int(grant.absolute_end))
    for age, written in ((0.0, False), (grant.idle / 10 - 1, False), (grant.idle / 10, True)):
        outcome, after, _ = judge(grant, token, "A", now=NOW + age, policy=KEEPING)
        assert isinstance(outcome, Granted)
        assert isinstance(outcome.judgement, Keep)
        assert (after != grant) is written
        assert after.last_used_at == (NOW + age if written else grant.last_used_at)


# 3. Owner and thief


@pytest.mark.parametrize(("owner", "thief"), [("AB", "T"), ("A", "T" + NOBODY)], ids=["the owner roams", "he does"])
@rfc("9700", "4.14.2")
def test_a_thief_from_elsewhere_is_out_by_the_owners_second_refresh(owner: str, thief: str) -> None:
    walk = explore(Burgled(apart=True), partial(burgled_moves, owner=owner, thief=thief, bound=2))
    print(walk)
    assert any(state.refreshes == 2 for state in walk.states), "owners get to their second refresh"
    assert any(state.row.by == "T" and state.used for state in walk.states), "thieves rotate too"


def test_a_thief_who_shadowed_the_owner_before_is_out_by_the_owners_third_refresh() -> None:
    walk = explore(Burgled(apart=False), partial(burgled_moves, owner="A", thief="T", bound=3))
    print(walk)
    assert any(state.refreshes == 3 for state in walk.states)


def test_a_thief_behind_the_owners_own_network_and_agent_is_not_found_by_this_rule() -> None:
    """It is the owner who is refused then. A client that signs in again hands the dead token back, which ends it."""
    with pytest.raises(Violation, match="the owner is refused, and the thief lives on"):
        explore(Burgled(apart=True), partial(burgled_moves, owner="A", thief="A", bound=2))


def test_a_thief_within_the_overlap_is_not_found_at_once() -> None:
    with pytest.raises(Violation, match="and the thief can fork"):
        explore(Burgled(apart=False), partial(burgled_moves, owner="A", thief="T", bound=2))


def test_strangers_who_converge_in_three_generations_running_raise_the_shadow_alarm() -> None:
    row, alarms = BIRTH, []
    for _ in range(5):
        row = present(row, FIRST, "A").row
        shadow = present(row, Token(0, 0), "T")
        alarms.append([type(event).kind for event in shadow.events])
        again = present(shadow.row, Token(0, 0), "U")
        assert (again.row, again.events) == (shadow.row, ()), "one generation counts once"
        row = shadow.row
    assert alarms == [[], [], ["refresh.shadowed"], ["refresh.shadowed"], ["refresh.shadowed"]]


def test_a_generation_without_a_shadow_starts_the_count_again() -> None:
    row = Row(by="A", shadows=2, shadowed_ago=1)
    row = present(row, FIRST, "A").row
    assert row.shadows == 0
    assert present(row, Token(0, 0), "T").row.shadows == 1


def test_no_verdict_depends_on_the_count_of_shadows(alone: Walk[Holder]) -> None:
    rows = {state.row for state in alone.states}
    for row in rows:
        for shadows, ago in ((1, 0), (3, 0), (3, 1), (2, 1)):
            for token in (FIRST, Token(0, row.branch), Token(-1, 0)):
                shadowed = present(row._replace(shadows=shadows, shadowed_ago=ago), token, "T")
                bare = present(row, token, "T")
                assert (shadowed.verdict, shadowed.answer, plain(shadowed.row)) == (
                    bare.verdict,
                    bare.answer,
                    plain(bare.row),
                )


# 4. One line (that only one goes on is checked at each rotation of every walk above)


def test_of_all_forks_the_one_that_rotates_is_the_last_one_alive() -> None:
    row = Row(by="A", forks=8, fresh=False)
    for branch in range(9):
        rotated = present(row, Token(1, branch), "B")
        assert rotated.verdict == "rotate"
        for other in range(9):
            again = present(rotated.row, Token(1, other).seen_after(rotated.shift), "T")
            assert again.granted is (other == branch)


# Around the table


def test_a_convergence_answers_the_same_token_byte_for_byte() -> None:
    secrets = parse_secrets("0123456789abcdefghijklmnopqrstuvwxyz")
    grant = grant_of(Row(by="A", forks=3, forked_by="T"))
    text = [
        mint(RefreshToken(grant.id, step.answer.ahead, step.answer.branch, int(grant.absolute_end)), secrets)
        for caller in EVERYBODY
        for step in [present(Row(by="A", forks=3, forked_by="T"), Token(0, 0), caller)]
        if step.answer is not None
    ]
    assert len(text) == len(EVERYBODY)
    assert len(set(text)) == 1


def test_the_same_stranger_gets_the_same_fork_uncounted() -> None:
    first = present(Row(by="A", fresh=False), Token(0, 0), "T")
    again = present(first.row, Token(0, 0), "T")
    assert first.answer == again.answer == Token(1, 1)
    assert again.row == first.row
    assert [type(event).kind for event in first.events] == ["refresh.fork"]
    assert again.events == ()


def test_a_stranger_without_evidence_is_a_new_one_each_time() -> None:
    row = Row(by="A", fresh=False)
    for branch in range(1, 9):
        step = present(row, Token(0, 0), NOBODY)
        assert step.answer == Token(1, branch)
        row = step.row
    assert present(row, Token(0, 0), NOBODY).why == "refresh.too_many_forks"


def test_without_evidence_within_the_overlap_one_converges_and_is_no_shadow() -> None:
    step = present(Row(by="A"), Token(0, 0), NOBODY)
    assert (step.verdict, step.row) == ("converge", Row(by="A"))


def test_a_rotation_without_evidence_makes_nobody_the_same_afterwards() -> None:
    row = wait(present(Row(by="A"), FIRST, NOBODY).row)
    assert present(row, Token(0, 0), NOBODY).verdict == "fork"
    assert present(row, Token(-1, 0), NOBODY).verdict == "theft"


@pytest.mark.parametrize("age", [-3600.0, -0.001, 0.0, OVERLAP])
def test_a_node_whose_clock_lags_sees_a_redemption_of_the_future_as_within_the_overlap(age: float) -> None:
    grant = later(grant_of(Row(by="A")), redeemed_at=NOW - age)
    token = RefreshToken(grant.id, grant.generation, 0, int(grant.absolute_end))
    outcome, after, _ = judge(grant, token, "T")
    assert isinstance(outcome, Granted)
    assert (after.forks, after.redeemed_at) == (0, NOW - age)


def test_a_rotation_on_a_node_whose_clock_lags_does_not_bring_the_idle_end_nearer() -> None:
    grant = grant_of(Row(by="A"))
    token = RefreshToken(grant.id, grant.generation + 1, 0, int(grant.absolute_end))
    _, after, _ = judge(grant, token, "A", now=NOW - 100)
    assert after.last_used_at == grant.last_used_at


@rfc("9700", "4.14.2")
def test_the_strict_profile_takes_every_second_use_for_theft() -> None:
    for row in (Row(by="A"), Row(by="A", fresh=False), Row(by=NOBODY)):
        for caller in EVERYBODY:
            assert present(row, Token(0, 0), caller, STRICT).why == "refresh.reused"
            assert present(row, Token(-1, 0), caller, STRICT).why == "refresh.reused"
            assert present(row, FIRST, caller, STRICT).verdict == "rotate"


def test_with_an_overlap_of_zero_a_stranger_forks_a_moment_later() -> None:
    policy = Policy(overlap=0)
    grant = later(grant_of(Row(by="A")), redeemed_at=NOW - 0.001)
    token = RefreshToken(grant.id, grant.generation, 0, int(grant.absolute_end))
    assert judge(grant, token, "T", policy=policy)[1].forks == 1
    assert judge(grant, token, "A", policy=policy)[1].forks == 0


def test_the_walk_sees_a_broken_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the model would say of a rule that forgets lost answers: this is no test that cannot fail."""
    monkeypatch.setattr("tests.properties.refresh_worlds.present", partial(present, policy=STRICT))
    with pytest.raises(Violation, match="an honest holder is a thief"):
        explore(Holder(), partial(holder_moves, callers="A"))
    with pytest.raises(Violation, match="one caller is taken for two"):
        explore(Shared(), partial(shared_moves, locked=True))


# The simplification itself


class Real(NamedTuple):
    """A world of real rows: everything that was ever answered, in anybody's hands."""

    grant: Grant
    now: float
    issued: frozenset[tuple[int, int]]


def test_rows_that_look_alike_behave_alike_to_a_depth_of_eight_steps() -> None:
    """All that anybody can do with any token ever answered, on unsimplified rows, 8 steps deep."""
    depth = 8
    start = Real(later(grant_of(BIRTH), idle=1e9), NOW, frozenset({(1, 0)}))
    frontier, seen = {start}, {start}
    for _ in range(depth):
        found: set[Real] = set()
        for state in frontier:
            found.add(state._replace(now=state.now + OVERLAP + 1))
            for generation, branch in state.issued:
                for caller in "AT" + NOBODY:
                    found |= _presented(state, generation, branch, caller)
        frontier = found - seen
        seen |= found
    print(f"{len(seen)} real states, {depth} steps deep")
    assert len({row_of(state.grant, state.now) for state in seen}) > 20


def _presented(state: Real, generation: int, branch: int, caller: str) -> set[Real]:
    token = RefreshToken(state.grant.id, generation, branch, int(state.grant.absolute_end))
    outcome, after, events = judge(state.grant, token, caller, now=state.now)
    seen_from_row = Token(generation - state.grant.generation, branch)
    model = present(row_of(state.grant, state.now), seen_from_row, caller)
    answer = None
    if isinstance(outcome, Granted):
        answer = (outcome.judgement.answer.generation, outcome.judgement.answer.branch)
    assert model.verdict == (type(outcome.judgement if isinstance(outcome, Granted) else outcome).__name__.lower())
    assert model.shift == after.generation - state.grant.generation
    assert [type(event) for event in model.events] == [type(event) for event in events]
    if answer is None:
        return set()
    assert model.answer == Token(answer[0] - after.generation, answer[1])
    assert model.row == row_of(after, state.now)
    assert not model.regressed, "nobody holds a token that was not answered"
    return {Real(after, state.now, state.issued | {answer})}
