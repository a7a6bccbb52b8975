"""What a resource server keeps on disk, so that it can judge tokens after a restart while the issuer is away.

The file holds public keys and revocations: nothing secret, but whoever can write it can forge tokens, so it is read
only if nobody else may write it.
"""

import contextlib
import logging
import os
import stat
import tempfile
from pathlib import Path
from typing import Final

import msgspec

from watchword.protocol import jwk_set
from watchword.protocol.jws import VerificationKey
from watchword.protocol.metadata import Metadata
from watchword.resource.revocation_view import ViewRecord

_LOG: Final = logging.getLogger("watchword.resource")
_FORM: Final = 1


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The content of the file.

    Attributes:
        form: the number of this layout.
        keys: the key set as a JSON document, parsed as strictly as if it came from the network.
        keys_fetched_at: seconds since the epoch.
    """

    form: int = _FORM
    issuer: str
    metadata: Metadata | None
    keys: str
    keys_fetched_at: float
    view: ViewRecord

    def key_set(self) -> dict[str, VerificationKey]:
        """The keys by ``kid``.

        Raises:
            ValueError: the set must not be trusted.
        """
        return jwk_set.parse(self.keys.encode("utf-8"))


class SnapshotFile:
    """One file, replaced as a whole (mode 0600).

    Args:
        path: where; the folder must exist.
        issuer: a file of another issuer is not read.
    """

    def __init__(self, path: Path, *, issuer: str) -> None:
        self._path = path
        self._issuer = issuer
        self._complained = False

    def load(self) -> Snapshot | None:
        """The kept snapshot; None when there is none that may be used, which is logged."""
        try:
            with self._path.open("rb") as file:
                if _writable_by_others(os.fstat(file.fileno())):
                    _LOG.warning("the snapshot %s is not used: others than its owner may write it", self._path)
                    return None
                found = msgspec.json.decode(file.read(), type=Snapshot)
            found.key_set()
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:  # msgspec.DecodeError is a ValueError
            _LOG.warning("the snapshot %s is not used: %s", self._path, error)
            return None
        if found.form != _FORM or found.issuer != self._issuer:
            _LOG.warning("the snapshot %s is not used: it is another issuer's or of another version", self._path)
            return None
        return msgspec.structs.replace(found, view=found.view.as_credible())

    def save(self, snapshot: Snapshot) -> None:
        """Replace the file. Trouble is logged once and is no reason to stop judging tokens."""
        try:
            self._replace(msgspec.json.encode(snapshot))
            self._complained = False
        except OSError as error:
            if not self._complained:
                _LOG.warning("the snapshot %s cannot be written: %s", self._path, error.strerror)
            self._complained = True

    def _replace(self, content: bytes) -> None:
        # mkstemp makes the file with mode 0600 under a name of its own, so processes that share the path do not mix.
        handle, name = tempfile.mkstemp(prefix=f".{self._path.name}.", dir=self._path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(self._path)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(name).unlink()
            raise


def _writable_by_others(found: os.stat_result) -> bool:
    if os.name != "posix":
        return False
    foreign = found.st_uid not in (os.geteuid(), 0)
    return foreign or bool(stat.S_IMODE(found.st_mode) & (stat.S_IWGRP | stat.S_IWOTH))
