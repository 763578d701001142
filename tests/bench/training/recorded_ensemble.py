"""An ensemble that records its steps as on a GPU, for tests without one."""

import contextlib

import torch

from priorbench.bench.training.ensemble import Ensemble
from tests.bench.training.small_ensembles import CPU


class FakeRecorder:
    """Stands for a GPU: a replay runs the same function on the recorded tensors.

    What would wait for the device is an error where it is warmed up strictly, as on a
    GPU.
    """

    device = CPU

    def __init__(self, fails=False):
        self.log = []
        self.strict = False
        self.fails = fails

    @contextlib.contextmanager
    def warm_up(self, strict):
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
        # recording runs nothing: the outputs have no values yet
        shape = (len(arguments[0]),)
        outputs = tuple(
            torch.full(shape, torch.nan, dtype=torch.float64) for _ in range(2)
        )

        def replay():
            self.log.append("replay")
            for output, value in zip(outputs, function(*arguments), strict=True):
                output.copy_(value)

        return replay, outputs


class RecordedEnsemble(Ensemble):
    """An ensemble with a :class:`FakeRecorder`."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self._recorder = FakeRecorder()
        self._replayed_update = self._make_replayed_update()
