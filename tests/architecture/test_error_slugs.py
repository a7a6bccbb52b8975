"""Every refusal, warning and event has a name, and docs/errors.md explains each of them, and nothing else."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
SOURCE = REPOSITORY / "src" / "watchword"
_SLUG = re.compile(r"[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*\Z")
_ROW = re.compile(r"^\| `([^`]+)` \|", re.MULTILINE)
# Text of the same form that names something else: messages of ASGI, files, columns, loggers.
_OTHER_AREAS = {"http", "websocket", "watchword", "tokens", "users", "roles", "apis", "lock", "pysqlite3"}
# Keys of the pages' texts, and the files that pages load.
_OTHER_AREAS |= {"moment", "span", "icon", "pages"}
# Ceremonies of passkeys.
_OTHER_AREAS |= {"webauthn"}
_MIGRATIONS = SOURCE / "server" / "storage" / "migrations"


def trees(folder: Path) -> Iterator[ast.AST]:
    for path in sorted(folder.rglob("*.py")):
        if _MIGRATIONS not in path.parents:
            yield ast.parse(path.read_text("utf-8"))


def slugs_in_source() -> set[str]:
    constants = {
        node.value
        for tree in trees(SOURCE)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    found = {text for text in constants if _SLUG.match(text)}
    return {slug for slug in found if slug.partition(".")[0] not in _OTHER_AREAS}


def beginnings_in_source() -> set[str]:
    """The fixed beginnings of slugs that are put together, such as ``refresh.`` in ``f"refresh.{error}"``."""
    found = set()
    for tree in trees(SOURCE):
        for node in ast.walk(tree):
            value = node.value if isinstance(node, ast.keyword) and node.arg == "slug" else _said(node)
            if isinstance(value, ast.JoinedStr) and isinstance(value.values[0], ast.Constant):
                found.add(str(value.values[0].value))
    return found


def _said(node: ast.AST) -> ast.expr | None:
    """The slug of a call of the telemetry."""
    is_told = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("tell", "warn")
    return node.args[0] if is_told and isinstance(node, ast.Call) and node.args else None


def documented(page: str) -> set[str]:
    """What stands in code at the beginning of a table's row."""
    return set(_ROW.findall((REPOSITORY / "docs" / page).read_text("utf-8")))


def explained_slugs() -> set[str]:
    return {name for name in documented("errors.md") if "." in name}


def test_every_slug_of_the_code_is_explained() -> None:
    assert slugs_in_source() - explained_slugs() == set()


def test_no_slug_is_explained_that_the_code_does_not_have() -> None:
    extra = explained_slugs() - slugs_in_source()
    put_together = {slug for slug in extra if slug.startswith(tuple(beginnings_in_source()))}
    assert extra - put_together == set()
    for slug in put_together:
        word = slug.partition(".")[2]
        assert any(word in path.read_text("utf-8") for path in SOURCE.rglob("*.py")), slug


def test_every_reason_of_the_client_library_is_explained() -> None:
    reasons = {
        node.value.value
        for tree in trees(SOURCE / "client")
        for node in ast.walk(tree)
        if isinstance(node, ast.keyword)
        and node.arg == "reason"
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    }
    assert {"locked", "grant_over"} <= reasons
    assert reasons - documented("client-library.md") == set()


def test_every_refusal_at_an_edge_has_a_name_of_its_own() -> None:
    """An error without a slug would be logged under its wire code, which says what but not why."""
    errors = {
        node.name
        for node in ast.walk(ast.parse((SOURCE / "protocol" / "errors.py").read_text("utf-8")))
        if isinstance(node, ast.ClassDef)
    }
    nameless = [
        ast.unparse(node)
        for tree in trees(SOURCE / "server")
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in errors
        and "slug" not in {keyword.arg for keyword in node.keywords}
    ]
    assert nameless == []
