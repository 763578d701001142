"""The command line, from a grid file to the figures, as its users run it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from priorbench.bench.results import store
from tests.bench.conftest import ROOT
from tests.bench.small_study import DATASET, METRICS, STEPS

FIGURES = [
    "mig_distribution.pdf",
    "mig_distribution.png",
    "mig_vs_reconstruction.pdf",
    "mig_vs_reconstruction.png",
]


def records(tmp_path, grid="tiny"):
    return store.load_records(tmp_path / "runs" / grid)


def test_a_grid_from_file_to_figures_and_resumed(tmp_path, tiny, run):
    grid = tiny()
    done = run("--grid", grid, "--jobs", 1, check=0)
    folder = tmp_path / "runs" / "tiny"
    assert "4 runs to do, 0 already done" in done.stdout
    assert "floating-point operations, about" in done.stdout
    assert done.stdout.count("mig ") == 4
    assert sorted(p.name for p in folder.glob("*.p*")) == FIGURES
    first = {r.id: r.created for r in records(tmp_path)}
    assert len(first) == 4
    again = run("--grid", grid, "--jobs", 1, check=0)
    assert "0 runs to do, 4 already done: nothing left to do" in again.stdout
    more = run("--grid", grid, "--seeds", 2, "--jobs", 1, check=0)
    assert "4 runs to do, 4 already done" in more.stdout
    later = {r.id: r.created for r in records(tmp_path)}
    assert len(later) == 8
    assert all(later[key] == created for key, created in first.items())
    table = pd.read_csv(folder / "settings.csv")
    assert table["n"].tolist() == [2, 2, 2, 2]
    assert {"mig_mean", "reconstruction_se", "elbo_ci_low"} <= set(table.columns)


ALL_METRICS = """\
metrics = ["mig", "mig_sampled", "mig_histogram", "mig_groups", "elbo_decomposition",
           "active_latents"]"""


def test_a_record_says_everything(tmp_path, tiny, run):
    grid = tiny((METRICS, ALL_METRICS))
    run("--grid", grid, "--only", "ISA-TCVAE", "--jobs", 1, check=0)
    found = records(tmp_path)
    assert {r.method for r in found} == {"ISA-TCVAE"}
    for r in found:
        assert (r.status, r.prior, r.objective, r.seed) == (
            "finished",
            "isa",
            "beta_tcvae",
            0,
        )
        assert (r.device, r.precision) == ("cpu", "fp32")
        expected = {
            "mig",
            "mig_all_factors",
            "mig_sampled",
            "mig_histogram",
            "mig_groups",
            "reconstruction",
            "reconstruction_first_10k",
            "elbo",
            "kl",
            "active_latents",
            "log_likelihood",
            "log_likelihood_se",
            "index_code_mi",
            "total_correlation",
            "dimension_wise_kl",
        }
        assert expected <= set(r.scores)
        assert r.scores["elbo"] == pytest.approx(
            r.scores["reconstruction"] - r.scores["kl"]
        )
        assert len(r.learned["exponents"]) == 2
        assert r.config["prior"]["subspaces"] == [2, 2]
        assert {"python", "torch", "numpy", "priorbench"} <= set(r.versions)
        curve = pd.read_csv(tmp_path / "runs" / "tiny" / r.id / "losses.csv")
        assert list(curve.columns) == ["step", "loss", "log_likelihood"]
        assert len(curve) == 3 * STEPS
        kept = store.load_artefacts(tmp_path / "runs" / "tiny", r.id)
        assert kept["mutual_information"].shape == (4, 5)
        assert kept["reconstructions"].shape == (8, 1, 64, 64)


def test_kill_9_loses_nothing_that_was_finished(tmp_path, tiny, run, environment):
    grid = tiny(seeds=3, epochs=150)
    command = [
        sys.executable,
        "-m",
        "bench.run",
        "--grid",
        grid,
        "--out",
        str(tmp_path / "runs"),
        "--jobs",
        "2",
        "--device",
        "cpu",
    ]
    folder = tmp_path / "runs" / "tiny"
    killed = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 120
    while len(list(folder.glob("[!.]*/record.json"))) < 2:
        assert killed.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    before = {r.id: r.created for r in records(tmp_path)}
    assert 2 <= len(before) < 12
    time.sleep(2.5)  # the workers notice that nobody waits for them
    assert {r.id for r in records(tmp_path)} == set(before)
    assert not processes(grid)
    done = run("--grid", grid, "--jobs", 2, check=0)
    assert f"{12 - len(before)} runs to do, {len(before)} already done" in done.stdout
    after = records(tmp_path)
    settings = {(r.method, r.beta, r.seed) for r in after}
    assert len(after) == len(settings) == 12
    assert all(r.created == before.get(r.id, r.created) for r in after)
    assert not list(folder.glob(f"{store.UNFINISHED}*"))
    rows = pd.read_csv(folder / "runs.csv")
    assert sorted(rows["id"]) == sorted(r.id for r in after)


def processes(text):
    """Those with ``text`` in their command line, where /proc tells."""
    lines = {
        path.parent.name: read(path) for path in Path("/proc").glob("[0-9]*/cmdline")
    }
    return [pid for pid, line in lines.items() if str(text).encode() in line]


def read(path):
    try:
        return path.read_bytes()
    except OSError:  # it has ended
        return b""


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_ctrl_c_ends_cleanly_with_the_command_to_go_on(
    tmp_path, tiny, environment, jobs
):
    grid = tiny(seeds=3, epochs=150)
    command = [
        sys.executable,
        "-m",
        "bench.run",
        "--grid",
        grid,
        "--out",
        str(tmp_path / "runs"),
        "--jobs",
        jobs,
        "--device",
        "cpu",
    ]
    stopped = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # a test run in the background inherits that SIGINT is ignored
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    folder = tmp_path / "runs" / "tiny"
    while not list(folder.glob("[!.]*/record.json")):
        assert stopped.poll() is None
        time.sleep(0.02)
    os.killpg(stopped.pid, signal.SIGINT)  # as a terminal does: to the workers too
    out, err = stopped.communicate(timeout=60)
    assert stopped.returncode == 130
    assert "Go on with\n    python -m bench.run --grid" in out
    assert "Traceback" not in out + err
    assert 1 <= len(records(tmp_path)) < 12


def test_profiles_share_runs_and_a_renamed_method_finds_its_own(tmp_path, tiny, run):
    grid = tiny(epochs=2)
    run("--grid", grid, "--profile", "short", "--jobs", 1, check=0)
    done = run("--grid", grid, "--jobs", 1, check=0)
    assert "2 runs to do, 2 already done" in done.stdout
    table = pd.read_csv(tmp_path / "runs" / "tiny" / "settings.csv")
    assert table[["profile", "n"]].to_numpy().tolist() == [["default", 1]] * 4
    renamed = tiny(('"ISA-TCVAE"', '"ISA (learned)"'), epochs=2)
    again = run("--grid", renamed, "--jobs", 1, check=0)
    assert "nothing left to do" in again.stdout
    assert {r.method for r in records(tmp_path)} == {"β-VAE", "ISA (learned)"}


def test_failed_runs_are_rows_and_are_retried_only_on_request(tmp_path, tiny, run):
    plugin = tmp_path / "fails.py"
    plugin.write_text(
        "import priors, torch\n"
        "@priors.register('fails')\n"
        "class Fails(priors.Normal):\n"
        "    def __init__(self, latent_dim, how): super().__init__(latent_dim); self.how = how\n"
        "    def _kl(self, q, z):\n"
        "        if self.how == 'raises' and len(z) > 4: raise RuntimeError('no such luck')\n"
        "        return super()._kl(q, z) + torch.log(-z.detach().square().sum(-1))\n"
    )
    grid = tiny(
        ('prior = "normal"', 'prior = { name = "fails", how = "nan" }'),
        append='\n[[methods]]\nname = "raises"\nobjective = "beta_vae"\n'
        'prior = { name = "fails", how = "raises" }\n',
    )
    moved = (
        (tmp_path / "tiny.toml")
        .read_text()
        .replace("[profiles.short]", "[profiles.other]")
    )
    (tmp_path / "tiny.toml").write_text(moved)
    run(
        "--grid",
        grid,
        "--plugin",
        plugin,
        "--jobs",
        1,
        "--only",
        "β-VAE",
        "--only",
        "raises",
        "--only",
        "ISA-TCVAE",
        check=0,
    )
    rows = pd.read_csv(tmp_path / "runs" / "tiny" / "runs.csv").set_index("method")
    assert set(rows.loc["β-VAE", "status"]) == {"failed"}
    assert set(rows.loc["β-VAE", "failed_step"]) == {0}
    assert set(rows.loc["β-VAE", "reason"]) == {
        "the loss became nan at step 0 (epoch 1)"
    }
    [reason] = set(rows.loc["raises", "reason"])
    assert reason == "RuntimeError: no such luck (fails.py, line 6)"
    assert set(rows.loc["ISA-TCVAE", "status"]) == {"finished"}
    again = run("--grid", grid, "--plugin", plugin, "--jobs", 1, "--dry-run", check=0)
    assert "0 runs to do, 6 already done (4 failed)" in again.stdout
    retry = run(
        "--grid",
        grid,
        "--plugin",
        plugin,
        "--jobs",
        1,
        "--dry-run",
        "--retry-failed",
        check=0,
    )
    assert "4 runs to do, 2 already done" in retry.stdout


def test_a_prior_that_was_edited_is_run_again(tmp_path, tiny, run):
    plugin = tmp_path / "mine.py"
    source = (ROOT / "examples" / "my_prior.py").read_text()
    plugin.write_text(source)
    grid = tiny(('prior = "normal"', 'prior = { name = "logistic", scale = 0.5 }'))
    first = run(
        "--grid", grid, "--plugin", plugin, "--only", "β-VAE", "--jobs", 1, check=0
    )
    assert "2 runs to do" in first.stdout
    plugin.write_text(source.replace("/ 3", "/ 3.0"))
    second = run(
        "--grid", grid, "--plugin", plugin, "--only", "β-VAE", "--jobs", 1, check=0
    )
    assert "2 runs to do, 0 already done" in second.stdout


def test_the_example_prior_appears_in_tables(tmp_path, run):
    grid = (
        (ROOT / "examples" / "my_grid.toml")
        .read_text()
        .replace("epochs = 10", "epochs = 1")
    )
    (tmp_path / "my_grid.toml").write_text(grid)
    run(
        "--grid",
        "my_grid.toml",
        "--plugin",
        ROOT / "examples" / "my_prior.py",
        "--seeds",
        1,
        "--jobs",
        2,
        check=0,
    )
    rows = pd.read_csv(tmp_path / "runs" / "my_grid" / "runs.csv")
    assert set(rows["prior"]) == {"normal", "logistic"}
    assert set(rows["status"]) == {"finished"}
    source = (ROOT / "examples" / "my_prior.py").read_text()
    assert len(source.splitlines()) < 40


def test_betas_of_groups_products_and_capacity_from_file_to_figures(
    tmp_path, tiny, run
):
    """A scalar β and one for each group are settings of one method."""
    product = """
[[methods]]
name = "product"
objective = { name = "beta_vae" }
beta = [1.0, [1.0, 1.0, 8.0]]
[methods.prior]
name = "product"
parts = [
    { name = "hypersphere", dims = [1] }, { name = "isa", subspaces = [1], p0 = 1.8 }, "normal",
]

[[methods]]
name = "capacity"
prior = "normal"
objective = { name = "capacity", c_max = 5, over = "batch" }
"""
    grid = tiny(epochs=2, append=product)
    done = run(
        "--grid", grid, "--jobs", 1, "--only", "product", "--only", "capacity", check=0
    )
    assert "4 runs to do" in done.stdout
    assert "product β=1/1/8 seed 0: mig" in done.stdout
    found = {(r.method, r.beta): r for r in records(tmp_path)}
    assert found.keys() == {
        ("product", 1.0),
        ("product", (1.0, 1.0, 8.0)),
        ("capacity", 1.0),
        ("capacity", 4.0),
    }
    for r in found.values():
        assert r.status == "finished", r.reason
        assert r.scores["log_likelihood_se"] > 0
    table = pd.read_csv(tmp_path / "runs" / "tiny" / "settings.csv")
    assert table["beta"].tolist() == ["1.0", "4.0", "1.0", "1/1/8"]
    again = run(
        "--grid", grid, "--jobs", 1, "--only", "product", "--only", "capacity", check=0
    )
    assert "nothing left to do" in again.stdout


def test_dry_run_writes_nothing_and_names_what_is_shorter(tmp_path, run):
    done = run("--grid", "dsprites_beta", "--dry-run", check=0)
    assert "1800 runs to do" in done.stdout
    assert "shorter may be a GPU (--device cuda), fewer seeds (--seeds 1" in done.stdout
    assert "--profile quick, --profile demo" in done.stdout
    assert not (tmp_path / "runs").exists()


def test_models_are_kept_where_the_grid_says_so(tmp_path, tiny, run):
    run(
        "--grid",
        tiny(("seeds = 1\nbeta", "seeds = 1\nkeep_models = true\nbeta")),
        "--only",
        "β-VAE",
        "--jobs",
        1,
        check=0,
    )
    for r in records(tmp_path):
        assert (
            tmp_path / "runs" / "tiny" / r.id / store.PARAMETERS
        ).stat().st_size > 1000


def test_records_are_readable_json(tmp_path, tiny, run):
    run("--grid", tiny(), "--profile", "short", "--jobs", 1, check=0)
    for path in (tmp_path / "runs" / "tiny").glob("*/record.json"):
        assert json.loads(path.read_text(encoding="utf-8"))["profile"] == "short"


def test_a_users_own_images(tmp_path, tiny, run):
    """From an .npz file with factors, by its path; a changed file is another study."""
    random = np.random.default_rng(0)
    factors = np.stack(np.unravel_index(np.arange(32), (4, 8)), axis=1)
    grid = tiny((DATASET, 'dataset = "mine.npz"\n'))
    for number in (1, 2):
        np.savez(
            tmp_path / "mine.npz",
            images=random.integers(0, 256, (32, 6, 6), np.uint8),
            factors=factors,
        )
        done = run("--grid", grid, "--only", "β-VAE", "--jobs", 1, check=0)
        assert "2 runs to do, 0 already done" in done.stdout
        assert len(records(tmp_path)) == 2 * number
    done = run("--grid", grid, "--only", "β-VAE", "--jobs", 1, check=0)
    assert "nothing left to do" in done.stdout
    assert "no complete grid" not in done.stderr
    assert all(
        r.status == "finished" and "mig_factor1" in r.scores for r in records(tmp_path)
    )


def test_factors_that_are_no_complete_grid_are_said_and_used(tmp_path, tiny, run):
    factors = np.stack(np.unravel_index(np.arange(32), (4, 8)), axis=1)[:-1]
    np.savez(
        tmp_path / "mine.npz", images=np.zeros((31, 6, 6), np.uint8), factors=factors
    )
    grid = tiny((DATASET, 'dataset = "mine.npz"\n'))
    done = run("--grid", grid, "--only", "β-VAE", "--jobs", 1, check=0)
    assert (
        "WARNING: the factors of dataset 'mine' are no complete grid: the combination "
        "factor0=3, factor1=7 is missing"
    ) in done.stderr
    assert all(r.status == "finished" and "mig" in r.scores for r in records(tmp_path))


def test_images_in_splits(tmp_path, tiny, run):
    """Without factors: trained on one split, stopped by another, scored on the third."""
    bits = np.random.default_rng(0).integers(0, 2, (60, 6, 6), np.uint8)
    np.savez(tmp_path / "mine.npz", train=bits[:40], valid=bits[40:52], test=bits[52:])
    grid = tiny(
        (DATASET, 'dataset = "mine.npz"\n'),
        (METRICS, 'metrics = ["active_latents"]'),
        (
            "batch_size = 8",
            "batch_size = 8\nwarm_up = 2\nlook_ahead = 3\nlearning_rate = 0.02",
        ),
        ("[2, 2], learn", "[2, 2], latent_dim = 4, learn"),
        (
            'prior = "normal"',
            'prior = { name = "hypersphere", dims = [2, 1], latent_dim = 5 }',
        ),
        epochs=30,
    )
    done = run("--grid", grid, "--jobs", 1, check=0)
    assert done.stdout.count("log_likelihood -") == 4
    for r in records(tmp_path):
        assert r.status == "finished"
        assert {
            "elbo",
            "reconstruction",
            "kl",
            "log_likelihood",
            "valid_elbo",
            "best_epoch",
            "epochs",
            "active_latents",
        } <= set(r.scores)
        assert not [name for name in r.scores if "mig" in name or "first" in name]
        assert r.scores["best_epoch"] <= r.scores["epochs"] < 30
        assert r.config["training"] == {
            "epochs": 30,
            "batch_size": 8,
            "learning_rate": 0.02,
            "warm_up": 2,
            "look_ahead": 3,
        }
        assert r.config["prior"]["latent_dim"] == (5 if r.prior == "hypersphere" else 4)
        folder = tmp_path / "runs" / "tiny" / r.id
        curve = pd.read_csv(folder / "losses.csv")
        assert curve["valid_elbo"].max() == pytest.approx(
            r.scores["valid_elbo"], rel=1e-5
        )
        assert len(curve) == 5 * r.scores["epochs"]
        shown = store.load_artefacts(folder.parent, r.id)["images"][:, 0]
        np.testing.assert_array_equal(
            shown, 255 * bits[52:]
        )  # there are eight to test on
