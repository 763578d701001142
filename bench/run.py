"""The command line: ``python -m bench.run dsprites_beta``."""

import logging
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from priorbench.bench.execution.run_study import Options, run_study
from priorbench.bench.listing import make_table
from priorbench.bench.options import (
    Backend,
    CheckpointMinutes,
    Dask,
    Device,
    DryRun,
    FailFast,
    GridOption,
    Jobs,
    Only,
    Out,
    RetryFailed,
    SeedsAtOnce,
    Shard,
    Shared,
    TimeLimit,
    choose_backend,
    choose_grid,
    parse_shard,
)
from priorbench.bench.study.grid import load_grid
from priorbench.command_line import (
    Debug,
    Plugins,
    Version,
    make_app,
    parse_settings,
)
from priorbench.plugins import load_plugins

Option = typer.Option


def main(
    grid: Annotated[
        str | None,
        typer.Argument(
            help="A grid of the project, or the path of a .toml file.",
            show_default=False,
        ),
    ] = None,
    grid_option: GridOption = None,
    profile: Annotated[str | None, Option(help="One of the grid's profiles.")] = None,
    seeds: Annotated[
        int | None, Option(min=1, help="Number of seeds of every setting.")
    ] = None,
    only: Only = None,
    settings: Annotated[
        list[str] | None,
        Option(
            "--set",
            metavar="KEY=VALUE",
            help="A key of the grid, like training.epochs=5; may be repeated.",
        ),
    ] = None,
    device: Device = "auto",
    precision: Annotated[str, Option(help="fp32, tf32 or bf16.")] = "fp32",
    jobs: Jobs = None,
    seeds_at_once: SeedsAtOnce = None,
    out: Out = Path("runs"),
    plugin: Plugins = None,
    retry_failed: RetryFailed = False,
    checkpoint_minutes: CheckpointMinutes = 15.0,
    time_limit: TimeLimit = None,
    backend: Backend = None,
    dask: Dask = None,
    shared: Shared = False,
    shard: Shard = None,
    fail_fast: FailFast = False,
    dry_run: DryRun = False,
    version: Version = False,
    debug: Debug = False,
) -> None:
    """Run a grid of methods, β and seeds; what is done already is not done again.

    Without a grid, the grids of the project are listed.
    """
    console = Console()
    name = choose_grid(grid, grid_option)
    if name is None:
        console.print(make_table("grids"))
        return
    load_plugins(plugin or [])
    overrides = parse_settings(settings or [])
    if seeds is not None:
        overrides["seeds"] = seeds
    study = load_grid(name, profile, overrides)
    options = Options(
        out=out,
        only=only,
        precision=precision,
        device=device,
        jobs=jobs,
        seeds_at_once=seeds_at_once,
        plugins=plugin or [],
        retry_failed=retry_failed,
        checkpoint_minutes=checkpoint_minutes,
        backend=choose_backend(backend, dask),
        dask=dask,
        shared=shared,
        shard=parse_shard(shard),
        fail_fast=fail_fast,
        time_limit=time_limit,
        dry_run=dry_run,
    )
    run_study(study, options, console)


app = make_app(main)

if __name__ == "__main__":
    logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.WARNING)
    app(prog_name="python -m bench.run")
