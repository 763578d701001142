import contextlib
import functools
import logging
import shutil
import warnings

import pytest
import torch

from priorbench import compiled
from tests.priorbench.machine_faults import MACHINE_FAULTS


def double(x, factor):
    return x * factor


@pytest.fixture
def on_the_cpu(monkeypatch):
    """As though the CPU were a GPU, with no failure remembered."""
    monkeypatch.setattr(compiled, "COMPILED_ON", ("cpu",))
    monkeypatch.setattr(compiled, "_failed", set())


def test_on_a_cpu_nothing_is_compiled(monkeypatch):
    monkeypatch.setattr(torch, "compile", lambda f, **_: pytest.fail("compiled"))
    assert compiled.fuse_on_gpu(double)(torch.ones(2), 3.0).tolist() == [3.0, 3.0]


@pytest.mark.usefixtures("on_the_cpu")
def test_compiled_once_and_used(monkeypatch):
    made = []
    monkeypatch.setattr(
        torch, "compile", lambda f, **_: made.append(f) or (lambda x, k: x * k + 0.5)
    )
    function = compiled.fuse_on_gpu(double)
    assert not made
    assert [function(torch.ones(1), k).item() for k in (1.0, 2.0)] == [1.5, 2.5]
    assert made == [double]


@pytest.mark.usefixtures("on_the_cpu")
def test_where_the_compiler_fails_it_says_so_once_and_goes_on(monkeypatch, caplog):
    calls = []

    def broken(x, factor):
        calls.append(1)
        raise RuntimeError("no working Triton\nand a long explanation")

    monkeypatch.setattr(torch, "compile", lambda f, **_: broken)
    function = compiled.fuse_on_gpu(double)
    with caplog.at_level(logging.WARNING):
        values = [function(torch.ones(1), k).item() for k in (1.0, 2.0)]
    assert values == [1.0, 2.0]
    assert len(calls) == 1
    assert len(caplog.records) == 1
    assert "double could not be compiled and runs unfused, slower" in caplog.text
    assert "(RuntimeError: no working Triton)" in caplog.text


@pytest.mark.usefixtures("on_the_cpu")
def test_errors_of_the_function_itself_are_raised(monkeypatch):
    def wrong(x):
        raise ValueError("wrong")

    monkeypatch.setattr(torch, "compile", lambda f, **_: f)
    with pytest.raises(ValueError, match="wrong"):
        compiled.fuse_on_gpu(wrong)(torch.ones(1))


@pytest.mark.usefixtures("on_the_cpu")
@pytest.mark.parametrize("error", MACHINE_FAULTS)
def test_the_machines_faults_are_none_of_the_compiler(monkeypatch, error):
    def fail(x, factor):
        raise error

    monkeypatch.setattr(torch, "compile", lambda f, **_: fail)
    with pytest.raises(type(error)):
        compiled.fuse_on_gpu(double)(torch.ones(1), 2.0)
    assert not compiled._failed


def list_own(caplog):
    """Return the project's records: the compiler has many."""
    return [record for record in caplog.records if record.name == "priorbench"]


def sum_groups(x, groups):
    return torch.stack([x[..., list(group)].sum(-1) for group in groups], -1)


@pytest.fixture
def graphs(monkeypatch):
    """The graphs that are compiled, by a compiler that leaves them as they are."""
    made = []

    def keep(graph, _):
        made.append(graph)
        return graph.forward

    compile_with = functools.partial(torch.compile, backend=keep)
    monkeypatch.setattr(torch, "compile", compile_with)
    torch._dynamo.reset()
    name = compiled.name_recompile_limit()
    before = getattr(torch._dynamo.config, name)
    yield made
    setattr(torch._dynamo.config, name, before)
    torch._dynamo.reset()


@pytest.mark.usefixtures("graphs")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_users_precision_is_no_warning():
    with warnings.catch_warnings():
        compiled.compile_function(double)
        warnings.filterwarnings("error", category=UserWarning, append=True)
        warnings.warn("TensorFloat32 tensor cores are available", stacklevel=1)
        with pytest.raises(UserWarning, match="another"):
            warnings.warn("another", stacklevel=1)


@pytest.mark.usefixtures("on_the_cpu")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_other_groups_and_sizes_of_blocks_are_compiled_too(graphs, caplog):
    """PyTorch stops at the eighth without a word."""
    function = compiled.fuse_on_gpu(sum_groups)
    for size in range(2, 12):
        for groups in (((0, 1), (2,)), ((0,), (1,), (2,))):
            x = torch.ones(size, 3)
            expected = sum_groups(x, groups)
            assert torch.equal(function(x, groups), expected)
    assert len(graphs) == 20
    assert not list_own(caplog)


@pytest.mark.usefixtures("on_the_cpu")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_it_says_so_where_it_is_compiled_no_more(graphs, caplog, monkeypatch):
    monkeypatch.setattr(compiled, "VARIANTS", 3)
    setattr(torch._dynamo.config, compiled.name_recompile_limit(), 3)
    function = compiled.fuse_on_gpu(sum_groups)
    for size in range(2, 8):
        assert function(torch.ones(size, 3), ((0, 1), (2,))).shape == (size, 2)
    assert len(graphs) == 3
    (record,) = list_own(caplog)
    assert "sum_groups could not be compiled and runs unfused, slower" in record.message


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler")
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_the_compiler_takes_what_a_step_is_made_of():
    """Values and gradients of likelihood and mixture, compiled as on a GPU, many seeds at once."""
    from priorbench.bench.models.likelihoods import Bernoulli
    from priorbench.priors import Gaussian
    from priorbench.priors.posteriors.mixture import log_mixture

    def compile_and_run(form, *arguments):  # what is kept would be other tests' too
        return compiled.compile_function(form)(*arguments)

    def of_one(raw, z, logits, x):
        joint, parts = log_mixture(Gaussian()(raw), z, [[0, 2], [1]], -1.0)
        return joint.sum() + parts.sum() + Bernoulli()(logits, x).sum()

    shapes = (2, 16, 6), (2, 16, 3), (2, 16, 20)
    inputs = [torch.randn(shape, requires_grad=True) for shape in shapes]
    x = (torch.rand(2, 16, 20) < 0.2).float()
    found = []
    fused = compiled.run_fused_by(compile_and_run, "cpu")
    for context in (contextlib.nullcontext(), fused):
        with context:
            total = torch.vmap(of_one)(*inputs, x).sum()
            found.append((total, *torch.autograd.grad(total, inputs)))
    for got, expected in zip(*found, strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)


def scale_rows(x, scale, shift, factor):
    """Two outputs of tensors that have as many dimensions but the last, and a constant."""
    y = factor * x * scale[..., None] + shift
    return y.sin(), (y.detach() * scale[..., None]).sum(-1)


def evaluate_rows(function, x, scale, shift):
    """Return values and gradients of a block whose seeds have the shift in common."""
    inputs = [t.clone().requires_grad_() for t in (x, scale, shift)]
    found = torch.vmap(lambda a, b, c: function(a, b, c, 3.0), in_dims=(0, 1, None))(
        *inputs
    )
    total = found[0].square().sum() + found[1].sum()
    return *found, *torch.autograd.grad(total, inputs)


def test_values_and_gradients_of_a_fused_function_are_its_own():
    x, scale, shift = torch.randn(3, 4, 2), torch.randn(4, 3), torch.randn(4, 2)
    expected = evaluate_rows(scale_rows, x, scale, shift)
    function, calls = compiled.fuse_with_gradient(scale_rows), []

    def count_and_run(form, *arguments):
        calls.append(1)
        return form(*arguments)

    plain = evaluate_rows(function, x, scale, shift)
    assert not calls
    with compiled.run_fused_by(count_and_run, "cpu"):
        fused = evaluate_rows(function, x, scale, shift)
    assert len(calls) == 2  # one forward, one backward
    for one, other, values in zip(plain, fused, expected, strict=True):
        torch.testing.assert_close(one, values)
        torch.testing.assert_close(other, values)


def test_no_gradient_is_computed_that_nobody_needs():
    function, needed = compiled.fuse_with_gradient(scale_rows), []

    def note_and_run(form, *arguments):
        needed.append(arguments[-1])
        return form(*arguments)

    x, scale, shift = torch.randn(4, 2), torch.randn(4), torch.randn(4, 2)
    with compiled.run_fused_by(note_and_run, "cpu"):
        function(x, scale.requires_grad_(), shift, 3.0)[0].sum().backward()
    assert needed == [3.0, (1,)]
    assert scale.grad is not None


@pytest.mark.slow
@pytest.mark.usefixtures("on_the_cpu", "graphs")
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
@pytest.mark.parametrize("prior", ["isa learned", "hypersphere", "power spherical"])
def test_the_compiler_takes_what_priors_are_made_of(prior):
    """As graphs of many seeds, forward and backward, with the values of what is written."""
    from priorbench.priors import ISA, HypersphereProduct
    from priorbench.priors.posteriors.mixture import log_mixture

    made = {
        "isa learned": lambda: ISA([2, 3], learn_exponents=True),
        "hypersphere": lambda: HypersphereProduct([2, 1]),
        "power spherical": lambda: HypersphereProduct([4], "power_spherical"),
    }[prior]()
    family = made.posterior

    def of_one(raw, noise):
        q = family(raw)
        z = q.rsample(noise)
        joint, parts = log_mixture(q, z, made.coordinates, -1.0)
        mixed = joint.sum() + parts.sum()
        return made.kl(q, z).sum() + q.log_prob(z).sum() + mixed + z.square()[0].sum()

    raw = torch.randn(2, 8, family.num_params(5), requires_grad=True)
    noise = torch.randn(2, 8, family.noise_dim(5))
    found = []
    # made before, and reset
    limit = compiled.name_recompile_limit()
    setattr(torch._dynamo.config, limit, compiled.VARIANTS)
    torch._dynamo.utils.counters.clear()
    for devices in ((), ("cpu",)):
        compiled.COMPILED_ON = devices
        total = torch.vmap(of_one)(raw, noise).sum()
        found.append((total, *torch.autograd.grad(total, raw)))
    assert not compiled._failed
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] >= 2
    torch.testing.assert_close(*found, rtol=1e-5, atol=1e-6)
