"""The trade-off: lines, points and labels."""

import itertools

import numpy as np
import pytest

from priorbench.bench.report.figures.style import use_style
from priorbench.bench.report.figures.trade_off import draw_trade_off
from tests.bench.report.figures.drawing import FOUR, NINE, draw_figure, list_beta_labels
from tests.bench.synthetic_results import make_result, make_results


def test_one_line_per_method_through_its_betas_in_order():
    figure = draw_figure(draw_trade_off, make_results(FOUR, (4.0, 1.0, 2.0), 3)[::-1])
    containers = figure.axes[0].containers
    assert len(containers) == 4
    for container in containers:
        assert (
            np.diff(container.lines[0].get_xdata()) < 0
        ).all()  # more β, less reconstruction
        assert container.has_xerr
        assert container.has_yerr


def test_points_are_the_settings_means():
    runs = [
        make_result(seed=0, mig=0.1, reconstruction=-20),
        make_result(seed=1, mig=0.3, reconstruction=-40),
    ]
    [container] = draw_figure(draw_trade_off, runs).axes[0].containers
    assert container.lines[0].get_xydata() == pytest.approx(np.array([[-30, 0.2]]))
    [[low, high]] = container.lines[2][1].get_segments()
    assert (high - low)[1] == pytest.approx(
        2 * 0.1
    )  # the standard error of 0.1 and 0.3 is 0.1


def test_every_beta_is_labelled_where_there_is_room():
    figure = draw_figure(draw_trade_off, make_results(FOUR[:2], (0.5, 1.0, 4.0), 3))
    assert sorted(t.get_text() for t in list_beta_labels(figure)) == [
        "0.5",
        "0.5",
        "1",
        "1",
        "4",
        "4",
    ]


@pytest.mark.parametrize(
    ("methods", "betas"),
    [
        (FOUR, (0.5, 1, 1.5, 2, 2.5, 3, 4, 6, 8)),
        (NINE, (1, 2, 4, 8)),
        (NINE, range(1, 10)),
    ],
)
def test_labels_are_off_markers_off_each_other_and_inside(methods, betas):
    figure = draw_figure(draw_trade_off, make_results(methods, betas, 3))
    [axes] = figure.axes
    with use_style():
        figure.draw_without_rendering()
        shown = [
            t.get_bbox_patch().get_window_extent() for t in list_beta_labels(figure)
        ]
    assert len(shown) > len(methods)
    centres = np.concatenate(
        [axes.transData.transform(c.lines[0].get_xydata()) for c in axes.containers]
    )
    for box in shown:
        assert axes.bbox.x0 <= box.x0 < box.x1 <= axes.bbox.x1
        assert axes.bbox.y0 <= box.y0 < box.y1 <= axes.bbox.y1
        assert not any(box.contains(x, y) for x, y in centres)
    pairs = itertools.combinations([box.padded(-0.5) for box in shown], 2)
    assert not any(a.overlaps(b) for a, b in pairs)


def make_published_run(beta, **changes):
    scores = {"mig": 0.1, "reconstruction": -99.0, "reconstruction_first_10k": -20.0}
    fields = {"grid": "dsprites_beta", "profile": "paper", "scores": scores}
    return make_result("β-VAE", beta, **(fields | changes))


def test_published_models_are_hollow_beside_the_images_they_are_of():
    figure = draw_figure(draw_trade_off, [make_published_run(1.0)])
    axes = figure.axes[0]
    hollow = [line for line in axes.lines if line.get_gid() == "published"]
    points = [tuple(line.get_xydata()[0]) for line in hollow]
    assert points == [(-21.99, 0.14), (-29.40, 0.28), (-33.44, 0.47)]
    assert {line.get_markerfacecolor() for line in hollow} == {"none"}
    assert "first 10,000 images" in axes.get_xlabel()
    [container] = axes.containers
    assert container.lines[0].get_xydata().tolist() == [[-20.0, 0.1]]
    assert "Hollow: published, see published.md." in figure.texts[-1].get_text()
    other = draw_figure(draw_trade_off, [make_published_run(1.0, grid="mine")])
    assert not [line for line in other.axes[0].lines if line.get_gid() == "published"]
    assert "nats per image" in other.axes[0].get_xlabel()


def test_a_part_of_the_images_has_nothing_published_beside_it():
    part = {"latent_dim": 2, "dataset": {"name": "dsprites", "factors": {"scale": [0]}}}
    axes = draw_figure(draw_trade_off, [make_published_run(1.0, config=part)]).axes[0]
    assert not [line for line in axes.lines if line.get_gid() == "published"]
    assert "nats per image" in axes.get_xlabel()
