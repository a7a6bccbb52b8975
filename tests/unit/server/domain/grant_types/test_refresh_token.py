"""The order of checks of a refresh. The table itself is explored in tests/properties."""

from typing import Any

import pytest
from msgspec.structs import replace
from tests.support.rfc import rfc
from tests.unit.server.domain.build import DAY, NOW, ORDERS, caller, client, grant, standing

from watchword.protocol.scope import Scope
from watchword.server.domain.caller import Caller
from watchword.server.domain.grant import Grant, Standing
from watchword.server.domain.grant_types.refresh_token import (
    Allow,
    Converge,
    Ended,
    Foreign,
    Fork,
    Granted,
    Outcome,
    Policy,
    Presentation,
    Refused,
    Rotate,
    Superseded,
    Theft,
    decide,
    events_of,
)
from watchword.server.domain.refresh_token import RefreshToken

READ = Scope.parse("orders:read")
STRANGER = caller("198.51.100.0/24")


def allowed(_: Grant, __: Standing) -> tuple[str, Scope]:
    return ORDERS, READ


def beyond(_: Grant, __: Standing) -> Refused:
    return Refused("invalid_scope")


def present(generation: int, branch: int = 0, who: Caller | None = None, **changes: Any) -> Presentation:
    token = RefreshToken(b"g" * 16, generation, branch, int(NOW + 80 * DAY))
    ordinary = Presentation(token=token, client_id="app", caller=who, now=NOW, policy=Policy(overlap=30))
    return replace(ordinary, **changes)


def run(
    row: Grant, presented: Presentation, *, on: Standing | None = None, allow: Allow = allowed
) -> tuple[Outcome, Grant | None, list[str]]:
    outcome, written = decide(row, on or standing(), presented, allow)
    return outcome, written, [event.kind for event in events_of(outcome, row, presented)]


def test_a_rotation_writes_the_row_and_grants_what_is_allowed() -> None:
    outcome, written, events = run(grant(), present(4, who=STRANGER))
    assert isinstance(outcome, Granted)
    assert isinstance(outcome.judgement, Rotate)
    assert (outcome.audience, outcome.scope) == (ORDERS, READ)
    assert written == outcome.grant
    assert written is not None
    assert (written.generation, written.branch, written.forks, written.forked_by) == (4, 0, 0, None)
    assert (written.redeemed_at, written.redeemed_by, written.last_used_at) == (NOW, STRANGER.mark, NOW)
    assert events == []


def test_rotation_moves_neither_the_absolute_end_nor_the_scope() -> None:
    _, written, _ = run(grant(), present(4))
    assert written is not None
    before = grant()
    assert (written.absolute_end, written.scope, written.idle) == (before.absolute_end, before.scope, before.idle)


def test_a_convergence_writes_nothing() -> None:
    outcome, written, events = run(grant(), present(3, who=caller()))
    assert isinstance(outcome, Granted)
    assert isinstance(outcome.judgement, Converge)
    assert (written, events) == (None, [])


def test_a_fork_is_written_and_told() -> None:
    outcome, written, events = run(grant(), present(3, who=STRANGER))
    assert isinstance(outcome, Granted)
    assert isinstance(outcome.judgement, Fork)
    assert written is not None
    assert (written.forks, written.forked_by) == (3, STRANGER.mark)
    assert events == ["refresh.fork"]


@rfc("9700", "4.14.2")
def test_theft_ends_the_grant_and_is_told() -> None:
    outcome, written, events = run(grant(), present(2, who=STRANGER))
    assert isinstance(outcome, Theft)
    assert written is not None
    assert (written.ended_at, written.ended_reason) == (NOW, "theft")
    assert events == ["refresh.theft"]


@rfc("9700", "4.14.2")
@pytest.mark.parametrize(("generation", "who"), [(4, None), (3, STRANGER), (2, STRANGER), (1, None)])
def test_another_clients_token_changes_nothing(generation: int, who: Caller | None) -> None:
    assert run(grant(), present(generation, who=who, client_id="other")) == (Foreign(), None, [])


@pytest.mark.parametrize(
    ("row", "on", "reason"),
    [
        (grant(ended_at=NOW - 1, ended_reason="signed_out"), standing(), "signed_out"),
        (grant(ended_at=NOW - 1), standing(), "ended"),
        (grant(), standing(session_ended_reason="signed_out"), "signed_out"),
        (grant(), standing(user_enabled=False), "user_disabled"),
        (grant(), standing(user_epoch=3), "logged_out_everywhere"),
        (grant(), standing(client_enabled=False), "client_disabled"),
    ],
)
@pytest.mark.parametrize("generation", [4, 3, 2])
def test_a_grant_that_was_ended_on_purpose_is_ended_and_never_theft(
    row: Grant, on: Standing, reason: str, generation: int
) -> None:
    assert run(row, present(generation, who=STRANGER), on=on) == (Ended(reason), None, [])


@pytest.mark.parametrize("row", [grant(last_used_at=NOW - 15 * DAY), grant(absolute_end=NOW)])
def test_reuse_is_noticed_before_the_idle_and_the_absolute_end(row: Grant) -> None:
    outcome, written, events = run(row, present(2, who=STRANGER))
    assert isinstance(outcome, Theft)
    assert (written is not None, events) == (True, ["refresh.theft"])


def test_reuse_is_noticed_before_scope() -> None:
    assert isinstance(run(grant(), present(2, who=STRANGER), allow=beyond)[0], Theft)
    outcome, written, events = run(grant(), present(3, who=STRANGER), allow=beyond)
    assert isinstance(outcome, Refused)
    assert written is not None
    assert (written.forks, events) == (3, ["refresh.fork"])


@rfc("6749", "6")
@pytest.mark.parametrize("generation", [3, 4])
def test_a_mismatch_of_scope_spends_no_token(generation: int) -> None:
    outcome, written, events = run(grant(), present(generation, who=caller()), allow=beyond)
    assert isinstance(outcome, Refused)
    assert (outcome.error, written, events) == ("invalid_scope", None, [])


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (grant(last_used_at=NOW - 14 * DAY), "idle_end"),
        (grant(absolute_end=NOW), "absolute_end"),
        (grant(absolute_end=NOW, last_used_at=NOW - 14 * DAY), "absolute_end"),
    ],
)
@pytest.mark.parametrize("generation", [3, 4])
def test_an_honest_refresh_after_the_end_is_told_which_end(row: Grant, reason: str, generation: int) -> None:
    assert run(row, present(generation, who=caller())) == (Ended(reason), None, [])


def test_a_moment_before_the_idle_end_the_grant_lives_and_starts_to_idle_again() -> None:
    outcome, written, _ = run(grant(last_used_at=NOW - 14 * DAY + 0.001), present(4))
    assert isinstance(outcome, Granted)
    assert written is not None
    assert written.idle_end == NOW + 14 * DAY


@pytest.mark.parametrize("allow", [allowed, beyond])
def test_a_fork_that_is_refused_does_not_wake_an_idle_grant(allow: Allow) -> None:
    """It is kept and told, but it is no use of the grant: asking twice must not bring it back."""
    row = grant(last_used_at=NOW - 14 * DAY)
    outcome, written, events = run(row, present(3, who=STRANGER), allow=allow)
    assert isinstance(outcome, Ended)
    assert written is not None
    assert (written.forks, written.last_used_at) == (3, row.last_used_at)
    assert events == ["refresh.fork"]
    assert run(written, present(3, who=STRANGER)) == (Ended("idle_end"), None, [])


def test_a_fork_that_is_refused_for_its_scope_does_not_prolong_the_idle_time() -> None:
    _, written, _ = run(grant(), present(3, who=STRANGER), allow=beyond)
    assert written is not None
    assert written.last_used_at == grant().last_used_at


def test_a_superseded_token_of_the_same_caller_is_refused_and_changes_nothing() -> None:
    assert run(grant(), present(2, who=caller())) == (Superseded(), None, [])
    assert run(grant(branch=1), present(3, 0, who=caller())) == (Superseded(), None, [])


@rfc("9700", "4.14.2")
def test_the_very_first_token_counts_for_ever() -> None:
    row = grant(generation=2**31, redeemed_at=NOW - 80 * DAY, last_used_at=NOW)
    assert isinstance(run(row, present(1, who=STRANGER))[0], Theft)


@pytest.mark.parametrize(("generation", "branch"), [(5, 0), (4, 3), (4000, 7)])
def test_a_token_ahead_of_its_row_is_accepted_and_told(generation: int, branch: int) -> None:
    outcome, written, events = run(grant(), present(generation, branch, who=STRANGER))
    assert isinstance(outcome, Granted)
    assert written is not None
    assert (written.generation, written.branch) == (generation, branch)
    assert events == ["refresh.regressed"]


def test_the_strict_profile_of_a_client_means_no_overlap() -> None:
    policy = Policy.of(client(reuse="strict"), 30)
    assert policy == Policy(overlap=0, strict=True, rotates=True)
    assert isinstance(run(grant(redeemed_at=NOW), present(3, who=caller(), policy=policy))[0], Theft)


def test_a_confidential_client_does_not_rotate() -> None:
    confidential = client(type="confidential", auth_method="client_secret_basic", secret_hash=b"h" * 32)
    assert Policy.of(confidential, 30) == Policy(overlap=30, strict=False, rotates=False)


def test_an_older_token_of_a_client_that_keeps_its_token_is_refused() -> None:
    """The client was a public one before, and rotated."""
    keeping = Policy(overlap=30, rotates=False)
    assert run(grant(), present(2, who=STRANGER, policy=keeping)) == (Superseded(), None, [])
    for generation in (3, 4):
        outcome, _, events = run(grant(), present(generation, who=STRANGER, policy=keeping))
        assert isinstance(outcome, Granted)
        assert (outcome.judgement.answer.generation, events) == (generation, [])


def test_no_repr_shows_the_secret_grant_id() -> None:
    presented = present(4)
    outcome = decide(grant(id=b"secret-secret-16"), standing(), presented, allowed)
    assert "secret-secret" not in repr(outcome)
    assert "gggg" not in repr(presented)
