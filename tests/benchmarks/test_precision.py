import numpy as np
import pytest

from benchmarks.precision import compare_scores


def test_distributions_are_compared():
    random = np.random.default_rng(0)
    base = random.normal(size=50)
    *_, same = compare_scores(base + 0.01, base)
    _, _, far, differs = compare_scores(base + 5, base)
    assert float(same) > 0.5
    assert float(differs) < 1e-6
    expected = 5 / (base.std(ddof=1) * (2 / 50) ** 0.5)
    assert float(far) == pytest.approx(expected, abs=0.01)
