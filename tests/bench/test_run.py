"""The command line, from a grid file to the figures, as its users run it."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from priorbench.atomic_files import UNFINISHED
from priorbench.bench.results import load_model
from priorbench.bench.results.load import load_results
from priorbench.bench.results.manifest import read_manifest
from priorbench.bench.results.store import Store
from tests.bench.conftest import ROOT
from tests.bench.scoring.sheets import cut_sheet
from tests.bench.small_study import DATASET, METRICS

FIGURES = [
    "mig_distribution.pdf",
    "mig_distribution.png",
    "mig_vs_reconstruction.pdf",
    "mig_vs_reconstruction.png",
]


def results(tmp_path, grid="tiny"):
    return load_results(tmp_path / "runs" / grid)


def list_models(tmp_path):
    """The trained models in the store, whatever study they belong to."""
    return sorted(
        p.parent.name for p in (tmp_path / "runs" / "models").glob("*/record.json")
    )


def test_a_grid_from_file_to_figures_and_resumed(tmp_path, tiny, run):
    grid = tiny()
    done = run("--grid", grid, "--jobs", 1, check=0)
    folder = tmp_path / "runs" / "tiny"
    assert "4 runs to do, 0 already done" in done.stdout
    assert "floating-point operations, about" in done.stdout
    assert done.stdout.count("mig ") == 4
    assert sorted(p.name for p in folder.glob("*.p*")) == FIGURES
    first = {r.id: r.model.created for r in results(tmp_path)}
    assert len(first) == 4
    again = run("--grid", grid, "--jobs", 1, check=0)
    assert "0 runs to do, 4 already done: nothing left to do" in again.stdout
    manifest = read_manifest(folder)
    assert manifest.text == Path(grid).read_text(encoding="utf-8")
    assert "bench.run --grid" in manifest.provenance.command
    more = run("--grid", grid, "--seeds", 2, "--jobs", 1, check=0)
    assert "4 runs to do, 4 already done" in more.stdout
    later = {r.id: r.model.created for r in results(tmp_path)}
    assert len(later) == 8
    assert all(later[key] == created for key, created in first.items())
    table = pd.read_csv(folder / "settings.csv")
    assert table["n"].tolist() == [2, 2, 2, 2]
    assert {"mig_mean", "reconstruction_se", "elbo_ci_low"} <= set(table.columns)
    assert table["udr_mean"].between(0, 1).all()
    chance = pd.read_csv(folder / "chance.csv")
    assert "mig" in set(chance["score"])


ALL_METRICS = """\
metrics = ["default", "mig_sampled", "mig_histogram", "mig_groups", "elbo_decomposition"]
"""


def test_a_record_says_everything(tmp_path, tiny, run):
    grid = tiny((METRICS, ALL_METRICS))
    run("--grid", grid, "--only", "ISA-TCVAE", "--jobs", 1, check=0)
    found = results(tmp_path)
    assert {r.method for r in found} == {"ISA-TCVAE"}
    for r in found:
        assert (r.status, r.prior, r.objective, r.seed) == (
            "finished",
            "isa",
            "beta_tcvae",
            0,
        )
        assert (r.provenance.device, r.model.precision) == ("cpu", "fp32")
        expected = {
            "mig",
            "mig_all_factors",
            "mig_sampled",
            "mig_histogram",
            "mig_groups",
            "factor_vae",
            "sap_r2",
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
        assert r.model.config["prior"]["subspaces"] == [2, 2]
        versions = set(r.provenance.versions)
        assert {"python", "torch", "numpy", "priorbench"} <= versions


def test_kill_9_loses_nothing_that_was_finished(tmp_path, tiny, run, environment):
    grid = tiny(seeds=2, epochs=40)
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
    while len(list_models(tmp_path)) < 2:
        assert killed.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    time.sleep(1.5)  # the workers notice that nobody waits for them
    before = {r.id: r.model.created for r in results(tmp_path)}
    assert 2 <= len(before) < 8
    assert not processes(grid)
    done = run("--grid", grid, "--jobs", 1, check=0)
    assert "8 runs to do" not in done.stdout
    after = results(tmp_path)
    settings = {(r.method, r.beta, r.seed) for r in after}
    assert len(after) == len(settings) == 8
    assert all(r.model.created == before.get(r.id, r.model.created) for r in after)
    assert all(r.status == "finished" and "mig" in r.scores for r in after)
    assert not list((tmp_path / "runs").rglob(f"{UNFINISHED}*"))
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


@pytest.mark.parametrize(
    ("jobs", "signum", "status"),
    [("1", signal.SIGINT, 130), ("2", signal.SIGINT, 130), ("1", signal.SIGTERM, 143)],
)
def test_a_signal_ends_cleanly_with_the_command_to_go_on(
    tmp_path, tiny, environment, jobs, signum, status
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
    while not list_models(tmp_path):
        assert stopped.poll() is None
        time.sleep(0.02)
    os.killpg(stopped.pid, signum)  # as a terminal does: to the workers too
    out, err = stopped.communicate(timeout=60)
    assert stopped.returncode == status
    assert "Go on with\n    python -m bench.run --grid" in out
    assert "Traceback" not in out + err
    assert 1 <= len(results(tmp_path)) < 12


def test_profiles_share_runs_and_a_renamed_method_finds_its_own(tmp_path, tiny, run):
    grid = tiny(epochs=2)
    run("--grid", grid, "--profile", "short", "--jobs", 1, check=0)
    done = run("--grid", grid, "--jobs", 1, check=0)
    assert "2 runs to do, 2 already done" in done.stdout
    table = pd.read_csv(tmp_path / "runs" / "tiny" / "settings.csv")
    assert table[["profile", "n"]].to_numpy().tolist() == [["default", 1]] * 4
    run("--grid", grid, "--profile", "short", "--jobs", 1, check=0)
    table = pd.read_csv(tmp_path / "runs" / "tiny" / "settings.csv")
    assert table[["profile", "n"]].to_numpy().tolist() == [["short", 1]] * 2
    renamed = tiny(('"ISA-TCVAE"', '"ISA (learned)"'), epochs=2)
    again = run("--grid", renamed, "--jobs", 1, check=0)
    assert "nothing left to do" in again.stdout
    assert {r.method for r in results(tmp_path)} == {"β-VAE", "ISA (learned)"}


def test_seeds_train_at_once_where_that_is_asked_for(tmp_path, tiny, run):
    words = ("--grid", tiny(epochs=1), "--only", "β-VAE", "--set", "beta=[1.0]")
    run(*words, "--seeds", 2, "--seeds-at-once", 2, "--jobs", 1, check=0)
    assert [r.timings["seeds_in_block"] for r in results(tmp_path)] == [2, 2]


def test_failed_runs_are_rows_and_are_retried_only_on_request(tmp_path, tiny, run):
    plugin = tmp_path / "fails.py"
    plugin.write_text(
        "import priors, torch\n"
        "@priors.register('fails')\n"
        "class Fails(priors.Normal):\n"
        "    def __init__(self, latent_dim, how): super().__init__(latent_dim); self.how = how\n"
        "    def _kl(self, q, z):\n"
        "        if self.how == 'raises' and len(z) > 4: raise RuntimeError('no such luck')\n"
        "        spoilt = torch.log(-z.detach().square().sum(-1)) if len(z) > 4 else 0.0\n"
        "        return super()._kl(q, z) + spoilt\n"
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
        check=1,
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
    plugin.write_text(source.replace("optional: lowers", "it lowers"))
    words = ("--grid", grid, "--plugin", plugin, "--only", "β-VAE", "--jobs", 1)
    assert "nothing left to do" in run(*words, "--dry-run", check=0).stdout
    plugin.write_text(source.replace("/ 3", "/ 3.0"))
    second = run(*words, check=0)
    assert "2 runs to do, 0 already done" in second.stdout
    assert len(list((tmp_path / "runs" / "tiny" / "plugins").iterdir())) == 2


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
    found = {(r.method, r.beta): r for r in results(tmp_path)}
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
    assert table["beta"].tolist() == ["1.0", "1/1/8", "1.0", "4.0"]
    again = run(
        "--grid", grid, "--jobs", 1, "--only", "product", "--only", "capacity", check=0
    )
    assert "nothing left to do" in again.stdout


def test_dry_run_writes_nothing_and_names_what_is_shorter(tmp_path, run):
    words = ("--grid", "dsprites_beta", "--only", "β-VAE", "--dry-run")
    done = run(*words, check=0)
    assert "450 runs to do" in done.stdout
    assert "shorter may be a GPU (--device cuda), fewer seeds (--seeds 1" in done.stdout
    assert "--profile quick, --profile laptop, --profile demo" in done.stdout
    assert not (tmp_path / "runs").exists()


def test_a_metric_that_is_added_is_all_that_is_computed(tmp_path, tiny, run):
    """By the grid or by bench.score; and another grid finds the models it shares."""
    run("--grid", tiny(), "--jobs", 1, check=0)
    models = list_models(tmp_path)
    trained = {r.id: r.model.created for r in results(tmp_path)}
    grid = tiny((METRICS, 'metrics = ["mig", "mig_histogram", "active_latents"]'))
    done = run("--grid", grid, "--jobs", 1, check=0)
    assert "4 of them are trained and lack mig_histogram" in done.stdout
    words = ("bench.score", "--grid", grid, "--out", "runs", "--device", "cpu")
    words = (*words, "--metric", "mig_groups", "--set", "num_samples=20", "--jobs", 1)
    scored = run(*words[1:], module=words[0], check=0)
    assert "4 of them are trained and lack mig_groups" in scored.stdout
    command = read_manifest(tmp_path / "runs" / "tiny").provenance.command
    assert "bench.run --grid" in command.partition("; python -m bench.score")[0]
    run(*words[1:], module=words[0], check=0)
    again = read_manifest(tmp_path / "runs" / "tiny").provenance.command
    assert again == command
    assert "nothing left to do" in run("--grid", grid, "--jobs", 1, check=0).stdout
    found = results(tmp_path)
    assert {r.id: r.model.created for r in found} == trained
    assert all({"mig_histogram", "mig_groups"} <= set(r.scores) for r in found)
    rows = pd.read_csv(tmp_path / "runs" / "tiny" / "runs.csv")
    assert rows["mig_groups"].notna().all()
    other = tmp_path / "other.toml"
    other.write_text(Path(grid).read_text(encoding="utf-8"), encoding="utf-8")
    done = run("--grid", other, "--only", "β-VAE", "--jobs", 1, check=0)
    assert "0 runs to do, 2 already done" in done.stdout
    assert list_models(tmp_path) == models


def test_results_of_two_folders_are_one_after_copying(tmp_path, tiny, run):
    grid = tiny()
    for method, out in (("β-VAE", "one"), ("ISA-TCVAE", "two")):
        command = ("--grid", grid, "--only", method, "--jobs", 1)
        subprocess.run(
            [
                sys.executable,
                "-m",
                "bench.run",
                *map(str, command),
                "--out",
                str(tmp_path / out),
            ],
            cwd=ROOT,
            check=True,
            capture_output=True,
            env={
                **os.environ,
                "PRIORBENCH_DATA": str(tmp_path / "data"),
                "OMP_NUM_THREADS": "1",
            },
        )
    shutil.copytree(tmp_path / "one", tmp_path / "runs")
    shutil.copytree(tmp_path / "two", tmp_path / "runs", dirs_exist_ok=True)
    assert len(results(tmp_path)) == 4
    assert "nothing left to do" in run("--grid", grid, "--jobs", 1, check=0).stdout
    table = pd.read_csv(tmp_path / "runs" / "tiny" / "settings.csv")
    assert table["n"].tolist() == [1] * 4


def test_parts_of_a_study_are_one(tmp_path, tiny, run):
    """Three, in folders of their own: joined, and merged by copying, as one run."""
    grid = tiny(seeds=2)
    run("--grid", grid, "--jobs", 1, check=0)
    parts = []
    for number in (1, 2, 3):
        words = ("--shard", f"{number}/3", "--out", tmp_path / f"part{number}")
        # the last --out counts
        parts.append(tmp_path / f"part{number}" / "tiny")
        run_part(run, tmp_path, grid, *words)
    whole = read_runs(tmp_path / "runs" / "tiny")
    assert [len(pd.read_csv(part / "runs.csv")) for part in parts] == [3, 3, 2]
    run(*parts, "--out", tmp_path / "joined", module="bench.report", check=0)
    joined = read_runs(tmp_path / "joined")
    pd.testing.assert_frame_equal(joined[whole.columns], whole)
    for part in parts:
        shutil.copytree(part.parent, tmp_path / "merged", dirs_exist_ok=True)
    run(tmp_path / "merged" / "tiny", module="bench.report", check=0)
    pd.testing.assert_frame_equal(read_runs(tmp_path / "merged" / "tiny"), whole)


def run_part(run, tmp_path, grid, *words):
    arguments = ("--grid", grid, "--jobs", 1, "--device", "cpu", *words)
    return run(*arguments, module="priorbench.bench.run", check=0)


def read_runs(folder):
    """The table of runs, but for what is of their time."""
    rows = pd.read_csv(folder / "runs.csv")
    own = [name for name in rows if name.endswith(("seconds", "per_second"))]
    return rows.drop(columns=[*own, "created"])


def test_the_first_failed_run_stops_a_command(tmp_path, tiny, run):
    words = ("--grid", tiny(), "--jobs", 1, "--set", "training.learning_rate=1e30")
    stopped = run(*words, "--fail-fast", check=1)
    assert "stopped at the first run that failed; finished" in stopped.stdout
    assert len(list_models(tmp_path)) == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("--shard", "0/3"),
            "'--shard' must be K/N with K from 1 to N, like 3/16; got",
        ),
        (("--shard", "4/3"), "'--shard' must be K/N"),
        (("--shard", "a/3"), "'--shard' must be K/N"),
        (("--shard", "9/9"), "--shard: part 9 of 9 has no run"),
        (("--backend", "slurm"), "'--backend' must be one of local, dask; got 'slurm'"),
        (("--shared",), "'--shared' is an option of --backend dask"),
        (
            ("--backend", "local", "--dask", "tcp://a:1"),
            "--dask goes with --backend dask; got 'local'",
        ),
    ],
)
def test_a_wrong_part_or_back_end_is_an_error(tiny, fails, words, message):
    assert message in fails(tiny(), *words)


def test_models_that_were_not_kept_are_trained_again_for_a_metric(tmp_path, tiny, run):
    grid = tiny()
    words = ("--grid", grid, "--only", "β-VAE", "--jobs", 1)
    light = (*words, "--set", "keep_models=false")
    run(*light, check=0)
    assert "nothing left to do" in run(*light, "--dry-run", check=0).stdout
    again = run(*words, "--dry-run", check=0).stdout
    assert "2 runs to do, 0 already done" in again
    assert "2 of them are trained again, for their parameters were not kept" in again
    assert "models: " in again
    scored = run(
        "--grid",
        grid,
        "--metric",
        "mig_histogram",
        "--out",
        "runs",
        "--dry-run",
        module="bench.score",
        check=0,
    )
    assert (
        "not trained yet, or trained without keeping the parameters: 4 runs; python"
        in scored.stdout
    )


def test_a_model_is_loaded_for_a_notebook(tmp_path, tiny, run):
    import torch

    run("--grid", tiny(), "--only", "ISA-TCVAE", "--jobs", 1, check=0)
    result = results(tmp_path)[0]
    model = load_model(result.id[:6], tmp_path / "runs")
    assert model.prior.learned()["exponents"].tolist() == pytest.approx(
        result.learned["exponents"]
    )
    z = model.encode(torch.zeros(2, 4096)).representation
    assert model.decode(z).shape == (2, 4096)


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
        assert len(list_models(tmp_path)) == 2 * number
        assert len(results(tmp_path)) == 2
    done = run("--grid", grid, "--only", "β-VAE", "--jobs", 1, check=0)
    assert "nothing left to do" in done.stdout
    assert "complete grid" not in done.stderr
    assert all(
        r.status == "finished" and "mig_factor1" in r.scores for r in results(tmp_path)
    )


def test_factors_that_are_no_complete_grid_are_said_and_used(tmp_path, tiny, run):
    factors = np.stack(np.unravel_index(np.arange(32), (4, 8)), axis=1)[:-1]
    np.savez(
        tmp_path / "mine.npz", images=np.zeros((31, 6, 6), np.uint8), factors=factors
    )
    grid = tiny((DATASET, 'dataset = "mine.npz"\n'))
    done = run("--grid", grid, "--only", "β-VAE", "--jobs", 1, check=0)
    assert (
        "WARNING: the factors of dataset 'mine' are not a complete grid: the combination "
        "factor0=3, factor1=7 is missing"
    ) in done.stderr
    assert all(r.status == "finished" and "mig" in r.scores for r in results(tmp_path))


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
    for r in results(tmp_path):
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
        assert r.model.config["training"] == {
            "epochs": 30,
            "batch_size": 8,
            "learning_rate": 0.02,
            "warm_up": 2,
            "look_ahead": 3,
        }
        assert r.model.config["prior"]["latent_dim"] == (
            5 if r.prior == "hypersphere" else 4
        )
        store = Store(tmp_path / "runs")
        curve = store.load_losses(r.model)["valid_elbo"]
        assert np.nanmax(curve) == pytest.approx(r.scores["valid_elbo"], rel=1e-5)
        assert len(curve) == 5 * r.scores["epochs"]
        (pictures,) = (s for s in r.records.values() if s.name == "pictures")
        sheet = store.load_arrays(pictures)["reconstructions.png"]
        # there are eight to test on
        shown = cut_sheet(sheet, (1, *bits.shape[1:]))[0, :, 0]
        np.testing.assert_array_equal(shown, 255 * bits[52:])
