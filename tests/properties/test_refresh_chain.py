"""The refresh rule with real tokens, real times and changing secrets: random stories instead of a small world."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec.structs import replace
from tests.properties.refresh_model import BALANCED, BIRTH, OVERLAP, STANDING, grant_of

from watchword.protocol.scope import Scope
from watchword.server.domain.caller import caller_of
from watchword.server.domain.grant import Grant
from watchword.server.domain.grant_types.refresh_token import (
    MAX_FORKS,
    Granted,
    Outcome,
    Position,
    Presentation,
    Theft,
    decide,
)
from watchword.server.domain.refresh_token import RefreshToken, mint, parse
from watchword.server.domain.secret_ring import SecretRing, parse_secrets

FIRST_SECRET = parse_secrets("first-secret-of-these-tests-0123456789")
SECOND_SECRET = parse_secrets("second-secret-of-these-tests-987654321")
HOME = ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24")
ELSEWHERE = ("100.64.1.0/24", "100.64.2.0/24")


class Chain(RuleBasedStateMachine):
    """One owner, roaming; one thief. The owner keeps one token, the thief all that he ever saw."""

    @initialize()
    def begin(self) -> None:
        self.secrets = FIRST_SECRET
        self.grant: Grant = replace(grant_of(BIRTH), idle=1e9, absolute_end=4e9)
        self.now = self.grant.last_used_at
        self.owned = self.text(Position(1, 0))
        self.loot: list[str] = []
        self.stolen = False
        self.rotations = 0

    def text(self, position: Position) -> str:
        end = int(self.grant.absolute_end)
        return mint(RefreshToken(self.grant.id, position.generation, position.branch, end), self.secrets)

    def present(self, text: str, network: str) -> tuple[Outcome, str | None]:
        token = parse(text, self.secrets, now=self.now)
        caller = caller_of(network, "agent", self.secrets.caller_keys)
        presented = Presentation(token=token, client_id="app", caller=caller, now=self.now, policy=BALANCED)
        before = self.grant
        outcome, written = decide(before, STANDING, presented, lambda *_: ("api", Scope()))
        self.grant = written or before
        self.rotations += self.grant.generation != before.generation
        return outcome, self.text(outcome.judgement.answer) if isinstance(outcome, Granted) else None

    @rule(seconds=st.floats(0, 3 * OVERLAP))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(seconds=st.floats(0, 2))
    def another_node_lags(self, seconds: float) -> None:
        self.now -= seconds

    @rule()
    def a_new_secret_is_put_first(self) -> None:
        self.secrets = SecretRing(SECOND_SECRET.keys + FIRST_SECRET.keys)

    @precondition(lambda self: self.grant.ended_at is None)
    @rule(network=st.sampled_from(HOME), arrives=st.booleans())
    def the_owner_refreshes(self, network: str, arrives: bool) -> None:
        before = self.grant
        outcome, answer = self.present(self.owned, network)
        if isinstance(outcome, Theft):
            assert self.stolen or before.forks == MAX_FORKS, "an honest holder is taken for a thief"
        else:
            assert answer is not None, "the owner is refused, and the thief lives on"
            if arrives:
                self.owned = answer

    @precondition(lambda self: self.grant.ended_at is None)
    @rule()
    def the_thief_steals(self) -> None:
        self.loot.append(self.owned)
        self.stolen = True

    @precondition(lambda self: self.grant.ended_at is None and self.loot)
    @rule(network=st.sampled_from(ELSEWHERE), which=st.integers(0, 50))
    def the_thief_refreshes(self, network: str, which: int) -> None:
        _, answer = self.present(self.loot[which % len(self.loot)], network)
        if answer is not None and answer not in self.loot:
            self.loot.append(answer)

    @invariant()
    def the_row_never_goes_back(self) -> None:
        assert self.grant.generation == self.rotations, "each rotation goes on by one generation"
        assert 0 <= self.grant.forks <= MAX_FORKS
        assert self.grant.branch <= MAX_FORKS

    @invariant()
    def at_most_one_of_the_older_tokens_is_answered(self) -> None:
        """Of all tokens in anybody's hands, those that are granted are the redeemed one and its own successors."""
        for text in {self.owned, *self.loot}:
            token = parse(text, self.secrets, now=self.now)
            caller = caller_of(ELSEWHERE[0], "agent", self.secrets.caller_keys)
            presented = Presentation(token=token, client_id="app", caller=caller, now=self.now, policy=BALANCED)
            outcome, _ = decide(self.grant, STANDING, presented, lambda *_: ("api", Scope()))
            if isinstance(outcome, Granted):
                redeemed = (token.generation, token.branch) == (self.grant.generation, self.grant.branch)
                assert redeemed or token.generation == self.grant.generation + 1


Chain.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestChain = Chain.TestCase
