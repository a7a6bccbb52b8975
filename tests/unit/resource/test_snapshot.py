"""The snapshot file: what is read back, and what is not trusted."""

import logging
import stat
from pathlib import Path

import msgspec
import pytest
from tests.unit.resource.builders import make_issuer, make_verifier

from watchword.protocol import metadata
from watchword.resource.snapshot import Snapshot, SnapshotFile


def make_snapshot() -> Snapshot:
    issuer, clock = make_issuer()
    issuer.revoke(session="a")
    return Snapshot(
        issuer=issuer.issuer,
        metadata=metadata.parse(issuer.metadata(), issuer=issuer.issuer),
        keys=issuer.key_set().decode(),
        keys_fetched_at=clock(),
        view=make_verifier(issuer).view.record(),
    )


def test_what_was_saved_is_loaded_and_only_the_owner_may_read_it(tmp_path: Path) -> None:
    file = SnapshotFile(tmp_path / "kept", issuer="https://issuer.test")
    assert file.load() is None
    file.save(make_snapshot())
    saved = make_snapshot()
    file.save(saved)
    assert file.load() == saved
    assert stat.S_IMODE((tmp_path / "kept").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_may_write_is_not_trusted(
    tmp_path: Path, mode: int, caplog: pytest.LogCaptureFixture
) -> None:
    file = SnapshotFile(tmp_path / "kept", issuer="https://issuer.test")
    file.save(make_snapshot())
    (tmp_path / "kept").chmod(mode)
    assert file.load() is None
    assert "others" in caplog.text


@pytest.mark.parametrize("content", [b"", b"{}", b"garbage", b"\xff\x00", b'{"form":1}'])
def test_a_damaged_file_is_left_aside_with_a_word(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "kept"
    path.write_bytes(content)
    path.chmod(0o600)
    assert SnapshotFile(path, issuer="https://issuer.test").load() is None
    assert "not used" in caplog.text


@pytest.mark.parametrize(
    "change", [{"issuer": "https://other.test"}, {"form": 2}, {"keys": '{"keys":[{"kty":"oct"}]}'}]
)
def test_another_issuers_file_another_layout_and_bad_keys_are_left_aside(
    tmp_path: Path, change: dict[str, object]
) -> None:
    file = SnapshotFile(tmp_path / "kept", issuer="https://issuer.test")
    file.save(msgspec.structs.replace(make_snapshot(), **change))
    assert file.load() is None


@pytest.mark.parametrize("sequence", [-1, -5, 10**18, 2**70])
def test_a_position_that_no_log_has_is_dropped_and_vouches_for_nothing_and_the_entries_stay(
    tmp_path: Path, sequence: int
) -> None:
    file = SnapshotFile(tmp_path / "kept", issuer="https://issuer.test")
    kept = make_snapshot()
    file.save(msgspec.structs.replace(kept, view=msgspec.structs.replace(kept.view, sequence=sequence)))
    found = file.load()
    assert found is not None
    assert (found.view.log, found.view.sequence, found.view.link, found.view.vouched_at) == ("", 0, "", None)
    assert found.view.entries == kept.view.entries != []
    assert found.key_set().keys() == kept.key_set().keys()


def test_a_folder_that_cannot_be_written_is_told_once_and_stops_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = SnapshotFile(tmp_path / "missing" / "kept", issuer="https://issuer.test")
    with caplog.at_level(logging.WARNING):
        file.save(make_snapshot())
        file.save(make_snapshot())
    assert len(caplog.records) == 1
