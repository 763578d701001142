"""Measurements as rows of a table, for the terminal and for the README."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

NAMES = {"beta_vae": "β-VAE", "beta_tcvae": "β-TCVAE"}


def list_rows(measured: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what was measured and its value, in words.

    Args:
        measured: as ``python -m bench.speed --json`` writes it.

    Example:
        >>> scoring = {"gap": {"exact_seconds": 6.0, "times": 300.0}}
        >>> [(_, value)] = list_rows({"scoring": scoring})
        >>> value
        '6 s, 300 times faster than 10,000 samples, extrapolated'
    """
    for case in measured.get("training", []):
        yield from _list_training_rows(case)
    for name, metric in measured.get("scoring", {}).items():
        yield (
            f"exact {name.upper()}, 737,280 × 10 latents",
            f"{metric['exact_seconds']:.2g} s, "
            f"{metric['times']:,.0f} times faster than 10,000 samples, extrapolated",
        )
    if "images" in measured:
        images = measured["images"]
        yield (
            "all of dSprites rendered, first time",
            f"{images['render_seconds']:.2g} s",
        )
        yield (
            "loaded later; memory of the images",
            f"{images['load_seconds']:.2g} s; {images['megabytes']:.0f} MB",
        )
    if "records" in measured:
        records = measured["records"]
        yield "results of 2,000 runs read", f"{records['scan_seconds']:.2g} s"
        yield (
            "report of 2,000 runs, with its page",
            f"{records['report_seconds']:.2g} s",
        )


def list_count_rows(counted: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """Yield each counted step and its kernels and bytes, in words.

    Args:
        counted: as :func:`priorbench.bench.speed.counts.list_counts` yields them.

    Example:
        >>> counts = {"kernels": 89, "bytes_per_seed": 1.38e9}
        >>> case = {"prior": "normal", "objective": "beta_vae", "precision": "fp32"}
        >>> case |= {"seeds": 50, "alone": counts, "block": counts}
        >>> list(list_count_rows([case]))[0]
        ('normal, β-VAE, fp32, alone', '89 kernels, 1.38 GB')
    """
    for case in counted:
        name = f"{case['prior']}, {NAMES[case['objective']]}, {case['precision']}"
        for row, block in (("alone", "alone"), (f"{case['seeds']} seeds", "block")):
            counts = case[block]
            size = f"{counts['bytes_per_seed'] / 1e9:.2f} GB"
            each = "" if block == "alone" else " a seed"
            yield f"{name}, {row}", f"{counts['kernels']:,} kernels, {size}{each}"


def format_table(measured: Mapping[str, Any]) -> str:
    """Return the table of the README."""
    lines = ["| what | measured |", "|---|---|"]
    lines += [f"| {what} | {value} |" for what, value in list_rows(measured)]
    return "\n".join(lines) + "\n"


def _list_training_rows(case: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    seeds = "" if case["seeds"] == 1 else f", blocks of {case['seeds']} seeds"
    name = f"{NAMES[case['objective']]}, {case['precision']}{seeds}"
    rate, flops = case["images_per_second"], case["flops"] / 1e9
    yield f"{name}: images per second", f"{rate:,.0f} ({flops:,.0f} GFLOP/s)"
    if "times_published" in case:
        compared = (
            f"{case['times_published']:.1f} times faster as published, "
            f"{case['times_plain']:.2f} without the estimator that it throws away"
        )
    else:
        compared = f"{case['times_plain']:.1f} times faster"
    yield f"{name}: against the plain loop", compared
    yield (
        f"{name}: share of the rate of its matrix products alone",
        f"{case['product_share']:.0%}",
    )
    parts = []
    for key, seconds in case.items():
        part = key.removeprefix("part_")
        unused = part == "estimator" and case["objective"] == "beta_vae"
        if part != key and not unused:
            parts.append(f"{part} {1e3 * seconds:.0f} ms")
    yield f"{name}: parts of a step", ", ".join(parts)
