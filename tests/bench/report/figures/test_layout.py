"""What the figures of a headline score have in common: titles, legends, the page."""

import pytest

from priorbench.bench.report.figures import layout
from priorbench.bench.report.figures.distribution import draw_distribution
from priorbench.bench.report.figures.style import encode_image, escape_text, use_style
from priorbench.bench.report.figures.trade_off import draw_trade_off
from tests.bench.report.figures.drawing import (
    FOUR,
    NINE,
    draw_figure,
    list_beta_labels,
    list_texts,
)
from tests.bench.synthetic_results import make_result, make_results


def test_betas_of_groups_are_labels_and_panels():
    betas = (4.0, (1.0, 1.0, 8.0), 1.0)
    runs = [
        make_result(beta=beta, seed=seed, mig=0.1 * i, reconstruction=-20.0 - i)
        for i, beta in enumerate(betas)
        for seed in range(2)
    ]
    figure = draw_figure(draw_trade_off, runs)
    assert sorted(t.get_text() for t in list_beta_labels(figure)) == ["1", "1/1/8", "4"]
    path, apart = (container.lines[0] for container in figure.axes[0].containers)
    assert list(path.get_ydata()) == pytest.approx([0.2, 0.0])
    assert list(apart.get_ydata()) == pytest.approx([0.1])
    assert apart.get_linestyle() == "None"  # a list does not lie between two numbers
    figure = draw_figure(draw_distribution, runs)
    assert [a.get_title() for a in figure.axes] == ["β = 1", "β = 1/1/8", "β = 4"]


def test_title_and_failures():
    runs = [*make_results(FOUR[:2], (1.0,), 3), make_result(seed=7, status="failed")]
    for function in (draw_trade_off, draw_distribution):
        written = " ".join(list_texts(draw_figure(function, runs)))
        assert "1 of 7 runs failed" in written.replace("\n", " ")
        assert "study, profile quick, 3 seeds" in written
        assert "failed" not in " ".join(list_texts(draw_figure(function, runs[:-1])))


def test_legend_names_every_method_as_it_is():
    for function in (draw_trade_off, draw_distribution):
        figure = draw_figure(function, make_results(NINE, (1.0, 2.0), 2))
        names = [t.get_text() for t in figure.legends[0].get_texts()]
        assert names == [escape_text(m) for m in NINE]


@pytest.mark.parametrize(
    "names", [FOUR, NINE, ["a very long name of a method " * 3], ["m"]]
)
def test_nothing_lies_outside_the_page(names):
    for function in (draw_trade_off, draw_distribution):
        figure = draw_figure(
            function, make_results(names, (1.0, 2.0, 4.0, 8.0, 16.0), 2)
        )
        with use_style():
            tight = figure.get_tightbbox()
        assert figure.get_figwidth() == layout.WIDTH
        assert tight.x0 > -0.02
        assert tight.x1 < layout.WIDTH + 0.02
        assert tight.y0 > -0.02
        assert tight.y1 < figure.get_figheight() + 0.02
        legend = figure.legends[0].get_window_extent()
        axis = figure.axes[-1].get_tightbbox()
        assert legend.y1 <= axis.y0 + 1


def test_equal_scores_draw_without_warning():
    runs = [make_result(m, b, s) for m in FOUR for b in (1.0, 2.0) for s in range(6)]
    for function in (draw_trade_off, draw_distribution):
        figure = draw_figure(function, runs)
        with use_style():
            assert encode_image(figure, "png").startswith(b"\x89PNG")
