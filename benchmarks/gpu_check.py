"""``python -m benchmarks.gpu_check``: all that a GPU has to show, in nine minutes.

Correctness against the CPU, recorded and compiled steps, memory, speed, one epoch at
full size and its scores. Every step is a process of its own, with a limit of time: one
that fails, or is not done in time, stops no other, and what it has measured is kept.
"""

import json
import logging
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.gpu_steps import FULL, MEASUREMENTS, SMALL
from priorbench.atomic_files import write_atomically
from priorbench.bench.execution.plan import pick_device
from priorbench.bench.speed.machine import describe_machine
from priorbench.command_line import make_app
from priorbench.errors import UserError, prefix_errors

Option = typer.Option


def main(
    device: Annotated[str, Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    small: Annotated[
        bool, Option("--small", help="Small networks and data, to try this out.")
    ] = False,
    only: Annotated[
        list[str] | None, Option(help=f"Of {', '.join(MEASUREMENTS)}.")
    ] = None,
    out: Annotated[
        Path, Option("--json", help="File to write the measurements to.")
    ] = Path("gpu_check.json"),
    step: Annotated[str | None, Option(hidden=True)] = None,
) -> None:
    """Run every step; exit with 1 if one fails or a figure is out of its bounds."""
    with prefix_errors("--device"):
        place = pick_device(device)
    if step is not None:
        measure_step(step, place, small, out)
        return
    names = only or list(MEASUREMENTS)
    for name in names:
        if name not in MEASUREMENTS:
            raise UserError(
                f"'--only' must be of {', '.join(MEASUREMENTS)}; got {name!r}"
            )
    steps: dict[str, Any] = {}
    found = {"machine": describe_machine(place, 1, 1), "small": small, "steps": steps}
    for name in names:
        steps[name] = run_step(name, place, small, out)
        write_json(out, found)
        print(describe_step(name, steps[name]), flush=True)
    print(f"wrote {out}")
    raise typer.Exit(int(not all(step["passed"] for step in steps.values())))


def run_step(name: str, device: str, small: bool, out: Path) -> dict[str, Any]:
    """Run one step in a process; return its rows, and how it ended."""
    part = out.with_name(f"{out.name}.{name}")
    part.unlink(missing_ok=True)
    command = [sys.executable, "-m", "benchmarks.gpu_check", "--step", name]
    command += ["--device", device, "--json", str(part)]
    _, limit, open_ended = MEASUREMENTS[name]
    start = time.perf_counter()
    try:
        status = subprocess.run(
            [*command, *(["--small"] if small else [])], timeout=limit, check=False
        ).returncode
    except subprocess.TimeoutExpired:
        status = None
    rows = json.loads(part.read_text(encoding="utf-8")) if part.exists() else []
    part.unlink(missing_ok=True)
    right = bool(rows) and all(row.get("passed", True) for row in rows)
    return {
        "status": "not done in time" if status is None else f"exit {status}",
        "seconds": time.perf_counter() - start,
        "passed": right and (status == 0 or (status is None and open_ended)),
        "rows": rows,
    }


def measure_step(name: str, device: str, small: bool, out: Path) -> None:
    """Measure one step in this process; every row is written at once."""
    logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.WARNING)
    rows = []
    for row in MEASUREMENTS[name].measure(device, SMALL if small else FULL):
        rows.append(row)
        write_json(out, rows)


def write_json(path: Path, content: Any) -> None:
    """Write a file whole or not at all, whenever the process is ended."""
    write_atomically(path, (json.dumps(content, indent=1) + "\n").encode())


def describe_step(name: str, step: dict[str, Any]) -> str:
    """Return a line on a step, and one for each row that did not pass.

    Example:
        >>> rows = [{"precision": "fp32"}, {"precision": "bf16", "passed": False}]
        >>> step = {"status": "exit 0", "seconds": 2.0, "passed": False, "rows": rows}
        >>> print(describe_step("losses", step))
        losses: exit 0 after 2 s, 2 rows, 1 wrong
          {'precision': 'bf16', 'passed': False}
    """
    wrong = [row for row in step["rows"] if not row.get("passed", True)]
    count = f"{len(step['rows'])} rows, {len(wrong)} wrong"
    head = f"{name}: {step['status']} after {step['seconds']:.0f} s, {count}"
    return "\n".join([head, *(f"  {row}" for row in wrong)])


app = make_app(main)

if __name__ == "__main__":
    app(prog_name="python -m benchmarks.gpu_check")
