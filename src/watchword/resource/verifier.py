"""The verifier: keys, revocations, a token and the time make a verified token or a refusal. Pure.

A token seen before is found by its text, so its signature is not checked again; its times, its key, its revocation,
its user's sign-in and the age of the revocation knowledge are judged each time.

Implements: RFC 9068 §4; RFC 6750 §3.1; RFC 8725 §3.8, §3.9, §3.10; RFC 9470 §3.
"""

import math
from collections.abc import Iterable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final, Literal

from watchword.protocol import access_token
from watchword.protocol.access_token import MAX_LEEWAY, AccessToken
from watchword.protocol.jws import VerificationKey
from watchword.protocol.metadata import parse_issuer
from watchword.protocol.rejection import TokenRejected
from watchword.protocol.scope import Scope
from watchword.protocol.step_up import SignInDemand
from watchword.resource.errors import ConfigurationError, KeysUnavailable
from watchword.resource.key_cache import KeyCache
from watchword.resource.policy import RevocationPolicy
from watchword.resource.revocation_view import RevocationView

Need = Literal["start", "keys", "introspection"]
"""What a verification may have to wait for: the first fetch, a newer key set, the issuer's word on this token."""

NOTHING: Final[frozenset[Need]] = frozenset()


class Pause(Exception):
    """The verifier cannot go on before somebody has seen to ``need``. Never leaves this package."""

    def __init__(self, need: Need) -> None:
        super().__init__(need)
        self.need: Need = need


class VerifiedToken:
    """An access token that is good now. Issuer and subject together name the user; nothing else does."""

    __slots__ = ("found",)

    def __init__(self, found: AccessToken) -> None:
        self.found = found

    def __repr__(self) -> str:
        return f"VerifiedToken(subject={self.subject!r}, client_id={self.client_id!r}, scope={str(self.scope)!r})"

    @property
    def issuer(self) -> str:
        """Who issued it."""
        return self.found.issuer

    @property
    def subject(self) -> str:
        """The user; the client itself where no user is behind the token."""
        return self.found.subject

    @property
    def client_id(self) -> str:
        """The client that the token was given to."""
        return self.found.client_id

    @property
    def scope(self) -> Scope:
        """What it allows, as a set of text."""
        return self.found.scope

    @property
    def audience(self) -> tuple[str, ...]:
        """All resources that it is meant for; ours is among them."""
        return self.found.audience

    @property
    def issued_at(self) -> float:
        """Seconds since the epoch."""
        return self.found.issued_at

    @property
    def expires_at(self) -> float:
        """Seconds since the epoch."""
        return self.found.expires_at

    @property
    def token_id(self) -> str:
        """The ``jti``."""
        return self.found.jti

    @property
    def session_id(self) -> str | None:
        """The user's sign-in; None for a client's own token."""
        return self.found.sid

    @property
    def auth_time(self) -> int | None:
        """When the user proved who he is, in seconds since the epoch; None for a client's own token."""
        return self.found.auth_time

    @property
    def acr(self) -> str | None:
        """How strongly: an authentication context class, such as ``ACR_PASSWORD``; None for a client's own token."""
        return self.found.acr

    @property
    def amr(self) -> tuple[str, ...]:
        """By which methods (RFC 8176); empty for a client's own token."""
        return self.found.amr

    @property
    def claims(self) -> Mapping[str, Any]:
        """All claims as they stood in the token; read-only."""
        return MappingProxyType(self.found.claims)


def parse_demand(scope: str | Iterable[str]) -> Scope:
    """The scope that is demanded, from a space-separated string or several strings.

    Raises:
        ValueError: malformed.
    """
    return _parse_demand(scope if isinstance(scope, str) else " ".join(scope))


@lru_cache(maxsize=1024)
def _parse_demand(scope: str) -> Scope:
    return Scope.parse(scope)


def parse_sign_in(max_age: int | None, acr_values: str | Iterable[str]) -> SignInDemand | None:
    """What is demanded of the user's sign-in, as ``verify`` is told it; None for nothing.

    Raises:
        ValueError: no number of seconds, or no names of classes.
    """
    if max_age is None and not acr_values:
        return None
    return SignInDemand.of(max_age=max_age, acr_values=acr_values)


class Verifier:
    """Judges tokens of one issuer for one resource.

    Args:
        issuer: the issuer identifier, character by character.
        audiences: the names of this resource; a token must be meant for one of them.
        leeway: seconds of clock difference allowed, at most 60.
        policy: what to do when revocations cannot be learnt.
        cache_size: how many verified tokens to remember at most.

    Raises:
        ValueError: no audience, a leeway out of bounds, or an issuer that is none.

    Attributes:
        keys, view: the state; whoever changes them calls ``settle`` afterwards.
        started: whether the first fetch is over, well or not.
        misconfigured: why no token can be judged until a setting is changed.
    """

    def __init__(
        self,
        *,
        issuer: str,
        audiences: frozenset[str],
        leeway: float,
        policy: RevocationPolicy,
        cache_size: int,
    ) -> None:
        if not audiences or not all(audiences):
            raise ValueError("name at least one audience: without it, tokens meant for others would be accepted")
        if not 0 <= leeway <= MAX_LEEWAY:
            raise ValueError(f"a leeway is 0 to {MAX_LEEWAY} seconds")
        if cache_size < 0:
            raise ValueError("a cache has a size of 0 or more")
        self.issuer = parse_issuer(issuer)
        self.audiences = audiences
        self.policy = policy
        self.keys = KeyCache()
        self.view = RevocationView()
        self.started = False
        self.misconfigured: str | None = None
        self.leeway = leeway
        self._good_until = -math.inf
        # Two generations: when the young one is full it becomes the old one, whose tokens are forgotten unless used.
        self._cache_size = cache_size
        self._room = cache_size // 2
        self._young: dict[str, VerifiedToken] = {}
        self._old: dict[str, VerifiedToken] = {}

    def blank(self, *, issuer: str) -> "Verifier":
        """One with the same demands and no knowledge, for another issuer."""
        return Verifier(
            issuer=issuer,
            audiences=self.audiences,
            leeway=self.leeway,
            policy=self.policy,
            cache_size=self._cache_size,
        )

    def settle(self) -> None:
        """Work out anew until when the present knowledge is good."""
        if not self.started or self.misconfigured is not None:
            self._good_until = -math.inf
        else:
            self._good_until = min(self.keys.kept_until, self._vouched_until())

    def forget_tokens(self) -> None:
        """Check all signatures anew, as the keys have changed."""
        self._young, self._old = {}, {}

    def verify(
        self,
        token: str,
        demanded: Scope,
        *,
        now: float,
        settled: frozenset[Need] = NOTHING,
        sign_in: SignInDemand | None = None,
    ) -> VerifiedToken:
        """The verified token behind ``token``.

        Args:
            token: as it came in the request, without "Bearer".
            demanded: the scope that it must have.
            now: seconds since the epoch.
            settled: what was already seen to for this token.
            sign_in: what is demanded of the user's sign-in.

        Raises:
            TokenRejected: it is not good, with the reason.
            KeysUnavailable: there is no key to judge it by.
            ConfigurationError: the issuer has no feed, and none of us was told to do without.
            Pause: something has to be fetched first.
        """
        vouched = True
        if now > self._good_until:
            vouched = self._vouched(now, settled)
        verified = self._young.get(token)
        if verified is None:
            verified = self._admit(token, now, settled)
        found = verified.found
        found.judge_times(now, self.leeway)
        self.view.revoked.judge(found)
        if not demanded <= found.scope:
            raise TokenRejected("token.scope", scope=str(demanded))
        if not vouched:
            if not self.policy.introspects:
                raise TokenRejected("token.revocation_unknown", "the revocation feed has been cut for too long")
            if "introspection" not in settled:
                raise Pause("introspection")
        # Last, after the scope too: nobody is sent to sign in anew for a token that would be refused all the same.
        if sign_in is not None:
            found.judge_sign_in(sign_in, now=now, leeway=self.leeway)
        return verified

    def _vouched(self, now: float, settled: frozenset[Need]) -> bool:
        """Whether it is known what was revoked; False leaves it to the policy, after the token itself was judged."""
        if not self.started and "start" not in settled:
            raise Pause("start")
        if self.misconfigured is not None:
            raise ConfigurationError(self.misconfigured)
        if now > self.keys.kept_until:
            raise KeysUnavailable(retry_after=max(1, math.ceil(self.keys.wait(now))))
        return now <= self._vouched_until()

    def _vouched_until(self) -> float:
        # Endless patience also covers an issuer that never vouched; -inf + inf would be no number.
        patience = self.policy.patience
        return math.inf if patience == math.inf else self.view.vouched_at + patience

    def _admit(self, token: str, now: float, settled: frozenset[Need]) -> VerifiedToken:
        version = self.keys.version
        known = self._old.get(token)
        if known is None:
            try:
                found = access_token.verify(
                    token, self.find_key, issuer=self.issuer, audiences=self.audiences, now=now, leeway=self.leeway
                )
            except TokenRejected as rejected:
                # A set that changed meanwhile, one on its way, or one that may be asked for can have the key.
                hope = self.keys.version != version or self.keys.in_flight or self.keys.may_ask_for_unknown(now)
                if rejected.reason == "token.unknown_key" and "keys" not in settled and hope:
                    raise Pause("keys") from None
                raise
            known = VerifiedToken(found)
        # A set that changed while the signature was checked may no longer have the key: do not remember.
        if self._room and self.keys.version == version:
            if len(self._young) >= self._room:
                self._young, self._old = {}, self._young
            self._young[token] = known
        return known

    def find_key(self, kid: str, /) -> VerificationKey | None:
        """The issuer's key of that id.

        Raises:
            TokenRejected: ``token.revoked``: the key is known to be revoked.
        """
        if self.view.revoked.key_revoked(kid):
            raise TokenRejected("token.revoked", "signed by a revoked key")
        return self.keys.find(kid)
