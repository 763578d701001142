import pytest
import torch
from torch import nn
from torch.func import functional_call, vmap

from priorbench.bench.models import sparse_linear
from priorbench.bench.models.sparse_linear import SparseLinear


def make_pair(pixels=50, out=170):
    """Return the layer and PyTorch's own with the same parameters, wider than a strip."""
    ours = SparseLinear(pixels, out).double()
    theirs = nn.Linear(pixels, out).double()
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs


def draw_images(rows, pixels, share, binary=True):
    on = torch.rand(rows, pixels) < share
    return (on if binary else on * torch.randn(rows, pixels)).double()


@pytest.fixture(autouse=True)
def _every_size(monkeypatch):
    monkeypatch.setattr(sparse_linear, "MIN_PRODUCTS", 0)


@pytest.fixture
def sparse_products(monkeypatch):
    """Count the sparse products: a dense one would pass every test here."""
    seen = []
    apply = sparse_linear._SparseProduct.apply

    def apply_and_count(*inputs):
        seen.append(1)
        return apply(*inputs)

    monkeypatch.setattr(sparse_linear._SparseProduct, "apply", apply_and_count)
    return seen


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize(("rows", "share"), [(1, 0.1), (33, 0.05), (200, 0.15)])
def test_values_and_gradients_are_those_of_the_dense_layer(
    rows, share, binary, sparse_products
):
    ours, theirs = make_pair()
    x = draw_images(rows, 50, share, binary)
    weights = torch.randn(rows, 170, dtype=torch.float64)
    for layer in (ours, theirs):
        (layer(x) * weights).sum().backward()
    assert sparse_products == [1]
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-12, atol=1e-12)
    for got, expected in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(got.grad, expected.grad, rtol=1e-12, atol=1e-12)


def test_small_products_are_dense(sparse_products, monkeypatch):
    ours, theirs = make_pair()
    x = draw_images(20, 50, 0.1)
    monkeypatch.setattr(sparse_linear, "MIN_PRODUCTS", 20 * 50 * 170 + 1)
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-12, atol=1e-12)
    assert not sparse_products
    monkeypatch.setattr(sparse_linear, "MIN_PRODUCTS", 20 * 50 * 170)
    ours(x)
    assert sparse_products == [1]


def test_rows_and_columns_without_any_pixel(sparse_products):
    """First, last and middle ones: empty sums must not take their neighbours' terms."""
    ours, theirs = make_pair()
    x = torch.zeros(5, 50, dtype=torch.float64)
    x[1, [3, 7]] = 1
    x[3, 48] = 2
    for layer in (ours, theirs):
        layer(x).square().sum().backward()
    assert sparse_products == [1]
    torch.testing.assert_close(
        ours.weight.grad, theirs.weight.grad, rtol=1e-12, atol=1e-12
    )
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-12, atol=1e-12)


def test_the_images_gradient_where_it_is_asked_for(sparse_products):
    ours, theirs = make_pair()
    x = draw_images(9, 50, 0.1).requires_grad_()
    got, expected = (
        torch.autograd.grad(layer(x).square().sum(), x) for layer in (ours, theirs)
    )
    torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-12)
    assert sparse_products == [1]


@pytest.mark.parametrize(
    "x",
    [
        torch.ones(4, 50),
        torch.zeros(4, 50),
        torch.zeros(50),
        torch.zeros(2, 3, 50),
    ],
)
def test_dense_empty_and_other_inputs_go_to_the_dense_layer(x, sparse_products):
    ours, theirs = make_pair()
    torch.testing.assert_close(
        ours(x.double()), theirs(x.double()), rtol=1e-12, atol=1e-12
    )
    assert not sparse_products


def test_more_columns_than_a_short_integer_counts(sparse_products):
    ours, theirs = make_pair(pixels=40_000, out=3)
    x = torch.zeros(2, 40_000, dtype=torch.float64)
    x[0, 39_999] = x[1, 33_000] = 1
    for layer in (ours, theirs):
        layer(x).square().sum().backward()
    assert sparse_products == [1]
    torch.testing.assert_close(
        ours.weight.grad, theirs.weight.grad, rtol=1e-12, atol=1e-12
    )


def test_many_seeds_at_once(sparse_products):
    """Under vmap it is the batched dense product, gradients included."""
    ours, theirs = make_pair()
    stacked = {
        name: torch.stack([p.detach(), 2 * p.detach()]).requires_grad_()
        for name, p in theirs.named_parameters()
    }
    x = draw_images(2 * 6, 50, 0.1).reshape(2, 6, 50)
    for layer in (ours, theirs):
        y = vmap(lambda p, x, layer=layer: functional_call(layer, p, (x,)))(stacked, x)
        grads = torch.autograd.grad(y.square().sum(), list(stacked.values()))
        if layer is ours:
            expected = y, grads
    torch.testing.assert_close((y, grads), expected, rtol=1e-12, atol=1e-12)
    assert not sparse_products


def test_in_bfloat16_it_is_the_dense_product(sparse_products):
    ours, theirs = (layer.float() for layer in make_pair())
    x = draw_images(20, 50, 0.1).float()
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(ours(x), theirs(x))
    assert not sparse_products
