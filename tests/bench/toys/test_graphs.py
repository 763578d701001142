"""Graphs, what is held out of them, and the prediction of links."""

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from priorbench import priors
from priorbench.bench.toys.__main__ import app
from priorbench.bench.toys.graph_links import (
    GraphAutoencoder,
    mix_neighbours,
    score_links,
    train_model,
)
from priorbench.bench.toys.graphs import load_graph, make_blocks, split_links
from priorbench.bench.toys.latent_spaces import make_prior
from priorbench.errors import UserError


@pytest.fixture(scope="module")
def graph():
    return make_blocks(nodes=200, blocks=4, inside=0.3, outside=0.02, seed=0)


def test_blocks_are_linked_as_often_as_asked(graph):
    links, same = graph.links, graph.labels[:, None] == graph.labels
    assert (links == links.T).all()
    assert not links.diagonal().any()
    assert np.bincount(graph.labels).tolist() == [50] * 4
    upper = np.triu(np.ones_like(same), 1).astype(bool)
    for part, p in ((same & upper, 0.3), (~same & upper, 0.02)):
        error = 4 * (p * (1 - p) / part.sum()) ** 0.5
        assert links[part].mean() == pytest.approx(p, abs=error)


def test_no_link_that_is_held_out_is_trained_on(graph):
    training, valid, test = split_links(graph, seed=3)
    links = graph.links.sum() // 2
    assert (training == training.T).all()
    assert training.sum() // 2 == links - int(0.05 * links) - int(0.1 * links)
    assert (training <= graph.links).all()
    seen = set()
    for held, share in ((valid, 0.05), (test, 0.1)):
        assert held.linked.sum() == (~held.linked).sum() == int(share * links)
        assert (graph.links[tuple(held.pairs)] == held.linked).all()
        assert not training[tuple(held.pairs)].any()
        assert (held.pairs[0] < held.pairs[1]).all()
        seen |= set(map(tuple, held.pairs.T))
    assert len(seen) == len(valid.linked) + len(test.linked)  # no pair twice
    again = split_links(graph, seed=3)
    assert (again[0] == training).all()
    assert (split_links(graph, seed=4)[0] != training).any()


def test_the_oracles_area_is_that_of_the_closed_form():
    nodes, blocks, inside, outside = 600, 3, 0.3, 0.1
    graph = make_blocks(nodes, blocks, inside, outside, 1)
    same = (graph.labels[:, None] == graph.labels).astype(float)
    # of pairs, links and others: shares that lie within a block
    within = (nodes / blocks - 1) / (nodes - 1)
    linked = within * inside / (within * inside + (1 - within) * outside)
    free = within * (1 - inside)
    free /= free + (1 - within) * (1 - outside)
    held = [split_links(graph, seed)[2] for seed in range(5)]
    areas = [score_links(same, test)["auc"] for test in held]
    assert np.mean(areas) == pytest.approx(0.5 + (linked - free) / 2, abs=0.01)
    perfect = score_links(graph.links.astype(float), held[0])
    assert perfect == {"auc": 1.0, "ap": 1.0}


def test_neighbours_are_mixed_as_in_a_graph_convolution():
    links = torch.tensor([[0, 1, 0], [1, 0, 0], [0, 0, 0]], dtype=torch.bool)
    mixed = mix_neighbours(links)
    expected = torch.tensor([[0.5, 0.5, 0], [0.5, 0.5, 0], [0, 0, 1]])
    torch.testing.assert_close(mixed, expected)
    path = torch.tensor([[0, 1, 0], [1, 0, 1], [0, 1, 0]], dtype=torch.bool)
    assert torch.linalg.eigvalsh(mix_neighbours(path)).max() == pytest.approx(1)


@pytest.mark.parametrize("kind", ["N-VAE", "S-VAE"])
def test_logits_begin_with_the_same_spread_in_every_space(kind):
    torch.manual_seed(0)
    prior = priors.build_prior(**make_prior(kind, 3))
    model = GraphAutoencoder(prior, 5, density=0.1)
    z = prior.sample((300,))
    logits = model.decode(z)[~torch.eye(300, dtype=torch.bool)]
    assert logits.std().item() == pytest.approx(2, rel=0.2)
    assert logits.mean().item() == pytest.approx(np.log(1 / 9), abs=0.2)


@pytest.mark.parametrize("kind", ["N-VAE", "S-VAE"])
def test_links_of_clear_blocks_are_predicted(kind):
    graph = make_blocks(60, 3, 0.7, 0.02, 0)
    fit = train_model(graph, make_prior(kind, 2), 0, 60)
    same = (graph.labels[:, None] == graph.labels).astype(float)
    oracle = score_links(same, split_links(graph, 0)[2])["auc"]
    assert oracle > 0.85
    assert fit.scores["auc"] > oracle - 0.15
    assert fit.scores["elbo"] < 0 < fit.scores["kl"]


def test_a_seed_replays():
    graph = make_blocks(60, 3, 0.7, 0.02, 0)
    first, again = (train_model(graph, make_prior("S-VAE", 2), 0, 3) for _ in range(2))
    assert again.scores == first.scores


RING = "\n".join(f"n{i} n{(i + 1) % 30}" for i in range(30))


def write_graph(folder, edges=RING, features=None):
    (folder / "edges.txt").write_text(edges)
    if features is not None:
        (folder / "features.csv").write_text(features)
    return folder


def test_a_graph_is_read_from_its_files(tmp_path):
    bare = load_graph(write_graph(tmp_path, f"# links\n{RING}\nn1,n0\nn2 n2\n"))
    assert bare.links.sum() == 2 * 30
    assert bare.features is None
    features = "".join(f"n{i},{i},0.5,{'ab'[i % 2]}\n" for i in range(30))
    graph = load_graph(write_graph(tmp_path, f"{RING}\nn1 other\n", features))
    assert graph.features.tolist() == [[i, 0.5] for i in range(30)]
    assert graph.labels.tolist() == [0, 1] * 15
    assert graph.links[3].nonzero()[0].tolist() == [2, 4]
    assert graph.left_out == 1
    words = f"graph_links --from {tmp_path} --out {tmp_path / 'out'} --set steps=1"
    words += " --set seeds=1 --set dimensions=[3]"
    done = CliRunner().invoke(app, words.split())
    assert done.exit_code == 0, done.output
    first, *_ = done.stdout.splitlines()
    assert first == "30 nodes, 30 links; 1 left out, of nodes without features"
    assert "true blocks" not in done.stdout


@pytest.mark.parametrize(
    ("edges", "features", "message"),
    [
        (
            "a b c",
            None,
            r"edges.txt, line 1: must name two nodes; got \['a', 'b', 'c'\]",
        ),
        ("a b\nb c", None, "edges.txt has 2 links; at least 20 are needed"),
        (RING, "n0,1,2\nn1,1\n", "features.csv, line 2: must have a name, as many"),
        (RING, "n0,1,a\nn1,nan,b\n", "line 2: .* as line 1 and a class"),
        (RING, "n0,1\nn0,2\n", "features.csv: must have numbers of each node, and"),
        (RING, "", "features.csv: must have numbers"),
    ],
)
def test_a_wrong_file_is_named(edges, features, message, tmp_path):
    with pytest.raises(UserError, match=message):
        load_graph(write_graph(tmp_path, edges, features))


def test_missing_and_double_files_are_named(tmp_path):
    with pytest.raises(
        UserError, match=r"no edges\.csv or edges\.txt or .*put the links"
    ):
        load_graph(tmp_path)
    write_graph(tmp_path)
    (tmp_path / "cora.cites").write_text(RING)
    with pytest.raises(UserError, match=r"has edges\.txt and cora\.cites; leave"):
        load_graph(tmp_path)


def test_a_graph_with_all_links_has_nothing_to_predict():
    with pytest.raises(UserError, match="nearly all nodes are linked"):
        split_links(make_blocks(20, 1, 1.0, 1.0, 0), 0)
