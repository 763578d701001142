"""The store: whole or not at all, and damage is noticed."""

import contextlib
import errno
import logging
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

from priorbench.atomic_files import UNFINISHED
from priorbench.bench.results.curves import thin_curve
from priorbench.bench.results.files import DamagedFileError
from priorbench.bench.results.records import ModelRecord, Provenance, ScoreRecord
from priorbench.bench.results.store import Store

LOSSES = {
    "step": np.arange(3),
    "loss": np.array([3.5, 2.25, 1e-9]),
    "log_likelihood": np.array([-3.0, -2.0, -1234567.0]),
}
PARAMETERS = {"w": np.arange(6.0, dtype=np.float32).reshape(2, 3).T}
ARRAYS = {"images": np.arange(24, dtype=np.uint8).reshape(2, 3, 4)}
FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
ID = "00000000000000aa"
KEY = "mig-0123456789abcdef"


def make_model(model=ID, **changes):
    fields = {
        "id": model,
        "config": {"latent_dim": 4, "prior": {"name": "normal"}},
        "beta": 1.5,
        "seed": 3,
        "precision": "fp32",
        "image_shape": (1, 64, 64),
        "status": "finished",
        "outcome": {"valid_elbo": -1 / 3},
        "learned": {"exponents": [2.0, 1.5]},
        "timings": {"train_seconds": 1.5},
        "provenance": Provenance(versions={"torch": "2"}, commit="abc"),
    }
    return ModelRecord(**{**fields, **changes})


def make_score(**changes):
    fields = {
        "key": KEY,
        "model": ID,
        "name": "mig",
        "seed": 3,
        "status": "finished",
        "headline": "mig",
        "values": {"mig": 0.25},
    }
    return ScoreRecord(**{**fields, **changes})


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


def save_both(store):
    store.save_model(make_model(), LOSSES, PARAMETERS)
    store.save_score(make_score(), ARRAYS)


def list_files(store):
    return {
        str(p.relative_to(store.folder)) for p in store.folder.rglob("*") if p.is_file()
    }


def test_round_trip(store):
    save_both(store)
    assert list_files(store) == {
        f"{ID}/record.json",
        f"{ID}/losses.csv",
        f"{ID}/parameters.safetensors",
        f"{ID}/scores/{KEY}.json",
        f"{ID}/scores/{KEY}.safetensors",
    }
    model = store.load_model(ID)
    assert model.model_copy(update={"digests": {}}) == make_model(created=model.created)
    assert store.has_parameters(model)
    np.testing.assert_array_equal(store.load_parameters(model)["w"], PARAMETERS["w"])
    losses = store.load_losses(model)
    assert losses.keys() == LOSSES.keys()
    for name, values in LOSSES.items():
        np.testing.assert_allclose(losses[name], values, rtol=1e-6)
    score = store.load_scores(ID, [KEY, "dci-0123456789abcdef"])[KEY]
    assert score.values == {"mig": 0.25}
    arrays = store.load_arrays(score)
    assert arrays["images"].dtype == np.uint8
    np.testing.assert_array_equal(arrays["images"], ARRAYS["images"])


def test_a_beta_for_each_group_is_kept(store):
    store.save_model(make_model(beta=(1.0, 1.0, 8.0)), LOSSES)
    assert store.load_model(ID).beta == (1.0, 1.0, 8.0)


def test_parameters_may_be_left_out(store):
    store.save_model(make_model(), LOSSES, {})
    assert list_files(store) == {f"{ID}/record.json", f"{ID}/losses.csv"}
    assert not store.has_parameters(store.load_model(ID))
    with pytest.raises(DamagedFileError, match=r"kept without parameters"):
        store.load_parameters(store.load_model(ID))


def test_what_is_not_there(store, caplog):
    assert store.load_model(ID) is None
    assert store.load_scores(ID, [KEY]) == {}
    assert not caplog.records


def test_columns_of_different_length_are_a_mistake(store):
    with pytest.raises(ValueError, match="zip"):
        store.save_model(make_model(), {"step": np.arange(2), "loss": np.arange(3)})
    assert not store.folder.exists()


def test_a_record_is_created_now():
    age = datetime.now(UTC) - datetime.fromisoformat(make_model().created)
    assert 0 <= age.total_seconds() < 60


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "running"},
        {"version": 1},
        {"colour": "red"},
        {"outcome": {"elbo": "high"}},
        {"beta": None},
    ],
)
def test_the_schema_is_strict(changes):
    with pytest.raises(ValidationError):
        make_model(**changes)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_learned_values_that_are_not_finite_are_kept(store, value):
    """A failed training with them may not be done again for ever."""
    learned = {"exponents": [value, 2.0]}
    store.save_model(make_model(status="failed", reason="x", learned=learned), {})
    np.testing.assert_equal(store.load_model(ID).learned, learned)


# atomicity


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_full_disk_leaves_nothing(store, monkeypatch, number):
    """At the first file, the second, ..."""
    calls = []

    def fsync(descriptor):
        calls.append(descriptor)
        if len(calls) == number:
            raise FULL

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OSError, match="No space left"):
        store.save_model(make_model(), LOSSES, PARAMETERS)
    assert len(calls) == number
    assert list(store.folder.iterdir()) == []


def test_a_rename_that_fails_leaves_nothing(store, monkeypatch):
    monkeypatch.setattr(
        Path, "rename", lambda self, target: (_ for _ in ()).throw(FULL)
    )
    with pytest.raises(OSError, match="No space left"):
        store.save_model(make_model(), LOSSES)
    assert list(store.folder.iterdir()) == []


def test_an_interrupt_leaves_nothing(store, monkeypatch):
    def fsync(descriptor):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(KeyboardInterrupt):
        store.save_model(make_model(), LOSSES)
    assert list(store.folder.iterdir()) == []


def test_a_full_disk_leaves_the_model_that_was_there(store, monkeypatch):
    save_both(store)
    monkeypatch.setattr(os, "fsync", lambda descriptor: (_ for _ in ()).throw(FULL))
    with pytest.raises(OSError, match="No space left"):
        store.save_model(make_model(seed=4), {**LOSSES, "loss": LOSSES["loss"] + 1})
    monkeypatch.undo()
    assert store.load_model(ID).seed == 3
    assert KEY in store.load_scores(ID, [KEY])


def test_a_score_on_a_full_disk_leaves_the_one_that_was_there(store, monkeypatch):
    save_both(store)
    monkeypatch.setattr(os, "fsync", lambda descriptor: (_ for _ in ()).throw(FULL))
    with pytest.raises(OSError, match="No space left"):
        store.save_score(make_score(values={"mig": 0.5}), {})
    monkeypatch.undo()
    assert store.load_scores(ID, [KEY])[KEY].values == {"mig": 0.25}


def test_a_model_that_is_trained_again_loses_its_scores(store):
    """They are of other parameters."""
    save_both(store)
    store.save_model(make_model(), {**LOSSES, "loss": np.array([3.5, 2.25, 1e-8])})
    assert store.load_scores(ID, [KEY]) == {}
    assert list_files(store) == {f"{ID}/record.json", f"{ID}/losses.csv"}


def test_a_training_that_is_repeated_loses_nothing(store):
    """As that of another command, whose curve may be thinned, or its own grid's."""
    save_both(store)
    before = list_files(store)
    store.save_model(make_model(seed=4), thin_curve(LOSSES, 3))
    store.save_model(make_model(seed=4), LOSSES, PARAMETERS)
    assert (store.load_model(ID).seed, list_files(store)) == (3, before)
    (store.folder / ID / "parameters.safetensors").write_bytes(b"damaged")
    unfinished = store.folder / ID / "scores" / f"{UNFINISHED}score"
    unfinished.touch()
    store.save_model(make_model(seed=4), LOSSES, PARAMETERS)
    model = store.load_model(ID)
    assert model.seed == 4
    np.testing.assert_array_equal(store.load_parameters(model)["w"], PARAMETERS["w"])
    score = store.load_scores(ID, [KEY])[KEY]
    np.testing.assert_array_equal(store.load_arrays(score)["images"], ARRAYS["images"])
    assert not any(UNFINISHED in name for name in list_files(store))


def test_a_thinned_curve_ends_as_the_whole_one(store):
    whole = {"step": np.arange(9), "loss": np.linspace(9, 1, 9)}
    store.save_model(make_model(), thin_curve(whole, 4))
    store.save_score(make_score(), ARRAYS)
    store.save_model(make_model(), whole, PARAMETERS)
    assert store.load_scores(ID, [KEY])
    assert store.has_parameters(store.load_model(ID))


def test_a_training_that_failed_takes_no_finished_ones_place(store, caplog):
    save_both(store)
    store.save_model(make_model(status="failed", reason="no memory"), {})
    assert store.load_model(ID).status == "finished"
    assert store.load_scores(ID, [KEY])
    assert "failed when trained again (no memory)" in caplog.text


@pytest.mark.parametrize("kind", ["file", "link"])
def test_what_is_no_folder_makes_room_for_the_model(store, tmp_path, kind):
    store.folder.mkdir(parents=True)
    if kind == "file":
        (store.folder / ID).write_text("in the way")
    else:
        (tmp_path / "elsewhere").mkdir()
        (store.folder / ID).symlink_to(tmp_path / "elsewhere")
    store.save_model(make_model(), {})
    assert store.load_model(ID) is not None
    if kind == "link":
        assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize("mask", [0o022, 0o027, 0o002])
def test_permissions_are_the_users(store, mask):
    before = os.umask(mask)
    try:
        save_both(store)
    finally:
        os.umask(before)
    for path in (store.folder / ID).rglob("*"):
        expected = (0o777 if path.is_dir() else 0o666) & ~mask
        assert stat.S_IMODE(path.stat().st_mode) == expected


# damage


FILES = {
    "record.json": lambda store: store.load_model(ID),
    f"scores/{KEY}.json": lambda store: store.load_scores(ID, [KEY]),
}
DAMAGE = {
    "truncated": lambda content: content[: len(content) // 2],
    "empty": lambda content: b"",
    "binary": lambda content: b"\xff\xfe",
    "digest": lambda content: content.replace(b"sha256:", b"sha257:"),
    "value": lambda content: content.replace(b'"seed": 3', b'"seed": 4'),
    "space": lambda content: content.replace(b'"seed": 3', b'"seed":  3'),
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_record_that_is_damaged_is_named_and_taken_as_absent(
    store, caplog, name, damage
):
    save_both(store)
    path = store.folder / ID / name
    path.write_bytes(damage(path.read_bytes()))
    assert not FILES[name](store)
    [message] = [record.getMessage() for record in caplog.records]
    assert str(path) in message
    assert "damaged" in message
    assert "made again" in message


def test_a_record_of_another_version_is_named(store, caplog):
    from priorbench.bench.results.files import write_text

    save_both(store)
    write_text(store.folder / ID / "record.json", '{"version": 9}')
    assert store.load_model(ID) is None
    assert "Input should be 2" in caplog.text


def test_a_record_of_another_model_is_named(store, caplog):
    store.save_model(make_model("bb"), LOSSES)
    (store.folder / "bb").rename(store.folder / ID)
    assert store.load_model(ID) is None
    assert "holds the record of bb" in caplog.text


def test_every_flipped_bit_of_every_file_is_noticed(store, caplog):
    """Or changes nothing that is read."""
    save_both(store)
    model, random = store.load_model(ID), np.random.default_rng(0)
    score = store.load_scores(ID, [KEY])[KEY]
    readers = {
        "record.json": lambda: store.load_model(ID),
        "losses.csv": lambda: store.load_losses(model),
        "parameters.safetensors": lambda: store.load_parameters(model),
        f"scores/{KEY}.json": lambda: store.load_scores(ID, [KEY]).get(KEY),
        f"scores/{KEY}.safetensors": lambda: store.load_arrays(score),
    }
    caplog.set_level(logging.ERROR, "priorbench")
    for name, read in readers.items():
        path = store.folder / ID / name
        content = path.read_bytes()
        for _ in range(60):
            flipped = bytearray(content)
            flipped[random.integers(len(content))] ^= 1 << random.integers(8)
            path.write_bytes(flipped)
            with contextlib.suppress(DamagedFileError):
                assert read() is None, name
        path.write_bytes(content)
        assert read() is not None


@pytest.mark.parametrize("name", ["losses.csv", "parameters.safetensors"])
def test_a_file_that_is_gone_is_named(store, name):
    save_both(store)
    model = store.load_model(ID)
    (store.folder / ID / name).unlink()
    read = store.load_losses if name == "losses.csv" else store.load_parameters
    with pytest.raises(DamagedFileError, match=f"{name} is missing"):
        read(model)
    assert store.has_parameters(model) == (name == "losses.csv")


def test_a_score_without_its_arrays_is_absent(store):
    save_both(store)
    (store.folder / ID / "scores" / f"{KEY}.safetensors").unlink()
    assert store.load_scores(ID, [KEY]) == {}


# what killed writers left


def test_unfinished_files_of_dead_processes_are_removed(store):
    save_both(store)
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    import socket

    host = socket.gethostname()
    gone = store.folder / f".unfinished-{ID}-{host}-{dead.pid}-12345678"
    live = store.folder / f".unfinished-{ID}-{host}-{os.getppid()}-12345678"
    foreign = store.folder / f".unfinished-{ID}-elsewhere-{dead.pid}-12345678"
    old = store.folder / f".unfinished-{ID}-elsewhere-{dead.pid}-87654321"
    for folder in (gone, live, foreign, old):
        folder.mkdir()
        (folder / "losses.csv").touch()
    os.utime(old, (0, 0))
    left = store.folder / ID / "scores" / f".unfinished-x-{host}-{dead.pid}-12345678"
    left.touch()
    store.remove_unfinished()
    assert {p.name for p in store.folder.iterdir()} == {ID, live.name, foreign.name}
    assert not left.exists()


def test_torch_is_not_imported():
    code = (
        "import priorbench.bench.results, priorbench.bench.report, sys; "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
