"""What a component's code imports from elsewhere, found without running it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

# Modules that pandas loads when it first reads or writes such a file.
_LOADED_BY_USE = {
    "read_parquet": "pyarrow.dataset",
    "to_parquet": "pyarrow.parquet",
    "read_feather": "pyarrow.feather",
}


def imports_of(root: Path, names: list[str]) -> list[str]:
    """Returns the modules that Python files in folders of `root` import, in the order they are met.

    Imports within functions count too: they are met when the step does its work. Tests, files that
    cannot be parsed and modules of the folders themselves are left out.
    """
    found: dict[str, None] = {}
    own = {root / name: {p.stem for p in (root / name).glob("*")} for name in names}
    ours = set(names).union(*own.values()) if own else set(names)
    for folder in own:
        for file in sorted(folder.rglob("*.py")):
            if not file.name.startswith(("test_", "conftest")):
                found |= {m: None for m in _imports(file) if m.partition(".")[0] not in ours}
    return list(found)


def _imports(file: Path) -> Iterator[str]:
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):
        return
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop(0)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            waiting += node.orelse
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
        elif isinstance(node, ast.Attribute) and node.attr in _LOADED_BY_USE:
            yield _LOADED_BY_USE[node.attr]
        waiting += ast.iter_child_nodes(node)
