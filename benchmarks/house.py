"""``python -m benchmarks.house``: counts of the code, held against the house style.

Of every room: functions of modules and how many have a name of one word, private
functions and how many have one caller, and tokens a line. Of all together: the longest
chain of imports.
"""

import ast
import io
import tokenize
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table
from scipy.sparse.csgraph import connected_components

from priorbench.command_line import make_app
from priorbench.short_names import ROOMS

PACKAGE = "priorbench"
FOLDERS = (*ROOMS, PACKAGE)
ROOT = Path(__file__).parents[1]

LAYOUT = {
    tokenize.COMMENT,
    tokenize.NEWLINE,
    tokenize.NL,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}
"""Tokens that are not counted."""


@dataclass(frozen=True)
class Counts:
    """Counts of one or more modules.

    Attributes:
        functions: functions of modules; methods and functions in functions are not.
        one_word: those with a name of one word.
        private: those with a name that begins with an underscore.
        one_caller: private ones whose name is used once in their module, and that have
            no decorator: a cached or compiled function must be one.
        tokens: of the code, without comments and docstrings.
        lines: that the tokens are on.
    """

    functions: int = 0
    one_word: int = 0
    private: int = 0
    one_caller: int = 0
    tokens: int = 0
    lines: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return Counts(*(a + b for a, b in pairs))


def count_module(source: str) -> Counts:
    """Count what is in a module.

    Example:
        >>> count_module('''
        ... def load(path):
        ...     "Docstrings are not counted."
        ...     return _read_lines(path)  # nor are comments
        ...
        ... def _read_lines(path): return list(open(path))
        ... ''')
        Counts(functions=2, one_word=1, private=1, one_caller=1, tokens=25, lines=3)
    """
    tree = ast.parse(source)
    defined = (ast.FunctionDef, ast.AsyncFunctionDef)
    names = [node.name for node in tree.body if isinstance(node, defined)]
    private = [name for name in names if name.startswith("_")]
    plain = [
        node.name
        for node in tree.body
        if isinstance(node, defined) and not node.decorator_list
    ]
    nodes = list(ast.walk(tree))
    used = Counter(node.id for node in nodes if isinstance(node, ast.Name))
    documented: set[int] = set()
    for node in nodes:
        constant = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if constant and isinstance(node.value.value, str):
            documented.update(range(node.lineno, node.end_lineno + 1))
    lines = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        line = token.start[0]
        if token.type not in LAYOUT and line not in documented:
            lines.append(line)
    return Counts(
        functions=len(names),
        one_word=sum("_" not in name.strip("_") for name in names),
        private=len(private),
        one_caller=sum(used[name] == 1 for name in private if name in plain),
        tokens=len(lines),
        lines=len(set(lines)),
    )


def list_imports(source: str, known: Mapping[str, object]) -> set[str]:
    """Return the modules among ``known`` that a module imports anywhere in its text.

    Imports for type checking only are left out. A module of the project may be named
    with or without :data:`PACKAGE` before it.

    Example:
        >>> known = dict.fromkeys(["bench.run", "bench.report", "priors"])
        >>> text = "from priorbench.bench import report, run; import priors.base, torch"
        >>> sorted(list_imports(text, known))
        ['bench.report', 'bench.run', 'priors']
    """
    imported = set()
    for statement in _walk_imports(ast.parse(source)):
        for alias in statement.names:
            name = alias.name
            if isinstance(statement, ast.ImportFrom):
                name = f"{statement.module}.{name}"
            short = name.removeprefix(f"{PACKAGE}.")
            if short.partition(".")[0] in ROOMS:
                name = short
            while name and name not in known:  # an object in a module
                name = name.rpartition(".")[0]
            if name:
                imported.add(name)
    return imported


def _walk_imports(node: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child
        elif not (
            isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test)
        ):
            yield from _walk_imports(child)


def find_longest_chain(imports: Mapping[str, set[str]]) -> list[str]:
    """Find the longest chain of modules in which each imports the next.

    Modules that import each other in a circle are links of the chain all together.

    Args:
        imports: what each module imports.

    Example:
        >>> find_longest_chain({"a": {"b", "c"}, "b": {"c"}, "c": set(), "d": {"c"}})
        ['a', 'b', 'c']
    """
    names = sorted(imports)
    matrix = np.array([[other in imports[name] for other in names] for name in names])
    _, labels = connected_components(matrix, connection="strong")
    circles: dict[int, list[str]] = {}
    for name, label in zip(names, labels.tolist(), strict=True):
        circles.setdefault(label, []).append(name)
    circle_of = {name: label for label, circle in circles.items() for name in circle}

    @cache
    def extend_chain(label: int) -> list[str]:
        below = {circle_of[n] for name in circles[label] for n in imports[name]}
        chains = [extend_chain(other) for other in sorted(below - {label})]
        return circles[label] + max(chains, key=len, default=[])

    return max(map(extend_chain, circles), key=len)


def read_modules(root: Path) -> dict[str, tuple[str, str]]:
    """Read the modules of a checkout.

    Returns:
        Room and source of each module by its name, for example ``bench.report.write``
        in the room ``bench/report``.
    """
    modules = {}
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*.py")):
            *rooms, name = path.relative_to(root).with_suffix("").parts
            parts = rooms if name == "__init__" else [*rooms, name]
            source = path.read_text(encoding="utf-8")
            modules[".".join(parts)] = "/".join(rooms), source
    return modules


def main(
    root: Annotated[Path, typer.Argument(help="Folder of a checkout.")] = ROOT,
) -> None:
    """Print the counts of each room, and the longest chain of imports."""
    modules = read_modules(root)
    rooms: dict[str, Counts] = {}
    for room, source in modules.values():
        rooms[room] = rooms.get(room, Counts()) + count_module(source)
    table = Table("room", box=None)
    headings = ("functions", "one word", "private", "one caller", "tokens a line")
    for heading in headings:
        table.add_column(heading, justify="right")
    for room, counts in {**rooms, "all": sum(rooms.values(), Counts())}.items():
        share = counts.one_word / max(counts.functions, 1)
        density = counts.tokens / max(counts.lines, 1)
        table.add_row(
            room,
            str(counts.functions),
            f"{share:.0%}",
            str(counts.private),
            str(counts.one_caller),
            f"{density:.1f}",
        )
    imports = {
        name: list_imports(source, modules) - {name}
        for name, (_, source) in modules.items()
    }
    chain = find_longest_chain(imports)
    console = Console()
    console.print(table)
    console.print(f"\nlongest chain of imports, {len(chain)} modules:", highlight=False)
    console.print(" → ".join(chain), highlight=False)


app = make_app(main)

if __name__ == "__main__":
    app(prog_name="python -m benchmarks.house")
