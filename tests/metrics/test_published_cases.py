import os
from pathlib import Path

import numpy as np
import pytest

from tests.metrics.published_cases import (
    SIZES,
    list_metrics,
    load_values,
    make_case,
    make_five_models,
)

ORIGINALS = Path(os.environ.get("PRIORBENCH_SHARED", "")) / "metric_cases.npz"


@pytest.mark.skipif(
    not ORIGINALS.is_file(), reason="PRIORBENCH_SHARED has no originals"
)
def test_codes_are_those_that_were_published():
    with np.load(ORIGINALS) as originals:
        for key in originals.files:
            grid, _, name = key.partition("/")
            perfect = make_case(f"{grid}/perfect")
            original = originals[key]
            if name == "factors":
                np.testing.assert_array_equal(perfect.factors, original)
            elif name == "sizes":
                assert perfect.sizes == tuple(original.tolist())
            elif name in ("train", "test"):
                np.testing.assert_array_equal(getattr(perfect, name), original)
            elif name == "incomplete_rows":
                incomplete = make_case(f"{grid}/incomplete")
                noisy = make_case(f"{grid}/noisy")
                np.testing.assert_array_equal(incomplete.z, noisy.z[original])
                np.testing.assert_array_equal(
                    incomplete.factors, noisy.factors[original]
                )
            else:
                got = make_case(key).z.astype(np.float32)
                np.testing.assert_allclose(got, original, rtol=3e-7, atol=1e-7)


def test_every_case_can_be_made():
    cases = {value.case for name in list_metrics() for value in load_values(name)}
    for case in cases - {"small/five_models"}:
        made = make_case(case)
        assert made.z.shape[0] == len(made.factors)
        assert np.isfinite(made.z).all()
        both = np.concatenate([made.train, made.test])
        assert set(both.tolist()) == set(range(len(made.z)))
    models, kl = make_five_models()
    assert models.shape == (5, 360, 6)
    assert kl.shape == (5, 6)


@pytest.mark.parametrize("grid", SIZES)
def test_the_perfect_code_is_a_grid(grid):
    case = make_case(f"{grid}/perfect")
    assert len(case.z) == np.prod(SIZES[grid])
    np.testing.assert_allclose(case.z.mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(case.z.std(0), 1, atol=1e-6)
    codes = case.make_codes()
    np.testing.assert_allclose(codes.representation.numpy(), case.z, atol=1e-12)
