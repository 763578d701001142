from torch import nn

from benchmarks import layers
from priorbench.bench.models.grey_convolution import GreyConvolution
from priorbench.bench.models.linear import Linear
from priorbench.bench.speed.training import Case
from tests.bench.speed.test_training import SMALL


def test_both_kinds_of_layers_are_timed(monkeypatch, tmp_path):
    monkeypatch.setenv("PRIORBENCH_DATA", str(tmp_path))
    theirs, ours = layers.time_layers(Case("beta_vae", "cpu", 2, "fp32", 3, SMALL))
    assert len(theirs) == len(ours) == 3
    assert min(*theirs, *ours) > 0


def test_layers_are_pytorchs_within_the_context_alone():
    ours = Linear.forward, GreyConvolution.forward
    with layers.use_plain_layers():
        assert Linear.forward is nn.Linear.forward
        assert GreyConvolution.forward is nn.Conv2d.forward
    assert (Linear.forward, GreyConvolution.forward) == ours
