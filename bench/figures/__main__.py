"""``python -m bench.figures priors``: pictures of the priors, or of the metrics."""

from pathlib import Path
from typing import Annotated

import typer

from priorbench.bench.figures import SETS, write_figures
from priorbench.command_line import Debug, make_app
from priorbench.errors import UserError

HERE = Path("docs/figures")


def main(
    name: Annotated[str, typer.Argument(help=f"What to draw: {', '.join(SETS)}.")],
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the PNG files; in a checkout docs/figures by default."
        ),
    ] = None,
    debug: Debug = False,
) -> None:
    """Draw the documentation's figures, from the densities and scores themselves."""
    if out is None and not HERE.is_dir():
        raise UserError(
            f"no folder {HERE} here; give the folder of the figures with --out"
        )
    for path in write_figures(name, HERE if out is None else out):
        typer.echo(path)


app = make_app(main)

if __name__ == "__main__":
    app(prog_name="python -m bench.figures")
