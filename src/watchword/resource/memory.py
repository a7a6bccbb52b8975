"""When a verifier's knowledge goes to disk, and how it comes back. What is on disk is never unseen either."""

import time
from collections.abc import Callable
from typing import Final

import msgspec

from watchword.protocol import jwk_set
from watchword.protocol.metadata import Metadata
from watchword.resource.revocation_view import ViewRecord
from watchword.resource.snapshot import Snapshot, SnapshotFile
from watchword.resource.verifier import Verifier

_AT_MOST_EVERY: Final = 1
_AT_LEAST_EVERY: Final = 30
# Writing a large snapshot may take this part of the thread's time.
_SHARE: Final = 1 / 20


class Memory:
    """Saves and restores one verifier's knowledge.

    Args:
        verifier: whose.
        file: where.
        clock: seconds since the epoch.

    Attributes:
        metadata: the issuer's endpoints, to be saved with the rest.
    """

    def __init__(self, verifier: Verifier, file: SnapshotFile, *, clock: Callable[[], float]) -> None:
        self._verifier = verifier
        self._file = file
        self._clock = clock
        self._news = False
        self._saved_at = 0.0
        self._cost = 0.0
        self.metadata: Metadata | None = None

    def load(self) -> Metadata | None:
        """Give the verifier what was kept, and return the endpoints, if anything was."""
        kept = self._file.load()
        if kept is not None:
            now = self._clock()
            self.metadata = kept.metadata
            self._verifier.keys.restore(kept.key_set(), fetched_at=kept.keys_fetched_at, now=now)
            self._verifier.view.restore(kept.view, now=now)
        return self.metadata

    def save_if_due(self, *, news: bool) -> None:
        """Save soon after ``news``, and now and then when only the time moved on."""
        self._news = self._news or news
        waited = time.monotonic() - self._saved_at
        if waited >= max(_AT_MOST_EVERY if self._news else _AT_LEAST_EVERY, self._cost / _SHARE):
            self.save()

    def save(self) -> None:
        """Replace the snapshot; without any key there is nothing worth keeping."""
        keys = self._verifier.keys
        if keys.fetched_at is None:
            return
        began = time.monotonic()
        self._file.save(
            Snapshot(
                issuer=self._verifier.issuer,
                metadata=self.metadata,
                keys=jwk_set.render(keys.listed()).decode("utf-8"),
                keys_fetched_at=keys.fetched_at,
                view=self._joined(self._file.load()),
            )
        )
        self._news = False
        self._saved_at = time.monotonic()
        self._cost = self._saved_at - began

    def _joined(self, kept: Snapshot | None) -> ViewRecord:
        # Another process may share the file and know more: its entries stay, and its position if that is the newer one.
        view = self._verifier.view
        if kept is None:
            return view.record()
        for entry in kept.view.entries:
            view.revoked.add(entry)
        own = view.record()
        if (kept.view.vouched_at or 0) > (own.vouched_at or 0):
            return msgspec.structs.replace(kept.view, entries=own.entries)
        return own
