import errno
import json
import math
import os
import stat
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError
from safetensors.numpy import load_file

from priorbench.bench.results import store
from priorbench.bench.results.store import Record

FIELDS = {
    "version",
    "id",
    "grid",
    "profile",
    "method",
    "prior",
    "objective",
    "beta",
    "seed",
    "status",
    "reason",
    "failed_step",
    "scores",
    "learned",
    "timings",
    "config",
    "versions",
    "commit",
    "device",
    "precision",
    "created",
    "headlines",
    "machine",
    "command",
}
LOSSES = {
    "step": np.arange(3),
    "loss": np.array([3.5, 2.25, 1e-9]),
    "log_likelihood": np.array([-3.0, -2.0, -1234567.0]),
}
ARTEFACTS = {
    "images": np.arange(24, dtype=np.uint8).reshape(2, 3, 4),
    "mutual_information": np.random.default_rng(0).normal(size=(4, 5)),
}
FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def make(run_id="00000000000000aa", **changes):
    fields = {
        "id": run_id,
        "grid": "g",
        "profile": "paper",
        "method": "β-VAE",
        "prior": "normal",
        "objective": "beta_vae",
        "beta": 1.5,
        "seed": 3,
        "status": "finished",
        "scores": {"mig": 0.25, "elbo": -1 / 3},
        "learned": {"exponents": [2.0, 1.5]},
        "timings": {"train_seconds": 1.5},
        "config": {"latent_dim": 4, "prior": {"name": "normal"}},
        "versions": {"torch": "2"},
        "commit": "abc",
        "device": "cpu",
        "precision": "fp32",
    }
    return Record(**{**fields, **changes})


def save(folder, one=None, **parts):
    return store.save_run(folder, one or make(), LOSSES, ARTEFACTS, **parts)


def test_golden_schema(tmp_path):
    assert set(Record.model_fields) == FIELDS
    path = save(tmp_path)
    values = json.loads((path / "record.json").read_text(encoding="utf-8"))
    assert set(values) == FIELDS
    assert values["version"] == 1
    assert values["scores"] == {"mig": 0.25, "elbo": -1 / 3}
    assert values["method"] == "β-VAE"


def test_round_trip(tmp_path):
    one = make()
    path = save(
        tmp_path / "runs" / "g", one, parameters={"w": np.ones(2, dtype=np.float32)}
    )
    assert path == tmp_path / "runs" / "g" / one.id
    assert store.load_records(tmp_path / "runs" / "g") == [one]
    assert {p.name for p in path.iterdir()} == {
        "record.json",
        "losses.csv",
        "artefacts.safetensors",
        "parameters.safetensors",
    }
    assert load_file(path / "parameters.safetensors")["w"].tolist() == [1, 1]
    arrays = store.load_artefacts(tmp_path / "runs" / "g", one.id)
    assert arrays.keys() == ARTEFACTS.keys()
    for name, expected in ARTEFACTS.items():
        assert arrays[name].dtype == expected.dtype
        np.testing.assert_array_equal(arrays[name], expected)


def test_a_beta_for_each_group_is_a_list(tmp_path):
    one = make(beta=(1.0, 1.0, 8.0))
    path = save(tmp_path, one)
    assert json.loads((path / "record.json").read_text(encoding="utf-8"))["beta"] == [
        1,
        1,
        8,
    ]
    [loaded] = store.load_records(tmp_path)
    assert loaded == one
    assert loaded.beta == (1.0, 1.0, 8.0)
    assert json.loads(make().model_dump_json())["beta"] == 1.5


def test_records_are_ordered_by_the_mean_beta(tmp_path):
    betas = [0.5, (1.0, 1.0), (0.5, 2.0), 2.0]
    for i, beta in enumerate(reversed(betas)):
        save(tmp_path, make(f"{i:016x}", beta=beta))
    assert [r.beta for r in store.load_records(tmp_path)] == betas


def test_loss_curve(tmp_path):
    path = save(tmp_path)
    assert (path / "losses.csv").read_text() == (
        "step,loss,log_likelihood\n0,3.5,-3\n1,2.25,-2\n2,1e-09,-1234567\n"
    )


def test_columns_of_different_length_are_a_mistake(tmp_path):
    with pytest.raises(ValueError, match="zip"):
        store.save_run(
            tmp_path, make(), {"step": np.arange(2), "loss": np.arange(3)}, {}
        )
    assert list(tmp_path.iterdir()) == []


def test_arrays_that_are_not_contiguous(tmp_path):
    turned = np.arange(6.0).reshape(2, 3).T
    store.save_run(tmp_path, make(), LOSSES, {"turned": turned})
    np.testing.assert_array_equal(
        store.load_artefacts(tmp_path, make().id)["turned"], turned
    )


def test_parameters_are_left_out_by_default(tmp_path):
    assert not (save(tmp_path, parameters={}) / "parameters.safetensors").exists()


def test_a_record_is_created_now():
    age = datetime.now(UTC) - datetime.fromisoformat(make().created)
    assert 0 <= age.total_seconds() < 60


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "running"},
        {"version": 2},
        {"colour": "red"},
        {"scores": {"mig": "high"}},
        {"beta": None},
    ],
)
def test_the_schema_is_strict(changes):
    with pytest.raises(ValidationError):
        make(**changes)


def test_a_failed_run_is_a_record(tmp_path):
    one = make(
        status="failed",
        reason="the loss became nan at step 8",
        failed_step=8,
        scores={},
    )
    store.save_run(tmp_path, one, {}, {})
    assert store.load_records(tmp_path) == [one]


def test_order_of_what_is_loaded(tmp_path):
    keys = [("B", 1.0, 0), ("A", 4.0, 1), ("A", 4.0, 0), ("A", 1.5, 7), ("A", 10.0, 0)]
    for number, (method, beta, seed) in enumerate(keys):
        save(tmp_path, make(f"{number:016x}", method=method, beta=beta, seed=seed))
    assert [(r.method, r.beta, r.seed) for r in store.load_records(tmp_path)] == sorted(
        keys
    )


def test_nothing_to_load(tmp_path):
    assert store.load_records(tmp_path / "none") == []
    (tmp_path / "runs.csv").write_text("a,b\n")
    assert store.load_records(tmp_path) == []


# atomicity


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_a_full_disk_leaves_nothing(tmp_path, monkeypatch, number):
    """At the first file, the second, ..."""
    calls = []

    def fsync(descriptor):
        calls.append(descriptor)
        if len(calls) == number:
            raise FULL

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OSError, match="No space left"):
        save(tmp_path, parameters={"w": np.ones(2)})
    assert len(calls) == number
    assert list(tmp_path.iterdir()) == []


def test_a_rename_that_fails_leaves_nothing(tmp_path, monkeypatch):
    def rename(self, target):
        raise FULL

    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises(OSError, match="No space left"):
        save(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_leaves_nothing(tmp_path, monkeypatch):
    def fsync(descriptor):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(KeyboardInterrupt):
        save(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_the_record_that_was_there(tmp_path, monkeypatch):
    save(tmp_path, make(status="failed", reason="old", scores={}))
    monkeypatch.setattr(os, "fsync", lambda descriptor: (_ for _ in ()).throw(FULL))
    with pytest.raises(OSError, match="No space left"):
        save(tmp_path)
    monkeypatch.undo()
    assert [r.reason for r in store.load_records(tmp_path)] == ["old"]


def test_everything_is_on_disk_before_its_name_is(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(os, "fsync", lambda d: seen.append(os.fstat(d).st_size > 0))
    rename = Path.rename

    def renamed(self, target):
        seen.append("renamed")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", renamed)
    save(tmp_path, parameters={"w": np.ones(2)})
    assert seen == [True] * 4 + ["renamed"]


def test_a_second_run_replaces_the_first(tmp_path):
    save(
        tmp_path,
        make(status="failed", reason="x", scores={}),
        parameters={"w": np.ones(2)},
    )
    save(tmp_path, make())
    assert [r.status for r in store.load_records(tmp_path)] == ["finished"]
    assert [p.name for p in tmp_path.iterdir()] == [make().id]
    assert not (tmp_path / make().id / "parameters.safetensors").exists()


@pytest.mark.parametrize("mask", [0o022, 0o027, 0o002])
def test_permissions_are_the_users(tmp_path, mask):
    before = os.umask(mask)
    try:
        path = save(tmp_path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o777 & ~mask
    assert {stat.S_IMODE(p.stat().st_mode) for p in path.iterdir()} == {0o666 & ~mask}


# what is not whole


def truncate(path):
    content = (path / "record.json").read_bytes()
    (path / "record.json").write_bytes(content[: len(content) // 2])


def rewrite(**changes):
    def change(path):
        values = json.loads((path / "record.json").read_text())
        (path / "record.json").write_text(json.dumps({**values, **changes}))

    return change


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (truncate, "EOF"),
        (lambda path: (path / "record.json").write_bytes(b""), "EOF"),
        (lambda path: (path / "record.json").write_bytes(b"\xff\xfe"), "nvalid"),
        (lambda path: (path / "record.json").unlink(), "No such file"),
        (rewrite(version=2), "Input should be 1"),
        (rewrite(extra=1), "Extra inputs"),
        (rewrite(seed="x"), "valid integer"),
        (rewrite(id="00000000000000bb"), "the record is that of run 00000000000000bb"),
    ],
    ids=[
        "truncated",
        "empty",
        "binary",
        "missing",
        "version",
        "extra",
        "type",
        "foreign",
    ],
)
def test_a_record_that_is_not_whole_is_named_and_left_out(
    tmp_path, caplog, damage, message
):
    good = make("00000000000000ff")
    save(tmp_path, good)
    damage(save(tmp_path))
    assert store.load_records(tmp_path) == [good]
    assert len(caplog.records) == 1
    text = caplog.records[0].getMessage()
    assert str(tmp_path / make().id) in text
    assert message in text
    assert "will be done again" in text
    save(tmp_path)
    assert len(store.load_records(tmp_path)) == 2


def test_a_folder_that_cannot_be_one_of_ours_is_left_alone(tmp_path, caplog):
    (tmp_path / "empty").mkdir()
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "x").write_text("x")
    assert store.load_records(tmp_path) == []
    assert caplog.records == []


def test_unfinished_ones_are_ignored_and_cleaned(tmp_path, caplog):
    save(tmp_path)
    left = tmp_path / f".unfinished-{make().id}-12345678"
    left.mkdir()
    (left / "record.json").write_text("{")
    assert len(store.load_records(tmp_path)) == 1
    assert caplog.records == []
    store.remove_unfinished(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == [make().id]
    store.remove_unfinished(tmp_path / "none")


# labels


def test_relabel(tmp_path):
    old = make()
    path = save(tmp_path, old)
    new = store.relabel_run(tmp_path, old, method="renamed", profile="quick")
    assert (new.method, new.profile) == ("renamed", "quick")
    assert store.load_records(tmp_path) == [new]
    assert new == old.model_copy(update={"method": "renamed", "profile": "quick"})
    assert {p.name for p in path.iterdir()} == {
        "record.json",
        "losses.csv",
        "artefacts.safetensors",
    }


def test_relabel_on_a_full_disk_keeps_the_old_record(tmp_path, monkeypatch):
    old = make()
    save(tmp_path, old)
    monkeypatch.setattr(os, "fsync", lambda descriptor: (_ for _ in ()).throw(FULL))
    with pytest.raises(OSError, match="No space left"):
        store.relabel_run(tmp_path, old, method="renamed")
    assert store.load_records(tmp_path) == [old]


def test_relabel_on_a_full_disk_leaves_nothing(tmp_path, monkeypatch):
    path = save(tmp_path)
    before = {p.name for p in path.iterdir()}
    monkeypatch.setattr(os, "fsync", lambda descriptor: (_ for _ in ()).throw(FULL))
    with pytest.raises(OSError, match="No space left"):
        store.relabel_run(tmp_path, make(), method="renamed")
    assert {p.name for p in path.iterdir()} == before


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_failed_run_whose_exponents_are_not_finite_is_found_again(tmp_path, value):
    """Parameters that are not finite at the end: the row may not be done again for ever."""
    one = make(
        status="failed",
        reason="after training, elbo is nan",
        scores={},
        learned={"exponents": [value, 2.0]},
    )
    store.save_run(tmp_path, one, {}, {})
    found = store.load_records(tmp_path)
    assert len(found) == 1
    np.testing.assert_equal(found[0].learned["exponents"], [value, 2.0])


# canonical JSON


def test_torch_is_not_imported():
    code = (
        "import priorbench.bench.results.store, sys; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
