"""The command line: ``python -m bench.score dsprites_beta --metric dci``."""

import logging
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from priorbench.bench.execution.run_study import Options, run_study
from priorbench.bench.options import (
    Backend,
    Dask,
    Device,
    DryRun,
    FailFast,
    GridOption,
    Jobs,
    Only,
    Out,
    RetryFailed,
    Shard,
    Shared,
    TimeLimit,
    choose_backend,
    choose_grid,
    parse_shard,
)
from priorbench.bench.results.manifest import read_manifest
from priorbench.bench.study.grid import Plugin, load_grid
from priorbench.command_line import Debug, Plugins, make_app, parse_settings
from priorbench.errors import UserError, prefix_errors
from priorbench.metrics.base import registry as metrics
from priorbench.metrics.presets import expand_presets
from priorbench.plugins import load_plugins

Option = typer.Option


def main(
    grid: Annotated[
        str | None,
        typer.Argument(
            help="A study that was run: its grid's name or file.", show_default=False
        ),
    ] = None,
    grid_option: GridOption = None,
    metric: Annotated[
        str | None,
        Option(
            help="A metric, or a preset like neurips2019, to score beside the grid's.",
            show_default=False,
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        Option(
            "--set",
            metavar="KEY=VALUE",
            help="An argument of the metric; may be repeated.",
        ),
    ] = None,
    only: Only = None,
    device: Device = "auto",
    jobs: Jobs = None,
    out: Out = Path("runs"),
    plugin: Plugins = None,
    retry_failed: RetryFailed = False,
    time_limit: TimeLimit = None,
    backend: Backend = None,
    dask: Dask = None,
    shared: Shared = False,
    shard: Shard = None,
    fail_fast: FailFast = False,
    dry_run: DryRun = False,
    debug: Debug = False,
) -> None:
    """Score the models of a study that lack scores; nothing is trained.

    The study is that of the last bench.run, with its profile, its seeds and what was
    set on its command line. A metric that its grid names by now, and one that is given
    here, are scored for all its models.
    """
    name = choose_grid(grid, grid_option)
    if name is None:
        raise UserError("give one grid; 'priorbench list grids' lists them")
    load_plugins(plugin or [])
    folder = out / load_grid(name).name
    manifest = read_manifest(folder)
    study = load_grid(name, manifest.profile, manifest.overrides)
    added = []
    if metric is not None:
        with prefix_errors("--metric"):
            given = {"name": metric, **parse_settings(settings or [])}
            for _, entry in expand_presets([metric if len(given) == 1 else given]):
                found = Plugin.model_validate(entry)
                metrics.check_arguments(found.name, None, **found.arguments)
                added.append(found)
    elif settings:
        raise UserError("--set gives arguments of --metric, which is not given")
    options = Options(
        out=out,
        only=only,
        precision=manifest.precision,
        device=device,
        jobs=jobs,
        plugins=plugin or [],
        retry_failed=retry_failed,
        backend=choose_backend(backend, dask),
        dask=dask,
        shared=shared,
        shard=parse_shard(shard),
        fail_fast=fail_fast,
        time_limit=time_limit,
        dry_run=dry_run,
        train=False,
    )
    run_study(study, options, Console(), added)


app = make_app(main)

if __name__ == "__main__":
    logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.WARNING)
    app(prog_name="python -m bench.score")
