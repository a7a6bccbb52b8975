"""What a service carries when it imports the resource library, and a program when it imports the client library."""

import json
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

import watchword

BASE = ("cryptography", "msgspec", "httpx2")

# Runs in an interpreter of its own: imports one library, and tells what came with it and what it did meanwhile.
PROBE = """
import json, sys
watched = ("socket.", "_thread.start", "subprocess.", "os.fork", "urllib.")
done = []
sys.addaudithook(lambda event, _: done.append(event) if event.startswith(watched) else None)
before = set(sys.modules)
import {library}
loaded = sorted(name for name in set(sys.modules) - before)
print(json.dumps({{"loaded": loaded, "done": done}}))
"""


def imported(library: str) -> dict[str, Any]:
    run = subprocess.run(
        [sys.executable, "-c", PROBE.format(library=library)], capture_output=True, text=True, check=True, timeout=60
    )
    told: dict[str, Any] = json.loads(run.stdout)
    return told


def base_install() -> set[str]:
    """Top-level modules of the three base dependencies and of what these need themselves."""
    names, queue = set[str](), list(BASE)
    while queue:
        name = queue.pop().lower().replace("_", "-")
        if name not in names:
            names.add(name)
            try:
                needed = metadata.requires(name) or []
            except metadata.PackageNotFoundError:
                continue  # needed on another platform or Python only
            queue += [one.partition(";")[0].split("[")[0].strip(" ()<>=!~.,0123456789") for one in _plain(needed)]
    return {
        module
        for module, owners in metadata.packages_distributions().items()
        if names & {owner.lower().replace("_", "-") for owner in owners}
    }


def _plain(requirements: list[str]) -> list[str]:
    return [one for one in requirements if "extra ==" not in one]


@pytest.mark.parametrize("library", ["watchword", "watchword.protocol", "watchword.resource", "watchword.client"])
def test_a_library_brings_in_the_base_install_and_nothing_else(library: str) -> None:
    told = imported(library)
    tops = {name.partition(".")[0] for name in told["loaded"]} - set(sys.stdlib_module_names)
    foreign = {top for top in tops if not top.startswith("_")} - base_install() - {"watchword"}
    assert foreign == set()
    assert not any(name.startswith(("watchword.server", "watchword.testing")) for name in told["loaded"])


@pytest.mark.parametrize("library", ["watchword.resource", "watchword.client"])
def test_importing_opens_no_socket_and_starts_nothing(library: str) -> None:
    assert imported(library)["done"] == []


def test_importing_the_package_itself_loads_none_of_its_parts() -> None:
    assert [name for name in imported("watchword")["loaded"] if name.startswith("watchword.")] == []


def test_every_folder_of_code_is_a_package() -> None:
    root = Path(watchword.__file__).parent
    # Migrations are loaded by their paths.
    folders = {path.parent for path in root.rglob("*.py") if "migrations" not in path.parts}
    without = [folder for folder in folders if not (folder / "__init__.py").exists()]
    assert [str(folder.relative_to(root)) for folder in without] == []


def test_the_package_is_typed_for_its_users() -> None:
    assert (Path(watchword.__file__).parent / "py.typed").exists()
