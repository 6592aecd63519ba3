"""A skops file is an untrusted zip: its sizes and its schema are checked before anything is built.

skops checks the types. It does not check how large they become, whether a part is declared twice and
differently, or with which state native code is called: that is checked here.
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
# Models do not compress better than that: trees and vocabularies shrink to a tenth at best.
_MOST_RATIO, _FREE_BYTES = 100, 64 << 20
_MOST_HEADER_BYTES = 10_000  # NumPy's own limit
_ARRAY = "NdArrayNode"
_NAMES = ("__id__", "file")
_POOL = "4"  # words of a seed in NumPy

# How skops builds a part, and its allowed types; (): any that skops knows.
_BUILDERS: dict[str, tuple[str, ...]] = {
    "JsonNode": (),
    "DictNode": ("builtins.dict", "collections.OrderedDict", "sklearn.utils._bunch.Bunch"),
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
_PACKAGES = ("builtins", "numpy", "sklearn")
# The one takes a number as a size; the other holds anything.
_NO_SCALARS = ("numpy.void", "numpy.object_")
KNOWN = {
    "numpy.dtype": "DTypeNode",
    "numpy.ravel": "FunctionNode",
    "operator.methodcaller": "OperatorFuncNode",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor": "ObjectNode",
    "sklearn.tree._tree.Tree": "TreeNode",
}
"""Types that skops does not build by default, each with its one way to build it; their content is checked."""


class UnsafeError(Exception):
    """A model's file cannot be used without trust in its source; the text says why."""


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
        raise UnsafeError("it needs more memory than is available") from error
    except Exception as error:  # zipfile, zlib, json and NumPy raise many errors for a damaged file
        words = " ".join(str(error).split())[:200]
        raise UnsafeError(f"it is not a skops file, or damaged ({type(error).__name__}: {words})") from error


def _sizes(archive: zipfile.ZipFile, size: int) -> dict[str, int]:
    """Returns the sizes of the members by name; no reader gets more bytes of a member than its size."""
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
    """Returns the members with arrays, each with the one part that it belongs to.

    Raises UnsafeError if a part is built in an unknown way, or declared twice and differently. A part is
    declared in full wherever it occurs, so the result is not larger than the declarations, and has no cycle.
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
                raise UnsafeError("its file declares a part twice, and differently")
            if "__loader__" in part:
                _check_part(part)
                if part["__loader__"] == _ARRAY and part["type"] == "numpy":
                    number = part["__id__"]
                    if arrays.setdefault(part["file"], number) != number:
                        raise UnsafeError("its file uses one array for several")
    return arrays


def _is_alike(one: Any, other: Any) -> bool:
    """Returns whether two parts are built in the same way, whatever their names and those of their arrays."""
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
    if builder == "ObjectNode" and kind.partition(".")[0] not in _PACKAGES:
        raise UnsafeError(f"it requires building {kind}, which may run arbitrary code")
    if builder not in _BUILDERS:
        raise UnsafeError(f"it holds {kind}, which cannot be checked")
    kinds = _BUILDERS[builder]
    is_scalar = builder == _ARRAY and kind in _NO_SCALARS
    if is_scalar or (kinds and kind not in kinds) or KNOWN.get(kind, builder) != builder:
        raise UnsafeError(f"it requires building {kind} as {builder}")
    if builder == "LossNode" and part["content"]["content"]:  # its length is not checked
        raise UnsafeError(f"it brings a state for {kind}, which cannot be checked")
    if builder == "RandomGeneratorNode":  # it creates a pool of any declared size
        pool = part["content"]["seed_seq"]["content"].get("pool_size")
        if pool and pool["content"] != _POOL:
            raise UnsafeError(f"it brings a state for {kind}, which cannot be checked")


def _check_array(archive: zipfile.ZipFile, name: str, sizes: Mapping[str, int]) -> None:
    """Raises UnsafeError unless an array has the size in its header."""
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
        raise UnsafeError(f"{name} does not have the size in its header")


@lru_cache(maxsize=1024)
def _described(version: tuple[int, int], header: bytes) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Returns (shape, type); thousands of arrays share one header."""
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, kind = read(io.BytesIO(header), _MOST_HEADER_BYTES)
    return shape, kind
