"""Run malformed grids and arguments: ``python -m tests.campaign.malformed``.

Each is one line and exit status 2, or is accepted by the dry run; anything else is a
fault, and is printed with what caused it.
"""

import argparse
import os
import random
import re
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
from typer.testing import CliRunner

from priorbench.bench.run import app
from tests.campaign.study import write_study

VALUES = [
    *(
        "0",
        "-1",
        "1",
        "2.5",
        "-0.0",
        "1e308",
        "1e400",
        "nan",
        "-inf",
        "true",
        "[]",
        "{}",
    ),
    *("[[]]", "[{}]", '""', '" "', '"x"', "'''\n\n'''", "1979-05-27", "07:32:00"),
    *("[1, 'a']", "[[1, 2], 3]", "[nan]", "{ name = 5 }", "{ name = 'isa' }"),
    *("{ name = 'mlp', hidden = -1 }", "{ name = 'mlp', hidden = 1e9 }", "[1, 1]"),
    '"normal"',
    '"isa"',
    '"mig"',
    '["mig", "mig"]',
    '"../../x"',
    '"[/red]"',
    '"~nouser/x.npz"',
    '"none.npz"',
    '"a\\u0000.npz"',
    '"' + "n" * 300 + '"',
    "9" * 30,
    "9" * 5000,
    "[" * 900 + "]" * 900,
    "{ a = { b = { c = [1] } } }",
]
"""Values of TOML, some of which are none."""

KEYS = [
    *(
        "seeds",
        "beta",
        "latent_dim",
        "metrics",
        "importance_samples",
        "dataset",
        "name",
    ),
    *("importance_images", "architecture", "training", "profile", "keep_models"),
    *("description", "likelihood", "methods", "profiles", "function-x", "of-y", "a.b"),
    *('""', '"β"', "training.epochs", "training.warm_up", "methods.0.prior.p0"),
    *("dataset.factors", "architecture.hidden", "methods.9.beta", "methods.0"),
]

WORDS = [
    *(
        "",
        " ",
        "x",
        "-1",
        "0",
        "1.5",
        "1e9",
        "nan",
        "β-VAE",
        "[/red]",
        "~nouser/x",
        "/",
    ),
    *("/dev/null", "/proc/self/mem", "..", "short", "study.toml", "dots.npz", "cuda:9"),
    *("\ud800", "a\nb", "=", "a=b", "--", "--help", "n" * 300, "9" * 5000, "[" * 900),
]
OPTIONS = [
    *("--grid", "--profile", "--seeds", "--only", "--set", "--device", "--precision"),
    *("--jobs", "--out", "--plugin"),
]


def spoil_text(generator, text):
    """Return the text of a grid with one or two faults."""
    for _ in range(generator.choice((1, 1, 2))):
        kind = generator.randrange(8)
        lines = text.splitlines()
        line = generator.randrange(len(lines))
        key = lines[line].partition("=")[0].strip()
        value = generator.choice(VALUES)
        if kind <= 2 and "=" in lines[line]:
            lines[line] = f"{key} = {value}"
        elif kind == 3:
            lines.insert(line, f"{generator.choice(KEYS)} = {value}")
        elif kind == 4:
            del lines[line]
        elif kind == 5:
            lines.insert(line, generator.choice(lines))
        elif kind == 6:
            lines[line] = _spoil_characters(generator, lines[line])
        else:
            lines = lines[:line]
        text = "\n".join(lines) + "\n"
    return text


def _spoil_characters(generator, line):
    at = generator.randrange(len(line) + 1)
    mark = generator.choice(
        ['"', "[", "]", "{", "\0", "\ufeff", "é", "=", "#", "\\", "\r"]
    )
    return line[:at] + mark + line[at + generator.randrange(3) :]


def spoil_arguments(generator, grid):
    """Return arguments of the command with one to three faults."""
    arguments = ["--grid", str(grid)]
    for _ in range(generator.choice((1, 1, 2, 3))):
        option, word = generator.choice(OPTIONS), generator.choice(WORDS)
        if option == "--set":
            value = generator.choice((*VALUES, *WORDS))
            word = f"{generator.choice(KEYS)}={value}"
        arguments += [option, word]
    return arguments


def spoil_dataset(generator, folder):
    """Write a file of images with a fault."""
    with np.load(folder / "dots.npz") as file:
        arrays = dict(file)
    kind = generator.randrange(7)
    key = generator.choice(sorted(arrays))
    if kind == 0:
        del arrays[key]
    elif kind == 1:
        arrays[key] = arrays[key][: generator.randrange(16)]
    elif kind == 2:
        arrays[key] = arrays[key].astype(generator.choice(["<f4", "<c8", "<U3", "<i2"]))
    elif kind == 3:
        arrays[key] = np.full_like(arrays[key], np.nan, dtype=float)
    elif kind == 4:
        arrays[key] = arrays[key][..., None, None]
    elif kind == 5:
        arrays[key] = np.array({"a": 1}, dtype=object)
    path = folder / "spoilt.npz"
    np.savez(path, **arrays)
    if kind == 6:
        content = bytearray(path.read_bytes())
        for _ in range(generator.choice((1, 8, 64))):
            content[generator.randrange(len(content))] = generator.randrange(256)
        path.write_bytes(content[: generator.choice((len(content), 100, 1000))])


def judge(arguments):
    """Run the command; return what became of it: "refused", "accepted" or a fault."""
    done = CliRunner().invoke(app, [*arguments, "--dry-run"])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        return f"traceback: {type(done.exception).__name__}: {done.exception}"
    if done.exit_code == 0:
        return "accepted"
    if done.exit_code != 2:
        return f"exit status {done.exit_code}"
    line = done.stderr.strip()
    if not line.startswith("error: ") or "\n" in line:
        return f"not one line: {line[-300:]}"
    if re.search(r"<class|<function|object at 0x|Input should|valid tuple", line):
        return f"the language's words: {line[-300:]}"
    return "refused"


def run_malformed(count, seed=0):
    """Run malformed grids, arguments and data sets; return outcomes, print faults."""
    generator, outcomes = random.Random(seed), Counter()
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        grid = write_study(folder, epochs=1)
        text = grid.read_text(encoding="utf-8")
        os.chdir(folder)
        try:
            for number in range(count):
                spoilt = folder / "spoilt.toml"
                cause, kind = "", number % 5
                spoilt.write_text(text, encoding="utf-8")
                arguments = ["--grid", "spoilt.toml", "--out", "runs"]
                if kind < 2:
                    cause = spoil_text(generator, text)
                    spoilt.write_bytes(cause.encode("utf-8", "surrogatepass"))
                elif kind < 4:
                    arguments = spoil_arguments(generator, "spoilt.toml")
                else:
                    spoil_dataset(generator, folder)
                    cause = text.replace("dots.npz", "spoilt.npz")
                    spoilt.write_text(cause, encoding="utf-8")
                outcome = judge(arguments)
                if outcome not in ("refused", "accepted"):
                    print(f"--- {outcome}\n{arguments}\n{cause}")
                    outcome = outcome.partition(":")[0]
                outcomes[outcome] += 1
        finally:
            os.chdir(before)
    return outcomes


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    for outcome, count in run_malformed(given.count, given.seed).most_common():
        print(f"{count:6} {outcome}")
