"""What is read of a file, whatever its form: the same rows, the same values, the same complaints."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from waypost.batch.conversion import converted
from waypost.batch.cutting import parts
from waypost.batch.inputs import Listing
from waypost.batch.readers import Input
from waypost.contracts.mlmodel import Column
from waypost.inference.dialect import RequestedDialect
from waypost.inference.layout import Layout, TableError

LAYOUT = Layout(
    (
        Column(name="a", type="double"),
        Column(name="n", type="long", required=False),
        Column(name="b", type="boolean", required=False),
        Column(name="t", type="string", required=False),
    )
)
ROWS: list[dict[str, Any]] = [
    {"id": "NA", "a": 1.5, "n": 9007199254740993, "b": True, "t": "x, y"},
    {"id": "007", "a": -2.5e300, "n": 2, "b": False, "t": 'one\nline "more"'},
    {"id": "", "a": None, "n": 3, "b": True, "t": None},
]


def given(place: Path, *, lenient: bool = False, carried: tuple[str, ...] = ("id",), **asked: str) -> Input:
    return Input(Listing(str(place)), LAYOUT, carried, lenient, RequestedDialect(**asked))


def table(found: Input) -> pa.Table:
    return pa.concat_tables([part for part, _ in parts(found, 2)], promote_options="default")


def as_csv(rows: list[dict[str, Any]], separator: str = ",", decimal: str = ".") -> str:
    def cell(value: Any) -> str:
        match value:
            case None:
                return ""
            case float():
                return str(value).replace(".", decimal)
            case str():
                return '"{}"'.format(value.replace('"', '""'))
        return str(value)

    lines = [separator.join(map(cell, row.values())) for row in rows]
    return "\n".join([separator.join(rows[0]), *lines, ""])


def write(file: Path, rows: list[dict[str, Any]]) -> None:
    """Writes rows in the form that a name asks for."""
    lines = b"".join(orjson.dumps(row) + b"\n" for row in rows)
    match file.name:
        case "x.parquet":
            pq.write_table(pa.Table.from_pylist(rows), file)
        case "x.csv":
            file.write_text(as_csv(rows))
        case "x.tsv":
            file.write_text(as_csv(rows, "\t"))
        case "semicolon.csv":
            file.write_text(as_csv(rows, ";", ","), encoding="utf-16")
        case "x.csv.gz":
            file.write_bytes(gzip.compress(as_csv(rows).encode()))
        case "x.jsonl":
            file.write_bytes(lines.rstrip())
        case "x.NDJSON.GZ":
            file.write_bytes(gzip.compress(b"\n\n" + lines))


FORMS = ["x.parquet", "x.csv", "x.tsv", "semicolon.csv", "x.csv.gz", "x.jsonl", "x.NDJSON.GZ"]


@pytest.mark.parametrize("lenient", [False, True])
@pytest.mark.parametrize("name", FORMS)
def test_same_rows_in_each_form(name: str, lenient: bool, tmp_path: Path) -> None:
    """Types are the model's, and a column that is carried over stays as it stands: `NA`, `007`, empty."""
    write(tmp_path / name, ROWS)
    found = table(given(tmp_path / name, lenient=lenient))
    expected = [{name: row[name] for name in ("id", "a", "n", "b", "t")} for row in ROWS]
    assert found.select(["id", "a", "n", "b", "t"]).to_pylist() == expected
    assert found.schema.field("a").type == pa.float64()


@pytest.mark.parametrize("name", ["x.csv", "x.jsonl", "x.parquet"])
def test_model_column_that_is_carried_over(name: str, tmp_path: Path) -> None:
    """The model gets the value, the result what stood in the file."""
    write(tmp_path / name, [{"a": 1.50, "t": "NA"}, {"a": 2.0, "t": "x"}])
    if name == "x.csv":
        (tmp_path / name).write_text("a,t\n1.50,NA\n 2 ,x\n")
    found = table(given(tmp_path / name, carried=("a", "t")))
    assert found["a"].to_pylist() == [1.5, 2.0]
    assert found["\0a"].to_pylist() == (["1.50", " 2 "] if name == "x.csv" else [1.5, 2.0])
    assert found["\0t"].to_pylist() == ["NA", "x"]


BAD: dict[str, tuple[Callable[[Path], Any], str]] = {
    "x.csv": (
        lambda f: f.write_text('id,a,t\n1, 1.5 ,"u\nv"\n2,much,w\n3,2.5,x\n'),
        "'much' is not a valid number",
    ),
    "y.csv": (
        lambda f: f.write_text("id;a;n\n1;1,5;1\n2;2,5;1,5\n3;3,5;2\n"),
        "'1,5' is not a valid whole number",
    ),
    "z.csv": (
        lambda f: f.write_text("id,a,b\n1,1,true\n2,2,perhaps\n3,3,0\n"),
        "'perhaps' is not a valid boolean",
    ),
    "x.jsonl": (
        lambda f: f.write_text('{"id":"1","a":1}\n\n{"id":"2","a":"2"}\n{"id":"3","a":3}\n'),
        "'2' is not a valid number",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_wrong_value_fails_or_is_skipped_alike(name: str, tmp_path: Path) -> None:
    """One reader: what `skip` leaves out is what `fail` names, and the rows around it are the same."""
    make, words = BAD[name]
    make(tmp_path / name)
    with pytest.raises(TableError, match=rf"{name}: column '\w', row 1: {words}"):
        table(given(tmp_path / name))
    found = given(tmp_path / name, lenient=True)
    read = table(found)
    assert read["id"].to_pylist() == ["1", "2", "3"]
    assert {row: problem.words for row, problem in found.problems.items()} == {1: words}
    assert (read["a"].to_pylist()[0], read["a"].to_pylist()[2]) in {(1.5, 2.5), (1.5, 3.5), (1.0, 3.0)}


def test_each_of_many_wrong_values_is_found() -> None:
    """However many there are, and whatever is around them; what is missing or has spaces around is none."""
    texts = [" 1.5 ", "x", "", "NaN", "1e5", "y", "1,5", "inf", "0x10", "z" * 100]
    values, wrong = converted(pa.array(texts), pa.float64())
    assert wrong == [1, 5, 6, 8, 9]
    assert [values[i].as_py() for i in (0, 2, 4)] == [1.5, None, 1e5]
    assert converted(pa.array(texts[1:2] * 5), pa.float64())[1] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("name", ["x.csv", "x.jsonl"])
def test_line_that_is_no_row(name: str, tmp_path: Path) -> None:
    """Too few values, or no object: named, or kept aside."""
    lines = {"x.csv": "a,t\n1,u\n2\n3,w\n", "x.jsonl": '{"a":1}\n{"a":2\n{"a":3}\n'}[name]
    (tmp_path / name).write_text(lines)
    with pytest.raises(TableError, match=rf"{name}: between row 0 and row 2: .* is not a row"):
        table(given(tmp_path / name, carried=()))
    found = given(tmp_path / name, lenient=True, carried=())
    assert table(found)["a"].to_pylist() == [1, 3]
    assert found.malformed == [lines.splitlines()[2 if name == "x.csv" else 1]]


def test_files_that_differ_are_one_table(tmp_path: Path) -> None:
    """Columns in another order, of another type, or missing where they may be: nothing is lost."""
    pq.write_table(pa.table({"id": [1], "a": [1]}), tmp_path / "1.parquet")
    pq.write_table(pa.table({"t": ["x"], "a": [2.5], "id": [2**40]}), tmp_path / "2.parquet")
    categories = pa.array(["y", "z"]).dictionary_encode()
    pq.write_table(
        pa.table({"a": pa.array([3.5, 4], pa.float32()), "t": categories, "id": [3, 4]}),
        tmp_path / "3.parquet",
    )
    (tmp_path / "4.csv").write_text("n,id,a\n7,abc,5\n")
    found = given(tmp_path)
    found.check()
    read = pa.concat_tables([part for part, _ in parts(found, 10)])
    assert read["a"].to_pylist() == [1, 2.5, 3.5, 4, 5]
    assert read["t"].to_pylist() == [None, "x", "y", "z", None]
    assert read["n"].to_pylist() == [None] * 4 + [7]
    assert read["id"].to_pylist() == ["1", str(2**40), "3", "4", "abc"]
    assert [found.place_of(row) for row in (0, 3, 4)] == [("1.parquet", 0), ("3.parquet", 1), ("4.csv", 0)]


def test_folders_are_columns(tmp_path: Path) -> None:
    """Of the model with its type, of what is carried over as text; a file's own column comes first."""
    for folder, content in (
        ("a=1.5/y=2024", "t\nu\nv\n"),
        ("a=2/y=__HIVE_DEFAULT_PARTITION__", "t,y\nw,own\n"),
    ):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "x.csv").write_text(content)
    read = table(given(tmp_path, carried=("y", "a")))
    assert read["a"].to_pylist() == [1.5, 1.5, 2]
    assert read["y"].to_pylist() == ["2024", "2024", "own"]
    assert read["\0a"].to_pylist() == ["1.5", "1.5", "2"]
    (tmp_path / "a=much").mkdir()
    (tmp_path / "a=much" / "x.csv").write_text("t\nu\n")
    with pytest.raises(TableError, match=r"a=much/x\.csv: the folder a=much: 'much' is not a valid number"):
        table(given(tmp_path, carried=()))


@pytest.mark.parametrize(
    ("content", "columns"),
    [("a,t\n", ["a", "t"]), ("a,t", ["a", "t"]), ("a,t\r\n\r\n", ["a", "t"]), (b"", None), (b"\n", None)],
)
def test_no_rows_are_a_part_with_columns(
    content: str | bytes, columns: list[str] | None, tmp_path: Path
) -> None:
    """A header alone is a table without rows; where there is not even that, it is said."""
    file = tmp_path / "x.csv"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    if columns is None:
        with pytest.raises(TableError, match=r"x\.csv: there is no header"):
            table(given(file, carried=()))
        return
    [(part, _)] = parts(given(file, carried=()), 10)
    assert (part.num_rows, part.schema.names) == (0, columns)
    assert part.schema.field("a").type == pa.float64()


@pytest.mark.parametrize(
    ("name", "columns", "problem"),
    [
        ("x.parquet", {"a": [[1.0]]}, "column 'a': list<.*> is not a number type"),
        (
            "x.parquet",
            {"a": pa.array([1], pa.timestamp("s"))},
            "column 'a': timestamp.* is not a number type",
        ),
        ("x.parquet", {"a": [1.0], "t": [5]}, "column 't': int64 is not a text type"),
        ("x.parquet", {"b": [True]}, "column 'a' is missing"),
        ("x.parquet", {"a": [1.0]}, "there is no column 'id' to carry over"),
    ],
)
def test_columns_are_checked_before_a_row_is_read(
    name: str, columns: dict[str, Any], problem: str, tmp_path: Path
) -> None:
    """Of another type than the model's, or not there: file and column are named, if rows are skipped, too."""
    pq.write_table(pa.table(columns), tmp_path / name)
    for lenient in (False, True):
        with pytest.raises(TableError, match=rf"{name}: {problem}"):
            given(tmp_path / name, lenient=lenient, carried=("id",) if "id" in problem else ()).check()


def test_values_that_the_encoding_does_not_have(tmp_path: Path) -> None:
    """A letter after the sample, or of another encoding than was said: one line that names the option."""
    file = tmp_path / "x.csv"
    file.write_bytes(b"a,t\n" + b"1,u\n" * 300_000 + "1,ü\n".encode("latin-1"))
    with pytest.raises(TableError, match=r"x\.csv: .*") as told:
        table(given(file, carried=()))
    assert "--encoding" in told.value.hint
    read = [part for part, _ in parts(given(file, carried=(), encoding="latin-1"), 400_000)]
    assert read[0]["t"][300_000].as_py() == "ü"


def test_dialect_is_told_once(tmp_path: Path) -> None:
    """What was guessed is said, with the options that say otherwise."""
    for number in range(3):
        (tmp_path / f"{number}.csv").write_text("a;t\n1,5;x\n")
    said: list[str] = []
    found = given(tmp_path, carried=())
    found.say = said.append
    assert table(found)["a"].to_pylist() == [1.5] * 3
    assert said == ["0.csv: read with --separator ';' --decimal ',' --encoding utf-8"]


@pytest.mark.parametrize("lenient", [False, True])
def test_csv_for_a_model_that_names_no_columns(lenient: bool, tmp_path: Path) -> None:
    """Numbers are numbers, as MLflow asks such a model; with columns to carry over that is not known."""
    (tmp_path / "a.csv").write_text("x,y\n1.5,one\n2,\n")
    found = Input(Listing(str(tmp_path / "a.csv")), Layout(()), (), lenient)
    assert table(found).to_pylist() == [{"x": 1.5, "y": "one"}, {"x": 2.0, "y": None}]
    with pytest.raises(TableError, match="names no columns") as error:
        table(Input(Listing(str(tmp_path / "a.csv")), Layout(()), ("x",), lenient))
    assert "Parquet" in error.value.hint
