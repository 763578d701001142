"""How figures look."""

import re
import threading

from matplotlib.colors import to_rgb

from priorbench.bench.report.figures.distribution import draw_distribution
from priorbench.bench.report.figures.style import (
    assign_styles,
    encode_image,
    escape_text,
    format_score,
    relative_luminance,
    use_style,
)
from priorbench.bench.report.figures.trade_off import draw_trade_off
from tests.bench.report.figures.drawing import FOUR, NINE, draw_figure
from tests.bench.synthetic_results import make_result, make_results, make_study


def list_styles(results):
    """Styles of the methods of a study."""
    return assign_styles(make_study(results).methods)


def test_methods_differ_in_colour_marker_and_line():
    chosen = list(list_styles(make_results(NINE[:7], (1.0,), 1)).values())
    for part in ("color", "marker", "line"):
        assert len({getattr(s, part) for s in chosen}) == 7


def test_many_methods_are_still_told_apart():
    chosen = list_styles([make_result(f"m{i}") for i in range(40)]).values()
    assert len({(s.color, s.marker) for s in chosen}) == 40
    assert len({(s.color, s.hatch) for s in chosen}) == 40


def test_a_method_added_later_leaves_colours_as_they_are():
    before = make_results(("β-VAE", "ISA-VAE"), (1.0,), 2)
    old, new = list_styles(before), list_styles([*before, make_result("AAA")])
    assert list(new) == ["β-VAE", "ISA-VAE", "AAA"]
    assert {m: new[m] for m in old} == old


def test_ink_reads_on_white():
    def contrast(color):
        return 1.05 / (relative_luminance(to_rgb(color)) + 0.05)

    for drawn in list_styles([make_result(f"m{i}") for i in range(8)]).values():
        assert contrast(drawn.ink) > 4.4
        assert contrast(drawn.stroke) > 1.95


def test_pdf_embeds_truetype():
    figure = draw_figure(draw_trade_off, make_results(NINE, (1.0,), 2))
    with use_style():
        pdf = encode_image(figure, "pdf")
    assert b"/FontFile2" in pdf
    assert not re.search(rb"/Subtype\s*/Type3", pdf)


def test_threads_draw_at_the_same_time():
    runs, images = make_results(FOUR[:2], (1.0,), 2), []

    def work():
        with use_style():
            images.append(
                encode_image(draw_distribution(make_study(runs), "mig"), "png")
            )

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(images) == 3
    assert len(set(images)) == 1


def test_names_are_drawn_as_they_are():
    assert [escape_text(m) for m in NINE[5:8]] == [
        "𝒮-VAE",
        r"a_b \$x\$",
        r"\u5148\u9a8c",
    ]


def test_short_scores_are_abbreviations():
    assert format_score("mig") == "MIG"
    assert format_score("dci_disentanglement") == "dci disentanglement"
