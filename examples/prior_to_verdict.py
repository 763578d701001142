"""
A prior of your own, from idea to verdict
=========================================

The factors of dSprites are spread evenly over an interval: a shape may be anywhere in
its field, with the same probability. The standard normal prior expects something else,
most images near 0 and fewer and fewer outwards. Would a latent that is *even*, too,
tell the factors apart better? This page takes the idea to a verdict: a density, its
check, one model to look at, a study of several seeds, and what they show.

It takes a minute or two of one core, downloads nothing and writes to a temporary
folder.
"""

import math
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import seaborn
import torch
from rich.console import Console
from torch.nn.functional import avg_pool2d, logsigmoid

import priorbench
from priorbench import datasets, priors
from priorbench.bench import results
from priorbench.bench.execution.run_study import Options, run_study
from priorbench.bench.report.comparisons import make_comparison_table
from priorbench.bench.report.study import make_study
from priorbench.bench.results.manifest import read_manifest
from priorbench.bench.study.grid import load_grid

# %%
# The idea as a density
# ---------------------
#
# A uniform density is 0 outside its interval, where its logarithm and its gradient are
# of no use. So the edges are softened: a latent is :math:`z = u + \varepsilon`, with
# :math:`u` uniform on :math:`[-a, a]` and :math:`\varepsilon` logistic of scale
# :math:`s`. Its density is a difference of two sigmoids,
#
# .. math::
#
#    p(z) = \frac{\sigma\left(\frac{z + a}{s}\right)
#                 - \sigma\left(\frac{z - a}{s}\right)}{2a}
#         = \sigma\left(\frac{a + z}{s}\right) \sigma\left(\frac{a - z}{s}\right)
#           \frac{1 - e^{-2a/s}}{2a},
#
# and the product on the right has a logarithm that is finite however large
# :math:`z` is. The variance is :math:`a^2/3 + \pi^2 s^2/3`; it is kept at 1, as that of
# the standard normal is, so that shape alone is compared.
#
# A prior is one class with two methods: the log-density, here of each latent by itself,
# and exact draws.


@priors.register("soft_box")
class SoftBox(priors.Prior):
    """Independent latents of unit variance: uniform, with edges of logistic noise."""

    def __init__(self, latent_dim, softness=0.15):
        super().__init__(latent_dim)
        if not 0 < softness < math.sqrt(3) / math.pi:
            raise ValueError(
                f"'softness' must be between 0 and {math.sqrt(3) / math.pi:.3f}; "
                f"got {softness}"
            )
        self.softness = softness
        self.half_width = math.sqrt(3 - (math.pi * softness) ** 2)

    def _log_prob_groups(self, z):  # of each latent, in nats: (..., latent_dim)
        a, s = self.half_width, self.softness
        height = math.log1p(-math.exp(-2 * a / s)) - math.log(2 * a)
        return logsigmoid((a + z) / s) + logsigmoid((a - z) / s) + height

    def _sample(self, shape, generator):  # (*shape, latent_dim)
        u, v = torch.rand(2, *shape, self.latent_dim, generator=generator)
        noise = torch.logit(v, eps=1e-7)
        return self.half_width * (2 * u - 1) + self.softness * noise

    def variance(self):  # optional: lowers the variance of the KL's estimate
        return 1.0


# %%
# Is it a prior?
# --------------
#
# A wrong constant in a density does not stop a training; it makes every likelihood
# wrong. :func:`priorbench.priors.check_prior` therefore tests all that the rest counts
# on, and says where to look if something fails.

report = priors.check_prior(SoftBox(3))
print(report)
assert report.passed

# %%
# Small images
# ------------
#
# A study that ends within a minute needs small images: squares of two sizes in
# 11 × 11 places, rendered, cut and reduced to 14 × 14 pixels. A file of images in the
# order of a grid is a data set by its path alone (see :doc:`/datasets`).

folder = Path(tempfile.mkdtemp(prefix="prior_to_verdict_"))
levels = {
    "shape": ["square"],
    "scale": [3, 5],
    "orientation": [0],
    "posX": range(0, 32, 3),
    "posY": range(0, 32, 3),
}
sprites = datasets.load_dataset("dsprites", factors=levels)
images = sprites.images(range(len(sprites))).float()
np.save(folder / "squares.npy", avg_pool2d(images[:, :, 4:60, 4:60], 4).numpy())
squares = {
    "name": str(folder / "squares.npy"),
    "factor_sizes": {"scale": 2, "x": 11, "y": 11},
}

# %%
# One model, to look at
# ---------------------
#
# Before many seeds, one: does it train, and what do its latents do? Each row of the
# picture changes one latent and holds the others.

model = priorbench.train(
    SoftBox(4),
    squares,
    architecture={"name": "mlp", "hidden": 128},
    epochs=36,
    batch_size=16,
    learning_rate=5e-3,
    seed=1,
    progress=False,
)
scores = model.score("mig", "active_latents")
for name in ("mig", "reconstruction", "kl", "elbo", "active_latents"):
    print(f"{name:15} {scores[name]:8.3f}")

plt.figure(figsize=(7, 3))
plt.imshow(model.show_traversals(), cmap="gray")
plt.axis("off")
plt.title("one latent a row")
plt.tight_layout()

# %%
# The study
# ---------
#
# One model says nothing about a prior: the next seed may be another story. A grid holds
# everything fixed but the prior, and asks for six seeds of each, the fewest with which
# the permutation test of the verdict can call anything better. (During ``warm_up`` the
# weight of the KL rises from 0, without which some seeds never start to use their
# latents.)

grid = f"""
seeds = 6
beta = [1.0]
latent_dim = 4
metrics = ["mig", "active_latents"]
importance_samples = 0

[dataset]
name = '{squares["name"]}'
factor_sizes = {{ scale = 2, x = 11, y = 11 }}

[architecture]
name = "mlp"
hidden = 128

[training]
epochs = 36
warm_up = 12
batch_size = 16
learning_rate = 5e-3

[[methods]]
name = "normal"
prior = "normal"
objective = "beta_vae"

[[methods]]
name = "soft box"
prior = {{ name = "soft_box", softness = 0.15 }}
objective = "beta_vae"
"""
(folder / "soft_box.toml").write_text(grid, encoding="utf-8")

# %%
# With the class in a file ``soft_box.py`` this is the command
# ``python -m bench.run soft_box.toml --plugin soft_box.py``; from Python it is

study = load_grid(str(folder / "soft_box.toml"))
run_study(study, Options(out=folder / "runs", device="cpu", jobs=1), Console(width=88))

# %%
# The results, read back
# ----------------------
#
# :func:`priorbench.bench.results.load` gives a row for each run, to be grouped and
# drawn as any table of pandas. A seed that never learned to use its latents lies at
# the bottom left.

runs = results.load(folder / "runs" / "soft_box")
columns = ["mig", "elbo", "reconstruction", "kl", "active_latents"]
print(runs.groupby("method")[columns].mean().round(3).to_string())

plt.figure(figsize=(5, 3.4))
seaborn.scatterplot(runs, x="reconstruction", y="mig", hue="method", style="method")
plt.xlabel("reconstruction (nats per image)")
plt.ylabel("MIG")
plt.tight_layout()

# %%
# The verdict
# -----------
#
# Seed 3 of either method has the same order of the data and the same noise, so that
# differences are taken seed by seed. ``difference`` is that of the means, a − b;
# ``p_holm`` is the permutation test's p, corrected for the number of comparisons, and
# ``detectable`` the smallest difference that four of five such studies would find.
# :doc:`/report` explains the rest.

where = folder / "runs" / "soft_box"
done = make_study(read_manifest(where), results.load_results(where))
verdict = make_comparison_table(done, ["mig", "elbo"])
shown = ["score", "at", "a", "b", "difference", "p_holm", "detectable", "verdict"]
print(verdict[shown].round(3).to_string(index=False))

# %%
# *Not distinguishable* is no proof of equality: compare ``difference`` with
# ``detectable``, and where the first is of interest and the second larger, raise
# ``seeds`` in the grid. What is trained already is not trained again.
#
# The whole study on one page, with the pictures of every setting, is
# `its report <report.html>`__: for a study of yours, ``report.html`` beside the tables.

page = where / "report.html"
print(page.name, f"{page.stat().st_size / 1e6:.1f} MB")
