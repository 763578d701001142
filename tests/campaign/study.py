"""The study that the campaigns are run on: many runs of parts of a second."""

import numpy as np

GRID = """\
seeds = {seeds}
beta = [1.0, 4.0]
latent_dim = 3
metrics = ["mig", "active_latents"]
importance_samples = 5
importance_images = 10
dataset = "dots.npz"
architecture = {{ name = "mlp", hidden = 16 }}
training = {{ epochs = {epochs}, batch_size = 8 }}

[[methods]]
name = "β-VAE"
prior = "normal"
objective = "beta_vae"

[[methods]]
name = "ISA"
prior = {{ name = "isa", subspaces = [2, 1], learn_exponents = true }}
objective = "beta_tcvae"

[profiles.short]
seeds = 1
"""


def write_study(folder, seeds=2, epochs=10):
    """Write the grid and its images, a dot at 16 positions; return the grid's path."""
    images = np.zeros((16, 8, 8), np.uint8)
    rows = np.arange(16)
    images[rows, 2 * (rows // 4), 2 * (rows % 4)] = 255
    factors = np.stack([rows // 4, rows % 4], axis=1)
    np.savez(folder / "dots.npz", images=images, factors=factors)
    path = folder / "study.toml"
    path.write_text(GRID.format(seeds=seeds, epochs=epochs), encoding="utf-8")
    return path
