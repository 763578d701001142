import contextlib
import logging
import warnings
import weakref
from types import SimpleNamespace

import pytest
import torch

from priorbench.bench.objectives import BetaVAE
from priorbench.bench.training.cuda_graph import (
    CALLS_BEFORE_RECORDING,
    Recorder,
    ReplayedFunction,
    share_stream,
)
from priorbench.bench.training.ensemble import Ensemble, Loss
from tests.bench.training.recorded_ensemble import FakeRecorder, RecordedEnsemble
from tests.bench.training.small_ensembles import (
    BATCH,
    COUNT,
    CPU,
    make_loss,
    run_steps,
)
from tests.priorbench.machine_faults import MACHINE_FAULTS, AcceleratorError


def combine_numbers(x, number, progress):
    return x * number + progress, x - number


def test_the_same_values_warming_up_recording_and_replaying():
    recorder = FakeRecorder()
    replayed, results = ReplayedFunction(recorder, "this"), []
    for number in range(6):
        x = torch.full((2,), float(number + 1), dtype=torch.float64)
        arguments = x, number, number / 10
        results.append(
            (replayed(combine_numbers, *arguments), combine_numbers(*arguments))
        )
    assert recorder.log == [
        "warm",
        "warm",
        "strict",
        "record",
        "replay",
        "replay",
        "replay",
    ]
    for (
        got,
        expected,
    ) in results:  # results of earlier calls are not overwritten by later ones
        assert all(torch.equal(a, b) for a, b in zip(got, expected, strict=True))


def test_numbers_reach_the_recording_as_tensors_of_their_kind():
    seen = []

    def function(x, number, progress):
        seen.append((number, progress))
        return (x.clone(), x.clone())

    replayed = ReplayedFunction(FakeRecorder(), "this")
    for number in range(5):
        replayed(function, torch.zeros(1), number, 0.5)
    number, progress = seen[-1]
    assert (number.dtype, number.item(), number.shape) == (torch.int64, 4, ())
    assert (progress.dtype, progress.item()) == (torch.float64, 0.5)
    assert seen[0] == (0, 0.5)


@pytest.mark.parametrize(
    ("fails", "file"),
    [("strict", "test_cuda_graph.py"), ("record", "recorded_ensemble.py")],
)
def test_what_cannot_be_recorded_goes_on_as_it_is_written(fails, file, caplog):
    recorder = FakeRecorder(fails=fails == "record")

    def function(x, number, progress):
        if fails == "strict" and recorder.strict:
            raise RuntimeError("called a synchronizing CUDA operation")
        return x * number, x + progress

    replayed = ReplayedFunction(recorder, "BetaVAE with Mine")
    with caplog.at_level(logging.WARNING):
        for number in range(7):
            x = torch.full((2,), float(number))
            got = replayed(function, x, number, 0.25)
            assert got[0].tolist() == [number**2] * 2
            assert got[1].tolist() == [number + 0.25] * 2
    assert "replay" not in recorder.log
    assert len(caplog.records) == 1
    assert (
        "a step of BetaVAE with Mine cannot be recorded as a CUDA graph and runs slower: "
        "RuntimeError: " in caplog.text
    )
    assert f"{file}, line" in caplog.text
    assert "details" not in caplog.text


@pytest.mark.parametrize("error", MACHINE_FAULTS)
def test_the_machines_faults_are_not_taken_for_a_step_that_cannot_be_recorded(error):
    def function(x):
        raise error

    replayed = ReplayedFunction(FakeRecorder(), "this")
    for _ in range(4):
        with pytest.raises(type(error)):
            replayed(function, torch.zeros(1))
    assert replayed.recordable


@pytest.mark.parametrize("prior", ["normal", "isa"])
def test_a_recorded_training_is_the_training(prior, pixels):
    plain, recorded = (
        kind(lambda: make_loss(prior=prior), [0, 4], 1e-2, CPU)
        for kind in (Ensemble, RecordedEnsemble)
    )
    expected, got = run_steps(plain, pixels, 2), run_steps(recorded, pixels, 2)
    assert recorded._recorder.log.count("replay") == 13
    torch.testing.assert_close(got.to(expected), expected)


def test_an_ensemble_that_loses_a_seed_is_recorded_anew(pixels):
    plain, recorded = (
        kind(make_loss, [0, 1, 2], 1e-2, CPU) for kind in (Ensemble, RecordedEnsemble)
    )
    alive = torch.tensor([True, False, True])
    for ensemble in (plain, recorded):
        run_steps(ensemble, pixels, 1)
        ensemble.keep(alive)
    expected, got = run_steps(plain, pixels, 1), run_steps(recorded, pixels, 1)
    assert recorded._recorder.log.count("record") == 2
    assert got.shape == (COUNT // BATCH, 2, 2)
    torch.testing.assert_close(got.to(expected), expected)


def test_an_ensemble_is_freed_when_nobody_holds_it(pixels):
    """At once, without a collection: on a GPU the next ensemble needs its memory."""
    for kind in (Ensemble, RecordedEnsemble):
        ensemble = kind(make_loss, [0, 1], 1e-2, CPU)
        for position in range(
            CALLS_BEFORE_RECORDING
        ):  # the recorder of these tests holds what it records
            ensemble.step(pixels, BATCH, 0, position, 1)
        gone = weakref.ref(ensemble)
        del ensemble
        assert gone() is None


def test_other_images_are_recorded_anew(pixels):
    class Shifted:
        """The same images in another order."""

        def __len__(self):
            return COUNT

        def __getitem__(self, rows):
            return pixels[(rows + 5) % COUNT]

    plain, recorded = (
        kind(make_loss, [0, 1], 1e-2, CPU) for kind in (Ensemble, RecordedEnsemble)
    )
    for images in (pixels, Shifted()):
        expected, got = run_steps(plain, images, 1), run_steps(recorded, images, 1)
        torch.testing.assert_close(got.to(expected), expected)
    assert recorded._recorder.log.count("record") == 2


def test_an_objective_that_branches_on_the_progress_is_named(pixels, caplog):
    class Branching(BetaVAE):
        def forward(self, draw, dataset_size, progress):
            if isinstance(progress, torch.Tensor):
                raise RuntimeError("called a synchronizing CUDA operation")
            return super().forward(draw, dataset_size, progress)

    def branching():
        return Loss(make_loss().model, Branching(2.0))

    with caplog.at_level(logging.WARNING):
        got = run_steps(RecordedEnsemble(branching, [0, 1], 1e-2, CPU), pixels, 1)
    torch.testing.assert_close(
        got, run_steps(Ensemble(make_loss, [0, 1], 1e-2, CPU), pixels, 1)
    )
    assert "a step of Branching with Normal cannot be recorded" in caplog.text


class FakeStream:
    device_index = 1

    def __init__(self, name, log):
        self.name, self.log = name, log

    def wait_stream(self, other):
        self.log.append(f"{self.name} waits for {other.name}")


@pytest.fixture
def cuda(monkeypatch):
    """What the recorder asks of CUDA, noted; a capture that fails as torch's does."""
    log = []
    captured = SimpleNamespace(invalid=True)
    side, main = FakeStream("side", log), FakeStream("main", log)
    streams = {"current": main}

    class Capture:
        def __init__(self, graph, pool, stream, capture_error_mode):
            log.append(capture_error_mode)
            self.stream = stream

        def __enter__(self):
            streams["current"] = self.stream

        def __exit__(self, kind, *_):
            if kind is not None and captured.invalid:
                # torch raises at the capture's end, and stays here
                raise AcceleratorError("CUDA error: capture was invalidated")
            streams["current"] = main

    @contextlib.contextmanager
    def use_stream(stream):
        streams["current"] = stream
        try:
            yield
        finally:
            streams["current"] = main

    share_stream.cache_clear()
    patches = {
        "Stream": lambda device: log.append("stream") or side,
        "current_stream": lambda *_: streams["current"],
        "set_stream": lambda stream: streams.update(current=stream),
        "stream": use_stream,
        "CUDAGraph": lambda: SimpleNamespace(replay=None),
        "graph_pool_handle": lambda: (0, 7),
        "graph": Capture,
        "get_sync_debug_mode": lambda: 0,
        "set_sync_debug_mode": warn_of_prototype,
    }
    for name, value in patches.items():
        monkeypatch.setattr(torch.cuda, name, value)
    for name in ("_cuda_endAllocateToPool", "_cuda_releasePool"):

        def note(device, pool, name=name):
            if not captured.invalid:
                raise RuntimeError("not currently recording to the pool")
            log.append((name, device, pool))

        monkeypatch.setattr(torch._C, name, note, raising=False)
    yield SimpleNamespace(log=log, streams=streams, main=main, captured=captured)
    share_stream.cache_clear()


def warn_of_prototype(mode):
    warnings.warn("Synchronization debug mode is a prototype feature", stacklevel=1)


def test_a_failed_recording_leaves_its_stream_and_its_pool(cuda):
    def fail(x):
        raise ValueError("no kernel")

    recorder = Recorder(torch.device("cuda", 1))
    with pytest.raises(RuntimeError, match="capture was invalidated"):
        recorder.record(fail, [torch.zeros(1)])
    assert cuda.streams["current"] is cuda.main
    assert cuda.log[-2:] == [
        ("_cuda_endAllocateToPool", 1, (0, 7)),
        ("_cuda_releasePool", 1, (0, 7)),
    ]


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("full"), KeyboardInterrupt()])
def test_a_pool_that_is_left_is_not_released_twice(cuda, error):
    """Where only the function fails, the capture ends, and its graph has the pool."""
    released = []

    def fail(x):
        cuda.captured.invalid = False
        raise error

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            torch._C,
            "_cuda_releasePool",
            lambda *pool: released.append(pool),
            raising=False,
        )
        with pytest.raises(type(error)):
            Recorder(torch.device("cuda", 1)).record(fail, [torch.zeros(1)])
    assert cuda.streams["current"] is cuda.main
    assert not released


def test_threads_that_pin_memory_do_not_end_a_recording(cuda):
    Recorder(torch.device("cuda", 1)).record(lambda x: (x,), [torch.zeros(1)])
    assert "thread_local" in cuda.log


def test_a_device_has_one_stream_for_all_recordings(cuda):
    recorders = [Recorder(torch.device("cuda", 1)) for _ in range(3)]
    assert recorders[0].stream is recorders[2].stream
    assert cuda.log == ["stream"]


def test_the_stream_is_waited_for_after_an_error(cuda):
    recorder = Recorder(torch.device("cuda", 1))
    with pytest.raises(ValueError, match="mine"), recorder.warm_up(strict=True):
        raise ValueError("mine")
    assert cuda.streams["current"] is cuda.main
    assert cuda.log[-1] == "main waits for side"


def test_recorded_after_few_steps():
    assert 2 <= CALLS_BEFORE_RECORDING <= 5
