import math

import pytest

from benchmarks.reproducibility import compare_runs
from tests.bench.synthetic_results import make_result


def test_scores_of_the_same_seeds_are_compared():
    first = [make_result(seed=s, mig=0.1 + s / 10, reconstruction=-9.0) for s in (0, 1)]
    same = compare_runs(first, first[::-1])
    assert [row[1] for row in same] == ["mig", "reconstruction"]
    total = sum(len(run.scores) for run in first)
    assert {row[0] for row in same} == {f"{total} of {total}"}
    assert [float(row[2]) for row in same] == [0, 0]
    other = [make_result(seed=0, mig=0.1, reconstruction=-9.0)]
    other.append(make_result(seed=1, mig=0.25, reconstruction=-9.0))
    (mig, reconstruction) = compare_runs(first, other)
    assert mig[0] == f"{total - 1} of {total}"
    assert float(mig[2]) == pytest.approx(0.05)
    assert float(mig[3]) == pytest.approx(0.1 / math.sqrt(2), abs=1e-3)
    assert float(reconstruction[2]) == 0
