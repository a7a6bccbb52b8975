"""The revocation view: union, position, age."""

import math
from itertools import permutations

import msgspec
import pytest
from tests.unit.resource.builders import make_issuer, make_verifier, read

from watchword.protocol import access_token
from watchword.protocol.rejection import TokenRejected
from watchword.protocol.revocation_feed import Batch
from watchword.resource.revocation_view import RevocationView, ViewRecord
from watchword.testing import FrozenClock, TestIssuer


def take(view: RevocationView, issuer: TestIssuer, message: str, *, now: float | None = None) -> str:
    return view.take(read(issuer, message), kid=issuer.signing_key.kid, now=issuer.clock() if now is None else now)


def followed(issuer: TestIssuer) -> RevocationView:
    view = RevocationView()
    assert take(view, issuer, issuer.batch()) == "followed"
    return view


def knows(view: RevocationView, sid: str) -> bool:
    return any(entry.sid == sid for entry in view.revoked.entries())


def test_the_first_batch_from_the_beginning_gives_the_position() -> None:
    issuer, clock = make_issuer()
    issuer.revoke(session="a")
    view = followed(issuer)
    assert (view.sequence, knows(view, "a"), view.vouched_at) == (1, True, clock())


def test_a_heartbeat_vouches_for_the_time_at_which_the_issuer_read_its_database() -> None:
    issuer, clock = make_issuer()
    view = followed(issuer)
    clock.advance(7)
    message = issuer.batch(0)
    clock.advance(100)
    assert take(view, issuer, message) == "followed"
    assert view.vouched_at == clock() - 100


def test_an_issuers_clock_that_is_ahead_vouches_for_nothing_beyond_now() -> None:
    issuer, clock = make_issuer()
    view = RevocationView()
    take(view, issuer, issuer.batch(), now=clock() - 50)
    assert view.vouched_at == clock() - 50


def test_a_replayed_heartbeat_does_not_make_knowledge_younger() -> None:
    issuer, clock = make_issuer()
    view = followed(issuer)
    old = issuer.batch(0)
    clock.advance(60)
    take(view, issuer, issuer.batch(0))
    vouched = view.vouched_at
    clock.advance(60)
    take(view, issuer, old)
    assert view.vouched_at == vouched


def test_a_duplicated_batch_changes_nothing() -> None:
    issuer, clock = make_issuer()
    view = followed(issuer)
    clock.advance(1)
    issuer.revoke(session="a")
    message = issuer.batch(0)
    assert take(view, issuer, message) == "followed"
    before = view.record()
    assert take(view, issuer, message) == "followed"
    assert view.record() == before


def test_a_gap_is_a_mismatch_that_keeps_the_union_and_starts_again() -> None:
    issuer, clock = make_issuer()
    issuer.revoke(session="a")
    view = followed(issuer)
    vouched = view.vouched_at
    clock.advance(1)
    issuer.revoke(session="b")
    issuer.revoke(session="c")
    assert take(view, issuer, issuer.batch(2)) == "mismatch"
    assert (knows(view, "a"), knows(view, "b"), knows(view, "c")) == (True, False, True)
    assert (view.sequence, view.vouched_at) == (0, vouched)
    assert take(view, issuer, issuer.batch(0)) == "followed"
    assert (view.sequence, knows(view, "b")) == (3, True)


def test_a_renamed_log_is_a_mismatch_and_nothing_is_unseen() -> None:
    issuer, clock = make_issuer()
    issuer.revoke(session="before")
    view = followed(issuer)
    clock.advance(1)
    issuer.rename_log()
    issuer.revoke(session="after")
    assert take(view, issuer, issuer.batch(1)) == "mismatch"
    assert take(view, issuer, issuer.batch(0)) == "followed"
    assert (knows(view, "before"), knows(view, "after"), view.sequence) == (True, True, 1)


def test_a_database_that_went_back_under_the_same_name_is_noticed_by_the_link() -> None:
    issuer, clock = make_issuer()
    issuer.revoke(session="a")
    view = followed(issuer)
    clock.advance(1)
    forked = msgspec.structs.replace(read(issuer, issuer.batch(1)), from_link="another history", link="and its end")
    assert view.take(forked, kid=issuer.signing_key.kid, now=clock()) == "mismatch"


def test_an_older_batch_from_the_beginning_does_not_take_the_position_back() -> None:
    issuer, clock = make_issuer()
    old = issuer.batch(0)
    clock.advance(1)
    issuer.revoke(session="a")
    view = followed(issuer)
    assert take(view, issuer, old) == "repeated"
    assert view.sequence == 1


def test_a_newer_batch_from_the_beginning_takes_over_even_if_it_ends_earlier() -> None:
    issuer, clock = make_issuer()
    for name in "abc":
        issuer.revoke(session=name)
    view = followed(issuer)
    clock.advance(1)
    issuer.rename_log()
    assert take(view, issuer, issuer.batch(0)) == "followed"
    assert (view.sequence, knows(view, "c")) == (0, True)


def test_whatever_the_order_nothing_is_unseen_and_the_position_never_promises_too_much() -> None:
    issuer, clock = make_issuer()
    messages = [issuer.batch(0)]
    for name in "abc":
        clock.advance(1)
        issuer.revoke(session=name)
        messages.append(issuer.batch(issuer.head - 1))
    for order in permutations(messages):
        view = RevocationView()
        seen: set[str] = set()
        for message in order:
            take(view, issuer, message)
            seen |= {entry.sid or "" for entry in read(issuer, message).entries}
            assert all(knows(view, name) for name in seen)
            assert all(knows(view, name) for name in "abc"[: view.sequence])


def test_a_full_page_vouches_for_nothing_until_the_rest_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("watchword.resource.revocation_view.MAX_BATCH_ENTRIES", 2)
    issuer, clock = make_issuer()
    for name in "abc":
        issuer.revoke(session=name)
    view = RevocationView()
    assert take(view, issuer, issuer.batch(0, limit=2)) == "partial"
    assert (view.sequence, view.vouched_at) == (2, -math.inf)
    assert take(view, issuer, issuer.batch(2, limit=2)) == "followed"
    assert view.vouched_at == clock()


def test_a_batch_signed_by_a_revoked_key_is_refused_and_teaches_nothing() -> None:
    issuer, clock = make_issuer()
    stolen = issuer.signing_key
    view = followed(issuer)
    issuer.revoke(key=stolen.kid)
    take(view, issuer, issuer.batch(0))
    clock.advance(1)
    issuer.revoke(session="a")
    with pytest.raises(TokenRejected, match="revoked"):
        view.take(read(issuer, issuer.batch(0)), kid=stolen.kid, now=clock())
    assert not knows(view, "a")


def test_a_batch_may_not_revoke_the_key_that_signed_it() -> None:
    issuer, clock = make_issuer()
    view = followed(issuer)
    stolen = issuer.signing_key
    issuer.revoke(key=stolen.kid)
    with pytest.raises(TokenRejected, match="revoked"):
        view.take(read(issuer, issuer.batch(0)), kid=stolen.kid, now=clock())
    assert not view.revoked.key_revoked(stolen.kid)


def test_what_cannot_matter_any_more_is_forgotten_by_both_clocks_only() -> None:
    issuer, clock = make_issuer()
    issuer.revoke(session="a")
    view = followed(issuer)
    heartbeat = issuer.batch(1)
    take(view, issuer, heartbeat, now=clock() + 10 * 24 * 3600)
    assert knows(view, "a")
    clock.advance(2 * 24 * 3600)
    take(view, issuer, issuer.batch(1))
    assert not knows(view, "a")


def test_a_record_restores_an_equal_view_and_goes_through_json() -> None:
    issuer, clock = make_issuer()
    issuer.revoke(session="a")
    issuer.revoke(user="bob")
    issuer.revoke(client="web")
    view = followed(issuer)
    kept = msgspec.json.decode(msgspec.json.encode(view.record()), type=ViewRecord)
    other = RevocationView()
    other.restore(kept, now=clock())
    assert other.record() == view.record()
    clock.advance(1)
    assert take(other, issuer, issuer.batch(other.sequence)) == "followed"


def test_an_older_record_adds_its_entries_and_leaves_the_position() -> None:
    issuer, clock = make_issuer()
    issuer.revoke(session="a")
    old = followed(issuer).record()
    issuer.rename_log()
    clock.advance(5)
    view = followed(issuer)
    view.restore(old, now=clock())
    assert (knows(view, "a"), view.sequence, view.vouched_at) == (True, 0, clock())


def test_a_record_from_the_future_vouches_for_now_at_most() -> None:
    issuer, clock = make_issuer()
    view = RevocationView()
    view.restore(followed(issuer).record(), now=clock() - 1000)
    assert view.vouched_at == clock() - 1000


def test_an_empty_view_has_a_record_too() -> None:
    assert RevocationView().record().vouched_at is None


@pytest.mark.parametrize("thing", ["token", "session", "grant", "user", "client", "key"])
def test_each_kind_of_entry_hits_its_token_and_no_other(thing: str) -> None:
    issuer, clock = make_issuer()
    verifier = make_verifier(issuer)
    hit = issuer.token("bob", client_id="web")
    found = access_token.verify(
        hit, verifier.find_key, issuer=issuer.issuer, audiences=verifier.audiences, now=clock(), leeway=0
    )
    issuer.rotate_key()
    other = access_token.verify(
        issuer.token("carol", client_id="app"),
        issuer.published.get,
        issuer=issuer.issuer,
        audiences=verifier.audiences,
        now=clock(),
        leeway=0,
    )
    named = {
        "token": hit,
        "session": found.sid,
        "grant": found.gid,
        "user": "bob",
        "client": "web",
        "key": found.kid,
    }
    issuer.revoke(**{thing: named[thing]})
    view = followed(issuer)
    with pytest.raises(TokenRejected, match=r"token\.revoked"):
        view.judge(found)
    view.judge(other)


def test_batches_of_other_issuers_never_get_this_far() -> None:
    issuer, clock = make_issuer()
    stranger = TestIssuer("https://other.test", clock=FrozenClock(clock()))
    with pytest.raises(TokenRejected):
        read(issuer, stranger.batch())
    assert isinstance(read(issuer, issuer.batch()), Batch)
