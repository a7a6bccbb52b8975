"""The program as it is installed: real processes, a real database, and what they load."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.unit.server.cli.conftest import PASSWORD

WATCHWORD = str(Path(sys.executable).with_name("watchword"))
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith("WATCHWORD_")}


def run(folder: Path, *arguments: str, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [WATCHWORD, *arguments],
        cwd=folder,
        env={**CLEAN, **environment},
        input=stdin,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a database and its secret."""
    folder = tmp_path_factory.mktemp("installed")
    done = run(folder, "migrate")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("applied ")
    return folder


@pytest.fixture(scope="module")
def loaded(installed: Path) -> frozenset[str]:
    """The modules that a command has loaded when it is done."""
    program = (
        "import sys; from watchword.server.cli import main; status = main(['keys', 'list', '--json']); "
        "print(*sys.modules, file=sys.stderr); sys.exit(status)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=installed,
        env=CLEAN,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    return frozenset(done.stderr.split())


def test_an_empty_database_is_told_by_the_check_and_not_made(tmp_path: Path) -> None:
    checked = run(tmp_path, "migrate", "--check")

    assert (checked.returncode, checked.stdout) == (1, "")
    assert "run watchword migrate" in checked.stderr
    assert not (tmp_path / "watchword-data" / "watchword.db").exists()


BEGIN_FIRST = "start `watchword serve` once, or run `watchword migrate`"


@pytest.mark.parametrize("command", ["users list", "clients disable web"])
def test_a_command_at_a_mistyped_place_makes_nothing_and_says_how_to_begin(tmp_path: Path, command: str) -> None:
    refused = run(tmp_path, *command.split(), WATCHWORD_DATA_DIR=str(tmp_path / "mistyped" / "data"))

    assert (refused.returncode, refused.stdout, refused.stderr.count("\n")) == (1, "", 1)
    assert f"nothing of Watchword's in {tmp_path}/mistyped/data: {BEGIN_FIRST}" in refused.stderr
    assert list(tmp_path.iterdir()) == []


def test_nor_does_it_where_the_secret_is_known(tmp_path: Path) -> None:
    place = {"WATCHWORD_DATABASE_URL": f"sqlite:///{tmp_path}/no/w.db", "WATCHWORD_SECRET": "a0123456789" * 4}
    refused = run(tmp_path, "users", "list", **place)

    assert (refused.returncode, refused.stdout, refused.stderr.count("\n")) == (1, "", 1)
    assert f"nothing of Watchword's at {tmp_path}/no/w.db: {BEGIN_FIRST}" in refused.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_command_that_creates_begins_a_database(tmp_path: Path) -> None:
    made = run(tmp_path, "apis", "create", "https://orders.example", "--scope", "orders.read")

    assert (made.returncode, made.stderr) == (0, "")
    assert (tmp_path / "watchword-data" / "watchword.db").exists()


def test_what_one_command_wrote_the_next_one_reads(installed: Path) -> None:
    made = run(installed, "users", "create", "alice", "--password-stdin", "--json", stdin=PASSWORD)
    assert (made.returncode, made.stderr) == (0, "")
    listed = run(installed, "users", "list", "--json")

    assert (listed.returncode, listed.stderr) == (0, "")
    assert json.loads(listed.stdout) == [json.loads(made.stdout)]


def test_a_wrong_secret_stops_a_command_in_one_line(installed: Path) -> None:
    assert run(installed, "keys", "list").returncode == 0
    refused = run(installed, "keys", "list", WATCHWORD_SECRET="another0123456789abcdefghijklmnopqr")

    assert (refused.returncode, refused.stdout, refused.stderr.count("\n")) == (1, "", 1)
    assert "secret" in refused.stderr


def test_a_reader_that_leaves_early_hears_no_traceback(installed: Path) -> None:
    with subprocess.Popen(
        [WATCHWORD, "--help"], cwd=installed, env=CLEAN, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(timeout=30) == 1


@pytest.mark.parametrize("unwanted", ["starlette", "uvicorn", "alembic", "httpx2", "fastapi", "zxcvbn_rs_py"])
def test_a_command_does_not_load_what_it_does_not_need(loaded: frozenset[str], unwanted: str) -> None:
    assert "watchword.server.flows.admin.keys" in loaded
    assert unwanted not in loaded
