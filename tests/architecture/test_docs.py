"""The docs and the program say the same: settings, paths, commands, examples."""

import ast
import re
from pathlib import Path
from typing import Any

from watchword.server.cli.program import program
from watchword.server.settings.written import PREFIX, Written
from watchword.server.web.routes import ROUTES

DOCS = Path(__file__).parents[2] / "docs"
PAGES = [*sorted(DOCS.glob("*.md")), *sorted(DOCS.glob("guides/*.md")), DOCS.parent / "README.md"]


def page(name: str) -> str:
    return (DOCS / name).read_text("utf-8")


def test_every_setting_is_in_the_table_and_no_other() -> None:
    told = set(re.findall(rf"{PREFIX}([A-Z_]+)", "\n".join(path.read_text("utf-8") for path in PAGES)))
    fields = {name.upper() for name in Written.model_fields}
    assert told - fields - {"CONFIG", ""} == set()
    table = set(re.findall(rf"{PREFIX}([A-Z_]+)", page("operations.md")))
    assert fields - table - {"SECRET_FILE", "DATABASE_URL_FILE", "SMTP_URL_FILE"} == set()


def test_every_path_that_the_docs_name_is_served() -> None:
    named = set(re.findall(r"(?:GET|POST|DELETE) (/[\w/-]+)", "\n".join(path.read_text("utf-8") for path in PAGES)))
    assert {"/session", "/session/refresh", "/revocations"} <= named
    assert named <= set(ROUTES)


def test_every_command_that_the_docs_type_exists() -> None:
    groups = {
        group.name: {_name(command) for command in group.typer_instance.registered_commands} for group in _groups()
    }
    alone = {_name(command) for command in program.registered_commands}
    typed = re.findall(r"watchword ([a-z]+)(?: ([a-z][a-z-]+))?", "\n".join(_code(path) for path in PAGES))
    assert len(typed) > 20
    for first, second in typed:
        assert first in alone or second in groups.get(first, ()), f"watchword {first} {second}"


def test_python_in_the_docs_is_python() -> None:
    blocks = [
        block
        for path in PAGES
        for block in re.findall(r"^```python[^\n]*\n(.*?)^```", path.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    ]
    assert len(blocks) >= 6
    for block in blocks:
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("watchword"):
                module = __import__(node.module or "", fromlist=["*"])
                assert all(hasattr(module, name.name) for name in node.names), ast.unparse(node)


def _groups() -> list[Any]:
    return list(program.registered_groups)


def _name(command: Any) -> str:
    name: str | None = command.name
    return name or str(command.callback.__name__)


def _code(path: Path) -> str:
    """All that stands in code on a page."""
    text = path.read_text("utf-8")
    typed = re.findall(r"^```sh[^\n]*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return "\n".join(typed + re.findall(r"`([^`\n]+)`", text))
