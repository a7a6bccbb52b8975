"""The refresh rule: what a presented refresh token means, and what becomes of its grant.

The rule is a table. Three kinds of token, two kinds of caller, six outcomes:

====================  =======================================  ==========================================
the token presented   the same caller, or within the overlap   somebody else
====================  =======================================  ==========================================
next                  rotate                                   rotate
redeemed              converge: the same successor again       fork: another branch of the successor
superseded            the same caller: refuse, grant lives     theft: the grant ends
====================  =======================================  ==========================================

(For a superseded token the overlap does not count.) docs/refresh-tokens.md tells why this exposes thieves and spares
honest users; tests/properties explores all of a small world.

Implements: RFC 6749 §6; RFC 9700 §4.14.2; RFC 9700 §2.2.2.
Diverges: with ``reuse = "balanced"`` a second use of a redeemed token is answered, since the first answer may have been
lost; ``reuse = "strict"`` gives the letter of RFC 9700.
"""

from collections.abc import Callable
from typing import Final, TypeAlias

import msgspec
from msgspec.structs import replace

from watchword.protocol.scope import Scope
from watchword.server.domain.audit import AuditEvent, DatabaseRegressed, RefreshForked, RefreshShadowed, RefreshTheft
from watchword.server.domain.caller import Caller
from watchword.server.domain.client import Client
from watchword.server.domain.grant import Grant, Standing
from watchword.server.domain.refresh_token import RefreshToken
from watchword.server.domain.time import Instant, Seconds

MAX_FORKS: Final = 8
SHADOW_ALARM: Final = 3


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """How strictly a client's tokens are judged.

    Attributes:
        overlap: seconds after a redemption within which anybody converges.
        strict: a redeemed or superseded token is always theft.
        rotates: False for a client that proves a secret: it keeps its token, and is always the same caller.
    """

    overlap: Seconds
    strict: bool = False
    rotates: bool = True

    @classmethod
    def of(cls, client: Client, overlap: Seconds) -> "Policy":
        """The policy of ``client`` under the operator's ``overlap``."""
        strict = client.reuse == "strict"
        return cls(overlap=0 if strict else overlap, strict=strict, rotates=client.rotates)


class Position(msgspec.Struct, frozen=True):
    """A place in the chain: which token is answered."""

    generation: int
    branch: int


class Rotate(msgspec.Struct, frozen=True):
    """The next token came: it becomes the redeemed one.

    ``regressed``: the token lies ahead of the row, so the database lost writes; accepted, and said loudly.
    """

    grant: Grant
    answer: Position
    regressed: bool = False


class Keep(msgspec.Struct, frozen=True):
    """A client that does not rotate came with its token. ``grant`` is None while its last use is recent enough."""

    grant: Grant | None
    answer: Position


class Converge(msgspec.Struct, frozen=True):
    """The redeemed token again: the same successor. ``grant`` is set when a stranger's convergence is noted."""

    answer: Position
    grant: Grant | None = None
    shadowed: bool = False


class Fork(msgspec.Struct, frozen=True):
    """The redeemed token from a stranger: a branch of the successor. ``fresh`` is False when it was given before."""

    grant: Grant
    answer: Position
    fresh: bool


class Superseded(msgspec.Struct, frozen=True):
    """An older token from the same caller: refused, and the grant lives."""


class Theft(msgspec.Struct, frozen=True):
    """The chain is in two hands: the grant ends."""

    grant: Grant
    why: str


Judgement: TypeAlias = Rotate | Keep | Converge | Fork | Superseded | Theft


def redeem(grant: Grant, token: RefreshToken, caller: Caller | None, *, now: Instant, policy: Policy) -> Judgement:
    """Judge one presentation of a refresh token. Reads nothing, writes nothing."""
    here = Position(token.generation, token.branch)
    redeemed = Position(grant.generation, grant.branch)
    if not policy.rotates:
        return _keep(grant, here, now) if here.generation > grant.generation or here == redeemed else Superseded()
    if here.generation > grant.generation:
        ahead = here.generation > grant.generation + 1 or here.branch > grant.forks
        return _rotate(grant, here, caller, now, regressed=ahead)
    if policy.strict:
        return _theft(grant, now, "refresh.reused")
    same = caller is not None and caller.is_(grant.redeemed_by)
    if here != redeemed:
        return Superseded() if same else _theft(grant, now, "refresh.superseded_elsewhere")
    successor = Position(grant.generation + 1, 0)
    if same:
        return Converge(successor)
    if now - grant.redeemed_at <= policy.overlap:
        # Without evidence nobody is known to be a stranger either.
        return Converge(successor) if caller is None else _converge_stranger(grant, successor)
    return _fork(grant, caller, now)


def _rotate(grant: Grant, here: Position, caller: Caller | None, now: Instant, *, regressed: bool) -> Rotate:
    rotated = replace(
        grant,
        generation=here.generation,
        branch=here.branch,
        forks=0,
        redeemed_at=now,
        redeemed_by=None if caller is None else caller.mark,
        forked_by=None,
        last_used_at=max(now, grant.last_used_at),
    )
    return Rotate(rotated, Position(here.generation + 1, 0), regressed)


def _keep(grant: Grant, here: Position, now: Instant) -> Keep:
    # The row's last use is written at most once per tenth of the idle time.
    stale = now - grant.last_used_at >= grant.idle / 10
    return Keep(replace(grant, last_used_at=now) if stale else None, here)


def _converge_stranger(grant: Grant, successor: Position) -> Converge:
    if grant.shadowed_generation == grant.generation:
        return Converge(successor)
    running = grant.shadowed_generation == grant.generation - 1
    shadows = grant.shadows + 1 if running else 1
    noted = replace(grant, shadows=shadows, shadowed_generation=grant.generation)
    return Converge(successor, noted, shadowed=shadows >= SHADOW_ALARM)


def _fork(grant: Grant, caller: Caller | None, now: Instant) -> Fork | Theft:
    if caller is not None and caller.is_(grant.forked_by):
        return Fork(grant, Position(grant.generation + 1, grant.forks), fresh=False)
    if grant.forks >= MAX_FORKS:
        return _theft(grant, now, "refresh.too_many_forks")
    forked = replace(
        grant,
        forks=grant.forks + 1,
        forked_by=None if caller is None else caller.mark,
        last_used_at=max(now, grant.last_used_at),
    )
    return Fork(forked, Position(grant.generation + 1, forked.forks), fresh=True)


def _theft(grant: Grant, now: Instant, why: str) -> Theft:
    return Theft(replace(grant, ended_at=now, ended_reason="theft"), why)


class Ended(msgspec.Struct, frozen=True):
    """The grant is over: on purpose, or because its time came. ``grant`` is set as in ``Refused``."""

    reason: str
    grant: Grant | None = None


class Foreign(msgspec.Struct, frozen=True):
    """The token is another client's; nothing changes."""


class Refused(msgspec.Struct, frozen=True):
    """The chain is in order, but what was asked is not allowed: scope or resource. The token is not spent.

    ``grant`` is set when reuse was noticed all the same (a fork).
    """

    error: str
    grant: Grant | None = None


class Granted(msgspec.Struct, frozen=True):
    """The refresh goes through: which token to answer, and what the access token will say."""

    judgement: Rotate | Keep | Converge | Fork
    grant: Grant
    standing: Standing
    scope: Scope
    audience: str


Outcome: TypeAlias = Granted | Superseded | Theft | Ended | Foreign | Refused

Allow: TypeAlias = Callable[[Grant, Standing], "tuple[str, Scope] | Refused"]
"""Audience and scope that a refresh may give, or why none."""


class Presentation(msgspec.Struct, frozen=True, kw_only=True):
    """A refresh token as it came: by whom, when, under which policy."""

    token: RefreshToken
    client_id: str
    caller: Caller | None
    now: Instant
    policy: Policy


def decide(grant: Grant, standing: Standing, presented: Presentation, allow: Allow) -> tuple[Outcome, Grant | None]:
    """The outcome of a presentation and the row to write, if any. The order of checks is part of the rule."""
    now = presented.now
    if grant.client_id != presented.client_id:
        return Foreign(), None
    # A grant that was ended on purpose is "ended", never "theft".
    if (reason := standing.ended_reason(grant)) is not None:
        return Ended(reason), None
    # Reuse comes before all that may fail later: a thief who fails a later check must still trip the alarm.
    judgement = redeem(grant, presented.token, presented.caller, now=now, policy=presented.policy)
    if isinstance(judgement, Theft):
        return judgement, judgement.grant
    if isinstance(judgement, Superseded):
        return judgement, None
    # A fork is kept whatever becomes of the request, but only a refresh that goes through is a use of the grant: else
    # a stranger could lift an idle grant from the dead by asking twice.
    forked = isinstance(judgement, Fork) and judgement.fresh
    noticed = replace(judgement.grant, last_used_at=grant.last_used_at) if forked and judgement.grant else None
    if now >= grant.absolute_end:
        return Ended("absolute_end", noticed), noticed
    if now >= grant.idle_end:
        return Ended("idle_end", noticed), noticed
    allowed = allow(grant, standing)
    if isinstance(allowed, Refused):
        return replace(allowed, grant=noticed), noticed
    audience, scope = allowed
    after = judgement.grant
    unchanged = after is None or (isinstance(judgement, Fork) and not judgement.fresh)
    outcome = Granted(judgement, after or grant, standing, scope, audience)
    return outcome, None if unchanged else after


def events_of(outcome: Outcome, grant: Grant, presented: Presentation) -> tuple[AuditEvent, ...]:
    """What of an outcome is kept for later. ``grant`` is the row as it was before."""
    gid, sub, client_id = grant.gid, grant.sub, grant.client_id
    token, generation = presented.token, grant.generation
    match outcome:
        # The way of nearly all refreshes is not asked about one rarity after the other.
        case Granted(judgement=Rotate(regressed=False)):
            return ()
        case Theft(why=why):
            return (
                RefreshTheft(
                    gid=gid,
                    sub=sub,
                    client_id=client_id,
                    generation=generation,
                    presented_generation=token.generation,
                    presented_branch=token.branch,
                    why=why,
                ),
            )
        case (
            Granted(judgement=Fork(grant=after, fresh=True))
            | Refused(grant=Grant() as after)
            | Ended(grant=Grant() as after)
        ):
            return (RefreshForked(gid=gid, sub=sub, client_id=client_id, generation=generation, forks=after.forks),)
        case Granted(judgement=Converge(shadowed=True), grant=after):
            return (
                RefreshShadowed(gid=gid, sub=sub, client_id=client_id, generation=generation, shadows=after.shadows),
            )
        case Granted(judgement=Rotate(regressed=True)):
            return (
                DatabaseRegressed(
                    gid=gid,
                    sub=sub,
                    client_id=client_id,
                    generation=generation,
                    presented_generation=token.generation,
                ),
            )
        case _:
            return ()
