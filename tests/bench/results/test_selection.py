"""Which records count."""

from priorbench.bench.results.selection import select_newest
from priorbench.bench.results.tables import make_settings_table
from tests.bench.synthetic_records import make_record


def test_runs_of_the_newest_configuration_count(caplog):
    old = [make_record(id=f"old{s}", seed=s, config={"p": 2.2}) for s in range(3)]
    new = make_record(
        id="new", seed=0, config={"p": 2.3}, created="2025-01-01T02:00:00+01:00"
    )
    assert [r.id for r in select_newest([new, *old])] == ["new"]
    assert "3 of 4 runs share" in caplog.text


def test_profiles_that_share_a_study_are_one(tmp_path):
    """Seeds 0 and 1 were run under "quick", 2 under "paper": three seeds of one setting."""
    shared = [
        make_record(id="a", seed=0, profile="quick"),
        make_record(id="b", seed=1, profile="quick"),
        make_record(
            id="c", seed=2, profile="paper", created="2025-01-01T00:00:01+00:00"
        ),
        make_record(id="d", seed=0, profile="demo", config={"latent_dim": 9}),
    ]
    table = make_settings_table(select_newest(shared))
    assert table[["profile", "n"]].to_numpy().tolist() == [["demo", 1], ["paper", 3]]


def test_another_precision_is_another_configuration(caplog):
    old = make_record(id="old", precision="fp32", created="2025-01-01T00:00:00+00:00")
    new = make_record(
        id="new", precision="bf16", created="2024-12-31T23:59:00-01:00"
    )  # 00:59 UTC
    assert [r.id for r in select_newest([new, old])] == ["new"]
    assert "1 of 2 runs share" in caplog.text
