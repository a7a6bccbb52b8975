"""What the tests of the resource library are built from."""

import time
from collections.abc import Callable

from watchword.protocol import jwk_set, revocation_feed
from watchword.protocol.revocation_feed import Batch
from watchword.resource.policy import DEFAULT_POLICY, RevocationPolicy
from watchword.resource.verifier import Verifier
from watchword.testing import FrozenClock, TestIssuer

API = "https://api.test"


def make_issuer() -> tuple[TestIssuer, FrozenClock]:
    clock = FrozenClock()
    return TestIssuer(audience=API, clock=clock), clock


def make_verifier(
    issuer: TestIssuer, *, policy: RevocationPolicy = DEFAULT_POLICY, cache_size: int = 100, leeway: float = 10
) -> Verifier:
    """A verifier that knows everything as of now."""
    made = Verifier(
        issuer=issuer.issuer, audiences=frozenset([API]), leeway=leeway, policy=policy, cache_size=cache_size
    )
    made.started = True
    made.keys.take(jwk_set.parse(issuer.key_set()), now=issuer.clock())
    made.view.take(read(issuer, issuer.batch()), kid=issuer.signing_key.kid, now=issuer.clock())
    made.settle()
    return made


def read(issuer: TestIssuer, message: str) -> Batch:
    return revocation_feed.verify_batch(message, issuer.published.get, issuer=issuer.issuer)


def eventually(condition: Callable[[], bool], *, seconds: float = 5) -> None:
    """Poll until ``condition`` holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not become true in time"
        time.sleep(0.01)  # polling
