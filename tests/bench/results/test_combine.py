"""Several studies as one."""

from dataclasses import replace

import pytest

from priorbench.bench.results.combine import load_studies, merge_scores, name_studies
from priorbench.bench.results.manifest import write_manifest
from tests.bench.synthetic_results import make_manifest, make_result, save_results


def make_runs(method, seeds, prefix="", grid="study", **changes):
    return [
        make_result(method, seed=seed, id=f"{prefix}{seed}", grid=grid, **changes)
        for seed in seeds
    ]


def list_runs(results):
    return [(result.method, result.seed) for result in results]


def test_one_study_is_itself(tmp_path):
    runs = make_runs("a", range(2))
    manifest, results = load_studies([save_results(tmp_path / "study", runs)])
    assert manifest == make_manifest(runs)
    assert list_runs(results) == [("a", 0), ("a", 1)]


def test_two_machines_have_done_parts_of_one_study(tmp_path):
    """A run that both have counts once, and comes from where it is."""
    folders = [
        save_results(tmp_path / name / "study", make_runs("a", seeds))
        for name, seeds in (("one", (0, 1)), ("two", (1, 2)))
    ]
    manifest, results = load_studies(folders)
    assert (manifest.grid, manifest.profile) == ("study", "quick")
    assert list_runs(results) == [("a", 0), ("a", 1), ("a", 2)]
    assert results[1].store.folder.parent == tmp_path / "one"
    assert results[2].store.folder.parent == tmp_path / "two"
    assert results[2].scores["mig"] == 0.2


def test_a_run_that_one_machine_lacks_comes_from_the_other(tmp_path):
    runs = make_runs("a", (0, 1))
    one = save_results(tmp_path / "one" / "study", runs[:1])
    write_manifest(one, make_manifest(runs))
    two = save_results(tmp_path / "two" / "study", runs)
    manifest, results = load_studies([one, two])
    assert len(manifest.models) == 2
    assert list_runs(results) == [("a", 0), ("a", 1)]


@pytest.mark.parametrize(
    "worse",
    [{"status": "failed"}, {"scores": {"reconstruction": -30.0}, "headlines": ()}],
)
def test_of_a_run_that_several_have_the_completest_counts(tmp_path, worse):
    one = save_results(tmp_path / "one" / "study", make_runs("a", (0,), **worse))
    two = save_results(tmp_path / "two" / "study", make_runs("a", (0,)))
    for folders in ([one, two], [two, one]):
        _, (result,) = load_studies(folders)
        assert result.status == "finished"
        assert result.scores["mig"] == 0.2


def test_what_is_trained_alike_is_one_method_whatever_its_name(tmp_path):
    one = save_results(tmp_path / "one", make_runs("a", (0,)))
    two = save_results(tmp_path / "two", make_runs("b", (1,), grid="other"))
    manifest, results = load_studies([one, two])
    assert manifest.grid == "study + other"
    assert list_runs(results) == [("a", 0), ("a", 1)]


@pytest.mark.parametrize(
    "change",
    [{"config": {"latent_dim": 3}}, {"precision": "bf16"}, {"training_version": 2}],
)
def test_one_name_of_two_trainings_is_two_methods(tmp_path, change):
    one = save_results(tmp_path / "one", make_runs("a", (0, 1)))
    others = [
        replace(run, model=run.model.model_copy(update=change))
        for run in make_runs("a", (0, 1), prefix="other")
    ]
    two = save_results(tmp_path / "two", others)
    _, results = load_studies([one, two])
    assert list_runs(results) == [("a", 0), ("a", 1), ("a (two)", 0), ("a (two)", 1)]


def test_two_names_within_one_study_stay_two(tmp_path):
    """The same method under two names, with other seeds, is a check of the verdict."""
    runs = [*make_runs("a", (0,)), *make_runs("b", (1,))]
    one = save_results(tmp_path / "one", runs)
    two = save_results(tmp_path / "two", make_runs("c", (2,), config={"latent_dim": 5}))
    _, results = load_studies([one, two])
    assert list_runs(results) == [("a", 0), ("b", 1), ("c", 2)]


def test_a_score_that_was_computed_in_two_ways_is_the_first_studys():
    first, second = (
        make_manifest([make_result()]).model_copy(update={"scores": keys})
        for keys in (("mig-1", "sap-1"), ("mig-2", "sap-1", "dci-1"))
    )
    keys, notes = merge_scores(["one", "two"], [first, second])
    assert keys == ("mig-1", "sap-1", "dci-1")
    (note,) = notes
    assert note.startswith("mig of two is computed in another way")


def test_studies_are_named_by_what_tells_them_apart(tmp_path):
    assert name_studies([tmp_path / "a", tmp_path / "b"]) == ["a", "b"]
    same = [tmp_path / "x" / "a" / "c", tmp_path / "y" / "a" / "c"]
    assert name_studies(same) == ["x/a/c", "y/a/c"]
    assert name_studies([tmp_path / "a", tmp_path / "a"]) == ["a", "a"]
