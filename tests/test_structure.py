"""The house: which folder may import which, no circles, short chains of imports."""

import json
import subprocess
import sys
import tomllib
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("bench", "datasets", "metrics", "priors")

LAYERS = (
    "priorbench.bench",
    "priorbench.metrics",
    "priorbench.priors | priorbench.datasets",
)
"""From the top down: a layer imports those below it only, its members not each other."""

BENCH_LAYERS = (
    "main",
    "toys",
    "run | score | speed | figures | notebook",
    "execution | listing",
    "report",
    "results",
    "scoring",
    "training",
    "study",
    "objectives",
    "models",
)
"""The same for the rooms of the harness."""

PRIORS_LAYERS = ("check", "product", "base", "posteriors", "spheres", "numerics")

BOTTOM = (
    *("registry", "errors", "command_line", "compiled", "plugins", "atomic_files"),
    *("paths", "processes", "units", "validation"),
)

LONGEST_CHAIN = 12
"""Modules in a row that import one another."""

PROGRAM = """
import json, sys, grimp
graph = grimp.build_graph("priorbench", exclude_type_checking_imports=True)
edges = {m: sorted(graph.find_modules_directly_imported_by(m)) for m in graph.modules}
print(json.dumps(edges))
"""


@pytest.fixture(scope="module")
def imports(tmp_path_factory):
    """The modules that each module imports; in a tree as the wheel installs it."""
    folder = tmp_path_factory.mktemp("installed")
    package = folder / "priorbench"
    package.mkdir()
    for path in (ROOT / "priorbench").glob("*.py"):
        (package / path.name).symlink_to(path)
    for room in ROOMS:
        (package / room).symlink_to(ROOT / room)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=folder,
        env={"PYTHONPATH": str(folder), "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def find_arrows_up(imports, root, layers):
    """Return imports from a layer to one above it, or to another member of its own."""
    level = {}
    for number, layer in enumerate(layers):
        for name in layer.split(" | "):
            level[name if name.startswith(root) else f"{root}.{name}"] = number

    def find_member(module):
        owners = [m for m in level if module == m or module.startswith(f"{m}.")]
        return max(owners, key=len, default=None)

    arrows = []
    for module, imported in imports.items():
        own = find_member(module)
        for other in imported:
            theirs = find_member(other)
            if own is None or theirs is None or own == theirs:
                continue
            if level[theirs] <= level[own]:
                arrows.append(f"{module} -> {other}")
    return arrows


def test_the_graph_has_every_module(imports):
    files = [p for room in ("priorbench", *ROOMS) for p in (ROOT / room).rglob("*.py")]
    assert len(imports) == len(files)


def test_arrows_between_folders_point_down(imports):
    assert not find_arrows_up(imports, "priorbench", LAYERS)


def test_arrows_between_the_harness_rooms_point_down(imports):
    assert not find_arrows_up(imports, "priorbench.bench", BENCH_LAYERS)


def test_arrows_between_the_rooms_of_priors_point_down(imports):
    assert not find_arrows_up(imports, "priorbench.priors", PRIORS_LAYERS)


def test_the_bottom_imports_nothing_above_it(imports):
    for name in BOTTOM:
        for other in imports[f"priorbench.{name}"]:
            assert other.count(".") < 2
            assert other.removeprefix("priorbench.") not in ROOMS


def test_nothing_imports_in_a_circle(imports):
    order = list(TopologicalSorter(imports).static_order())  # raises CycleError
    assert len(order) == len(imports)


def test_chains_of_imports_are_short(imports):
    @cache
    def find_chain(module):
        chains = [find_chain(other) for other in imports[module]]
        return (module, *max(chains, key=len, default=()))

    longest = max(map(find_chain, imports), key=len)
    assert len(longest) <= LONGEST_CHAIN, "\n".join(longest)


def test_the_wheel_has_every_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    folders = {
        path.parent.relative_to(ROOT)
        for room in ROOMS
        for path in (ROOT / room).rglob("__init__.py")
    }
    packages = {".".join(("priorbench", *folder.parts)) for folder in folders}
    assert set(project["tool"]["setuptools"]["packages"]) == packages | {"priorbench"}
