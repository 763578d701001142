"""The counts of the code."""

import doctest

from typer.testing import CliRunner

from benchmarks import house
from benchmarks.house import Counts, count_module, find_longest_chain, list_imports


def test_examples():
    done = doctest.testmod(house)
    assert done.attempted > 3
    assert done.failed == 0


def test_methods_and_inner_functions_are_not_counted():
    source = """
class Prior:
    def sample(self):
        return _draw()

def make_prior():
    def inner(): ...
    return _draw(), _draw

def _draw(): ...
async def wait(): ...
"""
    counts = count_module(source)
    assert (counts.functions, counts.one_word) == (3, 2)
    assert (counts.private, counts.one_caller) == (1, 0)


def test_comments_docstrings_and_blank_lines_have_no_tokens():
    source = '"""A\n\nmodule."""\n\n# comment\nX = 1\n"""Of X."""\n\nY = (\n    2,\n)\n'
    counts = count_module(source)
    assert counts == Counts(tokens=9, lines=4)


def test_imports_for_type_checking_are_left_out():
    source = """
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    from priorbench.priors.base import Prior
if True:
    import priorbench.metrics.base
def load():
    from priorbench import bench, registry
"""
    names = ["priors.base", "metrics.base", "bench", "priorbench.registry"]
    found = list_imports(source, dict.fromkeys(names))
    assert found == {"metrics.base", "bench", "priorbench.registry"}


def test_a_circle_counts_as_all_its_modules():
    imports = {"run": {"b"}, "a": {"b"}, "b": {"a", "c"}, "c": set()}
    assert find_longest_chain(imports) == ["run", "a", "b", "c"]


def test_command_line(tmp_path):
    for folder in house.FOLDERS:
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "__init__.py").write_text("")
    (tmp_path / "bench" / "run.py").write_text("import priors\ndef main(): ...\n")
    done = CliRunner().invoke(house.app, [str(tmp_path)])
    assert done.exit_code == 0, done.output
    rows = [line.split() for line in done.output.splitlines()]
    assert ["bench", "1", "100%", "0", "0", "4.0"] in rows
    assert ["bench.run", "→", "priors"] in rows
