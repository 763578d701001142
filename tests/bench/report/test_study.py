"""What of the records a report shows."""

from tests.bench.synthetic_results import make_result, make_results, make_study


def test_title_gives_the_range_of_seeds():
    runs = [*make_results(("a",), (1.0,), 3), *make_results(("b",), (1.0,), 2)]
    assert make_study(runs).heading.endswith("2–3 seeds")


def test_failures_are_a_sentence():
    runs = [*make_results(("a",), (1.0,), 3), make_result(seed=7, status="failed")]
    assert make_study(runs).failures == "1 of 4 runs failed."
    assert make_study(runs[:-1]).failures == ""
    lacking = make_result(seed=8)
    lacking.records["mig"] = lacking.records["mig"].model_copy(
        update={"status": "failed", "reason": "no", "values": {}}
    )
    both = make_study([*runs, lacking]).failures
    assert both == "1 of 5 runs failed. In 1 of 5 runs a score failed."


def test_headlines_are_in_the_order_of_their_first_appearance():
    scores = {"a": 1.0, "b": 2.0, "c": 3.0}
    runs = [
        make_result(seed=0, headlines=("b", "a"), scores=scores),
        make_result(seed=1, headlines=("a", "c"), scores=scores),
        make_result(seed=2, status="failed", headlines=()),
    ]
    assert make_study(runs).headlines == ("b", "a", "c")
