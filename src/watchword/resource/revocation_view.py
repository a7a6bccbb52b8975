"""What a resource server knows of revocations, and how far it follows the issuer's log. Pure.

Its laws: what was seen is never unseen, whatever arrives and in whatever order; the position moves only along the
chain, or to a batch that holds all that still matters; age is counted from when the issuer read its database, never
from when a message arrived.
"""

import math
from typing import Final, Literal

import msgspec

from watchword.protocol.access_token import AccessToken
from watchword.protocol.rejection import TokenRejected
from watchword.protocol.revocation_feed import MAX_BATCH_ENTRIES, Batch, Entry, RevocationSet

Taken = Literal["followed", "partial", "repeated", "mismatch"]
"""What a batch meant.

*followed*: it fits, and vouches for its moment. *partial*: it fits, and more follows at once. *repeated*: nothing new.
*mismatch*: it belongs to another course of the log than the one known; ask for everything again.
"""

_FORGET_EVERY: Final = 60
# Beyond what any log will come to, and the most that the feed may be asked for.
_NO_SEQUENCE: Final = 10**18


class ViewRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A view as it is kept on disk."""

    log: str
    sequence: int
    link: str
    latest_iat: float
    vouched_at: float | None
    entries: list[Entry]

    def as_credible(self) -> "ViewRecord":
        """Itself; with a number that no log has, its entries alone: it vouches for nothing then."""
        if 0 <= self.sequence < _NO_SEQUENCE:
            return self
        return ViewRecord(log="", sequence=0, link="", latest_iat=0, vouched_at=None, entries=self.entries)


class RevocationView:
    """The union of all entries seen, and the position in the log.

    Attributes:
        revoked: what tokens are judged by.
        log, sequence, link: the log's name, the number up to which everything is known, and the chain's link there.
            Sequence 0 stands for "from the beginning".
        vouched_at: seconds since the epoch for which it is proven that nothing else was revoked; -inf at first.
    """

    __slots__ = ("_forgot_at", "_latest_iat", "link", "log", "revoked", "sequence", "vouched_at")

    def __init__(self) -> None:
        self.revoked = RevocationSet()
        self.log = ""
        self.sequence = 0
        self.link = ""
        self.vouched_at = -math.inf
        self._latest_iat = -math.inf
        self._forgot_at = -math.inf

    def take(self, batch: Batch, *, kid: str, now: float) -> Taken:
        """Learn from a batch whose signature is good.

        Args:
            batch: the payload.
            kid: the key that signed it.
            now: seconds since the epoch.

        Raises:
            TokenRejected: ``token.revoked``: the signing key is revoked, before or by this very batch. Nothing was
                learnt: a batch that revokes a key is signed by another one.
        """
        if self.revoked.key_revoked(kid) or any(entry.kid == kid for entry in batch.entries):
            raise TokenRejected("token.revoked", "the batch is signed by a revoked key")
        # Entries first, position last: whoever looks in between knows more than the position says, never less.
        for entry in batch.entries:
            self.revoked.add(entry)
        taken = self._place(batch)
        if taken in ("followed", "partial"):
            self.log, self.sequence, self.link = batch.log, batch.to, batch.link
            self._latest_iat = max(self._latest_iat, batch.iat)
        if taken == "followed":
            self.vouched_at = max(self.vouched_at, min(now, batch.iat))
            self._forget()
        elif taken == "mismatch":
            self.rewind()
        return taken

    def rewind(self) -> None:
        """Go back to the beginning of the log; what was seen stays seen."""
        self.log, self.sequence, self.link = "", 0, ""

    def _place(self, batch: Batch) -> Taken:
        continues = batch.log == self.log and batch.from_ == self.sequence and batch.from_link == self.link
        # A batch from the beginning holds all that still matters. An old one, replayed, may not take us back.
        whole = batch.from_ == 0 and (self.sequence == 0 or batch.iat >= self._latest_iat)
        if continues or whole:
            return "followed" if len(batch.entries) < MAX_BATCH_ENTRIES else "partial"
        if batch.log == self.log and batch.to <= self.sequence and batch.iat <= self._latest_iat:
            return "repeated"
        if batch.from_ == 0:
            return "repeated"
        return "mismatch"

    def _forget(self) -> None:
        # Both clocks must agree that an end is past, so that a jump of either unsees nothing.
        if self.vouched_at - self._forgot_at >= _FORGET_EVERY:
            self._forgot_at = self.vouched_at
            self.revoked.forget(self.vouched_at)

    def judge(self, token: AccessToken) -> None:
        """Return if ``token`` is not revoked, as far as is known.

        Raises:
            TokenRejected: ``token.revoked``.
        """
        self.revoked.judge(token)

    def record(self) -> ViewRecord:
        """The view, to be kept on disk."""
        return ViewRecord(
            log=self.log,
            sequence=self.sequence,
            link=self.link,
            latest_iat=max(self._latest_iat, 0),
            vouched_at=self.vouched_at if math.isfinite(self.vouched_at) else None,
            entries=self.revoked.entries(),
        )

    def restore(self, record: ViewRecord, *, now: float) -> None:
        """Learn from a view that was kept: entries are joined, and the position is taken if it is the newer one.

        Args:
            record: the kept view, this reader's own or another's of the same issuer.
            now: seconds since the epoch; nothing is vouched for beyond it.
        """
        for entry in record.entries:
            self.revoked.add(entry)
        vouched_at = -math.inf if record.vouched_at is None else min(record.vouched_at, now)
        if vouched_at > self.vouched_at:
            self.log, self.sequence, self.link = record.log, record.sequence, record.link
            self._latest_iat = max(self._latest_iat, record.latest_iat)
            self.vouched_at = vouched_at
