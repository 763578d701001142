"""The command of the small experiments, on tiny ones, and what they measure by."""

import gzip

import matplotlib.image
import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from typer.testing import CliRunner

from priorbench.bench.toys import digits_plane, registry, sphere_recovery
from priorbench.bench.toys.__main__ import app
from priorbench.bench.toys.digits import FILES, fit_neighbours, load_digits
from priorbench.bench.toys.sphere_recovery import (
    CONCENTRATION,
    correlate_distances,
    make_data,
    measure_distances,
)
from priorbench.priors.base import Group

TINY = {
    "vi_bias": ["points=10", "steps=44", "datasets=1"],
    "sphere_recovery": ["points=64", "steps=1", "seeds=1"],
    "digits_labels": ["steps=1", "seeds=1"],
    "digits_plane": ["steps=1", "seeds=1", "dimensions=[2]"],
    "graph_links": ["steps=1", "seeds=1", "dimensions=[2]"],
}
ROWS = {"sphere_recovery": 6, "digits_labels": 5, "digits_plane": 2, "graph_links": 3}


def invoke(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def set_all(settings):
    return [word for setting in settings for word in ("--set", setting)]


def test_every_experiment_is_tried():
    assert registry.names() == sorted(TINY)


@pytest.mark.parametrize("name", TINY)
def test_the_command_writes_figure_and_table_and_says_what_it_found(
    name, tmp_path, monkeypatch
):
    for module in (sphere_recovery, digits_plane):
        monkeypatch.setattr(module, "IMPORTANCE", 2)
    out = tmp_path / "toys"
    done = invoke(name, "--out", out, *set_all(TINY[name]))
    assert done.exit_code == 0, done.output
    files = [out / f"{name}.{kind}" for kind in ("png", "pdf", "csv")]
    *findings, png, pdf, csv = done.stdout.splitlines()
    assert [png, pdf, csv] == list(map(str, files))
    assert sorted(out.iterdir()) == sorted(files)
    assert len(findings) >= 2
    assert matplotlib.image.imread(files[0]).shape[1] == 1120
    assert files[0].stat().st_size < 300_000
    table = pd.read_csv(files[2])
    assert len(table) == ROWS.get(name, len(table)) > 0
    numbers = table.select_dtypes("number")
    errors = numbers.columns.str.endswith("_se")  # of one seed there are none
    models = table["model"] != "true blocks" if "model" in table else slice(None)
    assert np.isfinite(numbers.loc[models, ~errors]).all(axis=None)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["vi_bia"], "vi_bia: unknown toy 'vi_bia'; did you mean 'vi_bias'?"),
        (
            ["vi_bias", "--set", "seeds=2"],
            "vi_bias: toy 'vi_bias' has no argument 'seeds'; did you mean 'steps'?",
        ),
        (
            ["vi_bias", "--set", "points=2"],
            "vi_bias: 'points' must be at least 10; got 2",
        ),
        (
            ["sphere_recovery", "--set", "data=cube"],
            "sphere_recovery: 'data' must be 'mixture' or 'uniform'; got \"cube\"",
        ),
        (
            ["vi_bias", "--from", "."],
            "vi_bias: it takes no data, so leave out --from",
        ),
    ],
)
def test_a_wrong_argument_is_a_users_error(arguments, message, tmp_path):
    done = invoke(*arguments, "--out", tmp_path / "toys")
    assert (done.exit_code, done.stderr) == (2, f"error: {message}\n")
    assert not list(tmp_path.iterdir())


def test_points_of_the_sphere_are_von_mises_fisher_and_seen_with_noise():
    made = make_data(2, "mixture", 64)
    assert made.dataset.lengths == {"train": 64, "test": len(made.z)}
    assert torch.allclose(made.z.norm(dim=-1), torch.ones(len(made.z)).double())
    assert made.component.bincount().min() > len(made.z) / 4
    for component in range(3):
        points = made.z[made.component == component]
        mean = 1 / np.tanh(CONCENTRATION) - 1 / CONCENTRATION  # of μ·z on S²
        assert points.mean(0).norm().item() == pytest.approx(mean, abs=0.05)
    assert make_data(1, "uniform", 64).z.mean(0).norm() < 0.1


def test_distances_are_those_of_the_space():
    angle = torch.tensor([0.0, 1.0, 3.0]).double()
    circle = torch.stack([angle.cos(), angle.sin()], -1)
    between = (angle[:, None] - angle).abs()
    sphere = [Group([0, 1], on="sphere")]
    assert torch.allclose(measure_distances(circle, sphere), between)
    torus = [*sphere, Group([2, 3], on="sphere")]
    twice = torch.cat([circle, circle], -1)
    assert torch.allclose(measure_distances(twice, torus), 2**0.5 * between)
    flat = [Group([0]), Group([1])]
    chord = 2 * (between / 2).sin()
    assert torch.allclose(measure_distances(circle, flat), chord)
    far = measure_distances(torch.eye(2).double() * 3, flat)
    assert far[0, 1].item() == pytest.approx(3 * 2**0.5)


def test_the_correlation_is_of_ranks_and_of_each_pair_once():
    points = torch.randn(12, 2).double()
    distances = torch.cdist(points, points)
    assert correlate_distances(distances, distances**3) == pytest.approx(1)
    other = torch.cdist(points[:, :1], points[:, :1])
    upper = np.triu_indices(12, 1)
    exact = stats.spearmanr(distances[upper], other[upper]).statistic
    assert correlate_distances(distances, other) == pytest.approx(exact)


def test_neighbours_on_the_sphere_are_those_of_the_angle():
    codes = np.array([[1.0, 0.0], [0.0, 0.1]]).repeat(5, axis=0)
    labels = np.arange(2).repeat(5)
    point = np.array([[0.9, 1.0]])
    assert fit_neighbours(codes, labels, sphere=True).predict(point) == 1
    assert fit_neighbours(codes, labels, sphere=False).predict(point) == 0


def write_mnist(folder, compress=gzip.compress, count=80):
    generator = np.random.default_rng(0)
    for (_, kind), name in FILES.items():
        shape = (count, 3, 4) if kind == "images" else (count,)
        most = 256 if kind == "images" else 10
        values = generator.integers(0, most, shape, dtype=np.uint8)
        head = bytes([0, 0, 8, len(shape)]) + np.array(shape, ">u4").tobytes()
        path = folder / (name if compress is None else f"{name}.gz")
        content = head + values.tobytes()
        path.write_bytes(content if compress is None else compress(content))


@pytest.mark.parametrize("compress", [None, gzip.compress])
def test_mnist_is_read_from_its_files(tmp_path, compress):
    write_mnist(tmp_path, compress)
    digits = load_digits(str(tmp_path))
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (80, 3, 4), dtype=np.uint8)
    labels = generator.integers(0, 10, 80, dtype=np.uint8)
    shown = digits.dataset.split("train").images([79])[0, 0].numpy()
    assert (shown == (images[79] >= 128)).all()
    assert digits.labels["train"].tolist() == labels.tolist()
    assert digits.dataset.lengths == {"train": 80, "test": 80}


def test_files_that_are_missing_or_damaged_are_a_users_error(tmp_path):
    done = invoke("digits_plane", "--from", tmp_path, "--out", tmp_path / "toys")
    name = FILES["train", "images"]
    assert done.stderr == (
        f"error: digits_plane: no {name} or {name}.gz in {tmp_path}; put MNIST's four "
        "files there\n"
    )
    write_mnist(tmp_path)
    path = tmp_path / f"{name}.gz"
    whole = path.read_bytes()
    for content in (whole[:50], gzip.compress(b"\0\0\x08\1\0\0\0\5abc"), b"no"):
        path.write_bytes(content)
        done = invoke("digits_plane", "--from", tmp_path, "--out", tmp_path / "toys")
        assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
        assert str(path) in done.stderr
    path.write_bytes(whole)
    labels = FILES["train", "labels"]
    (tmp_path / f"{labels}.gz").write_bytes(gzip.compress(b"\0\0\x08\1\0\0\0\3abc"))
    done = invoke("digits_plane", "--from", tmp_path, "--out", tmp_path / "toys")
    assert "must hold (N, H, W) images" in done.stderr
    assert not (tmp_path / "toys").exists()


def test_the_embedded_digits_are_split_once_and_for_all():
    digits = load_digits(None)
    assert digits.dataset.lengths == {"train": 1297, "test": 500}
    assert digits.dataset.images(range(20)).amax() == 1
    counts = np.bincount(digits.labels["test"])
    assert len(counts) == 10
    assert counts.min() > 30
