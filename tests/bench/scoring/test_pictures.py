"""Sheets of pictures, and the lines through the latent space that they show."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from priorbench import priors
from priorbench.bench.models.architectures import MLP
from priorbench.bench.models.likelihoods import Bernoulli
from priorbench.bench.models.vae import VAE
from priorbench.bench.scoring.evaluate import Subject, draw_pictures
from priorbench.bench.scoring.pictures import (
    average_codes,
    choose_starts,
    map_codes,
    show_traversals,
    tile_pictures,
)
from priorbench.bench.scoring.traversals import (
    STEPS,
    find_typical_image,
    make_lines,
    space_rows,
)
from priorbench.bench.training.pixels import Pixels
from priorbench.datasets import FactorDataset
from tests.bench.scoring.sheets import cut_sheet
from tests.bench.training.untrained_models import (
    SHAPE,
    encode_alone,
    make_dataset,
    make_vae,
)

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def data():
    return make_dataset()


@torch.no_grad()
def draw(model, data, seed=4):
    return draw_pictures(Subject(model, data, Pixels(data, CPU), seed))


def encode(prior, means, spread=0.1):
    """Return codes as a prior's posterior gives them, without a model."""
    family = prior.posterior
    raw = torch.as_tensor(means, dtype=torch.float32)
    scale = torch.full_like(raw, math.log(spread))
    q = family(torch.cat([raw, scale], 1))
    z = q.rsample(torch.zeros(len(raw), family.noise_dim(raw.shape[1])))
    return SimpleNamespace(posterior=q, z=z, kl=prior.kl(q, z))


def test_reconstructions_lie_below_their_images(data):
    model = make_vae()
    images, reconstructions = cut_sheet(draw(model, data)["reconstructions.png"], SHAPE)
    rows = [math.floor(i * 59 / 7) for i in range(8)]
    np.testing.assert_array_equal(images, 255 * data.images(rows).numpy())
    _, z, _ = encode_alone(model, data, 4, 4096)
    means = torch.sigmoid(model.architecture.decoder(z[rows].float())).detach() * 255
    assert np.abs(reconstructions.reshape(8, -1) - means.numpy()).max() <= 0.51
    assert reconstructions.std() > 1


def test_a_row_of_traversals_is_what_the_decoder_makes_of_its_line(data):
    model = make_vae()
    found = draw(model, data)
    sheet = cut_sheet(found["traversals.png"], SHAPE, blocks=3)
    assert sheet.shape == (len(found["traversed_latent"]), 3 * STEPS, *SHAPE)
    q, z, _ = encode_alone(model, data, 4, 4096)
    rows = [12, 32, 52]  # the three shapes at x = 2, y = 2
    assert found["traversed_starts"].tolist() == rows
    latent = found["traversed_latent"][0]
    ends = z[:, latent].sort().values[[3, -4]]  # a twentieth of 60 lie beyond each
    points = q.loc[rows].float().repeat_interleave(STEPS, 0)
    points[:, latent] = torch.linspace(*ends.tolist(), STEPS).repeat(3)
    means = torch.sigmoid(model.architecture.decoder(points)).detach() * 255
    assert np.abs(sheet[0].reshape(3 * STEPS, -1) - means.numpy()).max() <= 1
    assert (np.diff(found["traversed_kl"]) <= 0).all()


def test_without_kinds_lines_start_from_the_typical_image():
    pixels = np.random.default_rng(0).integers(0, 255, (60, 3 * 30), dtype=np.uint8)
    data = FactorDataset("rgb", ("a", "b"), (3, 20), (3, 6, 5), pixels=pixels)
    torch.manual_seed(0)
    model = VAE(MLP((3, 6, 5), 2, 4, hidden=4), priors.Normal(2), Bernoulli()).eval()
    with torch.no_grad():
        model.architecture.encoder[-1].weight.mul_(10)
        codes = Subject(model, data, Pixels(data, CPU), 4).encoded
        found = show_traversals(model, Pixels(data, CPU), codes)
        typical = find_typical_image(codes.posterior.representation)
        alone = show_traversals(model, Pixels(data, CPU), codes, [typical])
    assert (found["traversals.png"] == alone["traversals.png"]).all()
    assert not len(draw(model, data)["traversed_starts"])


def test_colour_is_kept():
    pictures = torch.rand(2, 3, 3, 4, 5)
    tiles = cut_sheet(tile_pictures(pictures), (3, 4, 5))
    assert np.abs(tiles - 255 * pictures.numpy()).max() <= 0.51


def test_latents_that_say_nothing_have_no_line():
    prior = priors.Normal(3)
    means = torch.zeros(40, 3)
    means[:, 1] = torch.linspace(-2, 2, 40)
    lines = make_lines(prior, encode(prior, means))
    assert [line.latent for line in lines] == [1]
    assert make_lines(prior, encode(prior, torch.zeros(40, 3))) == []
    (line,) = lines
    (points,) = line.points
    assert points[:, [0, 2]].abs().max() == 0
    assert points[0, 1] == pytest.approx(-2 + 2 * 4 / 39)


def test_the_latents_of_a_subspace_are_in_the_order_of_their_variance():
    prior = priors.ISA([2, 2])
    generator = torch.Generator().manual_seed(0)
    means = torch.randn(200, 4, generator=generator) * torch.tensor(
        [0.2, 0.5, 3.0, 2.0]
    )
    lines = make_lines(prior, encode(prior, means))
    assert [line.latent for line in lines] == [2, 3, 1, 0]
    assert lines[0].kl == lines[1].kl > lines[2].kl == lines[3].kl


@pytest.mark.parametrize(("dim", "circles"), [(1, 1), (2, 2), (4, 2)])
def test_lines_on_a_sphere_are_great_circles_through_one_image(dim, circles):
    prior = priors.build_prior("hypersphere", latent_dim=dim + 1, dims=[dim])
    generator = torch.Generator().manual_seed(0)
    directions = torch.randn(300, dim + 1, generator=generator)
    directions[:, 0] += 5
    directions[:, 1] *= 3  # most of the variance is along this axis
    family = prior.posterior
    raw = torch.randn(300, family.num_params(dim + 1), generator=generator)
    raw[:, : dim + 1] = directions
    q = family(raw)
    z = q.rsample(torch.randn(300, family.noise_dim(dim + 1), generator=generator))
    rows = [find_typical_image(q.representation), 7]
    encoded = SimpleNamespace(posterior=q, z=z, kl=prior.kl(q, z))
    lines = make_lines(prior, encoded, rows)
    assert len(lines) == circles
    for place, start in enumerate(q.representation[rows]):
        start = start / start.norm()
        for line in lines:
            points = line.points[place]
            assert line.on == "sphere"
            assert torch.allclose(points.norm(dim=1), torch.ones(STEPS), atol=1e-6)
            torch.testing.assert_close(points[0], -start)  # half a turn away
            assert torch.linalg.matrix_rank(points, tol=1e-5) == 2
    across = lines[0].points[0, 2]
    start = q.representation[rows[0]] / q.representation[rows[0]].norm()
    assert across @ start == pytest.approx(math.cos(3 * math.pi / 7), abs=1e-5)
    if dim > 1:
        assert abs(across[1]) > 0.7


CODES = torch.tensor([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]])
NONE = [np.nan, np.nan]


def test_codes_are_averaged_over_the_levels_of_each_factor():
    factors = torch.tensor([[0, 0], [0, 5], [1, 5]])
    means = average_codes(CODES, factors, (5, 6))
    assert [mean.shape for mean in means] == [(1, 5, 2), (1, 6, 2)]
    expected = [[1, 2], [4, 5], NONE, NONE, NONE]
    np.testing.assert_array_equal(means[0][0], np.array(expected, np.float32))
    np.testing.assert_array_equal(means[1][0, 5], [3, 4])


def test_a_factor_of_few_levels_splits_the_others():
    factors = torch.tensor([[0, 0], [2, 1], [2, 1]])
    by_first, by_second = average_codes(CODES, factors, (3, 2))
    expected = [[[0, 1], NONE, NONE], [NONE, NONE, [3, 4]]]
    np.testing.assert_array_equal(by_first, np.array(expected, np.float32))
    np.testing.assert_array_equal(by_second, np.array([[[0, 1], [3, 4]]], np.float32))


def test_a_map_has_the_mean_code_of_each_position():
    across, down = torch.meshgrid(torch.arange(32), torch.arange(5), indexing="ij")
    position = torch.stack([across, down], -1).reshape(-1, 2).repeat(2, 1)
    shift = torch.tensor([-1.0, 1.0]).repeat_interleave(160)  # another factor
    codes = torch.stack([position[:, 0] + shift, 10.0 * position[:, 1]], 1)
    made = map_codes(codes, position, (32, 5))
    assert made.shape == (5, 16, 2)
    np.testing.assert_array_equal(made[2, :, 0], 2 * np.arange(16) + 0.5)  # pairs
    np.testing.assert_array_equal(made[:, 3, 1], 10 * np.arange(5))
    corner = map_codes(codes[:1], position[:1], (32, 5))
    assert np.isfinite(corner).sum() == 2


def test_a_map_is_drawn_of_the_factors_of_a_position(data):
    model = make_vae()
    assert not any(name.startswith("latents_over") for name in draw(model, data))
    data.position_factors = ("x", "y")
    made = draw(model, data)["latents_over_x, y"]
    data.position_factors = ()
    q, _, _ = encode_alone(model, data, 4, 4096)
    means = q.loc.unflatten(0, (3, 4, 5)).mean(0).transpose(0, 1)
    np.testing.assert_allclose(made, means.numpy(), atol=2e-3)


def test_a_start_is_the_image_nearest_to_the_middle():
    factors = torch.tensor([[0, 0, 4], [0, 9, 5], [0, 5, 8], [2, 0, 0]])
    assert choose_starts(factors, (3, 10, 10), 0) == [2, 3]


def test_spaced_rows_reach_both_ends():
    assert space_rows(3, torch.zeros(9)).tolist() == [0, 4, 8]
    assert space_rows(8, torch.zeros(3)).tolist() == [0, 1, 2]


def test_a_dataset_smaller_than_the_sheet():
    packed = np.packbits(np.eye(4, dtype=np.uint8), axis=1)
    data = FactorDataset("four", ("a", "b"), (2, 2), (1, 2, 2), packed=packed)
    torch.manual_seed(0)
    model = VAE(MLP((1, 2, 2), 2, 4, hidden=4), priors.Normal(2), Bernoulli()).eval()
    sheet = cut_sheet(draw(model, data)["reconstructions.png"], (1, 2, 2))
    np.testing.assert_array_equal(sheet[0, :, 0].reshape(4, 4), 255 * np.eye(4))
