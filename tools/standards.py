"""Writes docs/standards.md: which standard binds where, which tests hold it, and where we diverge.

``python -m tools.standards`` writes the page, ``--check`` fails if it is out of date. Nothing is imported: the page is
collected from the ``Implements:`` and ``Diverges:`` lines of module docstrings and from the ``@rfc`` and ``@standard``
decorators of tests.
"""

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
PAGE: Final = Path("docs/standards.md")
_LABELS: Final = ("Implements", "Diverges")
_SECTION: Final = re.compile(r"(?:§|Appendix )([0-9A-Z]+(?:\.[0-9]+)*)")
HEAD: Final = """\
# Standards

Which standard binds where, and which tests hold it. This page is written by `make docs` from the code itself: from the
`Implements:` and `Diverges:` lines of modules and from the citations of tests. `make check` fails when it is out of
date.
"""


class Malformed(ValueError):
    """A line that names no standard."""


@dataclass(slots=True)
class Clause:
    """A section of a standard: the modules that implement it, the tests that hold it."""

    modules: set[str] = field(default_factory=set)
    tests: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))


Clauses = dict[tuple[str, str], Clause]


def labelled(docstring: str, label: str) -> str:
    """What a docstring says under ``label``, in one line; it ends at an empty line or the next label."""
    lines: list[str] = []
    for line in docstring.splitlines():
        name = line.partition(":")[0].strip()
        if name == label:
            lines.append(line.partition(":")[2].strip())
        elif lines:
            if not line.strip() or name in _LABELS:
                break
            lines.append(line.strip())
    return " ".join(lines)


def implemented(text: str) -> Iterator[tuple[str, str]]:
    """Standard and section of each clause in an ``Implements:`` text; the section is empty for a whole standard.

    Raises:
        Malformed: no standard is named.
    """
    for part in re.split(r";\s*(?![^()]*\))", text.rstrip(". ")):
        bare = re.sub(r"\([^()]*\)", "", part).strip()
        name = re.split(r"§|,?\s*Appendix ", bare, maxsplit=1)[0].strip(" ,")
        if not re.search(r"[A-Za-z]{3}", name):
            raise Malformed(f"no standard is named in {part!r}")
        for section in _SECTION.findall(bare) or [""]:
            yield name, section


def of_modules(root: Path) -> tuple[Clauses, list[tuple[str, str]]]:
    """The clauses that modules implement, and where modules diverge."""
    clauses: Clauses = defaultdict(Clause)
    divergences: list[tuple[str, str]] = []
    for path in sorted((root / "src").rglob("*.py")):
        docstring = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
        name = path.relative_to(root).as_posix()
        if text := labelled(docstring, "Implements"):
            try:
                for key in implemented(text):
                    clauses[key].modules.add(name)
            except Malformed as problem:
                raise Malformed(f"{name}: {problem}") from None
        if text := labelled(docstring, "Diverges"):
            divergences.append((name, text.replace("``", "`")))
    return clauses, divergences


def citations(tree: ast.Module) -> Iterator[tuple[str, str, str]]:
    """Standard, section and test name of each citation; a citation of a whole file has no test name."""
    texts = _texts(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield from ((*key, node.name) for key in _cited(node.decorator_list, texts))
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "pytestmark" for t in node.targets):
            marks = node.value.elts if isinstance(node.value, ast.List | ast.Tuple) else [node.value]
            yield from ((*key, "") for key in _cited(marks, texts))


def _texts(tree: ast.Module) -> dict[str, object]:
    """The constants of a module, such as ``DRAFT = "draft-ietf-..."``."""
    return {
        target.id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def _cited(expressions: Iterable[ast.expr], texts: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    for call in expressions:
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in ("rfc", "standard"):
            match [_value(argument, texts) for argument in call.args]:
                case [str(name), str(section)]:
                    yield (f"RFC {name}" if call.func.id == "rfc" else name), section
                case _:
                    raise Malformed(
                        f"line {call.lineno}: a citation has two arguments, texts or constants of its module"
                    )


def _value(argument: ast.expr, texts: Mapping[str, object]) -> object:
    if isinstance(argument, ast.Name):
        return texts.get(argument.id)
    return argument.value if isinstance(argument, ast.Constant) else None


def collect(root: Path) -> tuple[Clauses, list[tuple[str, str]]]:
    """All clauses with their modules and tests, and all divergences."""
    clauses, divergences = of_modules(root)
    for path in sorted((root / "tests").rglob("test_*.py")):
        name = path.relative_to(root).as_posix()
        try:
            for standard, section, test in citations(ast.parse(path.read_text("utf-8"))):
                clauses[standard, section].tests[name].add(test)
        except Malformed as problem:
            raise Malformed(f"{name}: {problem}") from None
    return clauses, divergences


def render(clauses: Clauses, divergences: list[tuple[str, str]]) -> str:
    """The page."""
    parts = [HEAD]
    for standard in sorted({name for name, _ in clauses}, key=_order):
        parts.append(f"## {_link(standard)}\n\n| clause | where | held by |\n| --- | --- | --- |")
        sections = sorted((section for name, section in clauses if name == standard), key=_section_order)
        parts[-1] += "".join(f"\n{_row(standard, section, clauses[standard, section])}" for section in sections) + "\n"
    parts.append("## Where we diverge\n")
    parts.append("\n".join(f"- {_file(path)}: {text}" for path, text in divergences) + "\n")
    return "\n".join(parts)


def _row(standard: str, section: str, clause: Clause) -> str:
    where = "<br>".join(_file(module) for module in sorted(clause.modules))
    held = "<br>".join(f"{_file(path)}: {_sentences(names)}" for path, names in sorted(clause.tests.items()))
    label = f"§{section}" if section[:1].isdigit() else (f"Appendix {section}" if section else "whole")
    if section and (number := standard.removeprefix("RFC ")).isdigit():
        anchor = f"section-{section}" if section[0].isdigit() else f"appendix-{section}"
        label = f"[{label}](https://www.rfc-editor.org/rfc/rfc{number}#{anchor})"
    return f"| {label} | {where} | {held} |"


def _sentences(names: set[str]) -> str:
    return "; ".join(sorted(name.removeprefix("test_").replace("_", " ") or "the whole file" for name in names))


def _file(path: str) -> str:
    name = path.removeprefix("src/watchword/").removeprefix("tests/")
    return f"[{name}](../{path})"


def _link(standard: str) -> str:
    number = standard.removeprefix("RFC ")
    return f"[{standard}](https://www.rfc-editor.org/rfc/rfc{number})" if number.isdigit() else standard


def _order(standard: str) -> tuple[int, int, str]:
    number = standard.removeprefix("RFC ")
    return (0, int(number), "") if number.isdigit() else (1, 0, standard)


def _section_order(section: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (10_000, part) for part in section.split(".")]


def main(arguments: list[str]) -> int:
    """Write the page, or with ``--check`` compare it."""
    try:
        page = render(*collect(ROOT))
    except Malformed as problem:
        print(problem, file=sys.stderr)
        return 1
    target = ROOT / PAGE
    if "--check" in arguments:
        if target.exists() and target.read_text("utf-8") == page:
            return 0
        print(f"{PAGE} is out of date: run make docs", file=sys.stderr)
        return 1
    target.write_text(page, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
