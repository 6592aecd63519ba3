"""What the code of a command imports and configures, found without running it.

Imports are followed from the program into the component's own files and the folders next to it. Files that
nothing imports (a `.venv`, `node_modules`, tests) are not read.
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from waypost.contracts.command import PythonCommand

# Modules that pandas loads when it first reads or writes such a file.
_LOADED_BY_USE = {
    "read_parquet": "pyarrow.dataset",
    "to_parquet": "pyarrow.parquet",
    "read_feather": "pyarrow.feather",
}
_CHANGES = {"update", "setdefault", "pop", "popitem", "clear"}
# Calls that change variables, or patch modules, before other modules are imported.
_CONFIGURING = {"putenv", "unsetenv", "load_dotenv", "read_env", "patch_all", "monkey_patch"}
_MODULE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*){0,9}")
_MOST_FILES = 2_000


@dataclass(frozen=True)
class Reached:
    """The external modules that the code imports, in order of first use; `configures` says that it sets
    environment variables, which modules read when they are imported.
    """

    modules: tuple[str, ...] = ()
    configures: bool = False


def reached(folder: Path, python: PythonCommand) -> Reached:
    """Returns what the code of a command in a component's folder imports and configures.

    Imports within functions count, too: they run when the step does its work; so do the component's own
    modules named in a string, which may be loaded by name. Files that cannot be parsed are skipped.
    """
    walk = _Walk(folder, python)
    while walk.waiting and len(walk.seen) < _MOST_FILES:
        walk.visit(walk.waiting.pop(0))
    return Reached(tuple(walk.modules), walk.configures)


@dataclass
class _Walk:
    folder: Path
    python: PythonCommand
    waiting: list[Path] = field(default_factory=list)
    seen: set[Path] = field(default_factory=set)
    modules: dict[str, None] = field(default_factory=dict)
    configures: bool = False

    def __post_init__(self) -> None:
        given = self.python.variables.get("PYTHONPATH", "").split(os.pathsep)
        self.path = [self.folder, *(self.folder / entry for entry in given if entry)]
        if self.python.file:
            self.path.insert(0, (self.folder / self.python.file).parent)
            self.waiting.append(self.folder / self.python.file)
        else:
            self._meet(f"{self.python.module}.__main__")

    def visit(self, file: Path) -> None:
        """Records what a file imports and configures."""
        file = Path(os.path.normpath(file))
        if file in self.seen or not file.is_relative_to(self.folder.parent):
            return
        self.seen.add(file)
        try:
            tree = ast.parse(file.read_bytes())
        except (OSError, SyntaxError, ValueError, RecursionError):
            return
        self.configures = self.configures or _configures(tree)
        nodes = list(_nodes(tree))
        for entry in filter(None, map(_path_entry, nodes)):
            self.path += [*(file.parent / part for part in entry), file.parent.joinpath(*entry)]
        for node in nodes:
            self._take(node, file)

    def _take(self, node: ast.AST, file: Path) -> None:
        if isinstance(node, ast.Import):
            for alias in node.names:
                self._meet(alias.name)
        elif isinstance(node, ast.ImportFrom):
            names = [alias.name for alias in node.names]
            if node.level:
                self._meet_near(file.parents[node.level - 1 :][:1], node.module or "", names)
            else:
                self._meet(node.module or "", names)
        elif isinstance(node, ast.Attribute) and node.attr in _LOADED_BY_USE:
            self.modules[_LOADED_BY_USE[node.attr]] = None
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and _MODULE.fullmatch(node.value):
            # It may be loaded by name, as by `import_module`; if not, it does no harm.
            self._meet_near(self.path, node.value, ())

    def _meet(self, module: str, names: Sequence[str] = ()) -> None:
        if not self._meet_near(self.path, module, names):
            self.modules[module.removesuffix(".__main__")] = None

    def _meet_near(self, path: Sequence[Path], module: str, names: Sequence[str]) -> bool:
        """Queues a module of the own code, its packages, and those of `names` that are modules; returns
        whether it is one.
        """
        for base in map(Path, map(os.path.normpath, path)):
            if not base.is_relative_to(self.folder.parent):
                continue
            found = [file for name in ("", *names) for file in _files(base, f"{module}.{name}".strip("."))]
            self.waiting += found
            if found:
                return True
        return False


def _files(base: Path, module: str) -> Iterator[Path]:
    """Yields the files that importing a module executes, if they are below `base`."""
    place = base
    for part in filter(None, module.split(".")):
        place = place / part
        for file in (place / "__init__.py", place.with_name(f"{part}.py")):
            if file.is_file():
                yield file
                break


def _nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """Yields all nodes except those that only type checkers see."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop(0)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            waiting += node.orelse
            continue
        yield node
        waiting += ast.iter_child_nodes(node)


def _path_entry(node: ast.AST) -> list[str]:
    """Returns the strings in a call such as `sys.path.insert(0, "src")`."""
    if isinstance(node, ast.Call) and _called(node) in ("insert", "append", "extend"):
        owner = node.func.value if isinstance(node.func, ast.Attribute) else None
        if isinstance(owner, ast.Attribute) and owner.attr == "path":
            return list(_texts(node.args))
    return []


def _texts(nodes: Sequence[ast.AST]) -> Iterator[str]:
    for node in nodes:
        for each in ast.walk(node):
            if isinstance(each, ast.Constant) and isinstance(each.value, str):
                yield each.value


def _called(node: ast.Call) -> str:
    """Returns the last name of a called function: `update` of `os.environ.update(…)`."""
    if isinstance(node.func, ast.Attribute):
        return node.func.attr
    return node.func.id if isinstance(node.func, ast.Name) else ""


def _configures(tree: ast.AST) -> bool:
    """Returns whether code sets environment variables anywhere: an import may follow."""
    nodes = list(ast.walk(tree))
    aliases = {"environ", "environb"}
    for node in nodes:
        if isinstance(node, ast.Assign) and _is_environment(node.value, aliases):
            aliases |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.ImportFrom):
            aliases |= {a.asname for a in node.names if a.asname and a.name in ("environ", "environb")}
    return any(_changes_environment(node, aliases) for node in nodes)


def _changes_environment(node: ast.AST, aliases: set[str]) -> bool:
    if isinstance(node, ast.Call):
        owner = node.func.value if isinstance(node.func, ast.Attribute) else None
        name = _called(node)
        return name in _CONFIGURING or (name in _CHANGES and _is_environment(owner, aliases))
    if isinstance(node, ast.Subscript):
        return not isinstance(node.ctx, ast.Load) and _is_environment(node.value, aliases)
    return isinstance(node, ast.AugAssign) and _is_environment(node.target, aliases)


def _is_environment(node: ast.AST | None, aliases: set[str]) -> bool:
    if isinstance(node, ast.Attribute):
        return node.attr in ("environ", "environb")
    return isinstance(node, ast.Name) and node.id in aliases
