"""The worlds of ``test_refresh_model.py``: who is there, what may happen next, and what must not."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from tests.properties.refresh_model import (
    BIRTH,
    FIRST,
    NOBODY,
    Row,
    Step,
    Token,
    must,
    only_its_line_goes_on,
    present,
    wait,
)

from watchword.server.domain.audit import DatabaseRegressed

EVERYBODY: Final = "ABCTU" + NOBODY


class Holder(NamedTuple):
    """One holder of one token. ``late`` is a request that he gave up on and that still travels.

    ``saved`` is a copy of the row (with the number of generations that it lies back) that a fail-over would bring back.
    """

    row: Row = BIRTH
    token: Token = FIRST
    late: tuple[Token, str] | None = None
    saved: tuple[int, Row] | None = None


def holder_moves(
    state: Holder, *, callers: str, late_requests: bool = False, fail_overs: bool = False, most_forks: int = 8
) -> Iterator[tuple[str, Holder]]:
    """A single holder roams among ``callers``, loses answers, retries at any time; requests may come late.

    With ``most_forks`` the walk turns back at that many forks of one generation.
    """
    if state.row.fresh:
        yield "the overlap ends", state._replace(row=wait(state.row))
    for caller in callers:
        step = present(state.row, state.token, caller)
        if honest(state.row, state.token, step, regression=fail_overs) and step.row.forks <= most_forks:
            after = _after(state, step)
            yield f"asks from {caller}; the answer is lost", after._replace(token=state.token.seen_after(step.shift))
            assert step.answer is not None
            yield f"asks from {caller}", after._replace(token=step.answer)
        if late_requests and state.late is None:
            yield f"asks from {caller} and gives up", state._replace(late=(state.token, caller))
    if state.late is not None:
        token, caller = state.late
        yield "the late request is lost", state._replace(late=None)
        # The one limit of the promise: a request that was overtaken by a whole rotation is not told from a thief's.
        if token.ahead >= 0:
            step = present(state.row, token, caller)
            if honest(state.row, token, step, regression=fail_overs):
                after = _after(state, step)
                yield "the late request arrives", after._replace(token=state.token.seen_after(step.shift), late=None)
    if fail_overs:
        yield "the standby copies", state._replace(saved=(0, state.row))
        if state.saved is not None:
            back, row = state.saved
            late = None if state.late is None else (state.late[0].seen_after(-back), state.late[1])
            yield "fail-over", Holder(row, state.token.seen_after(-back), late, (0, row))


def honest(row: Row, token: Token, step: Step, *, regression: bool) -> bool:
    """Hold the first sentence: never refused, never a thief. False where the documented ninth fork ends the walk."""
    if step.verdict == "theft":
        must(step.why == "refresh.too_many_forks" and row.forks == 8, f"an honest holder is a thief: {step.why}")
        return False
    must(step.granted, "an honest holder is refused")
    must(regression or not step.regressed, "a regression is seen where there was none")
    ahead = token.ahead > 1 or (token.ahead == 1 and token.branch > row.forks)
    must(ahead is step.regressed is (DatabaseRegressed in map(type, step.events)), "a regression is not said")
    if step.verdict == "rotate":
        must(step.answer == FIRST, "a rotation answers branch 0 of the next generation")
        must(only_its_line_goes_on(step.row, EVERYBODY), "another line than the rotated one goes on")
    if step.verdict == "converge":
        must(step.answer == FIRST and step.shift == 0, "a convergence answers the same successor")
        kept = step.row._replace(shadows=row.shadows, shadowed_ago=row.shadowed_ago)
        must(kept == row, "a convergence changes what the rule looks at")
    if step.verdict == "fork":
        must(not row.fresh, "a fork within the overlap")
    return True


def _after(state: Holder, step: Step) -> Holder:
    late = None if state.late is None else (state.late[0].seen_after(step.shift), state.late[1])
    saved = None if state.saved is None else (state.saved[0] + step.shift, state.saved[1])
    # A copy more than three generations old is let go, so that the world stays finite.
    return Holder(plain(step.row), state.token, late, saved if saved and saved[0] <= 3 else None)


def plain(row: Row) -> Row:
    """The row without its count of shadows, on which no verdict depends (a test of its own shows that)."""
    return row._replace(shadows=0, shadowed_ago=2)


class Process(NamedTuple):
    """One of several processes of one caller. ``answer`` is on its way to it."""

    token: Token = FIRST
    answer: Token | None = None


class Shared(NamedTuple):
    """Processes of one caller that share a store."""

    row: Row = BIRTH
    store: Token = FIRST
    processes: tuple[Process, ...] = (Process(), Process(), Process())


def shared_moves(state: Shared, *, locked: bool) -> Iterator[tuple[str, Shared]]:
    """Processes read the store when they like, ask when they like, and write what they are answered.

    ``locked``: asking and writing are one step, as under the client library's lock on the store. Without it an answer
    may be written long after it was given, over a newer one.
    """
    if state.row.fresh:
        yield "the overlap ends", state._replace(row=wait(state.row))
    for index, process in enumerate(state.processes):

        def become(changed: Process, among: Shared = state, at: int = index) -> Shared:
            rest = among.processes[:at] + among.processes[at + 1 :]
            return among._replace(processes=tuple(sorted((*rest, changed), key=repr)))

        if process.token != state.store:
            yield "reads the store", become(process._replace(token=state.store))
        if process.answer is not None:
            yield "the answer is lost", become(process._replace(answer=None))
            written = state._replace(store=process.answer)
            yield "writes the answer", become(Process(process.answer), written)
            continue
        step = present(state.row, process.token, "A")
        must(step.verdict in ("rotate", "converge", "superseded"), f"one caller is taken for two: {step.verdict}")
        must(not step.regressed, "a regression is seen where there was none")
        moved = shift(state, step)
        mine = moved.processes[index]
        if step.answer is None:
            fresh = present(state.row, state.store, "A")
            must(not locked or fresh.granted, "a process that lags is refused, and the store does not help it")
            yield "is refused and reads the store", become(Process(state.store))
        elif locked:
            written = moved._replace(store=step.answer)
            yield "asks and writes", become(Process(step.answer), written)
            yield "asks; the answer is lost", become(mine, moved)
        else:
            yield "asks", become(mine._replace(answer=step.answer), moved)


def shift(state: Shared, step: Step) -> Shared:
    """The world after the row went on."""
    return Shared(
        plain(step.row),
        state.store.seen_after(step.shift),
        tuple(
            Process(p.token.seen_after(step.shift), p.answer and p.answer.seen_after(step.shift))
            for p in state.processes
        ),
    )


class Burgled(NamedTuple):
    """An owner and a thief.

    Attributes:
        apart: nobody acts within the overlap of the other's redemption any more.
        loot: tokens that the thief has. An ancient one is always among them.
        used: the thief went on, apart, since he last stole: he rotated or forked.
        refreshes: answers that reached the owner since then.
        noticed: a fork or theft was recorded in the generation in which the thief went on, or since.
    """

    apart: bool
    row: Row = BIRTH
    owned: Token = FIRST
    loot: frozenset[Token] = frozenset({Token(-1, 0)})
    rotated_by_owner: bool = True
    used: bool = False
    refreshes: int = 0
    noticed: bool = False


def burgled_moves(state: Burgled, *, owner: str, thief: str, bound: int) -> Iterator[tuple[str, Burgled]]:
    """A thief steals what the owner holds, once or often, and both go on.

    By the owner's refresh number ``bound`` the thief is out: his next move, whichever, ends the grant.
    """
    if state.refreshes == bound:
        _the_thief_is_out(state, thief)
        return
    if state.row.fresh:
        yield "the overlap ends", state._replace(row=wait(state.row))
    if not state.apart:
        yield "from here on they keep apart", state._replace(apart=True)
    stolen = state._replace(loot=state.loot | {state.owned}, used=False, refreshes=0)
    if not state.apart or bound == 2:
        yield "the thief steals", _tidy(stolen)
    if may_act(state, by_owner=True):
        for caller in owner:
            step = present(state.row, state.owned, caller)
            if step.verdict == "theft":
                continue
            must(step.granted, "the owner is refused, and the thief lives on")
            assert step.answer is not None
            lost = _moved(state, step, by_owner=True)
            yield f"the owner asks from {caller}; the answer is lost", lost
            got = lost._replace(owned=step.answer, refreshes=lost.refreshes + lost.used)
            yield f"the owner asks from {caller}", _tidy(got)
    if may_act(state, by_owner=False):
        for token in state.loot:
            for caller in thief:
                step = present(state.row, token, caller)
                if step.answer is not None:
                    moved = _moved(state, step, by_owner=False)
                    used = state.used or (state.apart and step.verdict != "converge")
                    got = moved._replace(loot=moved.loot | {step.answer}, used=used)
                    yield f"the thief asks from {caller}", _tidy(got)


def may_act(state: Burgled, *, by_owner: bool) -> bool:
    """Whether a move is in the world: once they keep apart, never within the overlap of the other's redemption."""
    return not (state.apart and state.row.fresh) or state.rotated_by_owner is by_owner


def _moved(state: Burgled, step: Step, *, by_owner: bool) -> Burgled:
    rotated = step.verdict == "rotate"
    if rotated:
        must(only_its_line_goes_on(step.row, EVERYBODY), "another line than the rotated one goes on")
    must(not step.regressed, "a regression is seen where there was none")
    return state._replace(
        row=plain(step.row),
        owned=state.owned.seen_after(step.shift),
        loot=frozenset(token.seen_after(step.shift) for token in state.loot),
        rotated_by_owner=by_owner if rotated else state.rotated_by_owner,
        noticed=bool(step.events) or (state.noticed and (state.used or not rotated)),
    )


def _tidy(state: Burgled) -> Burgled:
    """Fold states that cannot differ in what follows.

    Branches of the successor behave alike but for branch 0, the newest, and the owner's own: of the thief's others one
    is kept. Superseded tokens behave alike: an ancient one, which he always has, stands for all.
    """
    special = {0, state.row.forks, state.owned.branch if state.owned.ahead == 1 else 0}
    live = [token for token in state.loot if token.ahead == 1]
    others = sorted(token for token in live if token.branch not in special)
    kept = [token for token in live if token.branch in special] + others[:1]
    redeemed = [token for token in state.loot if token == Token(0, state.row.branch)]
    return state._replace(loot=frozenset([*kept, *redeemed, Token(-1, 0)]))


def _the_thief_is_out(state: Burgled, thief: str) -> None:
    must(state.noticed, "the owner refreshed, the thief went on, and nothing was recorded")
    for token in state.loot:
        for caller in thief:
            step = present(wait(state.row), token, caller)
            must(
                step.verdict == "theft",
                f"the owner refreshed {state.refreshes} times, and the thief can {step.verdict}",
            )
