"""The short names of a checkout: the same modules, never a copy."""

import subprocess
import sys
from pathlib import Path

import pytest

import priorbench

ROOT = Path(__file__).parents[2]


def run_program(program, cwd=ROOT):
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=cwd, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("first", ["short", "long"])
def test_short_names_are_the_same_objects(first):
    short = (
        "import priors, metrics, datasets, bench, bench.study.grid, priors.normal",
        "import priorbench.bench.study.grid, priorbench.priors.normal\n"
        "import priorbench.metrics, priorbench.datasets",
    )
    imports = "\n".join(short if first == "short" else reversed(short))
    run_program(f"""
{imports}
import sys
import priorbench
assert priors.register is priorbench.priors.register
assert metrics.register is priorbench.metrics.register
assert datasets.register is priorbench.datasets.register
assert priors.normal is priorbench.priors.normal
assert bench.study.grid.Grid is priorbench.bench.study.grid.Grid
assert priors.normal.__name__ == "priorbench.priors.normal"
assert sys.modules["bench.study.grid"] is sys.modules["priorbench.bench.study.grid"]
""")


def test_a_plugin_by_either_name_registers_once():
    run_program("""
import priors
from priorbench import priors as long
@priors.register("own")
class Own(long.Prior):
    pass
assert long.registry.get("own") is Own
""")


def test_a_package_of_the_same_name_elsewhere_is_left_alone(tmp_path):
    package = tmp_path / "datasets"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "base.py").write_text("OWNER = 'stranger'\n")
    program = "import priorbench.datasets, datasets.base; print(datasets.base.OWNER)"
    assert run_program(program, cwd=tmp_path) == "stranger\n"


def test_the_version_is_that_of_the_package():
    from importlib import metadata

    assert priorbench.__version__ == metadata.version("priorbench")
