"""What each ending writes into the log, and for how long it matters."""

import pytest
from tests.support.rfc import rfc
from tests.unit.server.domain.build import NOW

from watchword.protocol.access_token import AccessToken
from watchword.protocol.rejection import TokenRejected
from watchword.protocol.revocation_feed import MARGIN_SECONDS, Entry, RevocationSet
from watchword.protocol.scope import Scope
from watchword.server.domain import revocation

LONGEST = 900.0


def token(issued_at: float = NOW, lifetime: float = LONGEST, epoch: int = 1) -> AccessToken:
    return AccessToken(
        issuer="https://id.example",
        subject="sub",
        audience=("https://orders.example",),
        client_id="app",
        scope=Scope(),
        issued_at=issued_at,
        expires_at=issued_at + lifetime,
        not_before=None,
        jti="jti",
        kid="kid",
        sid="sid",
        gid="gid",
        epoch=epoch,
        claims={},
    )


ENDINGS = [
    revocation.of_grant("gid", now=NOW, longest=LONGEST),
    revocation.of_session("sid", now=NOW, longest=LONGEST),
    revocation.of_user("sub", 2, now=NOW, longest=LONGEST),
    revocation.of_client("app", now=NOW, longest=LONGEST),
    revocation.of_client_so_far("app", now=NOW, issued_at=NOW, longest=LONGEST),
    revocation.of_token("jti", client_id="app", expires_at=NOW + LONGEST),
    revocation.of_key("kid"),
]


@rfc("7009", "2")
@pytest.mark.parametrize("entry", ENDINGS)
def test_an_ending_kills_the_token_until_it_would_have_died_with_all_leeway(entry: Entry) -> None:
    known = RevocationSet.of([entry])
    last_moment = NOW + LONGEST + 60
    known.forget(last_moment)
    with pytest.raises(TokenRejected, match="revoked"):
        known.judge(token())


@pytest.mark.parametrize("entry", ENDINGS[:-1])
def test_an_ending_is_forgotten_some_time_later(entry: Entry) -> None:
    known = RevocationSet.of([entry])
    known.forget(NOW + LONGEST + MARGIN_SECONDS + 62)
    assert len(known) == 0


def test_a_revoked_key_is_never_forgotten() -> None:
    known = RevocationSet.of(ENDINGS)
    known.forget(2.0**52)
    assert known.key_revoked("kid")
    assert len(known) == 1


def test_a_token_of_the_new_epoch_lives() -> None:
    RevocationSet.of([revocation.of_user("sub", 2, now=NOW, longest=LONGEST)]).judge(token(epoch=2))


@pytest.mark.parametrize(("later", "alive"), [(-1, False), (0, False), (60, False), (61, True)])
def test_a_disabled_client_gets_no_living_token_for_a_minute(later: int, alive: bool) -> None:
    known = RevocationSet.of([revocation.of_client("app", now=NOW, longest=LONGEST)])
    if alive:
        known.judge(token(NOW + later))
    else:
        with pytest.raises(TokenRejected, match="revoked"):
            known.judge(token(NOW + later))


def test_the_cut_of_a_client_is_kept_until_the_last_token_that_it_concerns_is_dead() -> None:
    known = RevocationSet.of([revocation.of_client("app", now=NOW, longest=LONGEST)])
    known.forget(NOW + 60 + LONGEST + 60)
    with pytest.raises(TokenRejected, match="revoked"):
        known.judge(token(NOW + 60))


def test_one_revoked_token_says_nothing_of_the_others_of_its_client() -> None:
    other = RevocationSet.of([revocation.of_token("another", client_id="app", expires_at=NOW)])
    other.judge(token())


def test_entries_are_unnumbered_until_they_are_committed() -> None:
    assert {entry.seq for entry in ENDINGS} == {revocation.UNNUMBERED}


def test_a_cut_reaches_a_token_of_a_node_whose_clock_is_ahead() -> None:
    cut = revocation.of_client_so_far("app", now=NOW, issued_at=NOW + 2, longest=LONGEST)
    assert cut.issued_before == int(NOW) + 2
