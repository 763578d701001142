"""What is scored, and what identifies a score."""

from dataclasses import replace

import pytest

from priorbench.bench.study.grid import Plugin, load_grid
from priorbench.bench.study.scores import ScoreRequest, list_requests, request_metric
from priorbench.errors import UserError
from priorbench.metrics.base import Metric
from priorbench.metrics.base import registry as metrics

ONE = ScoreRequest("mig", {"step": 0.5}, 2, None)


def test_golden_key():
    """Keys may not change: scores on people's disks are found by them."""
    assert ONE.key == "mig-032cbffeef01286f"


def test_a_key_depends_on_all_that_changes_the_values():
    changes = ({"arguments": {}}, {"version": 3}, {"source": "0123"}, {"name": "dci"})
    keys = {ONE.key, *(replace(ONE, **change).key for change in changes)}
    assert len(keys) == 5


def test_requests_of_a_grid():
    grid = load_grid("dsprites_beta", "demo")
    requests = list_requests(grid)
    assert [r.name for r in requests[:5]] == [
        "elbo",
        "log_likelihood",
        "representation",
        "pictures",
        "group_kl",
    ]
    assert [r.name for r in requests[5:]] == [m.name for _, m in grid.list_metrics()]
    assert requests[1].arguments == {"samples": 50, "images": 100}
    without = list_requests(grid.model_copy(update={"importance_samples": 0}))
    assert "log_likelihood" not in [request.name for request in without]


def test_a_metrics_version_is_in_its_request(monkeypatch):
    def function(codes):
        return {}

    for version in (1, 2):
        entry = Metric("tests_version", function, version=version)
        monkeypatch.setitem(metrics._entries, "tests_version", entry)
        request = request_metric(Plugin(name="tests_version"))
        assert request.version == version
        assert request.source is not None  # it is not the project's own


def test_an_unknown_metric_is_blamed_on_its_place():
    grid = load_grid("dsprites_beta", "demo")
    wrong = grid.model_copy(update={"metrics": (Plugin(name="mgi"),)})
    with pytest.raises(
        UserError, match=r"metrics\[0\]': unknown metric 'mgi'; did you"
    ):
        list_requests(wrong)
