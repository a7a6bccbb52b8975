"""Revocation: what each ending writes into the log, and for how long it matters.

Entries made here have no number yet; the transaction that writes them gives it.
"""

import math

from watchword.protocol.revocation_feed import CLIENT_CUT_SECONDS, MARGIN_SECONDS, Entry
from watchword.server.domain.time import Instant, Seconds

UNNUMBERED = 0
# A key that is revoked stays revoked for as long as any stored key set may hold it.
FOREVER = 2**53


def _until(now: Instant, longest: Seconds) -> int:
    # `longest` is the longest access-token lifetime that was ever in force.
    return math.ceil(now + longest + MARGIN_SECONDS)


def of_grant(gid: str, *, now: Instant, longest: Seconds) -> Entry:
    """A grant ended."""
    return Entry(seq=UNNUMBERED, until=_until(now, longest), gid=gid)


def of_session(sid: str, *, now: Instant, longest: Seconds) -> Entry:
    """A session ended."""
    return Entry(seq=UNNUMBERED, until=_until(now, longest), sid=sid)


def of_user(sub: str, epoch: int, *, now: Instant, longest: Seconds) -> Entry:
    """All of a user's tokens born before ``epoch`` are dead."""
    return Entry(seq=UNNUMBERED, until=_until(now, longest), sub=sub, epoch=epoch)


def of_client(client_id: str, *, now: Instant, longest: Seconds) -> Entry:
    """All tokens of a client issued so far are dead, and those of the next minute, which lagging nodes may mint."""
    cut = math.floor(now) + CLIENT_CUT_SECONDS
    return Entry(
        seq=UNNUMBERED, until=_until(now, longest) + CLIENT_CUT_SECONDS, client_id=client_id, issued_before=cut
    )


def of_client_so_far(client_id: str, *, now: Instant, issued_at: Instant, longest: Seconds) -> Entry:
    """All tokens of a client issued so far are dead: it gave back so many single ones that they are named together.

    ``issued_at`` is of the token that was given back last; another node's clock may be ahead.
    """
    cut = math.floor(max(now, issued_at))
    return Entry(seq=UNNUMBERED, until=_until(now, longest), client_id=client_id, issued_before=cut)


def of_token(jti: str, *, client_id: str, expires_at: Instant) -> Entry:
    """One access token is dead. Its client is named for counting; without a cut that says nothing of the others."""
    return Entry(seq=UNNUMBERED, until=math.ceil(expires_at) + MARGIN_SECONDS, jti=jti, client_id=client_id)


def of_key(kid: str) -> Entry:
    """A signing key is not to be trusted any more."""
    return Entry(seq=UNNUMBERED, until=FOREVER, kid=kid)
