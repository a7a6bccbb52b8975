"""A small world in which a refresh token is presented, and the means to walk through all of it.

The world holds one grant. Its rule is not modelled: every step calls the server's own ``decide`` on a grant that is
built afresh from the few facts kept between two steps, so a restart lies between any two of them.

Two grants that differ only in how many generations lie behind them behave alike, and of time only "within the overlap"
and "after it" count. ``Row`` keeps what is left. There are finitely many rows, so a walk visits every state that can
ever be reached: the depth is not bounded by a number of steps. ``test_refresh_model.py`` checks the simplification
itself against a walk over real rows, to a bounded depth.
"""

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Final, Generic, NamedTuple, TypeVar

from msgspec.structs import replace

from watchword.protocol.scope import Scope
from watchword.server.domain.audit import AuditEvent
from watchword.server.domain.caller import Caller, caller_of
from watchword.server.domain.grant import Grant, Standing
from watchword.server.domain.grant_types.refresh_token import (
    Granted,
    Outcome,
    Policy,
    Presentation,
    Rotate,
    Superseded,
    Theft,
    decide,
    events_of,
)
from watchword.server.domain.refresh_token import RefreshToken

State = TypeVar("State", bound=Hashable)

OVERLAP: Final = 30.0
NOW: Final = 1_700_000_000.0
SCOPE: Final = Scope.parse("orders:read")
BALANCED: Final = Policy(overlap=OVERLAP)
STRICT: Final = Policy(overlap=0, strict=True)
KEEPING: Final = Policy(overlap=OVERLAP, rotates=False)
# Where a walk puts the row's generation: far enough from birth for every older token to exist.
_BASE: Final = 10
# Tokens further back than this behave alike, also after a fail-over that goes back three generations.
_OLDEST: Final = -5

CALLERS: Final[dict[str, Caller]] = {
    name: caller_of(f"192.0.{number}.0/24", "agent", [b"k" * 32]) for number, name in enumerate("ABCTU", start=1)
}
_NAMES: Final = {caller.mark: name for name, caller in CALLERS.items()}
NOBODY: Final = "-"
"""A caller without evidence."""

STANDING: Final = Standing(
    user_enabled=True,
    user_epoch=0,
    user_roles=frozenset(),
    session_epoch=0,
    session_ended_reason=None,
    client_enabled=True,
)


class Token(NamedTuple):
    """A refresh token, seen from the row: ``ahead`` is its generation less the row's (1: next, 0: redeemed)."""

    ahead: int
    branch: int

    def seen_after(self, shift: int) -> "Token":
        """The same token once the row went on by ``shift`` generations."""
        ahead = self.ahead - shift
        return Token(ahead, self.branch) if ahead > _OLDEST else Token(_OLDEST, 0)


class Row(NamedTuple):
    """What counts of a grant's row."""

    born: bool = True
    branch: int = 0
    forks: int = 0
    fresh: bool = True
    by: str = NOBODY
    forked_by: str = NOBODY
    shadows: int = 0
    shadowed_ago: int = 2


BIRTH: Final = Row(born=False, fresh=False)
FIRST: Final = Token(1, 0)


class Step(NamedTuple):
    """What a presentation did. ``answer`` is seen from the row afterwards; ``shift`` says how far the row went on."""

    verdict: str
    row: Row
    answer: Token | None
    shift: int
    events: tuple[AuditEvent, ...]
    why: str
    regressed: bool

    @property
    def granted(self) -> bool:
        """Whether tokens were answered."""
        return self.answer is not None


def grant_of(row: Row, now: float = NOW) -> Grant:
    """A real grant in the state of ``row``, as it would be loaded from a database."""
    generation = _BASE if row.born else 0
    return Grant(
        id=b"g" * 16,
        gid="gid",
        sid="sid",
        sub="sub",
        client_id="app",
        scope=SCOPE,
        audiences=("https://orders.example",),
        created_at=0,
        last_used_at=now,
        idle=1e6,
        absolute_end=now + 1e6,
        auth_time=0,
        acr="",
        amr=(),
        generation=generation,
        branch=row.branch,
        forks=row.forks,
        redeemed_at=now - (OVERLAP if row.fresh else OVERLAP + 1) if row.born else 0,
        redeemed_by=_mark(row.by),
        forked_by=_mark(row.forked_by),
        shadows=row.shadows,
        shadowed_generation=max(0, generation - row.shadowed_ago) if row.shadowed_ago < 2 else 0,
    )


def row_of(grant: Grant, now: float) -> Row:
    """What counts of ``grant`` at ``now``."""
    born = grant.generation > 0
    ago = min(2, grant.generation - grant.shadowed_generation) if grant.shadows else 2
    return Row(
        born=born,
        branch=grant.branch,
        forks=grant.forks,
        fresh=born and now - grant.redeemed_at <= OVERLAP,
        by=_name(grant.redeemed_by),
        forked_by=_name(grant.forked_by),
        # Beyond the alarm more of the same says nothing new; what lies two generations back has no effect.
        shadows=min(grant.shadows, 3) if ago < 2 else 0,
        shadowed_ago=ago,
    )


def judge(
    grant: Grant, token: RefreshToken, caller: str, *, now: float = NOW, policy: Policy = BALANCED
) -> tuple[Outcome, Grant, tuple[AuditEvent, ...]]:
    """The rule's outcome, the row afterwards, and what is recorded."""
    presented = Presentation(token=token, client_id="app", caller=CALLERS.get(caller), now=now, policy=policy)
    outcome, written = decide(grant, STANDING, presented, lambda *_: ("https://orders.example", SCOPE))
    return outcome, written or grant, events_of(outcome, grant, presented)


@cache
def present(row: Row, token: Token, caller: str, policy: Policy = BALANCED) -> Step:
    """Present ``token`` from ``caller``."""
    before = grant_of(row)
    real = RefreshToken(before.id, before.generation + token.ahead, token.branch, int(before.absolute_end))
    outcome, after, events = judge(before, real, caller, policy=policy)
    shift = after.generation - before.generation
    answer, why, regressed = None, "", False
    if isinstance(outcome, Granted):
        verdict = type(outcome.judgement).__name__.lower()
        position = outcome.judgement.answer
        answer = Token(position.generation - after.generation, position.branch)
        regressed = isinstance(outcome.judgement, Rotate) and outcome.judgement.regressed
    elif isinstance(outcome, Theft):
        verdict, why = "theft", outcome.why
    else:
        assert isinstance(outcome, Superseded), outcome
        verdict = "superseded"
    return Step(verdict, row_of(after, NOW), answer, shift, events, why, regressed)


def wait(row: Row) -> Row:
    """The row once the overlap is over."""
    return row._replace(fresh=False)


@cache
def only_its_line_goes_on(row: Row, callers: str) -> bool:
    """Whether, just after a rotation, every token but the redeemed one and its successor is refused to everyone."""
    dead = [Token(0, branch) for branch in range(10) if branch != row.branch]
    dead += [Token(-1, branch) for branch in range(10)]
    return not any(
        present(at, token, caller).granted for at in (row, wait(row)) for token in dead for caller in callers
    )


def _mark(name: str) -> bytes | None:
    return CALLERS[name].mark if name in CALLERS else None


def _name(mark: bytes | None) -> str:
    return NOBODY if mark is None else _NAMES[mark]


class Violation(AssertionError):
    """A step that must not be possible."""


def must(condition: object, sentence: str) -> None:
    """Refuse a step for which ``condition`` does not hold."""
    if not condition:
        raise Violation(sentence)


@dataclass(frozen=True)
class Walk(Generic[State]):
    """A finished exploration: every reachable state, the number of steps taken, and the longest shortest path."""

    states: frozenset[State]
    steps: int
    depth: int

    def __str__(self) -> str:
        return f"{len(self.states)} states, {self.steps} steps, all of them within {self.depth} steps of the start"


def explore(
    start: State, moves: Callable[[State], Iterable[tuple[str, State]]], *, limit: int = 400_000
) -> Walk[State]:
    """Visit every state that can be reached from ``start``.

    Raises:
        Violation: with the way that leads to it.
        OverflowError: more than ``limit`` states, so the world was not walked whole.
    """
    came: dict[State, tuple[State, str] | None] = {start: None}
    frontier, depth, steps = [start], 0, 0
    while frontier:
        found: list[State] = []
        for state in frontier:
            try:
                for label, after in moves(state):
                    steps += 1
                    if after not in came:
                        came[after] = (state, label)
                        found.append(after)
            except Violation as violation:
                raise Violation(f"{violation}\n{_way(came, state)}") from None
        if len(came) > limit:
            raise OverflowError(f"more than {limit} states after {depth + 1} steps")
        depth += bool(found)
        frontier = found
    return Walk(frozenset(came), steps, depth)


def _way(came: dict[State, tuple[State, str] | None], state: State) -> str:
    lines = [f"   at {state}"]
    while (step := came[state]) is not None:
        state, label = step
        lines.append(f"   {label:40} from {state}")
    return "\n".join(reversed(lines))


def later(grant: Grant, **changes: object) -> Grant:
    """``grant`` with other facts."""
    return replace(grant, **changes)
