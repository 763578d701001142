import dataclasses
import hashlib
import json
import linecache
import re
import sys

import pytest

from priorbench import plugins
from priorbench.bench.study.grid import Plugin, PriorPlugin, load_grid
from priorbench.bench.study.job import (
    TRAINING_VERSION,
    Job,
    Setting,
    list_jobs,
    pick_shard,
)
from priorbench.bench.study.plugins import check_plugins
from priorbench.errors import UserError
from priorbench.priors.base import registry as priors

CONFIG = {
    "architecture": {"name": "mlp", "hidden": 16},
    "dataset": {"name": "dsprites", "factors": {"shape": ["heart"], "scale": [0, 2]}},
    "latent_dim": 4,
    "likelihood": {"name": "bernoulli"},
    "objective": {"name": "beta_tcvae", "over": "groups"},
    "prior": {"name": "isa", "subspaces": [2, 2], "p0": 2.1},
    "sources": {},
    "training": {"epochs": 7, "batch_size": 16, "learning_rate": 0.001},
}
DEMO = load_grid("dsprites_beta", "demo")
ONE = Job(Setting(DEMO, DEMO.methods[3], 4.0, "fp32", CONFIG), 3)


def change(**changes):
    """The job with another seed, or another field of its setting."""
    seed = changes.pop("seed", ONE.seed)
    return Job(dataclasses.replace(ONE.setting, **changes), seed)


def test_golden_id():
    """Ids may not change: the models on people's disks are found by them.

    The last change: of version 3, the id is that of the training alone.
    """
    assert ONE.id == "e05c78694d83245b"


def test_golden_id_of_a_beta_for_each_group():
    assert change(beta=(1.0, 4.0)).id == "599a2476214f018f"
    assert change(beta=(4.0, 4.0)).id != ONE.id
    assert change(beta=(4.0, 1.0)).id != "599a2476214f018f"


def test_the_id_of_a_scalar_beta_is_hashed_from_the_number():
    identity = {
        "beta": 4.0,
        "config": CONFIG,
        "precision": "fp32",
        "seed": 3,
        "version": 3,
    }
    text = json.dumps(identity, sort_keys=True, separators=(",", ":"))
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == ONE.id


def test_golden_config(tmp_path):
    """What a grid file becomes before it is hashed; defaults left out of the file are in it."""
    path = tmp_path / "golden.toml"
    path.write_text("""
        latent_dim = 4
        beta = [4]
        metrics = ["mig", { name = "mig_sampled", num_samples = 50 }]
        dataset = { name = "dsprites", factors = { scale = [0, 2], shape = ["heart"] } }
        architecture = { name = "mlp", hidden = 16 }
        training = { epochs = 7, batch_size = 16 }
        [[methods]]
        name = "ISA-TCVAE"
        prior = { p0 = 2.1, name = "isa", subspaces = [2, 2] }
        objective = { name = "beta_tcvae", over = "groups" }
    """)
    fourth = list_jobs(load_grid(str(path)))[3]
    assert fourth.setting.config == CONFIG
    assert fourth.id == ONE.id


def test_options_of_the_training_that_are_not_given_leave_the_id(tmp_path):
    """They came later than runs that are on people's disks."""
    path = tmp_path / "mine.toml"
    text = """
        metrics = []
        dataset = "binarized_mnist"
        methods = [{ name = "N", prior = "normal", objective = "beta_vae" }]
        [training]
        epochs = 7
    """
    path.write_text(text, encoding="utf-8")
    (plain,) = list_jobs(load_grid(str(path)).model_copy(update={"seeds": 1}))
    assert plain.setting.config["training"] == {
        "epochs": 7,
        "batch_size": 2048,
        "learning_rate": 0.001,
    }
    ids = {plain.id}
    for option in ("warm_up = 2", "look_ahead = 2"):
        path.write_text(text + option, encoding="utf-8")
        ids.add(list_jobs(load_grid(str(path)))[0].id)
    assert len(ids) == 3


def test_id_is_a_name_for_a_folder():
    assert re.fullmatch("[0-9a-f]{16}", ONE.id)


def test_id_does_not_depend_on_the_order_of_keys():
    turned = {key: CONFIG[key] for key in reversed(CONFIG)}
    assert change(config=turned).id == ONE.id


def test_labels_leave_the_id():
    """Of the grid, the profile and the method; what is kept, and what is scored."""
    other = load_grid("dsprites_priors", "demo").model_copy(
        update={
            "name": "other",
            "profile": "quick",
            "keep_models": False,
            "metrics": (),
            "importance_samples": 7,
        }
    )
    assert change(grid=other, method=other.methods[0]).id == ONE.id


def test_a_training_depends_on_each_field():
    changed = [
        change(**values)
        for values in ({"beta": 4.5}, {"seed": 4}, {"precision": "bf16"})
    ]
    for key, value in {
        "architecture": {"name": "mlp", "hidden": 17},
        "dataset": {
            "name": "dsprites",
            "factors": {"shape": ["heart"], "scale": [0, 3]},
        },
        "latent_dim": 5,
        "likelihood": {"name": "other"},
        "objective": {"name": "beta_tcvae", "over": "latents"},
        "prior": {"name": "isa", "subspaces": [2, 2], "p0": 2.2},
        "sources": {"prior isa": "0123"},
        "training": {"epochs": 8, "batch_size": 16, "learning_rate": 0.001},
    }.items():
        assert CONFIG[key] != value
        changed.append(change(config={**CONFIG, key: value}))
    assert len(changed) == 3 + len(CONFIG)
    assert len({j.id for j in [ONE, *changed]}) == len(changed) + 1


def test_id_depends_on_the_version_of_trainings(monkeypatch):
    before = ONE.id
    monkeypatch.setattr(
        "priorbench.bench.study.job.TRAINING_VERSION", TRAINING_VERSION + 1
    )
    assert ONE.id != before


def test_jobs_of_the_projects_grid():
    jobs = list_jobs(load_grid("dsprites_beta"))
    # six methods at nine β, that of appendix A.5 at three, FactorVAE at ten γ
    assert len(jobs) == (6 * 9 + 3 + 10) * 50
    assert len({j.id for j in jobs}) == len(jobs)
    assert len({j.setting.key for j in jobs}) == 6 * 9 + 3 + 10
    assert {j.seed for j in jobs} == set(range(50))
    first = jobs[0]
    setting = first.setting
    assert (setting.grid.name, setting.grid.profile) == ("dsprites_beta", "paper")
    assert (setting.key, first.seed) == (("β-VAE", 1.0), 0)
    assert setting.precision == "fp32"
    assert setting.config.keys() == CONFIG.keys()
    assert setting.config["sources"] == {}
    assert setting.config["training"] == {
        "epochs": 20,
        "batch_size": 2048,
        "learning_rate": 0.001,
    }


def test_jobs_are_ordered_by_method_beta_and_seed():
    grid = load_grid("dsprites_beta", "demo")
    keys = [(*j.setting.key, j.seed) for j in list_jobs(grid)]
    assert keys == [
        (m.name, b, s) for m in grid.methods for b in grid.betas(m) for s in (0, 1)
    ]


def test_scores_and_labels_leave_the_ids_of_a_grid():
    ids = [job.id for job in list_jobs(DEMO)]
    renamed = [m.model_copy(update={"name": f"{m.name}!"}) for m in DEMO.methods]
    changes = {"methods": tuple(renamed), "metrics": (), "importance_samples": 7}
    assert [job.id for job in list_jobs(DEMO.model_copy(update=changes))] == ids


def test_a_latent_dim_that_the_prior_has_is_the_only_one():
    own = PriorPlugin(name="hypersphere", dims=[1, 1], latent_dim=4)
    method = DEMO.methods[0].model_copy(update={"prior": own})
    grid = DEMO.model_copy(update={"methods": (method,)})
    first = list_jobs(grid)[0]
    assert first.setting.config["latent_dim"] == 4
    other = list_jobs(grid.model_copy(update={"latent_dim": 9}))[0]
    assert other.id == first.id


def test_more_seeds_keep_the_ids_of_the_first():
    grid = load_grid("dsprites_beta", "demo")
    few = {j.id for j in list_jobs(grid)}
    more = {j.id for j in list_jobs(grid.model_copy(update={"seeds": 5}))}
    assert few < more
    assert len(more) == len(few) // 2 * 5


def test_profiles_share_the_runs_that_are_the_same():
    paper, quick = (
        {j.id for j in list_jobs(load_grid("dsprites_beta", p))}
        for p in ("paper", "quick")
    )
    assert quick < paper


def test_grids_share_the_models_that_they_have_in_common():
    beta, factor_vae = (
        {(*j.setting.key, j.seed): j.id for j in list_jobs(load_grid(name))}
        for name in ("dsprites_beta", "dsprites_factorvae")
    )
    common = {key for key in factor_vae if key[0] in ("FactorVAE", "β-TCVAE")}
    assert len(common) == (10 + 9) * 50
    assert {key: beta[key] for key in common} == {k: factor_vae[k] for k in common}


def test_only_some_methods():
    grid = load_grid("dsprites_beta", "demo")
    chosen = list_jobs(grid, "bf16", ["ISA-VAE"])
    assert {j.setting.method.name for j in chosen} == {"ISA-VAE"}
    assert {j.setting.precision for j in chosen} == {"bf16"}
    assert list_jobs(grid, methods=[]) == []


PLUGIN = """
import priors

@priors.register("tests_job_prior")
class Mine(priors.Normal):
    pass
"""


@pytest.fixture
def load_plugin(tmp_path):
    """Load a plug-in's text as a fresh process would; its config."""
    grid = load_grid("dsprites_beta", "demo")
    file = tmp_path / "tests_job_plugin.py"

    def forget():
        priors._entries.pop("tests_job_prior", None)
        for name in [
            n for n in sys.modules if n.startswith("priorbench_plugin_tests_job_plugin")
        ]:
            del sys.modules[name]

    def load(text, **prior):
        forget()
        file.write_text(text)
        linecache.checkcache()
        plugins.load_plugin(str(file))
        chosen = Plugin(**prior or {"name": "tests_job_prior"})
        method = grid.methods[0].model_copy(update={"prior": chosen})
        return list_jobs(grid.model_copy(update={"methods": (method,)}))[0]

    yield load
    forget()


def test_the_source_of_a_plugin_is_part_of_the_id(load_plugin):
    first = load_plugin(PLUGIN)
    assert list(first.setting.config["sources"]) == ["prior tests_job_prior"]
    assert load_plugin(PLUGIN).id == first.id
    assert load_plugin(PLUGIN + "# another line\n").id == first.id
    changed = load_plugin(PLUGIN.replace("pass", "speed = 2"))
    assert changed.setting.config["sources"] != first.setting.config["sources"]
    assert changed.id != first.id


def test_the_source_of_a_part_of_a_product_is_part_of_the_id(load_plugin):
    inner = {"name": "product", "parts": [{"name": "tests_job_prior", "latent_dim": 2}]}
    product = {"name": "product", "parts": ["normal", inner]}
    first = load_plugin(PLUGIN, **product)
    assert list(first.setting.config["sources"]) == ["prior tests_job_prior"]
    assert first.setting.config["prior"] == product
    assert load_plugin(PLUGIN, **product).id == first.id
    changed = PLUGIN.replace("pass", "speed = 2")
    assert load_plugin(changed, **product).id != first.id


def test_unknown_names_are_blamed_on_their_place():
    grid = DEMO
    check_plugins(grid)
    wrong = grid.methods[1].model_copy(update={"prior": Plugin(name="nrmal")})
    other = grid.model_copy(update={"methods": (grid.methods[0], wrong)})
    with pytest.raises(
        UserError,
        match=r"methods\[1\].prior': unknown prior 'nrmal'; did you mean 'nor",
    ):
        check_plugins(other)
    part = Plugin(name="product", parts=["normal", {"name": "ise"}])
    product = wrong.model_copy(update={"prior": part})
    with pytest.raises(UserError, match="unknown prior 'ise'; did you mean 'isa'"):
        check_plugins(grid.model_copy(update={"methods": (product,)}))


def test_arguments_of_metrics_are_checked_before_anything_is_trained():
    grid = DEMO.model_copy(update={"metrics": (Plugin(name="mig", stpe=0.5),)})
    with pytest.raises(
        UserError, match=r"metrics\[0\]': .*'stpe'; did you mean 'step'"
    ):
        check_plugins(grid)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7, 8, 12, 16])
@pytest.mark.parametrize("seeds", [3, 50])
def test_parts_are_the_whole_and_alike(count, seeds):
    """36 settings or fewer: a part has as many runs as any other, of every setting."""
    grid = load_grid("dsprites_beta", "quick", {"seeds": seeds})
    settings = [
        Setting(grid, method, beta, "fp32", {})
        for method in grid.methods
        for beta in grid.betas(method)
    ]
    jobs = [Job(setting, seed) for setting in settings for seed in range(seeds)]
    parts = [pick_shard(grid, jobs, n, count) for n in range(1, count + 1)]
    found = [(job.setting.key, job.seed) for part in parts for job in part]
    assert sorted(found) == sorted((job.setting.key, job.seed) for job in jobs)
    sizes = [len(part) for part in parts]
    assert max(sizes) - min(sizes) <= 1
    if seeds >= count:
        for setting in settings:
            own = [sum(j.setting.key == setting.key for j in p) for p in parts]
            assert max(own) - min(own) <= 2
    fewer = [job for job in jobs if job.seed < 2]
    assert pick_shard(grid, fewer, 1, count) == [j for j in parts[0] if j.seed < 2]


def test_a_part_without_runs_is_an_error():
    grid = load_grid("dsprites_beta", "demo")
    jobs = [Job(Setting(grid, grid.methods[0], 1.0, "fp32", {}), 0)]
    with pytest.raises(ValueError, match="part 7 of 9 has no run"):
        pick_shard(grid, jobs, 7, 9)
