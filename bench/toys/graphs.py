"""Graphs: random ones of blocks, a user's own from files, and what is held out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from priorbench.errors import UserError

EDGES = ("edges.csv", "edges.txt", "*.cites")
FEATURES = ("features.csv", "features.txt", "*.content")

MOST_NODES = 5000
"""All pairs of nodes are held in memory."""

VALID, TEST = 0.05, 0.10
"""Shares of the links that are held out (Kipf and Welling 2016)."""


@dataclass(frozen=True)
class Graph:
    """An undirected graph.

    Attributes:
        name: in the figure.
        links: bool (N, N), symmetric, without loops.
        features: of each node, float32 (N, F); one of its own for each if None.
        labels: classes of the nodes, int (N,), which are not trained on.
        left_out: links of the file that lead to nodes without features.
    """

    name: str
    links: np.ndarray
    features: np.ndarray | None
    labels: np.ndarray
    left_out: int = 0


@dataclass(frozen=True)
class HeldOut:
    """Pairs of nodes that are held out: links, and as many pairs without one.

    Attributes:
        pairs: int (2, n).
        linked: bool (n,).
    """

    pairs: np.ndarray
    linked: np.ndarray


def make_blocks(
    nodes: int, blocks: int, inside: float, outside: float, seed: int
) -> Graph:
    """Return a stochastic block model with blocks of equal size.

    References: Holland, Laskey and Leinhardt 1983.

    Args:
        nodes: number of nodes.
        blocks: number of blocks.
        inside: probability of a link between two nodes of a block.
        outside: that between nodes of two blocks.
        seed: of the draw.
    """
    labels = np.arange(nodes) * blocks // nodes
    probability = np.where(labels[:, None] == labels, inside, outside)
    upper = np.triu(np.random.default_rng(seed).random((nodes, nodes)), 1)
    links = np.triu(upper < probability, 1)
    return Graph(f"{blocks} blocks", links | links.T, None, labels)


def load_graph(folder: Path) -> Graph:
    """Load a graph from a folder.

    ``edges.csv`` or ``edges.txt`` has a link a line, two names of nodes.
    ``features.csv`` or ``features.txt``, if there is one, has a node a line: its name,
    numbers, and perhaps a class, in a last column that is no number. Commas and spaces
    separate; a line that begins with # is skipped. ``cora.cites`` and ``cora.content``,
    of the Cora and Citeseer data sets, are such files too.

    Raises:
        UserError: a file is missing, cannot be read or has a wrong line; or the graph
            is too large, or too small to hold anything out.
    """
    path = _find_file(folder, EDGES)
    if path is None:
        raise UserError(f"no {' or '.join(EDGES)} in {folder}; put the links there")
    rows = _read_rows(path)
    for number, row in rows:
        if len(row) != 2:
            raise UserError(f"{path}, line {number}: must name two nodes; got {row}")
    pairs = [row for _, row in rows]
    described = _find_file(folder, FEATURES)
    names = sorted({name for pair in pairs for name in pair})
    features, labels = None, np.zeros(len(names), int)
    if described is not None:
        names, features, labels = _read_features(described)
    if len(names) > MOST_NODES:
        raise UserError(
            f"{path} has {len(names):,} nodes; at most {MOST_NODES:,} are taken, for "
            "all pairs are held in memory"
        )
    index = {name: row for row, name in enumerate(names)}
    known = [pair for pair in pairs if set(pair) <= index.keys()]
    links = np.zeros((len(names), len(names)), bool)
    for one, other in known:
        links[index[one], index[other]] = links[index[other], index[one]] = True
    np.fill_diagonal(links, False)
    if links.sum() // 2 < 1 / VALID:
        raise UserError(
            f"{path} has {links.sum() // 2} links; at least {1 / VALID:.0f} are needed"
        )
    return Graph(folder.name, links, features, labels, len(pairs) - len(known))


def _find_file(folder: Path, patterns: Sequence[str]) -> Path | None:
    found = [path for pattern in patterns for path in sorted(folder.glob(pattern))]
    if len(found) > 1:
        raise UserError(f"{folder} has {found[0].name} and {found[1].name}; leave one")
    return found[0] if found else None


def _read_rows(path: Path) -> list[tuple[int, list[str]]]:
    """Return the words of each line that has any, with its number."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read {path}: {error}") from error
    rows = ((n, line.replace(",", " ").split()) for n, line in enumerate(lines, 1))
    return [(n, row) for n, row in rows if row and not row[0].startswith("#")]


def _read_features(path: Path) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Return names, features and classes of the nodes."""
    rows = _read_rows(path)
    labelled = bool(rows) and not _is_number(rows[0][1][-1])
    end, width = -1 if labelled else None, len(rows[0][1]) if rows else 0
    features = []
    for number, row in rows:
        if len(row) != width or not all(map(_is_number, row[1:end])):
            raise UserError(
                f"{path}, line {number}: must have a name, as many numbers as line "
                f"{rows[0][0]}{' and a class' if labelled else ''}"
            )
        features.append(np.array(row[1:end], np.float32))
    names = [row[0] for _, row in rows]
    if not names or not features[0].size or len(set(names)) < len(names):
        raise UserError(f"{path}: must have numbers of each node, and each node once")
    classes = [row[-1] if labelled else "" for _, row in rows]
    return names, np.stack(features), np.unique(classes, return_inverse=True)[1]


def _is_number(word: str) -> bool:
    try:
        return bool(np.isfinite(float(word)))
    except ValueError:
        return False


def split_links(graph: Graph, seed: int) -> tuple[np.ndarray, HeldOut, HeldOut]:
    """Hold links out, and as many pairs without a link.

    Args:
        graph: the whole graph.
        seed: of the split.

    Returns:
        The links that are left to train on, bool (N, N), and the pairs to validate and
        to test on; no pair is in two of them.

    Raises:
        UserError: the graph has too few pairs without a link.
    """
    generator = np.random.default_rng(seed)
    linked = np.argwhere(np.triu(graph.links, 1))
    free = np.argwhere(np.triu(~graph.links, 1))
    counts = [int(VALID * len(linked)), int(TEST * len(linked))]
    if len(free) < sum(counts):
        raise UserError("nearly all nodes are linked, so there is nothing to predict")
    linked = generator.permutation(linked)[: sum(counts)]
    free = generator.choice(free, sum(counts), replace=False)
    training = graph.links.copy()
    training[tuple(linked.T)] = training[tuple(linked.T[::-1])] = False
    held = []
    for start, count in zip((0, counts[0]), counts, strict=True):
        both = [linked[start : start + count], free[start : start + count]]
        held.append(HeldOut(np.concatenate(both).T, np.repeat([True, False], count)))
    return training, held[0], held[1]
