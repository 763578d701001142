"""Flip single bits in every file of a run: ``python -m tests.campaign.bit_flips``.

A flip is noticed where the store gives nothing of the file, and accepted where it gives
what differs from what was written.
"""

import argparse
import logging
import os
import random
import tempfile
from collections import Counter
from pathlib import Path

from typer.testing import CliRunner

from priorbench.bench.results.files import DamagedFileError
from priorbench.bench.results.store import Store
from priorbench.bench.run import app
from tests.campaign.study import write_study


def train_model(folder):
    """Train the models of a small study; return the store and the first one's id."""
    grid = write_study(folder, seeds=1, epochs=2)
    before = Path.cwd()
    os.chdir(folder)
    try:
        out = ["--out", str(folder / "runs"), "--jobs", "1", "--device", "cpu"]
        done = CliRunner().invoke(app, ["--grid", str(grid), *out])
    finally:
        os.chdir(before)
    assert done.exit_code == 0, done.output
    store = Store(folder / "runs")
    trained = [p.name for p in store.folder.iterdir() if (p / "record.json").exists()]
    return store, min(trained)


def read_all(store, model):
    """Return all that the store gives of a model, by file; None for what is damaged."""
    found = {}
    record = store.load_model(model)
    found["record.json"] = None if record is None else record.model_dump_json()
    if record is None:
        return found
    for name, load in (
        ("losses.csv", store.load_losses),
        ("parameters.safetensors", store.load_parameters),
    ):
        found[name] = _load_arrays(load, record)
    keys = [p.stem for p in (store.folder / model / "scores").glob("*.json")]
    for key, score in store.load_scores(model, keys).items():
        found[f"scores/{key}.json"] = score.model_dump_json()
        found[f"scores/{key}.safetensors"] = _load_arrays(store.load_arrays, score)
    return found


def _load_arrays(load, record):
    try:
        return {k: (v.dtype.str, v.shape, v.tobytes()) for k, v in load(record).items()}
    except DamagedFileError:
        return None


def flip_bits(count, seed=0):
    """Flip bits one at a time; return how many were noticed, harmless and accepted."""
    generator, outcomes = random.Random(seed), Counter()
    with tempfile.TemporaryDirectory() as name:
        store, model = train_model(Path(name))
        whole = read_all(store, model)
        files = sorted(p for p in (store.folder / model).rglob("*") if p.is_file())
        for number in range(count):
            path = files[number % len(files)]
            content = path.read_bytes()
            damaged = bytearray(content)
            damaged[generator.randrange(len(content))] ^= 1 << generator.randrange(8)
            path.write_bytes(damaged)
            try:
                outcomes[_judge(read_all(store, model), whole)] += 1
            except Exception as error:
                outcomes[f"crashed: {type(error).__name__}: {error}"] += 1
            finally:
                path.write_bytes(content)
        assert read_all(store, model) == whole
    return outcomes


def _judge(found, whole):
    if any(value is not None and value != whole[key] for key, value in found.items()):
        return "accepted"
    lacking = {key for key in whole if whole[key] is not None and not found.get(key)}
    return "noticed" if lacking else "harmless"


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    logging.getLogger("priorbench").setLevel(logging.ERROR)
    for outcome, count in flip_bits(given.count, given.seed).most_common():
        print(f"{count:6} {outcome}")
