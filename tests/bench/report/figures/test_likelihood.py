"""The figure of log-likelihoods: what is drawn, and what is written beside it."""

import math
from itertools import pairwise

import numpy as np
import pytest

from priorbench.bench.report.figures import layout
from priorbench.bench.report.figures.likelihood import draw_likelihood
from priorbench.bench.report.figures.style import encode_image, use_style
from priorbench.bench.report.published import find_published
from tests.bench.synthetic_results import make_likelihood_result as make_result
from tests.bench.synthetic_results import make_study

METHODS = [*dict.fromkeys(r.method for r in find_published("mnist_products"))]


def draw_figure(records):
    with use_style():
        return draw_likelihood(make_study(records))


def select_lines(figure, name):
    return [line for line in figure.axes[0].lines if line.get_gid() == name]


def list_labels(figure):
    return [t.get_text().replace("\n", "") for t in figure.axes[0].get_yticklabels()]


def test_a_row_per_method_in_the_order_of_the_table():
    runs = [make_result(m) for m in [*sorted(METHODS), "A mine", "N40"]]
    assert list_labels(draw_figure(runs)) == ["A mine", "N40", *METHODS]


def test_a_row_per_beta_where_there_are_several():
    runs = [make_result(beta=b) for b in (4.0, 1.0, (1.0, 2.0))]
    figure = draw_figure(runs)
    assert list_labels(figure) == ["S40, β = 1", "S40, β = 1/2", "S40, β = 4"]
    [theirs] = select_lines(figure, "published")
    assert set(theirs.get_ydata()) == {0}  # what is published is at β = 1
    assert not select_lines(draw_figure([runs[0]]), "published")


def test_a_method_of_failures_has_no_row():
    assert list_labels(
        draw_figure([make_result(), make_result("N40", status="failed")])
    ) == ["S40"]


def test_seeds_means_and_published_are_drawn():
    runs = [make_result(seed=s, ll=ll) for s, ll in enumerate([-92.0, -93.0, -97.0])]
    figure = draw_figure(
        [*runs, make_result("N40", seed=1, status="failed"), make_result("N40")]
    )
    none, ours = select_lines(figure, "seeds")
    assert list(none.get_xdata()) == [-93]
    assert list(ours.get_xdata()) == [-92, -93, -97]
    assert len(set(ours.get_ydata())) == 3
    assert list(select_lines(figure, "mean")[1].get_xdata()) == [-94, -94]
    [theirs] = select_lines(figure, "published")
    assert list(theirs.get_xdata()) == [-93.37, -93.38, -96.32]
    assert set(theirs.get_ydata()) == {1}
    assert theirs.get_markerfacecolor() == "none"


def test_values_far_below_the_others_are_written_at_the_edge():
    runs = [make_result(f"m{i}", grid="mine", ll=-93.0 - 0.1 * i) for i in range(8)]
    far = [
        make_result("m2", 1, -135.678, grid="mine"),
        make_result("far", ll=-140.0, grid="mine"),
    ]
    figure = draw_figure([*runs, *far])
    low, high = figure.axes[0].get_xlim()
    assert -95 < low < -93.7 < -93 < high < -92.9
    arrows = {t.get_position()[1]: t.get_text() for t in figure.axes[0].texts}
    order = list_labels(figure)
    assert arrows == {order.index("m2"): "← −135.68", order.index("far"): "← −140.00"}
    assert "Arrows: off the axis" in figure.texts[-1].get_text()


def test_published_values_far_below_are_written_too():
    figure = draw_figure(
        [make_result(m, ll=-92 - 0.2 * i) for i, m in enumerate(METHODS)]
    )
    [arrow] = figure.axes[0].texts
    assert arrow.get_text() == "← −108.42"
    assert list_labels(figure)[arrow.get_position()[1]] == "S34×[S1]×3"


@pytest.mark.parametrize(
    "ll", [[-93, -94, -95, -96, -140], [-90, -100, -110, -120, -130, -140]]
)
def test_nothing_is_off_the_axis_without_need(ll):
    """With few rows, or values that are spread evenly."""
    runs = [make_result(f"m{i}", grid="mine", ll=value) for i, value in enumerate(ll)]
    figure = draw_figure(runs[-4:] if ll[0] == -93 else runs)
    assert not figure.axes[0].texts
    assert figure.axes[0].get_xlim()[0] < -140
    assert "Arrows" not in figure.texts[-1].get_text()


def test_equal_values_and_one_far_below():
    runs = [make_result(f"m{i}", grid="mine") for i in range(6)] + [
        make_result("far", ll=-99, grid="mine")
    ]
    figure = draw_figure(runs)
    assert [t.get_text() for t in figure.axes[0].texts] == ["← −99.00"]
    assert figure.axes[0].get_xlim() == pytest.approx((-93.06, -92.94))


def test_legend_and_caption_name_what_is_there():
    def list_words(records):
        figure = draw_figure(records)
        legend = [t.get_text() for t in figure.legends[0].get_texts()]
        return legend, " ".join(t.get_text() for t in figure.texts).replace("\n", " ")

    assert list_words([make_result(grid="mine")])[0] == ["seed", "mean"]
    legend, caption = list_words([make_result(), make_result(seed=1, status="failed")])
    assert legend == ["seed", "mean", "published"]
    assert "1 of 2 runs failed." in caption
    assert "says nothing" not in caption
    _, caption = list_words([make_result(profile="demo")])
    assert (
        "Not profile paper: the distance to published values says nothing." in caption
    )


@pytest.mark.parametrize(
    "methods",
    [
        ["N40", *METHODS],
        ["N40"],
        ["a very long name " * 4, "x" * 90],
        ["先验 $x$", "_hidden"],
    ],
)
def test_nothing_lies_outside_the_page_or_over_another(methods):
    rng = np.random.default_rng(0)
    figure = draw_figure(
        [make_result(m, s, rng.normal(-95, 2)) for m in methods for s in range(3)]
    )
    with use_style():
        tight = figure.get_tightbbox()
        boxes = [t.get_window_extent() for t in figure.axes[0].get_yticklabels()]
    assert tight.x0 > -0.02
    assert tight.x1 < layout.WIDTH + 0.02
    assert tight.y0 > -0.02
    assert tight.y1 < figure.get_figheight() + 0.02
    assert figure.axes[0].get_position().width > 0.4
    assert not any(a.overlaps(b) for a, b in pairwise(boxes))


def test_a_likelihood_that_is_not_finite_is_no_point():
    """Nor does a study draw badly where no other is left."""
    runs = [
        make_result(ll=-math.inf),
        make_result(seed=1),
        make_result("N40", ll=math.nan),
    ]
    figure = draw_figure(runs)
    [points] = select_lines(figure, "seeds")
    assert list(points.get_xdata()) == [-93]
    with use_style():
        assert encode_image(draw_figure(runs[:1]), "png").startswith(b"\x89PNG")
