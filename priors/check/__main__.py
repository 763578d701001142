"""The check's command line: ``python -m priors.check NAME | FILE.py:Class ...``."""

from typing import Annotated

import typer
from rich.console import Console

from priorbench import priors
from priorbench.command_line import Debug, Plugins, make_app, parse_settings
from priorbench.errors import UserError
from priorbench.plugins import load_plugins
from priorbench.priors.check import check_prior, target


def main(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PRIOR",
            help="Registered name, FILE.py, or FILE.py:Class.",
        ),
    ] = None,
    everything: Annotated[
        bool,
        typer.Option(
            "--all",
            help="Check every registered prior, as when none is named.",
        ),
    ] = False,
    latent_dim: Annotated[
        int | None,
        typer.Option(help="Number of latents."),
    ] = None,
    setting: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="An argument of the prior, in TOML; may be repeated.",
        ),
    ] = None,
    seed: Annotated[
        int,
        typer.Option(help="Seed of all random numbers."),
    ] = 0,
    plugin: Plugins = None,
    debug: Debug = False,
) -> None:
    """Check that priors and their posteriors have every property that they must have.

    Exit status: 0 if all hold, 1 if any fails, 2 if there is nothing to check.
    """
    load_plugins(plugin or ())
    wanted = list(names or ())
    if everything or not names:
        wanted += priors.registry.names()
    kinds = {}
    for name in wanted:
        kinds |= target.find_priors(name)
    settings = parse_settings(setting or ())
    if len(kinds) != 1 and (settings or latent_dim is not None):
        raise UserError(
            f"--set and --latent-dim need one prior; there are {len(kinds)}: "
            f"{', '.join(kinds)}"
        )
    examples = {}
    for name, kind in kinds.items():
        examples |= target.build_examples(name, kind, latent_dim, settings)
    console = Console()
    failed = []
    for title, prior in examples.items():
        report = check_prior(prior, seed, title)
        console.print(report)
        if not report.passed:
            failed.append(title)
    if failed:
        names_failed = ", ".join(failed)
        console.print(
            f"{len(failed)} of {len(examples)} fail: {names_failed}", markup=False
        )
        raise typer.Exit(1)
    console.print(f"{len(examples)} checked, all properties hold", markup=False)


app = make_app(main)

if __name__ == "__main__":
    app()
