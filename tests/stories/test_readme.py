"""What the README tells a newcomer to type works, and answers as it says.

All blocks run in order in one shell. Two things differ from a newcomer's terminal: ports 8000 and 8001 become ones that
are free here, and ``make serve`` becomes the ``watchword serve`` that it runs.
"""

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
from tests.support.ports import free_port
from tests.support.running_server import WATCHWORD, wait_until

README = Path(__file__).parents[2] / "README.md"
_BLOCK = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A code block of the README. ``name`` is what stands behind its language."""

    language: str
    name: str
    text: str


@contextmanager
def background(command: str, folder: Path, environment: dict[str, str], *, ready: str) -> Iterator[None]:
    """Run ``command`` in a terminal of its own, until the block ends."""
    with (folder / "background.log").open("ab") as log:
        process = subprocess.Popen(
            ["bash", "-c", command], cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:

        def answers() -> bool:
            assert process.poll() is None, (folder / "background.log").read_text()
            with suppress(httpx2.TransportError):
                return httpx2.get(ready, trust_env=False, timeout=2).is_success
            return False

        wait_until(answers, seconds=30, what=command)
        yield
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(15)


def blocks(text: str) -> list[Block]:
    return [Block(language, name.strip(), body) for language, name, body in _BLOCK.findall(text)]


def pattern(expected: str) -> re.Pattern[str]:
    """``…`` stands for what differs from time to time."""
    return re.compile(r"[\w-]+(\.[\w-]+)*".join(map(re.escape, expected.strip().split("…"))) + r"\Z")


@pytest.mark.slow
def test_the_quick_start_does_what_it_says(tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("the README types curl, which is not installed")
    server, service = free_port(), free_port()
    text = README.read_text("utf-8").replace("localhost:8000", f"localhost:{server}")
    text = text.replace("localhost:8001", f"localhost:{service}").replace("--port 8001", f"--port {service}")
    found = blocks(text)
    steps = {block.name: block.text for block in found if block.name}
    for name, content in steps.items():
        if name.endswith(".py"):
            (tmp_path / name).write_text(content, "utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("WATCHWORD_")}
    environment |= {
        "PATH": f"{Path(WATCHWORD).parent}:{os.environ['PATH']}",
        "NO_PROXY": "localhost",
        "no_proxy": "localhost",
    }
    serve = steps["server"].replace("make serve", f"exec watchword serve --port {server}")
    assert "make serve" in steps["server"], "the README starts the server as a newcomer does"

    with (
        background(serve, tmp_path, environment, ready=f"http://localhost:{server}/readyz"),
        background(steps["service"], tmp_path, environment, ready=f"http://localhost:{service}/openapi.json"),
    ):
        typed = [block for block in found if block.language in ("sh", "text") and not block.name]
        marked = "".join(f"{block.text}\nprintf '\\n===\\n'\n" if block.language == "sh" else "" for block in typed)
        done = subprocess.run(
            ["bash", "-e", "-c", marked],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr + done.stdout

    answers = iter(done.stdout.split("\n===\n"))
    compared, answer = 0, ""
    for block in typed:
        if block.language == "sh":
            answer = next(answers)
        else:
            assert pattern(block.text).match(answer.strip()), f"{answer!r} is not {block.text!r}"
            compared += 1
    assert compared == sum(block.language == "text" for block in found) >= 6


def test_both_programs_of_the_readme_are_ten_lines() -> None:
    programs = [block for block in blocks(README.read_text("utf-8")) if block.language == "python"]
    assert [block.name for block in programs] == ["service.py", "client.py"]
    for block in programs:
        assert sum(bool(line.strip()) for line in block.text.splitlines()) <= 10, block.name


def test_every_file_that_the_readme_and_the_docs_point_to_is_there() -> None:
    for page in (README, *README.parent.glob("docs/**/*.md"), *README.parent.glob("*.md")):
        for target in re.findall(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), f"{page.name} points to {target}"
