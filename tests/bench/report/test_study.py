"""What of the records a report shows."""

from tests.bench.synthetic_records import make_record, make_records, make_study


def test_title_gives_the_range_of_seeds():
    runs = [*make_records(("a",), (1.0,), 3), *make_records(("b",), (1.0,), 2)]
    assert make_study(runs).heading.endswith("2–3 seeds")


def test_failures_are_a_sentence():
    runs = [*make_records(("a",), (1.0,), 3), make_record(seed=7, status="failed")]
    assert make_study(runs).failures == "1 of 4 runs failed."
    assert make_study(runs[:-1]).failures == ""


def test_headlines_are_those_of_the_profile_in_order_of_appearance():
    runs = [
        make_record(seed=0, headlines=("b", "a")),
        make_record(seed=1, headlines=("a", "c")),
        make_record(seed=2, status="failed", headlines=()),
        make_record(profile="old", headlines=("d",), created="2024-01-01T00:00:00"),
    ]
    assert make_study(runs).headlines == ("b", "a", "c")
