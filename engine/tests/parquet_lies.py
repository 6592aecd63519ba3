"""Parquet files that lie about themselves: a file's footer as a value, changed, and written again.

The footer is a struct in Thrift's compact protocol. A struct is a dictionary from a field's number to (type,
value), a list is (type of its items, items).
Source: https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift
"""

from __future__ import annotations

import struct
from typing import Any

TRUE, FALSE, BYTE, I32, I64, DOUBLE, BINARY, LIST, STRUCT = 1, 2, 3, 5, 6, 7, 8, 9, 12
_INTEGERS = (4, I32, I64)

Struct = dict[int, tuple[int, Any]]

# Fields of the footer, of a row group and of a column in it.
SCHEMA, ROWS, GROUPS = 2, 3, 4
COLUMNS, GROUP_ROWS = 1, 3
FACTS = 3


def taken_apart(file: bytes) -> tuple[bytes, Struct]:
    """Returns (what stands before the footer, the footer)."""
    size = struct.unpack("<I", file[-8:-4])[0]
    return file[: -8 - size], _struct(file, len(file) - 8 - size)[0]


def put_together(content: bytes, footer: Struct) -> bytes:
    """Returns a file."""
    written = _written(STRUCT, footer)
    return content + written + struct.pack("<I", len(written)) + b"PAR1"


def group(footer: Struct) -> Struct:
    """Returns the first row group."""
    found: Struct = footer[GROUPS][1][1][0]
    return found


def element(name: str, *, kind: int | None = None, children: int | None = None) -> Struct:
    """Returns an entry of the schema: a column of a physical type, or a group of the next so many entries."""
    found: Struct = {} if kind is None else {1: (I32, kind)}
    found |= {3: (I32, 0), 4: (BINARY, name.encode())}
    return found if children is None else found | {5: (I32, children)}


def _number(data: bytes, at: int) -> tuple[int, int]:
    found = shift = 0
    while True:
        found |= (data[at] & 127) << shift
        shift += 7
        at += 1
        if data[at - 1] < 128:
            return found, at


def _value(kind: int, data: bytes, at: int) -> tuple[Any, int]:
    if kind in (TRUE, FALSE):
        return kind == TRUE, at
    if kind == BYTE:
        return data[at], at + 1
    if kind in _INTEGERS:
        found, at = _number(data, at)
        return (found >> 1) ^ -(found & 1), at
    if kind == DOUBLE:
        return struct.unpack_from("<d", data, at)[0], at + 8
    if kind == BINARY:
        size, at = _number(data, at)
        return data[at : at + size], at + size
    return _list(data, at) if kind == LIST else _struct(data, at)


def _list(data: bytes, at: int) -> tuple[tuple[int, list[Any]], int]:
    size, kind = data[at] >> 4, data[at] & 15
    at += 1
    if size == 15:
        size, at = _number(data, at)
    items = []
    for _ in range(size):
        if kind in (TRUE, FALSE):
            item, at = data[at] == TRUE, at + 1
        else:
            item, at = _value(kind, data, at)
        items.append(item)
    return (kind, items), at


def _struct(data: bytes, at: int) -> tuple[Struct, int]:
    found: Struct = {}
    number = 0
    while head := data[at]:
        at += 1
        kind = head & 15
        if head >> 4:
            number += head >> 4
        else:
            number, at = _value(I32, data, at)
        found[number] = (kind, None)
        value, at = _value(kind, data, at)
        found[number] = (kind, value)
    return found, at + 1


def _written_number(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def _written(kind: int, value: Any) -> bytes:
    if kind in (TRUE, FALSE):
        return b""  # it stands in the field's head
    if kind == BYTE:
        return bytes([value])
    if kind in _INTEGERS:
        return _written_number(((value << 1) ^ (value >> 63)) & (2**64 - 1))
    if kind == DOUBLE:
        return struct.pack("<d", value)
    if kind == BINARY:
        return bytes(_written_number(len(value)) + value)
    return _written_list(*value) if kind == LIST else _written_struct(value)


def _written_list(kind: int, items: list[Any]) -> bytes:
    size = len(items)
    head = bytes([size << 4 | kind]) if size < 15 else bytes([0xF0 | kind]) + _written_number(size)
    if kind in (TRUE, FALSE):
        return head + bytes(TRUE if item else FALSE for item in items)
    return head + b"".join(_written(kind, item) for item in items)


def _written_struct(fields: Struct) -> bytes:
    out, last = [], 0
    for number, (kind, value) in fields.items():
        of = (TRUE if value else FALSE) if kind in (TRUE, FALSE) else kind
        near = 0 < number - last < 16
        out.append(bytes([(number - last) << 4 | of]) if near else bytes([of]) + _written(I32, number))
        out.append(_written(kind, value))
        last = number
    return b"".join(out) + b"\0"
