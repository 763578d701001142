"""The command line: ``python -m bench.run dsprites_beta``."""

import contextlib
import logging
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from priorbench.bench.execution.dry_run import check_study
from priorbench.bench.execution.experiment import PRECISIONS
from priorbench.bench.execution.plan import make_plan, pick_device, plan_machine
from priorbench.bench.execution.progress import announce_plan
from priorbench.bench.execution.provenance import (
    describe_machine,
    find_commit,
    list_versions,
)
from priorbench.bench.execution.run_study import (
    explain_disk_errors,
    explain_memory_errors,
    find_done,
    format_command,
    lock_folder,
    run_plan,
)
from priorbench.bench.listing import make_table
from priorbench.bench.results.manifest import write_manifest
from priorbench.bench.study.grid import load_grid
from priorbench.bench.study.job import list_jobs, list_settings
from priorbench.bench.study.plugins import check_plugins
from priorbench.command_line import (
    Debug,
    Plugins,
    Version,
    make_app,
    parse_settings,
)
from priorbench.errors import UserError, prefix_errors
from priorbench.plugins import load_plugins
from priorbench.registry import suggest_names

Option = typer.Option


def main(
    grid: Annotated[
        str | None,
        typer.Argument(
            help="A grid of the project, or the path of a .toml file.",
            show_default=False,
        ),
    ] = None,
    grid_option: Annotated[
        str | None, Option("--grid", help="The same.", show_default=False)
    ] = None,
    profile: Annotated[str | None, Option(help="One of the grid's profiles.")] = None,
    seeds: Annotated[
        int | None, Option(min=1, help="Number of seeds of every setting.")
    ] = None,
    only: Annotated[
        list[str] | None, Option(help="This method only; may be repeated.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        Option(
            "--set",
            metavar="KEY=VALUE",
            help="A key of the grid, like training.epochs=5; may be repeated.",
        ),
    ] = None,
    device: Annotated[
        str, Option(help="auto, cpu, cuda (all GPUs) or cuda:N.")
    ] = "auto",
    precision: Annotated[str, Option(help="fp32, tf32 or bf16.")] = "fp32",
    jobs: Annotated[
        int | None, Option(min=1, help="Processes; one for each core by default.")
    ] = None,
    out: Annotated[Path, Option(help="Folder of the results.")] = Path("runs"),
    plugin: Plugins = None,
    retry_failed: Annotated[
        bool, Option("--retry-failed", help="Do failed runs again.")
    ] = False,
    dry_run: Annotated[
        bool, Option("--dry-run", help="Show the plan and stop.")
    ] = False,
    version: Version = False,
    debug: Debug = False,
) -> None:
    """Run a grid of methods, β and seeds; what is done already is not done again.

    Without a grid, the grids of the project are listed.
    """
    console = Console()
    if grid is not None and grid_option is not None:
        raise UserError(
            f"give one grid; got {grid!r} and, with --grid, {grid_option!r}"
        )
    name = grid or grid_option
    if name is None:
        console.print(make_table("grids"))
        return
    plugins = plugin or []
    load_plugins(plugins)
    overrides = parse_settings(settings or [])
    if seeds is not None:
        overrides["seeds"] = seeds
    study = load_grid(name, profile, overrides)
    if precision not in PRECISIONS:
        raise UserError(
            f"'--precision' must be one of {', '.join(PRECISIONS)}; got {precision!r}"
        )
    known = [method.name for method in study.methods]
    for name in only or []:
        if name not in known:
            raise UserError(f"unknown method {name!r}; {suggest_names(name, known)}")
    with prefix_errors("--device"):
        where = pick_device(device)
    try:
        check_plugins(study)
    except UserError as error:
        own = "" if plugins else " (one of your own is named by --plugin FILE)"
        raise UserError(f"{error}{own}") from error
    check_study(study, list_settings(study, precision, only))
    wanted = list_jobs(study, precision, only)
    folder = out / study.name
    with contextlib.nullcontext() if dry_run else lock_folder(folder):
        done = find_done(folder, wanted, retry_failed, dry_run)
        todo = [job for job in wanted if job.id not in done]
        failed = sum(record.status == "failed" for record in done.values())
        with explain_memory_errors():
            machine = plan_machine(todo, where, jobs, plugins, format_command())
            plan = make_plan(todo, len(done), failed, machine)
        others = [p for p in study.file.profiles if p != study.profile]
        announce_plan(console, study, plan, precision, others)
        if dry_run:
            return
        provenance = {
            "command": machine.command,
            "versions": list_versions(),
            "commit": find_commit(),
            "machine": describe_machine(),
        }
        with explain_disk_errors(folder):
            write_manifest(folder, study, plugins, provenance)
        from priorbench.bench.report import write_report  # slow, so only now

        run_plan(plan, folder, write_report, console)


app = make_app(main)

if __name__ == "__main__":
    logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.WARNING)
    app(prog_name="python -m bench.run")
