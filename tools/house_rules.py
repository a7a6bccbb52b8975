"""The house rules that a machine can hold: ``python -m tools.house_rules`` prints each breach and fails on any.

Rules about the shape of a statement are ast-grep's, in ``tools/rules``; rules about files, names, docstrings and
dependencies are here. Each is a function from the tree to findings, listed in ``RULES``.
"""

import ast
import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).resolve().parent.parent
RULES_OF_SHAPE: Final = Path(__file__).resolve().parent / "rules"
MAX_LINES: Final = 400
BANNED: Final = frozenset(
    {"utils", "helpers", "common", "misc", "base", "manager", "handler", "service", "processor", "data", "info"}
)
CODE: Final = ("src", "tests", "tools", "benchmarks", "examples")
# Where every module says what it is, and where every public function does.
PURE: Final = ("src/watchword/protocol/", "src/watchword/server/domain/")
PUBLIC: Final = (
    "src/watchword/resource/",
    "src/watchword/client/",
    "src/watchword/testing/",
    "src/watchword/server/ports/",
)


class Finding(NamedTuple):
    """A breach: where, and what is wrong."""

    path: str
    line: int
    sentence: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.sentence}"


class Tree:
    """A tree of files: those that git tracks or would track."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.paths = sorted(_listed(root))

    def read(self, path: str) -> str:
        """The text of a file; empty if it is binary."""
        try:
            return (self.root / path).read_text("utf-8")
        except UnicodeDecodeError:
            return ""

    def python(self, *under: str) -> Iterator[str]:
        """Python files below any of ``under``."""
        return (path for path in self.paths if path.endswith(".py") and path.startswith(under))

    @lru_cache(maxsize=2000)  # noqa: B019 - one tree per run
    def parsed(self, path: str) -> ast.Module:
        """The syntax tree of a Python file."""
        return ast.parse(self.read(path), path)


def _listed(root: Path) -> Iterable[str]:
    git = shutil.which("git")
    if git is not None and (root / ".git").exists():
        command = [git, "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        listed = subprocess.run(command, cwd=root, capture_output=True, check=True).stdout.decode().split("\0")
        return [path for path in listed if path and (root / path).is_file()]
    return [str(path.relative_to(root)) for path in root.rglob("*") if path.is_file() and not _hidden(path, root)]


def _hidden(path: Path, root: Path) -> bool:
    return any(part.startswith(".") or part == "__pycache__" for part in path.relative_to(root).parts[:-1])


def short_files(tree: Tree) -> Iterator[Finding]:
    for path in tree.python("src/"):
        lines = tree.read(path).count("\n")
        if lines > MAX_LINES:
            yield Finding(path, MAX_LINES + 1, f"{lines} lines: a file has at most {MAX_LINES}; find its seam")


def telling_names(tree: Tree) -> Iterator[Finding]:
    for path in tree.python(*(f"{folder}/" for folder in CODE)):
        words = {word for part in Path(path).with_suffix("").parts for word in part.split("_")}
        for word in sorted(words & BANNED):
            yield Finding(path, 1, f"'{word}' in a file's name says nothing: name what is in it")
        for node in ast.walk(tree.parsed(path)):
            if isinstance(node, ast.ClassDef):
                parts = {word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+", node.name)}
                for word in sorted(parts & BANNED):
                    sentence = f"'{word}' in the class name {node.name} says nothing: name what it is"
                    yield Finding(path, node.lineno, sentence)


def modules_say_what_they_are(tree: Tree) -> Iterator[Finding]:
    for path in tree.python(*PURE):
        if not ast.get_docstring(tree.parsed(path)):
            yield Finding(path, 1, "the module does not say what it is, and which standard it answers to")
    for path in tree.python("src/"):
        if path.endswith("/__init__.py") and not ast.get_docstring(tree.parsed(path)):
            yield Finding(path, 1, "the package does not say what it is")


def public_functions_say_what_they_do(tree: Tree) -> Iterator[Finding]:
    for path in tree.python(*PUBLIC):
        if not any(part.startswith("_") and part != "__init__.py" for part in Path(path).parts):
            for name, node in _public(tree.parsed(path).body):
                if not ast.get_docstring(node):
                    yield Finding(path, node.lineno, f"{name} is public and has no docstring")


def _public(body: list[ast.stmt], prefix: str = "") -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for node in body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from _public(node.body, f"{prefix}{node.name}.")
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            marks = {ast.unparse(decorator).rpartition(".")[2] for decorator in node.decorator_list}
            if marks.isdisjoint({"overload", "setter", "deleter", "override"}):
                yield f"{prefix}{node.name}", node


# Put together from pieces, so that this file is not a finding itself.
_DOT: Final = r"\."
REGISTRIES: Final = re.compile(
    r"(?<![\w-])(?:"
    + "|".join(
        name.replace(" ", _DOT)
        for name in (
            "(?:test )?pypi org",
            "files pythonhosted org",
            "registry npmjs org",
            "(?:static |index )?crates io",
            "(?:proxy|sum) golang org",
            "(?:registry-1 |index )?docker io",
            "ghcr io",
            "quay io",
            "(?:conda )?anaconda org",
            "rubygems org",
            "repo1? maven (?:apache )?org",
        )
    )
    + r")(?![\w-])"
)
MACHINE_PATHS: Final = re.compile(
    r"(?<![\w.:/-])/(?:" + "|".join(("wo" + "rk", "ho" + "me", "Us" + "ers", "ro" + "ot")) + r")/[A-Za-z0-9._-]+"
    r"|\b[A-Z]:\\" + "Us" + r"ers\\"
)
INDEX_OPTION: Final = re.compile(r"(?:index-url|find-links)[ =]+\S*:/" + "/")


def no_addresses_of_elsewhere(tree: Tree) -> Iterator[Finding]:
    for path in tree.paths:
        for number, line in enumerate(tree.read(path).splitlines(), start=1):
            if (match := REGISTRIES.search(line)) or (match := INDEX_OPTION.search(line)):
                yield Finding(path, number, f"names a package registry ({match[0]}): the user's own settings do that")
            if match := MACHINE_PATHS.search(line):
                yield Finding(path, number, f"names a path of one machine ({match[0]})")


_PINNED: Final = re.compile(r"[A-Za-z0-9._-]+(\[[a-z0-9,._-]+\])?==[^\s;]+( ; .+)?")


def locks_hold_hashes(tree: Tree) -> Iterator[Finding]:
    for path in tree.paths:
        if path.startswith("requirements/") and path.endswith(".txt"):
            text = re.sub(r"[ \t]*\\\n[ \t]*", " ", tree.read(path))
            whole = tree.read(path).splitlines()
            for line in text.splitlines():
                entry, _, hashes = line.partition(" --hash=sha256:")
                if not entry.strip() or entry.startswith("#"):
                    continue
                number = next((n for n, raw in enumerate(whole, 1) if raw.startswith(entry.split(" ")[0])), 1)
                if "://" in line or entry.startswith("-"):
                    yield Finding(path, number, f"{entry}: a lock names no address and no option")
                elif _PINNED.fullmatch(entry) is None:
                    yield Finding(path, number, f"{entry}: a lock pins each package to one version")
                elif not re.match(r"[0-9a-f]{64}( |$)", hashes):
                    yield Finding(path, number, f"{entry}: a lock holds hashes; run make lock")


def floors_and_no_caps(tree: Tree) -> Iterator[Finding]:
    if "pyproject.toml" not in tree.paths:
        return
    text = tree.read("pyproject.toml")
    project = tomllib.loads(text)
    listed = [*project.get("build-system", {}).get("requires", []), *project["project"].get("dependencies", [])]
    for group in (*project["project"].get("optional-dependencies", {}).values(), *_groups(project)):
        listed += group
    for requirement in listed:
        bounds = requirement.partition(";")[0]
        number = next((n for n, line in enumerate(text.splitlines(), 1) if f'"{requirement}"' in line), 1)
        if ">=" not in bounds:
            yield Finding("pyproject.toml", number, f"{requirement}: a dependency has a floor (>=)")
        if re.search(r"<|==|~=", bounds):
            yield Finding("pyproject.toml", number, f"{requirement}: a dependency has no cap")


def _groups(project: dict[str, dict[str, list[object]]]) -> Iterator[list[str]]:
    for group in project.get("dependency-groups", {}).values():
        yield [entry for entry in group if isinstance(entry, str)]


def shapes(tree: Tree) -> Iterator[Finding]:
    program = Path(sys.executable).parent / "ast-grep"
    found = str(program) if program.exists() else shutil.which("ast-grep")
    if found is None:
        raise SystemExit("ast-grep is missing: make check sets it up")
    rules = "\n---\n".join(path.read_text("utf-8") for path in sorted(RULES_OF_SHAPE.glob("*.yml")))
    folders = [folder for folder in CODE if (tree.root / folder).is_dir()]
    command = [found, "scan", "--inline-rules", rules, "--json=stream", *folders]
    run = subprocess.run(command, cwd=tree.root, capture_output=True, text=True, check=False)
    if run.returncode not in (0, 1) or (run.returncode == 1 and not run.stdout):
        raise SystemExit(f"ast-grep failed: {run.stderr.strip()}")
    for line in run.stdout.splitlines():
        match = json.loads(line)
        yield Finding(match["file"], match["range"]["start"]["line"] + 1, match["message"])


RULES: Final[tuple[Callable[[Tree], Iterator[Finding]], ...]] = (
    short_files,
    telling_names,
    modules_say_what_they_are,
    public_functions_say_what_they_do,
    no_addresses_of_elsewhere,
    locks_hold_hashes,
    floors_and_no_caps,
    shapes,
)


def findings(root: Path) -> list[Finding]:
    """All breaches below ``root``, in order of place."""
    tree = Tree(root)
    return sorted({finding for rule in RULES for finding in rule(tree)})


def main() -> int:
    """Print the breaches of this project."""
    found = findings(ROOT)
    for finding in found:
        print(finding)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
