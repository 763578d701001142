"""What of a user's code a plug-in runs."""

import importlib
import sys
from types import ModuleType

import pytest

from priorbench import metrics, priors
from priorbench.bench.study.sources import hash_definition

HELPER = """\
SCALE = 3

def double(x):
    return other(x) * SCALE

def other(x):
    return x

def unused():
    pass

class Base:
    def step(self):
        return 1
"""
PLUGIN = '''\
"""A file of plug-ins."""
import math
import tests_sources_helper
from tests_sources_helper import double, Base

C = 2.0

class Parent(Base):
    def go(self):
        return double(C)

class Another:
    pass

class Own(Parent):
    """What it does."""

    def call(self, z):
        "Call it."
        return z  # as it is

def whole(x):
    return tests_sources_helper.double(x)

def inside(x):
    from tests_sources_helper import unused
    return unused()

def independent(x):
    return math.exp(x)

made = type("Made", (), {})
'''


@pytest.fixture
def hash_of(tmp_path, monkeypatch):
    """Gives the hash of a definition after changes of the two files."""
    monkeypatch.syspath_prepend(tmp_path)

    def compute(name, plugin=("", ""), helper=("", "")):
        files = {
            "tests_sources_plugin": (PLUGIN, plugin),
            "tests_sources_helper": (HELPER, helper),
        }
        for module, (text, (old, new)) in files.items():
            assert old in text
            (tmp_path / f"{module}.py").write_text(
                text.replace(old, new) if old else text
            )
            sys.modules.pop(module, None)
        monkeypatch.setattr(sys, "dont_write_bytecode", True)
        importlib.invalidate_caches()
        return hash_definition(
            getattr(importlib.import_module("tests_sources_plugin"), name)
        )

    yield compute
    for module in ("tests_sources_plugin", "tests_sources_helper"):
        sys.modules.pop(module, None)


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("Own", {"plugin": ("return z  #", "return -z  #")}),
        ("Own", {"plugin": ("double(C)", "double(C) + 1")}),
        ("Own", {"plugin": ("C = 2.0", "C = 2.5")}),
        ("Own", {"helper": ("SCALE = 3", "SCALE = 4")}),
        ("Own", {"helper": ("return x\n", "return -x\n")}),
        ("Own", {"helper": ("return 1", "return 2")}),
        ("whole", {"helper": ("SCALE = 3", "SCALE = 4")}),
        ("inside", {"helper": ("pass", "return 1")}),
    ],
)
def test_what_it_runs_counts(hash_of, name, changes):
    assert hash_of(name, **changes) != hash_of(name)


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("Own", {"plugin": ("# as it is", "# unchanged")}),
        ("Own", {"plugin": ("What it does.", "Something.")}),
        ("Own", {"plugin": ('"Call it."', '"Call."')}),
        ("Own", {"plugin": ("C = 2.0", "C  =  2.0")}),
        ("Own", {"plugin": ("class Another:\n    pass", "class Another:\n    x = 1")}),
        ("Own", {"plugin": ('"""A file of plug-ins."""', "")}),
        ("Own", {"helper": ("def unused():\n    pass", "def unused():\n    return 1")}),
        ("independent", {"helper": ("SCALE = 3", "SCALE = 4")}),
    ],
)
def test_what_it_does_not_run_leaves_the_hash(hash_of, name, changes):
    assert hash_of(name, **changes) == hash_of(name)


def test_what_was_made_in_another_way_counts_with_its_file(hash_of):
    before = hash_of("made")
    assert hash_of("made", plugin=("C = 2.0", "C = 2.5")) != before
    assert hash_of("made", plugin=("# as it is", "")) == before


def test_registrations_leave_the_hash(tmp_path, monkeypatch):
    """Another headline does not change a metric's values."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(metrics.registry, "_entries", dict(metrics.registry._entries))
    hashes = []
    for headline in ("'one'", "'two'"):
        (tmp_path / "tests_sources_metric.py").write_text(
            "from priorbench import metrics\n"
            f"@metrics.register('tests_sources', headline={headline})\n"
            "def tests_sources(codes):\n    return {}\n"
        )
        sys.modules.pop("tests_sources_metric", None)
        metrics.registry._entries.pop("tests_sources", None)
        importlib.invalidate_caches()
        importlib.import_module("tests_sources_metric")
        hashes.append(hash_definition(metrics.registry.get("tests_sources")))
    del sys.modules["tests_sources_metric"]
    assert hashes[0] == hashes[1] is not None


def test_the_projects_own_plugins_have_none():
    assert hash_definition(priors.ISA) is None
    assert hash_definition(metrics.registry.get("mig")) is None


CELL = """
import torch, math
from priorbench import priors
SCALE = 1
def total(z):
    return z.sum(-1) * 2
class Base(priors.Prior):
    def _log_prob(self, z):
        return total(z) * SCALE
class Own(Base):
    width = 1.0
    @property
    def double(self):
        return self.width * 2
    @staticmethod
    def choose(kind={"a", "b"}):
        return kind
    def _sample(self, shape, generator):
        return (lambda x: x * 3)(torch.randn(*shape, generator=generator))
"""
"""A notebook's cell, which has no file."""


def hash_cell(monkeypatch, old="", new=""):
    assert old in CELL
    module = ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", module)
    exec(compile(CELL.replace(old, new, 1), "<cell>", "exec"), module.__dict__)
    return hash_definition(module.Own)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("SCALE = 1", "SCALE = 2"),
        ("* 2", "* 4"),
        ("total(z) *", "total(z) +"),
        ("width = 1.0", "width = 2.0"),
        ("self.width * 2", "self.width"),
        ('"b"}', '"c"}'),
        ("x * 3", "x * 5"),
        ("class Own(Base)", "class Own(priors.Normal)"),
    ],
)
def test_code_of_a_notebook_counts(monkeypatch, old, new):
    assert hash_cell(monkeypatch, old, new) != hash_cell(monkeypatch)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("    width", "    'A docstring.'\n    width"),
        ("    return z.sum", "    'A docstring.'\n    return z.sum"),
        ("SCALE = 1", "SCALE = 1  # a comment\n"),
        ("class Base", "unused = 3\nclass Base"),
    ],
)
def test_words_in_a_notebook_do_not_count(monkeypatch, old, new):
    assert hash_cell(monkeypatch, old, new) == hash_cell(monkeypatch)
