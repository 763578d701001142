"""What a plug-in's code is: a hash of all of the user's code that it runs.

Comments, docstrings, the layout of the lines and other definitions of the file do not
count. Classes that are inherited from, functions and constants that are used, and the
user's own modules that are imported do. Of what has no file, like a class of a
notebook, the compiled code counts, so that another version of Python counts as another
code.
"""

import ast
import copy
import importlib
import sys
import sysconfig
from collections.abc import Iterator
from functools import cache, lru_cache
from importlib.util import resolve_name
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

from priorbench.bench.study.identity import hash_values

Statement = tuple[str, str]
"""A module's name and a statement of it in canonical form."""


def hash_definition(entry: Any) -> str | None:
    """Return the hash of a plug-in's code; None if it is the project's own.

    Args:
        entry: a class or a function.
    """
    package = entry.__module__.partition(".")[0]
    module = sys.modules.get(entry.__module__)
    if package == "priorbench" or module is None:
        return None
    search = _Search(package)
    if _has_file(module):
        search.add_definition(module, entry.__qualname__.partition(".")[0], entry)
    else:
        search.add_value(entry)
    return hash_values(sorted(search.statements))


class _Search:
    """A walk from a definition to all of the user's code that it refers to.

    Args:
        package: top-level package of the definition; its modules count wherever they
            are installed.
    """

    def __init__(self, package: str) -> None:
        self.package = package
        self.statements: set[Statement] = set()
        self._whole: set[str] = set()
        self._values: list[Any] = []

    def add_definition(self, module: ModuleType, name: str, value: Any = None) -> None:
        """Add the top-level statements of a module that define a name.

        Where none does, ``value`` was made in another way, and the whole module counts.
        """
        source = _read_module(module)
        found = source.definitions.get(name)
        if found is None and value is not None:
            self.add_module(module)
            return
        for statement in found or ():
            self._add_statement(module, source, statement)

    def add_module(self, module: ModuleType) -> None:
        """Add every statement of a module."""
        if module.__name__ in self._whole or not self._is_own(module):
            return
        self._whole.add(module.__name__)
        source = _read_module(module)
        for statement in source.statements:
            self._add_statement(module, source, statement)

    def add_value(self, value: Any) -> None:
        """Add a class, a function or another value that was made without a file."""
        if isinstance(value, ModuleType):
            self.add_module(value)
            return
        module = sys.modules.get(getattr(value, "__module__", None) or "")
        name = getattr(value, "__qualname__", None)
        if module is not None and name is not None and _has_file(module):
            if self._is_own(module):
                self.add_definition(module, name.partition(".")[0], value)
            return
        if any(value is known for known in self._values):
            return
        self._values.append(value)  # kept, so that no other object gets its id
        if isinstance(value, type):
            self.statements.add((value.__module__, f"class {name}"))
            members = {k: v for k, v in vars(value).items() if k not in _OF_ANY_CLASS}
            for key, member in members.items():
                self.statements.add((f"{value.__module__}.{name}", key))
                self.add_value(member)
            for base in value.__bases__:
                self.add_value(base)
        elif isinstance(value, FunctionType):
            self._add_function(value)
        elif isinstance(value, property):
            for function in (value.fget, value.fset):
                self.add_value(function)
        elif isinstance(value, staticmethod | classmethod):
            self.add_value(value.__func__)
        elif name is None:
            self.statements.add((type(value).__name__, _describe_constant(value)))

    def _add_function(self, function: FunctionType) -> None:
        codes = [function.__code__]
        for code in codes:
            codes += [c for c in code.co_consts if isinstance(c, CodeType)]
            constants = [c for c in code.co_consts if not isinstance(c, CodeType)]
            if constants[:1] == [function.__doc__]:
                constants = constants[1:]
            described = map(_describe_constant, constants)
            names = (*code.co_names, *code.co_varnames, *code.co_freevars)
            text = " ".join([code.co_code.hex(), *described, *names])
            self.statements.add((function.__module__, text))
            for used in code.co_names:
                if used in function.__globals__:
                    self.add_value(function.__globals__[used])
        for cell in function.__closure__ or ():
            self.add_value(cell.cell_contents)
        self.add_value(function.__defaults__)
        self.add_value(function.__kwdefaults__)

    def _add_statement(
        self, module: ModuleType, source: "_Source", statement: ast.stmt
    ) -> None:
        code = ast.unparse(_Stripped().visit(copy.deepcopy(statement)))
        if (module.__name__, code) in self.statements:
            return
        self.statements.add((module.__name__, code))
        for part in ast.walk(statement):
            self._follow(module, source, part)

    def _follow(self, module: ModuleType, source: "_Source", node: ast.AST) -> None:
        """Add what a name or an import refers to."""
        if isinstance(node, ast.Name):
            for statement in source.definitions.get(node.id, ()):
                self._add_statement(module, source, statement)
            for statement in source.imports.get(node.id, ()):
                self._follow_import(module, statement, node.id)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            self._follow_import(module, node, None)

    def _follow_import(
        self, module: ModuleType, statement: ast.stmt, name: str | None
    ) -> None:
        """Add what an import brings; under one of its names, or under all."""
        if isinstance(statement, ast.Import):
            for alias in statement.names:
                bound = alias.asname or alias.name.partition(".")[0]
                if name in (None, bound):
                    self._add_imported(alias.name)
            return
        assert isinstance(statement, ast.ImportFrom)
        relative = "." * statement.level + (statement.module or "")
        origin = (
            resolve_name(relative, module.__package__)
            if relative[:1] == "."
            else relative
        )
        for alias in statement.names:
            if name not in (None, alias.asname or alias.name) and alias.name != "*":
                continue
            found = _find_module(origin)
            if found is None or not self._is_own(found):
                continue
            if alias.name == "*":
                self.add_module(found)
            elif alias.name in _read_module(found).definitions:
                self.add_definition(found, alias.name)
            else:
                self._add_imported(f"{origin}.{alias.name}")
                self._follow_import_chain(found, alias.name)

    def _follow_import_chain(self, module: ModuleType, name: str) -> None:
        """Add what a module passes on that it imported itself."""
        for statement in _read_module(module).imports.get(name, ()):
            self._follow_import(module, statement, name)

    def _add_imported(self, name: str) -> None:
        module = _find_module(name)
        if module is not None:
            self.add_module(module)

    def _is_own(self, module: ModuleType) -> bool:
        """Return whether a module is the user's: not the project's, not a library."""
        package = module.__name__.partition(".")[0]
        file = getattr(module, "__file__", None)
        if package == "priorbench" or file is None or not file.endswith(".py"):
            return False
        if package == self.package:
            return True
        path = Path(file).resolve()
        return not any(path.is_relative_to(root) for root in _list_library_roots())


_OF_ANY_CLASS = (
    "__dict__",
    "__doc__",
    "__firstlineno__",
    "__module__",
    "__static_attributes__",
    "__weakref__",
)
"""Members of a class that say nothing of what it does."""


def _has_file(module: ModuleType) -> bool:
    return (getattr(module, "__file__", None) or "").endswith(".py")


def _describe_constant(value: Any) -> str:
    """Return a plain value in words that are the same in every process."""
    if isinstance(value, frozenset | set):
        return f"{type(value).__name__} {sorted(map(_describe_constant, value))}"
    if isinstance(value, tuple | list):
        return f"{type(value).__name__} {[_describe_constant(part) for part in value]}"
    if isinstance(value, dict):
        pairs = [
            (_describe_constant(k), _describe_constant(v)) for k, v in value.items()
        ]
        return f"dict {pairs}"
    if value is None or isinstance(value, str | bytes | int | float | complex):
        return repr(value)
    if hasattr(value, "tolist"):  # an array or a tensor
        return f"{type(value).__name__} {value.tolist()}"
    return type(value).__qualname__


class _Source:
    """The top-level statements of a module, by the names that they define.

    Attributes:
        statements: all of them.
        definitions: of each name, statements that define it.
        imports: of each name, statements that import it.
    """

    def __init__(self, tree: ast.Module) -> None:
        self.statements: list[ast.stmt] = []
        self.definitions: dict[str, list[ast.stmt]] = {}
        self.imports: dict[str, list[ast.stmt]] = {}
        for statement in _list_statements(tree):
            self.statements.append(statement)
            if isinstance(statement, ast.Import | ast.ImportFrom):
                for alias in statement.names:
                    bound = alias.asname or alias.name.partition(".")[0]
                    self.imports.setdefault(bound, []).append(statement)
                continue
            for name in _list_defined(statement):
                self.definitions.setdefault(name, []).append(statement)


def _read_module(module: ModuleType) -> _Source:
    return _parse_source(
        Path(module.__file__).read_bytes() if _has_file(module) else b""
    )


@lru_cache(maxsize=64)
def _parse_source(content: bytes) -> _Source:
    return _Source(ast.parse(content))


def _list_statements(tree: ast.Module) -> Iterator[ast.stmt]:
    """Yield the statements that run at import, but for docstrings and a main block."""
    for statement in tree.body:
        literal = isinstance(statement, ast.Expr) and isinstance(
            statement.value, ast.Constant
        )
        main = isinstance(statement, ast.If) and "__main__" in ast.unparse(
            statement.test
        )
        if not literal and not main:
            yield statement


def _list_defined(statement: ast.stmt) -> Iterator[str]:
    """Yield the names that a top-level statement defines."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield statement.name
        return
    targets: list[ast.expr] = []
    if isinstance(statement, ast.Assign):
        targets = statement.targets
    elif isinstance(statement, ast.AnnAssign | ast.AugAssign):
        targets = [statement.target]
    elif isinstance(statement, ast.If | ast.Try | ast.With | ast.For):
        for inner in ast.walk(statement):
            if isinstance(inner, ast.stmt) and inner is not statement:
                yield from _list_defined(inner)
        return
    for target in targets:
        for part in ast.walk(target):
            if isinstance(part, ast.Name):
                yield part.id


class _Stripped(ast.NodeTransformer):
    """Removes docstrings, and decorators that only register a plug-in."""

    def visit(self, node: ast.AST) -> ast.AST:
        """Strip a node and all below it."""
        self.generic_visit(node)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            first = node.body[0]
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                node.body = node.body[1:] or [ast.Pass()]
            node.decorator_list = [
                decorator
                for decorator in node.decorator_list
                if not ast.unparse(decorator).partition("(")[0].endswith("register")
            ]
        return node


def _find_module(name: str) -> ModuleType | None:
    """Return a module of the user's; None where it cannot be imported."""
    if name not in sys.modules:
        try:
            importlib.import_module(name)
        except Exception:  # an optional library, or a name that is not a module
            return None
    return sys.modules.get(name)


@cache
def _list_library_roots() -> tuple[Path, ...]:
    """Return the folders of the standard library and of installed packages."""
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    return tuple({Path(sysconfig.get_path(name)).resolve() for name in names})
