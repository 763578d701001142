"""The figures of the documentation, and what its page of the priors says."""

import doctest
import inspect
import re
import tomllib
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from scipy import special, stats
from typer.testing import CliRunner

from priorbench import priors
from priorbench.bench.figures import SETS, euclidean, highest_density, spheres, trees
from priorbench.bench.figures.__main__ import app
from priorbench.bench.report.figures.style import use_style
from priorbench.bench.study.grid import load_grid
from priorbench.priors import LpNested, Normal

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "priors.md").read_text(encoding="utf-8")


def invoke(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("figures") / "new"
    return folder, invoke("priors", "--out", folder)


def test_the_command_writes_and_prints_every_figure(drawn):
    folder, done = drawn
    assert done.exit_code == 0, done.output
    assert done.output.split() == [
        str(folder / f"{name}.png") for name in SETS["priors"]
    ]


@pytest.mark.parametrize("name", SETS["priors"])
def test_a_figure_is_wide_small_and_drawn_upon(drawn, name):
    path = drawn[0] / f"{name}.png"
    pixels = matplotlib.image.imread(path)[..., :3]
    assert pixels.shape[1] == 1400
    assert path.stat().st_size < 250_000
    white = (pixels == 1).all(-1)
    assert 0.1 < white.mean() < 0.95
    assert white[[0, -1]].all()  # nothing is cut off above or below
    assert white[:, [0, -1]].all()


def test_a_folder_that_cannot_be_made_is_a_users_error(tmp_path):
    (tmp_path / "file").write_text("")
    done = invoke("priors", "--out", tmp_path / "file" / "figures")
    assert done.exit_code == 2
    assert done.stderr.startswith(
        f"error: cannot make {tmp_path / 'file' / 'figures'}: "
    )
    assert done.stderr.count("\n") == 1


def test_a_figure_that_cannot_be_written_is_a_users_error(tmp_path, monkeypatch):
    monkeypatch.setitem(SETS, "priors", {"kurtosis": euclidean.draw_kurtosis})
    (tmp_path / "kurtosis.png").mkdir()
    done = invoke("priors", "--out", tmp_path)
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.startswith(f"error: cannot write {tmp_path / 'kurtosis.png'}: ")


def test_outside_of_a_checkout_a_folder_must_be_given(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = invoke("priors")
    assert (done.exit_code, "--out" in done.stderr) == (2, True)
    assert not list(tmp_path.iterdir())


def test_an_unknown_set_of_figures_is_a_users_error(tmp_path):
    done = invoke("prior", "--out", tmp_path)
    assert (done.exit_code, done.stderr) == (
        2,
        "error: no figures called 'prior'; did you mean 'priors'?\n",
    )


def test_levels_of_the_normal_are_its_quantiles_of_chi_square():
    levels = highest_density.estimate_levels(Normal(3), (0.9, 0.5, 0.1))
    exact = -0.5 * (stats.chi2(3).ppf([0.9, 0.5, 0.1]) + 3 * np.log(2 * np.pi))
    assert levels == pytest.approx(exact, abs=0.02)


@pytest.mark.parametrize("p", [1.0, 2.4, 8.0])
def test_contours_of_two_latents_hold_the_stated_mass(p):
    prior, masses = euclidean.make_unit_prior(p, 2), (0.9, 0.5)
    line, log_prob = highest_density.evaluate_plane(prior, 0, 1, 12.0, points=1201)
    masses_of_pixels = np.exp(log_prob) * (line[1] - line[0]) ** 2
    held = [
        masses_of_pixels[log_prob > level].sum()
        for level in highest_density.estimate_levels(prior, masses)
    ]
    assert held == pytest.approx(masses, abs=0.006)


@pytest.mark.parametrize("p", euclidean.EXPONENTS)
def test_generalized_gaussians_have_unit_variance(p):
    z = torch.linspace(-4, 4, 33, dtype=torch.float64)
    scale = np.sqrt(special.gamma(1 / p) / special.gamma(3 / p))
    exact = stats.gennorm(p, scale=scale).logpdf(z.numpy())
    log_prob = euclidean.make_unit_prior(p, 1).log_prob(z[:, None])
    assert log_prob.numpy() == pytest.approx(exact, abs=1e-10)


@pytest.mark.parametrize(("p0", "p1"), [(2, 2), (1, 9), (9, 1)])
def test_surfaces_hold_the_stated_mass(p0, p1):
    prior = euclidean.make_nested_prior(p0, p1)
    x, y, z = highest_density.trace_surface(prior, 0.5, points=21)
    f = (np.abs(x) ** p0 + (np.abs(y) ** p1 + np.abs(z) ** p1) ** (p0 / p1)) ** (1 / p0)
    held = special.gammainc(3 / p0, f**p0 / prior.scale)
    assert held == pytest.approx(0.5, abs=0.005)
    assert held.std() < 1e-9


def test_nine_surfaces_of_three_exponents_each():
    with use_style():
        figure = euclidean.draw_nested_surfaces()
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == [f"$p_0 = {a}$, $p_1 = {b}$" for a in (1, 2, 9) for b in (1, 2, 9)]


def test_a_tree_of_any_depth():
    """Nodes stand above the middle of their children, latents in the order written."""
    prior = LpNested([2.1, [0, [1.7, [2, 1, [3.0, [3, 4]]]], 5]])
    axes = Figure().subplots()
    places = trees.draw_tree(axes, prior)
    assert places == [(0, -1), (1, -2), (2, -2), (3, -3), (4, -3), (5, -1)]
    texts = {t.get_text(): t.get_position() for t in axes.texts}
    assert texts["$p = 3$"] == (3.5, -2)
    assert texts["$p = 1.7$"] == ((1 + 2 + 3.5) / 3, -1)
    assert texts["$z_{3}$"] == (1, -2)  # the coordinate 2, counted from 1
    assert len(axes.lines) == 8  # an edge for each node but the root
    assert len(texts) == 9


def test_a_plane_has_its_first_coordinate_along_the_columns():
    prior = LpNested([1.0, [0, [4.0, [1, 2]]]])
    line, log_prob = highest_density.evaluate_plane(prior, 0, 2, 1.0, points=5)
    z = torch.tensor([line[3], 0.0, line[1]])
    assert log_prob[1, 3] == pytest.approx(prior.log_prob(z).item())


@pytest.mark.parametrize(("m", "row"), [(2, 60), (3, 100), (20, 120), (100, 150)])
def test_von_mises_fisher_grid_is_the_divergence(m, row):
    kappa, nu = spheres.CONCENTRATIONS[row], m / 2 - 1
    log_i = np.log(special.ive(nu, kappa)) + kappa
    ratio = special.ive(nu + 1, kappa) / special.ive(nu, kappa)
    exact = kappa * ratio - (special.gammaln(nu + 1) + log_i - nu * np.log(kappa / 2))
    column = spheres.COORDINATES.tolist().index(m)
    assert spheres.tabulate_von_mises_fisher_kl()[row, column] == pytest.approx(
        exact, rel=1e-8
    )


@pytest.mark.parametrize(
    ("d", "kl", "t", "value"),
    [
        (3, "exact", 0.2, 1.4364549362877328),
        (10, "exact", 0.05, 4.909212323861643),
        (20, "exact", 0.1, 1.5210881970398618),
        (10, "walk", 0.1, 2.6706136327592187),
        (10, "paper", 0.05, 4.945623620836158),
        (20, "paper", 0.1, 2.9192660284218857),
    ],
)
def test_curves_of_the_delta_vae_against_high_precision(d, kl, t, value):
    assert spheres.compute_delta_vae_kl(d, kl, np.array([t])) == pytest.approx(
        [value], rel=1e-6
    )


@pytest.mark.parametrize(
    ("d", "value"),
    [(3, 0.22579135264472744), (10, 1.362349236947573), (20, 2.9063330845463806)],
)
def test_equation_3_is_lowest_where_it_is_marked(d, value):
    t = 2 / (d - 1) * np.geomspace(0.5, 2, 201)
    curve = spheres.compute_delta_vae_kl(d, "paper", t)
    assert curve.argmin() == 100
    assert curve[100] == pytest.approx(value, rel=1e-9)


def join_toml():
    """Return the page's pieces of grids."""
    return "\n".join(re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL))


def test_the_pages_grid_lines_build_their_priors(tmp_path):
    path = tmp_path / "page.toml"
    path.write_text(
        'latent_dim = 20\nmetrics = ["mig"]\n[dataset]\nname = "dsprites"\n'
        + join_toml(),
        encoding="utf-8",
    )
    grid = load_grid(str(path))
    assert len(grid.methods) == PAGE.count("[[methods]]")
    for method in grid.methods:
        prior = priors.build_prior(
            method.prior.name, grid.latent_dim, **method.prior.arguments
        )
        assert prior.sample((2,)).shape == (2, 20)


def test_the_pages_examples_run():
    done = doctest.testfile(
        str(DOCS / "priors.md"), module_relative=False, encoding="utf-8"
    )
    assert done.attempted > 3
    assert done.failed == 0


def list_sections():
    """Each section's prior, and its table of parameters and defaults."""
    found = [
        (re.match(r".*\n\n`(\w+)`", section), section)
        for section in PAGE.split("\n## ")[1:]
    ]
    return {
        name[1]: dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", section, re.MULTILINE))
        for name, section in found
        if name
    }


def test_every_prior_of_the_project_has_a_section():
    ours = {
        name
        for name in priors.registry.names()
        if priors.registry.get(name).__module__.startswith("priorbench.")
    }
    assert set(list_sections()) == ours


@pytest.mark.parametrize("name", list_sections())
def test_the_pages_parameters_are_the_codes(name):
    table = list_sections()[name]
    parameters = inspect.signature(priors.registry.get(name)).parameters
    assert list(table) == list(parameters)
    for key, parameter in parameters.items():
        written = {"required": parameter.empty, "none": None}.get(
            table[key], table[key]
        )
        if isinstance(written, str):
            written = tomllib.loads(f"value = {written}")["value"]
        default = parameter.default
        assert written == (list(default) if isinstance(default, tuple) else default), (
            key
        )


def test_the_pages_figures_are_there():
    linked = re.findall(r"!\[.*?\]\((.*?)\)", PAGE)
    assert {Path(link).stem for link in linked} == set(SETS["priors"])
    assert all((DOCS / link).is_file() for link in linked)
