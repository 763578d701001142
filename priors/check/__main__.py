"""The command line of the check: ``python -m priors.check NAME | FILE.py:Class ...``."""

from typing import Annotated

import typer
from rich.console import Console

from priorbench import priors
from priorbench.command_line import make_app
from priorbench.errors import UserError
from priorbench.priors.check import check_prior, target


def main(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PRIOR", help="registered name, FILE.py, or FILE.py:Class"
        ),
    ] = None,
    everything: Annotated[
        bool,
        typer.Option("--all", help="every registered prior; also if none is named"),
    ] = False,
    latent_dim: Annotated[int | None, typer.Option(help="number of latents")] = None,
    setting: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="an argument of the prior, in TOML; may be repeated",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="of all random numbers")] = 0,
    debug: Annotated[
        bool, typer.Option("--debug", help="show the traceback of an error")
    ] = False,
) -> None:
    """Check that priors and their posteriors have every property that they must have.

    Exit status: 0 if all hold, 1 if any fails, 2 if there is nothing to check.
    """
    wanted = [*(names or ()), *(priors.names() if everything or not names else ())]
    kinds = {
        name: kind
        for given in wanted
        for name, kind in target.find_priors(given).items()
    }
    given = target.parse_settings(setting or ())
    if len(kinds) != 1 and (given or latent_dim is not None):
        raise UserError(
            f"--set and --latent-dim need one prior; there are {len(kinds)}: "
            f"{', '.join(kinds)}"
        )
    checked = {
        title: prior
        for name, kind in kinds.items()
        for title, prior in target.build_examples(name, kind, latent_dim, given).items()
    }
    console, failed = Console(), []
    for title, prior in checked.items():
        report = check_prior(prior, seed, title)
        console.print(report)
        failed += [] if report.passed else [title]
    console.print(
        f"{len(failed)} of {len(checked)} fail: {', '.join(failed)}"
        if failed
        else f"{len(checked)} checked, all properties hold",
        markup=False,
    )
    if failed:
        raise typer.Exit(1)


app = make_app(main)

if __name__ == "__main__":
    app()
