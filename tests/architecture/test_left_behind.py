"""What the tests' own means leave behind on the machine: nothing."""

import os
import subprocess
import sys
from pathlib import Path

_MAKES_A_DATABASE = """
from pathlib import Path
from tests.support.databases import sqlite_template

folder = Path({folder!r})
folder.mkdir()
sqlite_template().copy(folder)
assert (folder / "watchword.db").stat().st_size > 0
# As a worker of a parallel run ends.
import os
os._exit(0)
"""


def test_a_process_that_ends_without_a_word_leaves_no_template_behind(tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    program = _MAKES_A_DATABASE.format(folder=str(tmp_path / "copied"))
    environment = {**os.environ, "TMPDIR": str(temporary)}
    subprocess.run([sys.executable, "-c", program], check=True, env=environment, timeout=60)
    assert list(temporary.iterdir()) == []
