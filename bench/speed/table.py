"""Figures as rows of a table, for the terminal and for the README."""

from collections.abc import Iterator, Mapping
from typing import Any

NAMES = {"beta_vae": "β-VAE", "beta_tcvae": "β-TCVAE"}


def list_rows(figures: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What was measured and its value, in words.

    Args:
        figures: as ``python -m bench.speed --json`` writes them.
    Example:
        >>> [(_, value)] = list_rows({"mig": {"exact_seconds": 6.0, "times": 300.0}})
        >>> value
        '6 s, 300 times faster than 10,000 samples, extrapolated'
    """
    for case in figures.get("training", []):
        yield from _list_training_rows(case)
    if "mig" in figures:
        mig = figures["mig"]
        yield (
            "exact MIG, 737,280 × 10 latents",
            f"{mig['exact_seconds']:.2g} s, "
            f"{mig['times']:,.0f} times faster than 10,000 samples, extrapolated",
        )
    if "images" in figures:
        images = figures["images"]
        yield (
            "all of dSprites rendered, first time",
            f"{images['render_seconds']:.2g} s",
        )
        yield (
            "loaded later; memory of the images",
            f"{images['load_seconds']:.2g} s; {images['megabytes']:.0f} MB",
        )
    if "records" in figures:
        records = figures["records"]
        yield "resume scan of 10,000 records", f"{records['scan_seconds']:.2g} s"
        yield "report of 2,000 runs", f"{records['report_seconds']:.2g} s"


def format_table(figures: Mapping[str, Any]) -> str:
    """The table of the README."""
    lines = ["| what | measured |", "|---|---|"]
    return (
        "\n".join(
            lines + [f"| {what} | {value} |" for what, value in list_rows(figures)]
        )
        + "\n"
    )


def _list_training_rows(case: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    seeds = "" if case["seeds"] == 1 else f", blocks of {case['seeds']} seeds"
    name = f"{NAMES[case['objective']]}, {case['precision']}{seeds}"
    yield (
        f"{name}: images per second",
        f"{case['images_per_second']:,.0f} ({case['flops'] / 1e9:,.0f} GFLOP/s)",
    )
    if "times_published" in case:
        yield (
            f"{name}: against the plain loop",
            f"{case['times_published']:.1f} times faster as published, "
            f"{case['times_plain']:.2f} without the estimator that it throws away",
        )
    else:
        yield (
            f"{name}: against the plain loop",
            f"{case['times_plain']:.1f} times faster",
        )
    yield (
        f"{name}: share of the rate of its matrix products alone",
        f"{case['product_share']:.0%}",
    )
    parts = {
        key.removeprefix("part_"): value
        for key, value in case.items()
        if key.startswith("part_")
    }
    if case["objective"] == "beta_vae":
        del parts["estimator"]
    yield (
        f"{name}: parts of a step",
        ", ".join(f"{part} {1e3 * value:.0f} ms" for part, value in parts.items()),
    )
