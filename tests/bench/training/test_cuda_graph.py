import contextlib
import logging
import weakref

import pytest
import torch

from priorbench.bench.training import cuda_graph
from priorbench.bench.training.ensemble import Ensemble
from priorbench.bench.training.cuda_graph import Replayed
from priorbench.bench.objectives import BetaVAE

from tests.bench.training.test_ensemble import (
    BATCH,
    COUNT,
    CPU,
    Loss,
    build,
    losses,
    pixels,
)  # noqa: F401


class Recorder:
    """Stands for a GPU: a replay reads and writes the recorded tensors, and runs the same step.

    What would wait for the device is an error where it is warmed up strictly, as on a GPU.
    """

    device = CPU

    def __init__(self, fails=False):
        self.log, self.strict, self.fails = [], False, fails

    @contextlib.contextmanager
    def warming_up(self, strict):
        self.log.append("strict" if strict else "warm")
        self.strict = strict
        try:
            yield
        finally:
            self.strict = False

    def record(self, function, arguments):
        if self.fails:
            raise RuntimeError("capture failed\nwith details")
        self.log.append("record")
        outputs = []

        def replay():
            self.log.append("replay")
            for place, value in zip(outputs, function(*arguments), strict=True):
                place.copy_(value)

        # recording runs nothing: the outputs have no values yet
        outputs.extend(
            torch.full((len(arguments[0]),), torch.nan, dtype=torch.float64)
            for _ in range(2)
        )
        return replay, tuple(outputs)


def arithmetic(x, number, progress):
    return x * number + progress, x - number


def test_the_same_values_warming_up_recording_and_replaying():
    recorder = Recorder()
    replayed, results = Replayed(recorder, "this"), []
    for number in range(6):
        x = torch.full((2,), float(number + 1), dtype=torch.float64)
        arguments = x, number, number / 10
        results.append((replayed(arithmetic, *arguments), arithmetic(*arguments)))
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

    replayed = Replayed(Recorder(), "this")
    for number in range(5):
        replayed(function, torch.zeros(1), number, 0.5)
    number, progress = seen[-1]
    assert (number.dtype, number.item(), number.shape) == (torch.int64, 4, ())
    assert (progress.dtype, progress.item()) == (torch.float64, 0.5)
    assert seen[0] == (0, 0.5)


@pytest.mark.parametrize("fails", ["strict", "record"])
def test_what_cannot_be_recorded_goes_on_as_it_is_written(fails, caplog):
    recorder = Recorder(fails=fails == "record")

    def function(x, number, progress):
        if fails == "strict" and recorder.strict:
            raise RuntimeError("called a synchronizing CUDA operation")
        return x * number, x + progress

    replayed = Replayed(recorder, "BetaVAE with Mine")
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
    assert "test_cuda_graph.py, line" in caplog.text
    assert "details" not in caplog.text


def test_no_memory_is_not_taken_for_a_step_that_cannot_be_recorded():
    def function(x):
        raise torch.OutOfMemoryError("full")

    replayed = Replayed(Recorder(), "this")
    for _ in range(4):
        with pytest.raises(torch.OutOfMemoryError):
            replayed(function, torch.zeros(1))


class Recorded(Ensemble):
    """A block whose steps are recorded, as on a GPU."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self._recorder = Recorder()
        self._replayed = self._unrecorded()


@pytest.mark.parametrize("prior", ["normal", "isa"])
def test_a_recorded_training_is_the_training(prior, pixels):  # noqa: F811
    plain, recorded = (
        kind(lambda: build(prior=prior), [0, 4], 1e-2, CPU)
        for kind in (Ensemble, Recorded)
    )
    expected, got = losses(plain, pixels, 2), losses(recorded, pixels, 2)
    assert recorded._recorder.log.count("replay") == 13
    torch.testing.assert_close(got.to(expected), expected)


def test_a_block_that_loses_a_seed_is_recorded_anew(pixels):  # noqa: F811
    plain, recorded = (
        kind(build, [0, 1, 2], 1e-2, CPU) for kind in (Ensemble, Recorded)
    )
    alive = torch.tensor([True, False, True])
    for block in (plain, recorded):
        losses(block, pixels, 1)
        block.keep(alive)
    expected, got = losses(plain, pixels, 1), losses(recorded, pixels, 1)
    assert recorded._recorder.log.count("record") == 2
    assert got.shape == (COUNT // BATCH, 2, 2)
    torch.testing.assert_close(got.to(expected), expected)


def test_a_block_is_freed_when_nobody_holds_it(pixels):  # noqa: F811
    """At once, without a collection: on a GPU the next block needs its memory."""
    for kind in (Ensemble, Recorded):
        block = kind(build, [0, 1], 1e-2, CPU)
        for position in range(
            cuda_graph.WARM_UP
        ):  # the recorder of these tests holds what it records
            block.step(pixels, BATCH, 0, position, 1)
        gone = weakref.ref(block)
        del block
        assert gone() is None


def test_other_images_are_recorded_anew(pixels):  # noqa: F811
    class Shifted:
        """The same images in another order."""

        def __len__(self):
            return COUNT

        def __getitem__(self, rows):
            return pixels[(rows + 5) % COUNT]

    plain, recorded = (kind(build, [0, 1], 1e-2, CPU) for kind in (Ensemble, Recorded))
    for images in (pixels, Shifted()):
        expected, got = losses(plain, images, 1), losses(recorded, images, 1)
        torch.testing.assert_close(got.to(expected), expected)
    assert recorded._recorder.log.count("record") == 2


def test_an_objective_that_branches_on_the_progress_is_named(pixels, caplog):  # noqa: F811
    class Branching(BetaVAE):
        def forward(self, draw, dataset_size, progress):
            if isinstance(progress, torch.Tensor):
                raise RuntimeError("called a synchronizing CUDA operation")
            return super().forward(draw, dataset_size, progress)

    def branching():
        return Loss(build().model, Branching(2.0))

    with caplog.at_level(logging.WARNING):
        got = losses(Recorded(branching, [0, 1], 1e-2, CPU), pixels, 1)
    torch.testing.assert_close(
        got, losses(Ensemble(build, [0, 1], 1e-2, CPU), pixels, 1)
    )
    assert "a step of Branching with Normal cannot be recorded" in caplog.text


def test_recorded_after_few_steps():
    assert 2 <= cuda_graph.WARM_UP <= 5
