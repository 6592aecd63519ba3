"""Columnar bodies, Parquet files and Arrow streams: their decoded size is known before decoding.

A few bytes of a dictionary, a run or a compressed page can expand to any amount of memory. So columns, types
and rows are checked before anything is decoded, and strings are counted, once per row that has them, before
they are expanded. Only decoding shows false sizes in a body: `unpacking` decodes in a separate process with a
memory limit.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from waypost.inference.frames import fitted
from waypost.inference.layout import Layout, TableError, check_names
from waypost.inference.limits import Limits, RequestError
from waypost.inference.table import Table, check_type, from_arrow
from waypost.system.messages import Bytes

if TYPE_CHECKING:
    import pyarrow as pa

PARQUET, ARROW = "application/vnd.apache.parquet", "application/vnd.apache.arrow.stream"
# Arrow makes dictionaries of these types only.
_AS_DICTIONARY = {"PLAIN", "PLAIN_DICTIONARY", "RLE_DICTIONARY", "RLE", "BIT_PACKED"}
_MOST_LISTED = 20_000  # row groups, and entries of any other list in a Parquet file's footer


def read_columnar(kind: str, body: Bytes, layout: Layout, limits: Limits) -> Table:
    """Returns the table in a Parquet or Arrow body. Raises TableError, RequestError."""
    import pyarrow as pa

    read = _read_parquet if kind == PARQUET else _read_stream
    try:
        return from_arrow(read(body, layout, limits), layout)
    except MemoryError:
        raise limits.too_large() from None
    except (pa.ArrowException, OSError, ValueError, OverflowError, LookupError) as error:
        words = " ".join(str(error).split())
        raise RequestError(f"the body is not valid {kind}: {words}") from error


def read_checked(kind: str, body: Bytes, layout: Layout, limits: Limits) -> pa.Buffer:
    """Returns the content of a Parquet or Arrow body as plain Parquet, for a reader without limits.

    Columns may have any type; if the layout names none, all are returned. Values get the model's types if
    that does not change them. Raises TableError, RequestError.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    read = _read_parquet if kind == PARQUET else _read_stream
    out = pa.BufferOutputStream()
    try:
        table = read(body, layout, limits, any_type=True)
        limits.check_bytes(table.nbytes)
        pq.write_table(fitted(table, layout.columns), out)
    except MemoryError:
        raise limits.too_large() from None
    except (pa.ArrowException, OSError, ValueError, OverflowError, LookupError, NotImplementedError) as error:
        words = " ".join(str(error).split())
        raise RequestError(f"the body is not valid {kind}: {words}") from error
    return out.getvalue()


def _read_parquet(body: Bytes, layout: Layout, limits: Limits, *, any_type: bool = False) -> pa.Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    opened = partial(
        pq.ParquetFile,
        pa.BufferReader(body),
        pre_buffer=False,
        thrift_string_size_limit=len(body) or 1,
        thrift_container_size_limit=max(_MOST_LISTED, 2 * layout.most_names),
        arrow_extensions_enabled=False,
    )
    with opened() as file:
        facts = file.metadata
        schema = file.schema_arrow
        chosen = _chosen(schema, layout, any_type=any_type)
    groups = [facts.row_group(i) for i in range(facts.num_row_groups)]
    limits.check_rows(max(facts.num_rows, sum(group.num_rows for group in groups)), layout)
    texts = _texts(schema, chosen, layout, any_type=any_type)
    with opened(metadata=facts, read_dictionary=dictionaries(groups, texts)) as file:
        table = file.read(columns=chosen, use_threads=False)
    limits.check_rows(table.num_rows, layout)
    limits.check_bytes(sum(text_bytes(table[name]) for name in chosen if name in texts))
    return _as_said(table, schema) if any_type else table


def _texts(schema: pa.Schema, chosen: list[str], layout: Layout, *, any_type: bool) -> Collection[str]:
    """Returns the columns with strings to count."""
    import pyarrow.types as of

    if not any_type:
        return layout.texts
    kinds = {name: schema.field(name).type for name in chosen}
    return [name for name, kind in kinds.items() if of.is_string(kind) or of.is_large_string(kind)]


def _as_said(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Returns columns read as dictionaries with the types of the file."""
    for place, name in enumerate(table.schema.names):
        kind = schema.field(name).type
        if table.schema.field(place).type != kind:
            table = table.set_column(place, schema.field(name), table.column(place).cast(kind))
    return table.replace_schema_metadata(schema.metadata)


def dictionaries(groups: list[Any], texts: Collection[str]) -> list[str]:
    """Returns the string columns that a Parquet file's row groups store as dictionaries; they stay so until
    their size is known.
    """
    paths = [groups[0].column(i).path_in_schema for i in range(groups[0].num_columns)] if groups else []
    places = {path: place for place, path in enumerate(paths) if path in texts}
    return [
        path
        for path, place in places.items()
        if all(_AS_DICTIONARY.issuperset(group.column(place).encodings) for group in groups)
    ]


def _read_stream(body: Bytes, layout: Layout, limits: Limits, *, any_type: bool = False) -> pa.Table:
    import pyarrow as pa

    with pa.ipc.open_stream(pa.BufferReader(body)) as stream:
        chosen = _chosen(stream.schema, layout, any_type=any_type)
        texts = _texts(stream.schema, chosen, layout, any_type=any_type)
        places = [stream.schema.get_field_index(name) for name in chosen]
    batches, rows, size = [], 0, 0
    # Other columns are not even decompressed.
    options = pa.ipc.IpcReadOptions(included_fields=places, use_threads=False)
    with pa.ipc.open_stream(pa.BufferReader(body), options=options) as stream:
        for batch in stream:
            rows += batch.num_rows
            limits.check_rows(rows, layout)
            batch.validate(full=True)  # offsets out of range would be followed
            size += sum(text_bytes(batch[name]) for name in chosen if name in texts)
            limits.check_bytes(size)
            batches.append(batch)
        return pa.Table.from_batches(batches, stream.schema)


def _chosen(schema: pa.Schema, layout: Layout, *, any_type: bool) -> list[str]:
    """Returns the columns to read. Raises TableError, RequestError if they do not fit the model."""
    layout.check_bounds(schema.names)
    check_names(schema.names, layout)
    chosen = [name for name in schema.names if name in layout.names or not layout.columns]
    if not chosen:
        raise TableError("the body has none of the model's columns", hint="/docs lists them")
    kinds = {column.name: column for column in layout.columns}
    for name in () if any_type else chosen:
        check_type(schema.field(name).type, kinds[name])
    return chosen


def text_bytes(texts: pa.Array | pa.ChunkedArray) -> int:
    """Returns the size of an array's strings in bytes, counted once per row."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if isinstance(texts, pa.ChunkedArray):
        return sum(map(text_bytes, texts.chunks))
    is_dictionary = pa.types.is_dictionary(texts.type)
    lengths = text_lengths(texts.dictionary).take(texts.indices) if is_dictionary else text_lengths(texts)
    return int(pc.sum(lengths).as_py() or 0)


def text_lengths(texts: pa.Array) -> pa.Array:
    """Returns the length of each string in bytes; null for a missing one, and for other types."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_string_view(texts.type) and len(texts):
        # Arrow's kernels do not support views; each view begins with the length of its string.
        views = np.frombuffer(texts.buffers()[1], np.int32).reshape(-1, 4)
        found = views[texts.offset : texts.offset + len(texts), 0]
        return pa.array(found, mask=texts.is_null().to_numpy(zero_copy_only=False))
    if not (pa.types.is_string(texts.type) or pa.types.is_large_string(texts.type)):
        return pa.nulls(len(texts), pa.int64())
    return pc.binary_length(texts)
