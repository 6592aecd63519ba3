"""The trees of a compiled form as a file; files of Waypost 1.0.0 are read, too."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from waypost.inference.graphs import of_graph

_TREES = "trees.bin"
_OLD_GRAPH, _OLD_LEAVES = "row.onnx", "leaves.npy"


def save_form(form: bytes | None, folder: Path) -> None:
    """Writes the trees of a form, if any, into a folder."""
    if form is not None:
        (folder / _TREES).write_bytes(form)


def load_form(folder: Path) -> bytes | None:
    """Returns the trees of the form in a folder, None for a linear model."""
    if (file := folder / _TREES).exists():
        return file.read_bytes()
    if (graph := folder / _OLD_GRAPH).exists():
        return of_graph(graph, np.load(folder / _OLD_LEAVES)).to_bytes()
    return None
