"""The picture of the metrics, and what the page of the metrics says."""

import doctest
import inspect
import re
import tomllib
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
from typer.testing import CliRunner

from priorbench import metrics
from priorbench.bench.figures import SETS
from priorbench.bench.figures import metrics as figure
from priorbench.bench.figures.__main__ import app

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "metrics.md").read_text(encoding="utf-8")
QUICK = ("mig", "mig_groups", "sap_r2", "d_lsbd")


@pytest.fixture(scope="module")
def scores():
    return figure.score_known_codes(QUICK, sizes=(2, 3, 4))


def test_there_is_a_row_for_each_code_and_one_for_groups(scores):
    rotated = [f"rotated {degrees}°" for degrees in figure.ANGLES]
    expected = ["perfect", *rotated, *figure.OTHER_CASES, "circle, groups"]
    assert scores.index.tolist() == expected


def test_scores_are_those_of_the_metrics(scores):
    codes = metrics.synthetic_codes("rotated", degrees=15, sizes=(2, 3, 4))
    assert scores.loc["rotated 15°", "mig"] == metrics.mig(codes)["mig"]
    circle = metrics.synthetic_codes("circle", sizes=(2, 3, 4))
    assert scores.loc["circle", "d_lsbd"] == pytest.approx(0, abs=1e-9)
    groups = scores.loc["circle, groups"]
    assert groups["sap_r2"] == metrics.sap_r2(circle)["sap_r2_groups"]
    assert groups["mig"] == metrics.mig_groups(circle)["mig_groups"]


def test_a_score_that_does_not_exist_is_empty(scores):
    assert scores["d_lsbd"].dropna().index.tolist() == ["circle"]
    assert np.isnan(scores.loc["circle, groups", "d_lsbd"])


def test_each_headline_is_drawn():
    drawn = {column for family in figure.FAMILIES.values() for column in family}
    replaced = {"dci_disentanglement", "mig_groups"}
    headlines = {metrics.registry.get(name).headline for name in list_our_names()}
    assert headlines - {None} - replaced <= drawn


def test_the_command_draws_every_cell(scores, tmp_path, monkeypatch):
    families = {"some": ("mig", "d_lsbd"), "other": ("sap_r2",)}
    monkeypatch.setitem(
        SETS, "metrics", {"known": lambda: figure.draw_heat_map(scores, families)}
    )
    done = CliRunner().invoke(app, ["metrics", "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    path = tmp_path / "known.png"
    assert done.output.split() == [str(path)]
    pixels = matplotlib.image.imread(path)[..., :3]
    assert pixels.shape[1] == 1400
    white = (pixels == 1).all(-1)
    assert 0.1 < white.mean() < 0.95
    assert white[[0, -1]].all()  # nothing is cut off
    assert white[:, [0, -1]].all()
    drawn = figure.draw_heat_map(scores, families)
    values = [text.get_text() for axes in drawn.axes for text in axes.texts]
    counted = scores[["mig", "d_lsbd", "sap_r2"]].notna().to_numpy().sum()
    assert len(values) == counted
    assert values[0] == f"{scores.iloc[0]['mig']:.2f}"


def list_our_names():
    return [
        name
        for name in metrics.registry.names()
        if metrics.registry.get(name).__module__.startswith("priorbench.")
    ]


def list_sections():
    """The text of each section of the page, by the name in its title."""
    sections = re.split(r"^### `(\w+)`$", PAGE, flags=re.MULTILINE)[1:]
    return dict(zip(sections[::2], sections[1::2], strict=True))


@pytest.mark.parametrize("name", list_our_names())
def test_the_pages_settings_are_the_codes(name):
    section = list_sections()[name].partition("\n## ")[0]
    (settings,) = re.findall(
        r"\*\*Settings:\*\* (.*?)(?:\n\n|\n-|\Z)", section, re.DOTALL
    )
    written = dict(re.findall(r"`(\w+)` \(([^)]*)\)", settings))
    _, *parameters = inspect.signature(metrics.registry.get(name)).parameters.values()
    assert list(written) == [parameter.name for parameter in parameters]
    for parameter in parameters:
        value = written[parameter.name]
        found = None if value == "none" else tomllib.loads(f"value = {value}")["value"]
        default = parameter.default
        assert found == (list(default) if isinstance(default, tuple) else default)


def test_the_pages_table_has_every_metric_and_what_it_needs():
    rows = re.findall(r"^\| \[`(\w+)`\]\(#(\w+)\) \|(.*)", PAGE, re.MULTILINE)
    assert sorted(name for name, _, _ in rows) == list_our_names()
    for name, anchor, row in rows:
        columns, _, needs, *_ = (cell.strip() for cell in row.split("|"))
        metric = metrics.registry.get(name)
        assert anchor == name
        assert needs == ", ".join(metric.needs)
        assert metric.headline is None or f"`{metric.headline}`" in columns


def test_the_page_has_every_preset():
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", PAGE, re.MULTILINE))
    for name, entries in metrics.PRESETS.items():
        named = [e if isinstance(e, str) else e["name"] for e in entries]
        assert re.findall(r"`(\w+)`", rows[name]) == named


def test_the_pages_examples_run():
    done = doctest.testfile(
        str(DOCS / "metrics.md"), module_relative=False, encoding="utf-8"
    )
    assert done.attempted > 3
    assert done.failed == 0


def test_the_pages_figures_are_there():
    linked = re.findall(r"!\[.*?\]\((.*?)\)", PAGE)
    assert {Path(link).stem for link in linked} == set(SETS["metrics"])
    assert all((DOCS / link).is_file() for link in linked)
