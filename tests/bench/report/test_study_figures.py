"""The figures' artists: what is drawn, in which style, and what is written beside it."""

import itertools
import re
import threading

import numpy as np
import pytest
from matplotlib.text import Annotation

from priorbench.bench.results.store import Record
from priorbench.bench.report.figures import study_figures, layout, style
from priorbench.bench.results import tables


def record(method="β-VAE", beta=1.0, seed=0, mig=0.2, reconstruction=-30.0, **changes):
    failed = changes.get("status") == "failed"
    scores = {} if failed else {"mig": mig, "reconstruction": reconstruction}
    fields = {
        "id": f"{method}-{beta}-{seed}",
        "grid": "study",
        "profile": "quick",
        "prior": "normal",
        "objective": "beta_vae",
        "status": "finished",
        "scores": scores,
        "config": {},
        "device": "cpu",
        "precision": "float32",
        "created": "2025-01-01T00:00:00+00:00",
    }
    return Record(method=method, beta=beta, seed=seed, **(fields | changes))


def grid(methods, betas, seeds):
    rng = np.random.default_rng(0)
    return [
        record(
            m,
            b,
            s,
            rng.normal(0.1 + 0.05 * i + 0.03 * b, 0.02),
            rng.normal(-10 * b - 3 * i, 1),
        )
        for i, m in enumerate(methods)
        for b in betas
        for s in range(seeds)
    ]


def study(records):
    return study_figures.Study.of(
        records, tables.make_settings_table(records), style.assign_styles(records)
    )


def draw(function, records):
    with style.use_style():
        return function(study(records))


def beta_labels(figure):
    return [t for t in figure.axes[0].texts if isinstance(t, Annotation)]


def texts(figure):
    return [t.get_text() for t in figure.texts] + [figure.get_suptitle()]


FOUR = ("β-VAE", "β-TCVAE", "ISA-VAE", "ISA-TCVAE")
NINE = (*FOUR, "FactorVAE", "𝒮-VAE", "a_b $x$", "先验", "_hidden")


def test_one_line_per_method_through_its_betas_in_order():
    figure = draw(study_figures.draw_trade_off, grid(FOUR, (4.0, 1.0, 2.0), 3)[::-1])
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
        record(seed=0, mig=0.1, reconstruction=-20),
        record(seed=1, mig=0.3, reconstruction=-40),
    ]
    [container] = draw(study_figures.draw_trade_off, runs).axes[0].containers
    assert container.lines[0].get_xydata() == pytest.approx(np.array([[-30, 0.2]]))
    [[low, high]] = container.lines[2][1].get_segments()
    assert (high - low)[1] == pytest.approx(
        2 * 0.1
    )  # the standard error of 0.1 and 0.3 is 0.1


def test_every_beta_is_labelled_where_there_is_room():
    figure = draw(study_figures.draw_trade_off, grid(FOUR[:2], (0.5, 1.0, 4.0), 3))
    assert sorted(t.get_text() for t in beta_labels(figure)) == [
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
    figure = draw(study_figures.draw_trade_off, grid(methods, betas, 3))
    [axes] = figure.axes
    with style.use_style():
        figure.draw_without_rendering()
        shown = [t.get_bbox_patch().get_window_extent() for t in beta_labels(figure)]
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


def test_methods_differ_in_colour_marker_and_line():
    chosen = list(style.assign_styles(grid(NINE[:7], (1.0,), 1)).values())
    for part in ("color", "marker", "line"):
        assert len({getattr(s, part) for s in chosen}) == 7


def test_many_methods_are_still_told_apart():
    chosen = style.assign_styles([record(f"m{i}") for i in range(40)]).values()
    assert len({(s.color, s.marker) for s in chosen}) == 40
    assert len({(s.color, s.hatch) for s in chosen}) == 40


def test_a_method_added_later_leaves_colours_as_they_are():
    before = grid(("β-VAE", "ISA-VAE"), (1.0,), 2)
    later = record("AAA", created="2025-01-02T00:00:00+00:00")
    old, new = style.assign_styles(before), style.assign_styles([later, *before])
    assert list(new) == ["ISA-VAE", "β-VAE", "AAA"]
    assert {m: new[m] for m in old} == old


def test_profiles_agree_on_colours_and_the_newest_is_drawn():
    old = [record("β-VAE"), record("ISA-VAE")]
    new = record(
        "ISA-VAE", id="n", profile="paper", created="2025-01-03T00:00:00+00:00"
    )
    drawn = study([*old, new])
    assert drawn.profile == "paper"
    assert drawn.styles == {"ISA-VAE": style.assign_styles(old)["ISA-VAE"]}


def test_ink_reads_on_white():
    def contrast(color):
        return 1.05 / (style._relative_luminance(style.to_rgb(color)) + 0.05)

    for drawn in style.assign_styles([record(f"m{i}") for i in range(8)]).values():
        assert contrast(drawn.ink) > 4.4
        assert contrast(drawn.stroke) > 1.95


def test_distribution_has_a_panel_per_beta_and_all_points():
    figure = draw(study_figures.draw_distribution, grid(FOUR, (1.0, 2.0, 4.0), 6))
    assert [a.get_title() for a in figure.axes] == ["β = 1", "β = 2", "β = 4"]
    for axes in figure.axes:
        points = [line for line in axes.lines if line.get_gid() == "seeds"]
        assert [len(line.get_ydata()) for line in points] == [6] * 4
        assert len(axes.patches) == 4  # boxes


def test_betas_of_groups_are_labels_and_panels():
    betas = (4.0, (1.0, 1.0, 8.0), 1.0)
    runs = [
        r.model_copy(update={"scores": {"mig": 0.1 * i, "reconstruction": -20.0 - i}})
        for i, beta in enumerate(betas)
        for r in [record(beta=beta), record(beta=beta, seed=1)]
    ]
    figure = draw(study_figures.draw_trade_off, runs)
    assert sorted(t.get_text() for t in beta_labels(figure)) == ["1", "1/1/8", "4"]
    path, apart = (container.lines[0] for container in figure.axes[0].containers)
    assert list(path.get_ydata()) == pytest.approx([0.2, 0.0])
    assert list(apart.get_ydata()) == pytest.approx([0.1])
    assert apart.get_linestyle() == "None"  # a list has no place between two numbers
    figure = draw(study_figures.draw_distribution, runs)
    assert [a.get_title() for a in figure.axes] == ["β = 1", "β = 1/1/8", "β = 4"]


@pytest.mark.parametrize("groups", [3, 10, 20])
def test_titles_of_many_groups_do_not_meet(groups):
    """Every value another, so that none is written for many."""
    betas = [tuple(float(10 + i + j) for i in range(groups // 2 + 1)) for j in range(4)]
    figure = draw(
        study_figures.draw_distribution, [record(beta=beta) for beta in betas]
    )
    with style.use_style():
        figure.draw_without_rendering()
        titles = [axes.title.get_window_extent().padded(-0.5) for axes in figure.axes]
        page = figure.bbox
    assert not any(a.overlaps(b) for a, b in itertools.combinations(titles, 2))
    assert all(box.x0 >= 0 and box.x1 <= page.x1 for box in titles)


def test_few_seeds_are_points_and_their_median():
    figure = draw(
        study_figures.draw_distribution,
        [record(seed=s, mig=m) for s, m in enumerate([0.1, 0.2, 0.5, 0.6])],
    )
    [axes] = figure.axes
    assert not axes.patches
    [median] = [line for line in axes.lines if line.get_gid() == "median"]
    assert list(median.get_ydata()) == pytest.approx([0.35, 0.35])


def test_a_method_keeps_its_place_where_it_has_no_runs():
    runs = [*grid(("a", "b"), (1.0,), 2), *grid(("b",), (2.0,), 2)]
    figure = draw(study_figures.draw_distribution, runs)
    centres = [np.mean(a.lines[-2].get_xdata()) for a in figure.axes]
    assert centres == [1, 1]


def test_title_and_failures():
    runs = [*grid(FOUR[:2], (1.0,), 3), record(seed=7, status="failed")]
    for function in (study_figures.draw_trade_off, study_figures.draw_distribution):
        written = " ".join(texts(draw(function, runs)))
        assert "1 of 7 runs failed" in written.replace("\n", " ")
        assert "study, profile quick, 3 seeds" in written
        assert "failed" not in " ".join(texts(draw(function, runs[:-1])))


def test_title_gives_the_range_of_seeds():
    runs = [*grid(("a",), (1.0,), 3), *grid(("b",), (1.0,), 2)]
    assert study(runs).title.endswith("2–3 seeds")


def test_legend_names_every_method_as_it_is():
    for function in (study_figures.draw_trade_off, study_figures.draw_distribution):
        figure = draw(function, grid(NINE, (1.0, 2.0), 2))
        names = [t.get_text() for t in figure.legends[0].get_texts()]
        assert names == [style.escape_text(m) for m in sorted(NINE)]
    assert [style.escape_text(m) for m in NINE[5:8]] == [
        "𝒮-VAE",
        r"a_b \$x\$",
        r"\u5148\u9a8c",
    ]


@pytest.mark.parametrize(
    "names", [FOUR, NINE, ["a very long name of a method " * 3], ["m"]]
)
def test_nothing_lies_outside_the_page(names):
    for function in (study_figures.draw_trade_off, study_figures.draw_distribution):
        figure = draw(function, grid(names, (1.0, 2.0, 4.0, 8.0, 16.0), 2))
        with style.use_style():
            tight = figure.get_tightbbox()
        assert figure.get_figwidth() == layout.WIDTH
        assert tight.x0 > -0.02
        assert tight.x1 < layout.WIDTH + 0.02
        assert tight.y0 > -0.02
        assert tight.y1 < figure.get_figheight() + 0.02
        legend = figure.legends[0].get_window_extent()
        axis = figure.axes[-1].get_tightbbox()
        assert legend.y1 <= axis.y0 + 1


def test_pdf_embeds_truetype():
    figure = draw(study_figures.draw_trade_off, grid(NINE, (1.0,), 2))
    with style.use_style():
        pdf = style.encode_image(figure, "pdf")
    assert b"/FontFile2" in pdf
    assert not re.search(rb"/Subtype\s*/Type3", pdf)


def test_equal_scores_draw_without_warning():
    runs = [record(m, b, s) for m in FOUR for b in (1.0, 2.0) for s in range(6)]
    for function in (study_figures.draw_trade_off, study_figures.draw_distribution):
        figure = draw(function, runs)
        with style.use_style():
            assert style.encode_image(figure, "png").startswith(b"\x89PNG")


def test_threads_draw_at_the_same_time():
    runs, images = grid(FOUR[:2], (1.0,), 2), []

    def work():
        with style.use_style():
            images.append(
                style.encode_image(study_figures.draw_distribution(study(runs)), "png")
            )

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(images) == 3
    assert len(set(images)) == 1
