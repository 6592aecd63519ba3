"""A skops file is a zip from a stranger: it is measured, and its plan is read, before anything is built.

skops asks whether it knows the types. It does not ask how large they become, whether a part is said twice and
differently, or with which state native code is called: that is asked here.
"""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, BinaryIO

import numpy as np

_SCHEMA = "schema.json"
_MOST_MEMBERS = 200_000
_MOST_BYTES, _MOST_SCHEMA_BYTES = 16 << 30, 256 << 20
# What compresses better than that is no model: trees and vocabularies shrink to a tenth at best.
_MOST_RATIO, _FREE_BYTES = 100, 64 << 20
_MOST_HEADER_BYTES = 10_000  # as NumPy itself reads at most
_ARRAY = "NdArrayNode"
_NAMES = ("__id__", "file")
_POOL = "4"  # words of a seed, as NumPy has them

# How skops builds a part, and of which type it may be then; (): of any that skops knows.
_BUILDERS: dict[str, tuple[str, ...]] = {
    "JsonNode": (),
    "DictNode": ("builtins.dict", "collections.OrderedDict"),
    "ListNode": ("builtins.list",),
    "TupleNode": ("builtins.tuple",),
    "SetNode": ("builtins.set",),
    "SliceNode": ("builtins.slice",),
    "TypeNode": (),
    _ARRAY: (),
    "DTypeNode": ("numpy.dtype",),
    "FunctionNode": (),
    "OperatorFuncNode": ("operator.methodcaller",),
    "RandomStateNode": ("numpy.random.mtrand.RandomState",),
    "RandomGeneratorNode": ("numpy.random._generator.Generator",),
    "TreeNode": ("sklearn.tree._tree.Tree",),
    "LossNode": (),
    "ObjectNode": (),
}
# A number is a size to the one; the other holds anything.
_NO_SCALARS = ("numpy.void", "numpy.object_")
KNOWN = {
    "numpy.dtype": "DTypeNode",
    "numpy.ravel": "FunctionNode",
    "operator.methodcaller": "OperatorFuncNode",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor": "ObjectNode",
    "sklearn.tree._tree.Tree": "TreeNode",
}
"""Types that skops does not build unasked, each with the one way to build it; what they hold is checked."""


class UnsafeError(Exception):
    """What a model's file holds cannot be used without trust in who made it; the text says why."""


def check_archive(file: BinaryIO, size: int) -> None:
    """Raises UnsafeError unless a skops file of `size` bytes can be built without harm."""
    try:
        with zipfile.ZipFile(file) as archive:
            sizes = _sizes(archive, size)
            schema = json.loads(archive.read(_SCHEMA))
            for name in _arrays(schema):
                _check_array(archive, name, sizes)
    except UnsafeError:
        raise
    except MemoryError as error:
        raise UnsafeError("it needs more memory than there is") from error
    except Exception as error:  # zipfile, zlib, json and NumPy each have many words for a damaged file
        words = " ".join(str(error).split())[:200]
        raise UnsafeError(f"it is no skops file, or damaged ({type(error).__name__}: {words})") from error


def _sizes(archive: zipfile.ZipFile, size: int) -> dict[str, int]:
    """Returns the sizes of the members by name; no reader gets more bytes than that of any of them."""
    members = archive.infolist()
    if len(members) > _MOST_MEMBERS:
        raise UnsafeError(f"its file has more than {_MOST_MEMBERS:,} members")
    sizes = {member.filename: member.file_size for member in members}
    if len(sizes) < len(members):
        raise UnsafeError("its file has two members with the same name")
    total = sum(sizes.values())
    if total > min(_MOST_BYTES, size * _MOST_RATIO + _FREE_BYTES):
        raise UnsafeError(f"its file of {size:,} bytes would become {total:,}")
    if sizes.get(_SCHEMA, 0) > _MOST_SCHEMA_BYTES:
        raise UnsafeError(f"its {_SCHEMA} is larger than {_MOST_SCHEMA_BYTES:,} bytes")
    return sizes


def _arrays(schema: Any) -> dict[str, int]:
    """Returns the members that hold arrays, each with the one part that it belongs to.

    Raises UnsafeError if a part is built in a way that is not known, or said twice and differently. A part
    is said in full wherever it stands; so what is built is not larger than what is said, and has no cycle.
    """
    arrays: dict[str, int] = {}
    seen: dict[int, Any] = {}
    left = [schema]
    while left:
        part = left.pop()
        if isinstance(part, list):
            left += part
        elif isinstance(part, dict):
            left += part.values()
            if "__id__" in part and not _is_alike(seen.setdefault(part["__id__"], part), part):
                raise UnsafeError("its file says a part twice, and differently")
            if "__loader__" in part:
                _check_part(part)
                if part["__loader__"] == _ARRAY and part["type"] == "numpy":
                    number = part["__id__"]
                    if arrays.setdefault(part["file"], number) != number:
                        raise UnsafeError("its file uses one array for several")
    return arrays


def _is_alike(one: Any, other: Any) -> bool:
    """Returns whether two parts are built alike, whatever they and their arrays are called."""
    left = [(one, other)]
    while left:
        a, b = left.pop()
        if a is b:
            continue
        if type(a) is not type(b):
            return False
        if isinstance(a, dict):
            if a.keys() != b.keys():
                return False
            left += [(a[key], b[key]) for key in a if key not in _NAMES]
        elif isinstance(a, list):
            if len(a) != len(b):
                return False
            left += zip(a, b, strict=True)
        elif a != b:
            return False
    return True


def _check_part(part: Mapping[str, Any]) -> None:
    builder, kind = part["__loader__"], f"{part['__module__']}.{part['__class__']}"
    if builder not in _BUILDERS:
        raise UnsafeError(f"it holds {kind}, which cannot be checked")
    kinds = _BUILDERS[builder]
    is_scalar = builder == _ARRAY and kind in _NO_SCALARS
    if is_scalar or (kinds and kind not in kinds) or KNOWN.get(kind, builder) != builder:
        raise UnsafeError(f"it asks to build {kind} as {builder}")
    if builder == "LossNode" and part["content"]["content"]:  # its length is not looked at
        raise UnsafeError(f"it brings a state for {kind}, which cannot be checked")
    if builder == "RandomGeneratorNode":  # it makes as large a pool as it is told
        pool = part["content"]["seed_seq"]["content"].get("pool_size")
        if pool and pool["content"] != _POOL:
            raise UnsafeError(f"it brings a state for {kind}, which cannot be checked")


def _check_array(archive: zipfile.ZipFile, name: str, sizes: Mapping[str, int]) -> None:
    """Raises UnsafeError unless an array is as large as its header says."""
    with archive.open(name) as file:
        version = np.lib.format.read_magic(file)
        width = {(1, 0): 2, (2, 0): 4}[version]
        length = file.read(width)
        count = int.from_bytes(length, "little")
        if count > _MOST_HEADER_BYTES:
            raise UnsafeError(f"{name} has a header of {count:,} bytes")
        header = file.read(count)
    shape, kind = _described(version, length + header)
    room, items = sizes[name] - np.lib.format.MAGIC_LEN - width - count, math.prod(map(int, shape))
    if kind.hasobject or items * kind.itemsize != room or (items and not kind.itemsize):
        raise UnsafeError(f"{name} is not as large as it says")


@lru_cache(maxsize=1024)
def _described(version: tuple[int, int], header: bytes) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Returns (shape, type); thousands of arrays have one header."""
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, kind = read(io.BytesIO(header), _MOST_HEADER_BYTES)
    return shape, kind
