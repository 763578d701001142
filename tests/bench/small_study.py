"""A study small enough to run whole in a test, shared by all tests that need one."""

from pathlib import Path

GRID = """\
seeds = 2
beta = [1.0, 4.0]
latent_dim = 4
importance_samples = 5
importance_images = 10
metrics = ["mig", "active_latents"]

[dataset]
name = "dsprites"

[dataset.factors]
shape = ["ellipse", "heart"]
scale = [5]
orientation = [0]
posX = [0, 10, 20, 31]
posY = [0, 10, 20, 31]

[architecture]
name = "mlp"
hidden = 16

[training]
epochs = 3
batch_size = 8

[[methods]]
name = "β-VAE"
prior = "normal"
objective = "beta_vae"

[[methods]]
name = "ISA-TCVAE"
prior = { name = "isa", subspaces = [2, 2], learn_exponents = true }
objective = "beta_tcvae"

[profiles.short]
seeds = 1
methods = ["β-VAE"]
training.epochs = 2
"""
"""32 images; two methods, two β, two seeds; four steps an epoch."""

MINIMAL = """
metrics = ["mig"]
latent_dim = 4
[dataset]
name = "dsprites"
[dataset.factors]
shape = ["ellipse"]
scale = [5]
orientation = [0]
posX = [0, 10]
posY = [0, 10]
[architecture]
name = "mlp"
hidden = 4
[training]
epochs = 1
batch_size = 2
[[methods]]
name = "A"
prior = { name = "isa", subspaces = [2, 2] }
objective = { name = "beta_vae" }
"""
"""The least that a grid can say, on four images of dSprites."""

IMAGES, STEPS = 32, 4

DATASET = GRID[GRID.index("[dataset]") : GRID.index("[architecture]")]
"""The lines of the data set, to be replaced by another."""

METRICS = 'metrics = ["mig", "active_latents"]'
METHODS = GRID[GRID.index("[[methods]]") : GRID.index("[profiles.short]")]


def change_text(text, *changes):
    """Replace parts of a grid's text; each must be there."""
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return text


def write_grid(folder, *changes, name="tiny.toml", append=""):
    """Write the study's file, changed; return its path."""
    path = Path(folder) / name
    path.write_text(change_text(GRID, *changes) + append, encoding="utf-8")
    return str(path)


def load_jobs(folder, *changes, **options):
    """Return the jobs of the study, changed."""
    from priorbench.bench.study.grid import load_grid
    from priorbench.bench.study.job import list_jobs

    return list_jobs(load_grid(write_grid(folder, *changes, **options)))


def run_jobs(jobs, folder, block_size=1, show=lambda message: None):
    """Run jobs in this process; return their results, in the order of the jobs.

    The models go into the store beside ``folder``.
    """
    from priorbench.bench.execution.backends.local import run_blocks
    from priorbench.bench.execution.schedule import Machine, plan_rounds
    from priorbench.bench.execution.survey import survey_store
    from priorbench.bench.results.store import Store
    from priorbench.bench.study.scores import list_requests

    grid = jobs[0].setting.grid
    store, requests = Store(folder.parent), list_requests(grid)
    survey = survey_store(store, jobs, requests, grid.keep_models)
    rounds = plan_rounds(survey.tasks, block_size)
    blocks = [block for column in rounds for block in column]
    for _ in run_blocks(blocks, folder, Machine("cpu", block_size=block_size), show):
        pass
    return load_jobs_results(jobs, folder)


def load_jobs_results(jobs, folder):
    """Return the results of those jobs that are done."""
    from priorbench.bench.results.manifest import Entry
    from priorbench.bench.results.result import Result
    from priorbench.bench.results.store import Store
    from priorbench.bench.study.scores import list_requests

    grid, store, results = jobs[0].setting.grid, Store(folder.parent), []
    keys = [request.key for request in list_requests(grid)]
    for job in jobs:
        method, model = job.setting.method, store.load_model(job.id)
        entry = Entry(
            method=method.name,
            prior=method.prior.name,
            objective=method.objective.name,
            beta=job.setting.beta,
            seed=job.seed,
            id=job.id,
        )
        if model is not None:
            scores = store.load_scores(job.id, keys)
            results.append(Result(grid.name, grid.profile, entry, model, store, scores))
    return results
