"""The house rules find what they are there to find. (That this house keeps them is a step of make check.)"""

from pathlib import Path

import pytest
from tools import house_rules
from tools.house_rules import Finding, findings

GOOD_MODULE = '"""A module that says what it is."""\n'
REGISTRY = "pypi" + ".org"
HASH = "--hash=sha256:" + "0" * 64


def made(root: Path, **files: str) -> list[Finding]:
    """Findings in a tree of these files; ``__`` in a name stands for a slash, ``_dot_`` for a dot."""
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return findings(root)


def sentences(found: list[Finding]) -> str:
    return "\n".join(map(str, found))


def test_a_file_of_401_lines_is_found(tmp_path: Path) -> None:
    found = made(tmp_path, src__watchword__long_dot_py="\n" * 401, src__watchword__full_dot_py="\n" * 400)
    assert [(one.path, one.line) for one in found] == [("src/watchword/long.py", 401)]


@pytest.mark.parametrize("word", sorted(house_rules.BANNED))
def test_a_banned_word_in_a_file_or_class_name_is_found(tmp_path: Path, word: str) -> None:
    found = made(tmp_path, **{f"src__watchword__token_{word}_dot_py": f"class Token{word.capitalize()}:\n    pass\n"})
    assert [one.path for one in found] == [f"src/watchword/token_{word}.py"] * 2
    assert all(f"'{word}'" in one.sentence for one in found)


def test_a_longer_word_that_holds_a_banned_one_is_no_finding(tmp_path: Path) -> None:
    assert made(tmp_path, src__watchword__userinfo_dot_py="class DatabaseRegressed: ...\nclass Metadata: ...\n") == []


def test_type_checking_blocks_are_found(tmp_path: Path) -> None:
    found = made(tmp_path, src__a_dot_py="from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    import b\n")
    assert {one.line for one in found} == {1, 3}


@pytest.mark.parametrize("call", ["time.sleep(1)", "await asyncio.sleep(0.1)", "await anyio.sleep(pause)", "sleep(2)"])
def test_a_bare_sleep_is_found_in_tests(tmp_path: Path, call: str) -> None:
    found = made(tmp_path, tests__test_a_dot_py=f"async def test_it() -> None:\n    {call}\n")
    assert [(one.path, one.line) for one in found] == [("tests/test_a.py", 2)]


def test_polling_and_giving_way_are_no_sleeping(tmp_path: Path) -> None:
    polling = (
        "async def until(ready):\n    while not ready():\n        await anyio.sleep(0.01)\n    await anyio.sleep(0)\n"
    )
    assert made(tmp_path, tests__support__polling_dot_py=polling, src__pause_dot_py="time.sleep(1)\n") == []


def test_a_patched_clock_is_found(tmp_path: Path) -> None:
    patched = 'def test_it(monkeypatch):\n    monkeypatch.setattr("time.time", lambda: 0)\n'
    assert [one.line for one in made(tmp_path, tests__test_a_dot_py=patched)] == [2]


def test_another_jose_library_in_the_product_is_found(tmp_path: Path) -> None:
    found = made(tmp_path, src__a_dot_py="import jwt\nfrom joserfc import jws\nfrom watchword.protocol import jws\n")
    assert [one.line for one in found] == [1, 2]


def test_a_module_of_the_core_without_docstring_is_found(tmp_path: Path) -> None:
    found = made(
        tmp_path,
        src__watchword__protocol__a_dot_py="A = 1\n",
        src__watchword__server__domain__b_dot_py="B = 1\n",
        src__watchword__server__web__c_dot_py="C = 1\n",
    )
    assert [one.path for one in found] == ["src/watchword/protocol/a.py", "src/watchword/server/domain/b.py"]


@pytest.mark.parametrize("package", ["resource", "client", "testing", "server__ports"])
def test_a_public_function_without_docstring_is_found(tmp_path: Path, package: str) -> None:
    text = GOOD_MODULE + (
        "def told():\n    '''Says.'''\n\n\ndef untold(): ...\n\n\ndef _own(): ...\n\n\n"
        "class Shown:\n    '''Is.'''\n\n    async def untold(self): ...\n\n\nclass _Own:\n    def untold(self): ...\n"
    )
    found = made(tmp_path, **{f"src__watchword__{package}__a_dot_py": text})
    assert [one.sentence for one in found] == [
        "untold is public and has no docstring",
        "Shown.untold is public and has no docstring",
    ]


@pytest.mark.parametrize(
    "line",
    [
        f"see https://{REGISTRY}/project/x",
        f"index https://test.{REGISTRY}/simple",
        "docker pull ghcr" + ".io/x",
        "--index-url https" + "://mirror.example/simple",
        "cd /wo" + "rk/main",
        "open('/ho" + "me/somebody/x')",
        "/Us" + "ers/somebody/x",
    ],
)
def test_a_registry_and_a_machines_path_are_found_in_any_file(tmp_path: Path, line: str) -> None:
    assert [one.line for one in made(tmp_path, docs__page_dot_md=f"# Page\n\n{line}\n")] == [3]


@pytest.mark.parametrize(
    "line",
    ["https://id.example/home/page", "GET /users/work", "pypi", "cop" + "ypi.organic", "/etc/watchword", "a/work/b"],
)
def test_ordinary_addresses_and_paths_are_no_findings(tmp_path: Path, line: str) -> None:
    assert made(tmp_path, docs__page_dot_md=f"{line}\n") == []


@pytest.mark.parametrize(
    ("lock", "what"),
    [
        ("msgspec==0.20 \\\n    " + HASH + "\n", ""),
        ("uvloop==0.22 ; sys_platform != 'win32' \\\n    " + HASH + " \\\n    " + HASH + "\n", ""),
        ("# a remark\n\n", ""),
        ("msgspec==0.20\n", "hashes"),
        ("msgspec==0.20 \\\n    --hash=sha256:00\n", "hashes"),
        ("msgspec>=0.20 \\\n    " + HASH + "\n", "one version"),
        ("-e . \n", "no option"),
        ("x @ https" + "://a.example/x.whl \\\n    " + HASH + "\n", "no address"),
    ],
)
def test_a_lock_holds_versions_and_hashes_and_no_addresses(tmp_path: Path, lock: str, what: str) -> None:
    found = made(tmp_path, requirements__dev_dot_txt=lock)
    assert len(found) == bool(what)
    assert what in sentences(found)


@pytest.mark.parametrize(
    ("requirement", "what"),
    [
        ("msgspec>=0.20", ""),
        ("sqlalchemy[asyncio]>=2.1; python_version < '4'", ""),
        ("msgspec", "floor"),
        ("msgspec>=0.20,<1", "cap"),
        ("msgspec==0.20", "cap"),
        ("msgspec~=0.20", "cap"),
    ],
)
def test_a_dependency_has_a_floor_and_no_cap(tmp_path: Path, requirement: str, what: str) -> None:
    for table in (
        '[project]\ndependencies = ["R"]',
        '[project]\n[dependency-groups]\nx = ["R", {include-group = "y"}]',
    ):
        found = made(tmp_path, pyproject_dot_toml=table.replace("R", requirement))
        assert what in sentences(found)
        assert bool(found) is bool(what)
        assert not found or found[0].line > 1
