"""The distribution: panels, boxes and points."""

import itertools

import numpy as np
import pytest

from priorbench.bench.report.figures.distribution import draw_distribution
from priorbench.bench.report.figures.style import use_style
from tests.bench.report.figures.drawing import FOUR, draw_figure
from tests.bench.synthetic_results import make_result, make_results


def test_distribution_has_a_panel_per_beta_and_all_points():
    figure = draw_figure(draw_distribution, make_results(FOUR, (1.0, 2.0, 4.0), 6))
    assert [a.get_title() for a in figure.axes] == ["β = 1", "β = 2", "β = 4"]
    for axes in figure.axes:
        points = [line for line in axes.lines if line.get_gid() == "seeds"]
        assert [len(line.get_ydata()) for line in points] == [6] * 4
        assert len(axes.patches) == 4  # boxes


@pytest.mark.parametrize("groups", [3, 10, 20])
def test_titles_of_many_groups_do_not_meet(groups):
    """Every value another, so that none is written for many."""
    betas = [tuple(float(10 + i + j) for i in range(groups // 2 + 1)) for j in range(4)]
    figure = draw_figure(draw_distribution, [make_result(beta=beta) for beta in betas])
    with use_style():
        figure.draw_without_rendering()
        titles = [axes.title.get_window_extent().padded(-0.5) for axes in figure.axes]
        page = figure.bbox
    assert not any(a.overlaps(b) for a, b in itertools.combinations(titles, 2))
    assert all(box.x0 >= 0 and box.x1 <= page.x1 for box in titles)


def test_few_seeds_are_points_and_their_median():
    figure = draw_figure(
        draw_distribution,
        [make_result(seed=s, mig=m) for s, m in enumerate([0.1, 0.2, 0.5, 0.6])],
    )
    [axes] = figure.axes
    assert not axes.patches
    [median] = [line for line in axes.lines if line.get_gid() == "median"]
    assert list(median.get_ydata()) == pytest.approx([0.35, 0.35])


def test_a_method_keeps_its_column_where_it_has_no_runs():
    runs = [*make_results(("a", "b"), (1.0,), 2), *make_results(("b",), (2.0,), 2)]
    figure = draw_figure(draw_distribution, runs)
    centres = [np.mean(a.lines[-2].get_xdata()) for a in figure.axes]
    assert centres == [1, 1]


def test_published_values_are_hollow_in_their_panel_and_column():
    runs = [
        make_result(method, beta, grid="dsprites_beta")
        for method in ("ISA-VAE", "β-VAE")
        for beta in (1.0, 4.0)
    ]
    figure = draw_figure(draw_distribution, runs)
    hollow = [
        [tuple(li.get_xydata()[0]) for li in axes.lines if li.get_gid() == "published"]
        for axes in figure.axes
    ]
    assert [sorted(points) for points in hollow] == [[(0.0, 0.20), (1.0, 0.14)], []]
    assert "Hollow: published" in figure.texts[-1].get_text()
