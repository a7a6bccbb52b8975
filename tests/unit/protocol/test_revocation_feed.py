"""The revocation feed: signed, strict batches; what is revoked grows by union and forgets nothing that matters."""

import random
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from watchword.protocol.access_token import AccessToken
from watchword.protocol.jws import SigningKey, VerificationKey
from watchword.protocol.rejection import TokenRejected
from watchword.protocol.revocation_feed import (
    MAX_BATCH_ENTRIES,
    TYP,
    Batch,
    Entry,
    RevocationSet,
    first_link,
    next_link,
    parse_batch,
    verify_batch,
)
from watchword.protocol.scope import Scope

ISSUER = "https://id.example"
KEY = SigningKey("kid", ec.generate_private_key(ec.SECP256R1()))
NAMES = st.sampled_from(["a", "b", "c"])
UNTIL = st.integers(0, 20)
ENTRIES = st.one_of(
    *(st.builds(Entry, seq=st.just(0), until=UNTIL, **{kind: NAMES}) for kind in ("gid", "sid", "jti", "kid")),
    st.builds(Entry, seq=st.just(0), until=UNTIL, sub=NAMES, epoch=st.integers(1, 4)),
    st.builds(Entry, seq=st.just(0), until=UNTIL, client_id=NAMES, issued_before=st.integers(0, 20)),
    st.builds(Entry, seq=st.just(0), until=UNTIL, client_id=NAMES, jti=NAMES),
)
LISTS = st.lists(ENTRIES, max_size=8)
LAWS = settings(max_examples=50, deadline=None)


def keys(kid: str, /) -> VerificationKey | None:
    return KEY.verification_key if kid == "kid" else None


def token(**changes: Any) -> AccessToken:
    ordinary: dict[str, Any] = {
        "issuer": ISSUER,
        "subject": "z",
        "audience": ("api",),
        "client_id": "z",
        "scope": Scope(),
        "issued_at": 10,
        "expires_at": 20,
        "not_before": None,
        "jti": "z",
        "kid": "z",
        "sid": "z",
        "gid": "z",
        "epoch": 2,
        "claims": {},
    }
    return AccessToken(**{**ordinary, **changes})


TOKENS = st.builds(
    token,
    subject=NAMES,
    client_id=NAMES,
    jti=NAMES,
    kid=NAMES,
    sid=NAMES,
    gid=NAMES,
    epoch=st.integers(0, 4),
    issued_at=st.integers(0, 20),
)


def revoked(known: RevocationSet, one: AccessToken) -> bool:
    try:
        known.judge(one)
    except TokenRejected as rejected:
        return rejected.reason == "token.revoked"
    return False


def content(known: RevocationSet) -> set[Entry]:
    return set(known.entries())


@given(LISTS, LISTS)
@LAWS
def test_the_union_is_commutative_and_idempotent(one: list[Entry], other: list[Entry]) -> None:
    both = RevocationSet.of(one + other)
    assert content(both) == content(RevocationSet.of(other + one))
    assert content(both) == content(RevocationSet.of(one + other + one))


@given(LISTS, st.randoms(use_true_random=False))
@LAWS
def test_the_order_in_which_entries_arrive_means_nothing(entries: list[Entry], chance: random.Random) -> None:
    shuffled = [*entries]
    chance.shuffle(shuffled)
    assert content(RevocationSet.of(entries)) == content(RevocationSet.of(shuffled))


@given(LISTS, LISTS, TOKENS)
@LAWS
def test_once_seen_a_revocation_is_never_unseen(before: list[Entry], after: list[Entry], one: AccessToken) -> None:
    known = RevocationSet.of(before)
    was = revoked(known, one)
    version = known.version
    for entry in after:
        known.add(entry)
    assert revoked(known, one) or not was
    assert known.version == version + len(after)


@given(LISTS, TOKENS)
@LAWS
def test_a_set_is_what_its_entries_say_one_by_one(entries: list[Entry], one: AccessToken) -> None:
    alone = any(revoked(RevocationSet.of([entry]), one) for entry in entries)
    assert revoked(RevocationSet.of(entries), one) is alone


@given(LISTS)
@LAWS
def test_what_is_written_down_reads_back_as_the_same_set(entries: list[Entry]) -> None:
    known = RevocationSet.of(entries)
    assert content(RevocationSet.of(known.entries())) == content(known)
    assert len(known) == len(known.entries())


@given(LISTS, st.integers(0, 25), TOKENS)
@LAWS
def test_forgetting_drops_nothing_that_still_matters(entries: list[Entry], now: int, one: AccessToken) -> None:
    """A token that some entry of this age or younger concerns stays revoked."""
    known = RevocationSet.of(entries)
    known.forget(now)
    matters = [entry for entry in entries if entry.until >= now or entry.kid is not None]
    if revoked(RevocationSet.of(matters), one):
        assert revoked(known, one)
    assert all(entry.until >= now or entry.kid is not None for entry in known.entries())


@given(LISTS, LISTS, st.integers(0, 25))
@LAWS
def test_forgetting_early_or_late_comes_to_the_same_for_what_matters(
    one: list[Entry], other: list[Entry], now: int
) -> None:
    early, late = RevocationSet.of(one), RevocationSet.of(one + other)
    early.forget(now)
    for entry in other:
        early.add(entry)
    early.forget(now)
    late.forget(now)
    assert {name(entry) for entry in early.entries()} == {name(entry) for entry in late.entries()}


def name(entry: Entry) -> tuple[str | None, ...]:
    return (entry.gid, entry.sid, entry.jti, entry.kid, entry.sub, entry.client_id)


@pytest.mark.parametrize(
    ("entry", "dead", "alive"),
    [
        ({"gid": "x"}, {"gid": "x"}, {"gid": None, "sid": "x", "jti": "x", "subject": "x"}),
        ({"sid": "x"}, {"sid": "x"}, {"gid": "x"}),
        ({"jti": "x"}, {"jti": "x"}, {"kid": "x"}),
        ({"kid": "x"}, {"kid": "x"}, {"jti": "x"}),
        ({"sub": "x", "epoch": 3}, {"subject": "x", "epoch": 2}, {"subject": "x", "epoch": 3}),
        ({"sub": "x", "epoch": 3}, {"subject": "x", "epoch": None}, {"subject": "y", "epoch": 1}),
        ({"client_id": "x", "issued_before": 10}, {"client_id": "x"}, {"client_id": "x", "issued_at": 10.001}),
        ({"client_id": "x", "jti": "x"}, {"jti": "x"}, {"client_id": "x"}),
    ],
)
def test_an_entry_concerns_what_it_names(entry: dict[str, Any], dead: dict[str, Any], alive: dict[str, Any]) -> None:
    known = RevocationSet.of([Entry(seq=1, until=99, **entry)])
    assert revoked(known, token(**dead))
    assert not revoked(known, token(**alive))
    assert not revoked(known, token())


def batch(**changes: Any) -> dict[str, Any]:
    return {
        "iss": ISSUER,
        "iat": 1.5,
        "log": "log",
        "from": 1,
        "to": 2,
        "from_link": "x",
        "link": "y",
        "entries": [{"seq": 2, "until": 9, "gid": "g"}],
        **changes,
    }


def test_a_batch_is_read_and_written_as_it_was() -> None:
    kid, found = parse_batch(KEY.sign(batch(), typ=TYP), keys, issuer=ISSUER)
    assert kid == "kid"
    assert (found.from_, found.to, found.entries) == (1, 2, [Entry(seq=2, until=9, gid="g")])
    assert found.claims() == batch()
    assert verify_batch(KEY.sign(found.claims(), typ=TYP), keys, issuer=ISSUER) == found


def test_a_heartbeat_is_a_batch_without_entries() -> None:
    found = verify_batch(KEY.sign(batch(entries=[], **{"from": 2}), typ=TYP), keys, issuer=ISSUER)
    assert (found.from_, found.to, found.entries) == (2, 2, [])


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"iss": "https://evil.example"}, "token.issuer"),
        ({"iss": None}, "token.claims"),
        ({"iat": "1"}, "token.claims"),
        ({"log": 1}, "token.claims"),
        ({"from": 3}, "token.claims"),
        ({"from": -1}, "token.claims"),
        ({"from": 1.5}, "token.claims"),
        ({"to": True}, "token.claims"),
        ({"link": None}, "token.claims"),
        ({"entries": {}}, "token.claims"),
        ({"entries": [1]}, "token.claims"),
        ({"entries": [{"seq": 2}]}, "token.claims"),
        ({"entries": [{"seq": "2", "until": 9}]}, "token.claims"),
        ({"entries": [{"seq": 2, "until": 9, "gid": 7}]}, "token.claims"),
    ],
)
def test_another_batch_is_refused_although_truly_signed(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(TokenRejected) as caught:
        verify_batch(KEY.sign(batch(**changes), typ=TYP), keys, issuer=ISSUER)
    assert caught.value.reason == reason


@pytest.mark.parametrize("typ", ["at+jwt", "JWT", "revocation+jwt"])
def test_no_other_jwt_is_a_batch(typ: str) -> None:
    with pytest.raises(TokenRejected) as caught:
        verify_batch(KEY.sign(batch(), typ=typ), keys, issuer=ISSUER)
    assert caught.value.reason == "token.typ"


def test_the_largest_batch_fits() -> None:
    entries = [
        Entry(seq=number, until=2**33, sub="s" * 22, epoch=2**31, gid="g" * 22, sid="s" * 22, jti="j" * 22)
        for number in range(1, MAX_BATCH_ENTRIES + 1)
    ]
    whole = Batch(iss=ISSUER, iat=1, log="l" * 22, from_=0, to=1000, from_link="f" * 43, link="l" * 43, entries=entries)
    assert verify_batch(KEY.sign(whole.claims(), typ=TYP), keys, issuer=ISSUER).entries == entries


def test_the_chain_tells_logs_entries_and_their_order_apart() -> None:
    one, two = Entry(seq=1, until=9, gid="a"), Entry(seq=2, until=9, gid="b")

    def chain(log: str, *entries: Entry) -> str:
        link = first_link(log)
        for entry in entries:
            link = next_link(link, entry)
        return link

    links = [
        chain("log"),
        chain("other"),
        chain("log", one),
        chain("log", two),
        chain("log", one, two),
        chain("log", two, one),
        chain("log", Entry(seq=1, until=9, sid="a")),
        chain("log", Entry(seq=1, until=8, gid="a")),
    ]
    assert len(set(links)) == len(links)
    assert chain("log", one, two) == chain("log", Entry(gid="a", until=9, seq=1), two)
