import math

import pytest
import torch
from scipy import stats

from priorbench.bench.training import random_streams

WORD = 0xFFFFFFFF


def words(values):
    return [torch.tensor([value], dtype=torch.int64) for value in values]


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ([0] * 4, [0] * 2, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
        ([WORD] * 4, [WORD] * 2, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
        (
            [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
            [0xA4093822, 0x299F31D0],
            [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
        ),
    ],
)
def test_philox_known_answers(counter, key, expected):
    """The known-answer file of Random123, philox4x32 with 10 rounds."""
    assert [
        int(w) for w in random_streams.apply_philox(words(counter), words(key))
    ] == expected


def philox_in_python(counter, key):
    """The same, in Python's integers."""
    c, k = list(counter), list(key)
    for _ in range(10):
        a, b = c[0] * 0xD2511F53, c[2] * 0xCD9E8D57
        c = [(b >> 32) ^ c[1] ^ k[0], b & WORD, (a >> 32) ^ c[3] ^ k[1], a & WORD]
        k = [(k[0] + 0x9E3779B9) & WORD, (k[1] + 0xBB67AE85) & WORD]
    return c


def normal_in_python(seed, purpose, step, size):
    values = []
    for index in range(-(-size // 4)):
        w = philox_in_python([index, step, purpose, 0], [seed & WORD, seed >> 32])
        for a, b in (w[:2], w[2:]):
            radius = math.sqrt(-2 * math.log((a + 0.5) / 2**32))
            values += [
                radius * math.cos(2 * math.pi * b / 2**32),
                radius * math.sin(2 * math.pi * b / 2**32),
            ]
    return values[:size]


@pytest.mark.parametrize("seed", [0, 7, 2**32 - 1, 2**32, 2**40 + 3, 2**62 + 11])
def test_normal_equals_the_algorithm_in_python(seed):
    z = random_streams.draw_normal(
        torch.tensor([seed]), random_streams.NOISE, 5, (2, 7)
    )
    expected = torch.tensor(
        normal_in_python(seed, random_streams.NOISE, 5, 14)
    ).reshape(1, 2, 7)
    assert z.dtype == torch.float32
    torch.testing.assert_close(z, expected, rtol=1e-6, atol=1e-7)


def test_normal_is_normal():
    z = (
        random_streams.draw_normal(
            torch.tensor([3]), random_streams.NOISE, 0, (400_000,)
        )
        .double()
        .flatten()
    )
    n = len(z)
    assert stats.kstest(z.numpy(), "norm").pvalue > 1e-3
    assert abs(z.mean()) < 4 / math.sqrt(n)
    assert abs(z.var() - 1) < 4 * math.sqrt(2 / n)
    assert abs((z**3).mean()) < 4 * math.sqrt(15 / n)
    assert abs((z**4).mean() - 3) < 4 * math.sqrt(96 / n)
    assert abs((z[1:] * z[:-1]).mean()) < 4 / math.sqrt(n)
    assert abs((z[1:].square() * z[:-1].square()).mean() - 1) < 4 * math.sqrt(8 / n)


def test_seeds_steps_and_purposes_are_independent():
    """No correlation among streams, and no stream is another one shifted."""
    n = 50_000
    seeds = torch.tensor([0, 1, 2, 2**32, 2**33])
    rows = [
        random_streams.draw_normal(seeds, purpose, step, (n,))
        for purpose in (
            random_streams.ORDER,
            random_streams.NOISE,
            random_streams.EVALUATION,
        )
        for step in (0, 1, 2**20)
    ]
    z = torch.cat(rows).double()
    for values in (z, z.square() - 1):
        correlation = torch.corrcoef(values) - torch.eye(len(z))
        assert correlation.abs().max() < 5.5 / math.sqrt(n)
    assert len(torch.cat(rows)[:, :50].flatten().unique()) == 45 * 50


def test_a_seed_alone_equals_itself_among_others():
    seeds = torch.tensor([4, 0, 2**35, 9])
    together = random_streams.draw_normal(seeds, random_streams.NOISE, 3, (5, 3))
    orders = random_streams.draw_permutation(seeds, 2, 37)
    for i in range(len(seeds)):
        alone = seeds[i : i + 1]
        assert torch.equal(
            random_streams.draw_normal(alone, random_streams.NOISE, 3, (5, 3))[0],
            together[i],
        )
        assert torch.equal(random_streams.draw_permutation(alone, 2, 37)[0], orders[i])


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 1023])
def test_any_size(size):
    z = random_streams.draw_normal(
        torch.tensor([1, 2]), random_streams.NOISE, 0, (size,)
    )
    assert z.shape == (2, size)
    longer = random_streams.draw_normal(
        torch.tensor([1, 2]), random_streams.NOISE, 0, (size + 9,)
    )
    assert torch.equal(z, longer[:, :size])


def test_permutation_holds_every_index_once():
    order = random_streams.draw_permutation(torch.tensor([0, 1, 2**40]), 3, 1000)
    assert torch.equal(order.sort().values, torch.arange(1000).expand(3, -1))


def test_permutation_differs_by_epoch_and_seed():
    seeds = torch.arange(20)
    orders = [
        tuple(row.tolist())
        for epoch in range(5)
        for row in random_streams.draw_permutation(seeds, epoch, 12)
    ]
    assert len(set(orders)) == 100


def test_permutation_is_uniform():
    """All 24 orders of four are equally frequent, over seeds and over epochs."""
    weights = torch.tensor([64, 16, 4, 1])
    seeds = torch.arange(12_000)
    over_seeds = (random_streams.draw_permutation(seeds, 0, 4) * weights).sum(1)
    over_epochs = torch.stack(
        [
            (
                random_streams.draw_permutation(torch.tensor([5]), epoch, 4) * weights
            ).sum()
            for epoch in range(2400)
        ]
    )
    for codes in (over_seeds, over_epochs):
        _, counts = codes.unique(return_counts=True)
        assert len(counts) == 24
        assert stats.chisquare(counts.numpy()).pvalue > 1e-3


def test_first_element_of_a_permutation_is_uniform():
    first = random_streams.draw_permutation(torch.arange(20_000), 1, 10)[:, 0]
    assert stats.chisquare(first.bincount(minlength=10).numpy()).pvalue > 1e-3


def test_the_global_generator_is_not_used():
    before = torch.get_rng_state()
    random_streams.draw_normal(torch.tensor([0]), random_streams.NOISE, 0, (8,))
    random_streams.draw_permutation(torch.tensor([0]), 0, 8)
    assert torch.equal(torch.get_rng_state(), before)
