"""The tree of an Lp-nested function, read from nested lists."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Node:
    """An inner node: the Lp norm of its children.

    Attributes:
        index: position of its exponent, the root's being 0, depth first.
        children: nodes, or the coordinates of leaves.
        leaves: all coordinates below, in the order written.
    """

    index: int
    children: tuple["Node | int", ...]
    leaves: tuple[int, ...]


def parse_tree(tree: Any) -> tuple[Node, list[float]]:
    """Read ``[p, [child, ...]]``, a child being a coordinate or again ``[p, [child, ...]]``.

    Returns:
        The root, and the exponents in depth-first order.

    Raises:
        ValueError: malformed (the place is named), or the coordinates are not 0 to n - 1.

    Example:
        >>> root, exponents = parse_tree([1.3, [0, [2.7, [1, 2]]]])
        >>> root.leaves, exponents
        ((0, 1, 2), [1.3, 2.7])
    """
    exponents: list[float] = []
    root = _parse_node(tree, "tree", exponents)
    if sorted(root.leaves) != list(range(len(root.leaves))):
        raise ValueError(
            f"the coordinates of 'tree' must be 0 to {len(root.leaves) - 1}, "
            f"each once; got {sorted(root.leaves)}"
        )
    return root, exponents


def _parse_node(tree: Any, place: str, exponents: list[float]) -> Node:
    pair = isinstance(tree, list | tuple) and len(tree) == 2
    if not pair or not isinstance(tree[1], list | tuple) or not tree[1]:
        raise ValueError(f"{place!r} must be [exponent, [child, ...]]; got {tree!r}")
    index = len(exponents)
    exponents.append(tree[0])
    children = tuple(
        _parse_child(c, f"{place}[1][{i}]", exponents) for i, c in enumerate(tree[1])
    )
    return Node(
        index,
        children,
        tuple(leaf for child in children for leaf in list_leaves(child)),
    )


def _parse_child(tree: Any, place: str, exponents: list[float]) -> Node | int:
    if isinstance(tree, int) and not isinstance(tree, bool):
        return tree
    return _parse_node(tree, place, exponents)


def list_leaves(child: Node | int) -> tuple[int, ...]:
    """The coordinates at or below ``child``."""
    return child.leaves if isinstance(child, Node) else (child,)
