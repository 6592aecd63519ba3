"""Tables as people have them are read, or it is told why not and what mends it."""

from __future__ import annotations

import gzip
import zipfile
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pydantic import ValidationError

from componentkit.arguments import ComponentError
from componentkit.delimited import CsvOptions
from componentkit.tables import read_table, require_columns, write_table

EXPECTED = pd.DataFrame({"n": [1.5, 2.0], "city": ["Köln", "a,b"]})


@pytest.mark.parametrize(
    ("name", "content", "csv"),
    [
        ("t.csv", 'n,city\n1.5,Köln\n2.0,"a,b"\n', {}),
        ("T.CSV", 'n,city\n1.5,Köln\n2.0,"a,b"\n', {}),
        ("t.tsv", "n\tcity\n1.5\tKöln\n2.0\ta,b\n", {}),
        ("t.csv", "n;city\n1,5;Köln\n2,0;a,b\n", {"separator": ";", "decimal": ","}),
        ("t.csv", "n\tcity\n1.5\tKöln\n2.0\ta,b\n", {"separator": "tab"}),
        ("t.csv", "n,city\n1.5,Köln\n2.0,'a,b'\n", {"quote": "'"}),
        ("t.data", 'n,city\n1.5,Köln\n2.0,"a,b"\n', {"encoding": "utf-8"}),
        ("t.jsonl", '{"n": 1.5, "city": "Köln"}\n{"n": 2.0, "city": "a,b"}\n', {}),
    ],
)
def test_forms_of_a_table(tmp_path: Path, name: str, content: str, csv: dict[str, Any]) -> None:
    """The same table in many forms reads the same; in another encoding, and compressed, too."""
    (tmp_path / name).write_text(content, encoding="utf-8")
    options = CsvOptions(**csv) if csv else None
    pd.testing.assert_frame_equal(read_table(tmp_path / name, options), EXPECTED)
    with gzip.open(tmp_path / f"{name}.gz", "wt", encoding="utf-8") as file:
        file.write(content)
    pd.testing.assert_frame_equal(read_table(tmp_path / f"{name}.gz", options), EXPECTED)
    with zipfile.ZipFile(tmp_path / "t.zip", "w") as archive:
        archive.writestr(f"inner/{name}", content)
        archive.writestr("__MACOSX/._t.csv", "x")
    pd.testing.assert_frame_equal(read_table(tmp_path / "t.zip", options), EXPECTED)
    if "json" not in name:
        other = CsvOptions(**csv | {"encoding": "latin-1"})
        (tmp_path / name).write_text(content, encoding="latin-1")
        pd.testing.assert_frame_equal(read_table(tmp_path / name, other), EXPECTED)


@pytest.mark.parametrize(
    "table",
    [
        pd.DataFrame({f"x{n}": [n, n + 1] for n in range(70)} | {"s": ["a", None], "b": [True, False]}),
        pd.DataFrame({"a.b": [1.5, 2.0], "a": ["x", "y"]}),
        pd.DataFrame({"d": pd.Series([pd.Timestamp("2026-01-31"), pd.NaT]), "c": pd.Categorical(["u", "v"])}),
        pd.DataFrame({"n": [1, 2], "m": [3, 4]}, index=pd.RangeIndex(5, 9, 2)),
    ],
    ids=["many columns", "names with dots", "dates and categories", "an index of numbers"],
)
def test_columns_that_are_read_in_turn(tmp_path: Path, table: pd.DataFrame) -> None:
    """A Parquet file is read some columns at a time, and is the table that pandas reads at once."""
    table.attrs["units"] = {"x1": "EUR"}
    table.to_parquet(tmp_path / "t.parquet")
    at_once = pd.read_parquet(tmp_path / "t.parquet").reset_index(drop=True)
    found = read_table(tmp_path / "t.parquet")
    pd.testing.assert_frame_equal(found, at_once)
    assert found.attrs == at_once.attrs == {"units": {"x1": "EUR"}}


def test_workbooks(tmp_path: Path) -> None:
    """A workbook of Excel is read, dates and all; where there are several sheets with rows, the first."""
    day = pd.Timestamp(2024, 5, 1)
    sheet = EXPECTED.assign(
        day=pd.Series([day, None], dtype="datetime64[us]"), whole=[1, 2], flag=[True, False]
    )
    said: list[str] = []
    for sheets in (["a"], ["a", "b"]):
        with pd.ExcelWriter(tmp_path / "t.xlsx", engine="openpyxl") as book:
            pd.DataFrame().to_excel(book, sheet_name="cover")
            for name in sheets:
                sheet.to_excel(book, sheet_name=name, index=False)
        found = read_table(tmp_path / "t.xlsx", tell=said.append)
        pd.testing.assert_frame_equal(found, sheet, check_dtype=False)
        assert [str(kind)[:10] for kind in found.dtypes] == ["float64", "str", "datetime64", "int64", "bool"]
    assert said == ["t.xlsx: sheet 'a' is read, 'b' not"]
    with zipfile.ZipFile(tmp_path / "t.zip", "w") as archive:
        archive.write(tmp_path / "t.xlsx", "t.xlsx")
    assert len(read_table(tmp_path / "t.zip", tell=said.append)) == 2


def test_parts_are_joined_as_pandas_does(tmp_path: Path) -> None:
    """Joining column by column, without a second copy, gives what pandas' concat gives, types and all."""
    parts = [
        pd.DataFrame({"a": [1, 2], "b": ["x", None], "c": [True, False]}),
        pd.DataFrame({"b": ["y"], "a": [1.5], "d": pd.to_datetime(["2024-01-01"])}),
        pd.DataFrame({"a": [3], "b": ["z"], "c": [None], "d": pd.to_datetime(["2024-01-02"])}),
    ]
    for at, part in enumerate(parts):
        part.to_parquet(tmp_path / f"{at}.parquet")
    expected = pd.concat([pd.read_parquet(file) for file in sorted(tmp_path.glob("*"))], ignore_index=True)
    pd.testing.assert_frame_equal(read_table(tmp_path, tell=lambda _: None), expected)


def test_values_as_they_are_written(tmp_path: Path) -> None:
    """Thousands, words for missing values, and numbers of JSON that are texts."""
    (tmp_path / "t.csv").write_text("n;m\n1.200;?\n300;4\n")
    found = read_table(
        tmp_path / "t.csv", CsvOptions(separator=";", thousands=".", decimal=",", na_values=["?"])
    )
    assert found["n"].tolist() == [1200, 300]
    assert found["m"].isna().tolist() == [True, False]
    (tmp_path / "t.jsonl").write_text(
        '{"id": "007", "date": "2024-01-01", "x": 0.1}\n{"id": "4", "x": null}\n'
    )
    found = read_table(tmp_path / "t.jsonl")
    assert found["id"].tolist() == ["007", "4"]
    assert found["date"].tolist()[0] == "2024-01-01"
    assert found["x"].tolist()[0] == 0.1


def test_parts_of_a_table(tmp_path: Path) -> None:
    """Files of a folder are one table, the parts that folders name become columns, whole numbers as such."""
    for year, kind in ((2023, "a"), (2024, "b")):
        folder = tmp_path / "t" / f"year={year}" / f"kind={kind}%20x"
        folder.mkdir(parents=True)
        (folder / "part.csv").write_text(f"n\n{year % 100}\n")
    (tmp_path / "t" / "_SUCCESS").touch()
    found = read_table(tmp_path / "t")
    assert found.to_dict("list") == {"n": [23, 24], "year": [2023, 2024], "kind": ["a x", "b x"]}
    told: list[str] = []
    (tmp_path / "u").mkdir()
    (tmp_path / "u" / "a.csv").write_text("n,m\n1,2\n")
    (tmp_path / "u" / "b.csv").write_text("n\n3\n")
    assert len(read_table(tmp_path / "u", None, told.append)) == 2
    assert told == ["b.csv has no column 'm', which other files have: it is missing there"]


WRONG: list[tuple[str, bytes, dict[str, Any], str]] = [
    (
        "t.csv",
        b"age;income\n1;2\n",
        {},
        r"one column 'age;income': is the separator ';'\? .*{separator: ';'}",
    ),
    ("t.csv", b"a;b\n1,5;2\n2,5;3\n", {}, "one column 'a;b': is the separator ';'"),
    ("t.csv", b"a\tb\n1\t2\n", {}, "is the separator 'tab'"),
    ("t.csv", b"a,b\n1,2\n", {"separator": ";"}, "is the separator ','"),
    ("t.csv", b"n,c\n1,x\n2,K\xf6ln\n", {}, r"not UTF-8 at line 3: is it latin-1\? .*{encoding: latin-1}"),
    ("t.csv", b"n\xf6,c\n1,x\n", {}, "not UTF-8 at line 1: is it latin-1"),
    ("t.csv", b"n,c\n1,\x80 5\n", {}, "not UTF-8 at line 2: is it windows-1252"),
    ("t.csv", "n,c\n1,x\n".encode("utf-16"), {}, "not UTF-8 at line 1: is it utf-16"),
    ("t.csv", b"n,c\n1,K\xc3\xb6ln\n", {"encoding": "ascii"}, "not ascii at line 2"),
    ("t.csv", b"a,b,a\n1,2,3\n", {}, r"column 'a' is there 2 times \(1, 3\): name them apart"),
    (
        "t.csv",
        b"a,b\n1,2\n1,2,3\n",
        {},
        "line 3 has 3 values, the lines before have 2: is there a ',' in a text",
    ),
    (
        "t.csv",
        b"a,b\n1,2,3\n1,2,3\n",
        {},
        "the rows have more values than the header has names: name each column",
    ),
    (
        "t.csv",
        b"a,b\n0,2,3\n1,2,3\n",
        {},
        "the rows have more values than the header has names: name each column",
    ),
    (
        "t.csv",
        b"\n  <!DOCTYPE html><html><body>log in</body></html>",
        {},
        "this is HTML, not csv: does the address",
    ),
    ("t.parquet", b"<html></html>", {}, "this is HTML, not parquet"),
    ("t.csv", b"PAR1xxxx", {}, r"this is parquet, not csv: name it \.parquet"),
    ("t.csv", b"\x1f\x8bxxxx", {}, r"this is gzip, not csv: name it t\.csv\.gz"),
    ("t.csv.gz", b"a,b\n1,2\n", {}, "it is not compressed as its name says"),
    ("t.zip", b"a,b\n1,2\n", {}, "format not known|not compressed"),
    ("t.jsonl", b'{"a": 1}\n{"a": \n', {}, "cannot be read as JSON lines"),
    ("t.jsonl", b'[{"a": 1}, {"a": 2}]\n', {}, "a line is no object"),
    ("t.jsonl", b"[1, 2]\n[3, 4]\n", {}, "a line is no object"),
    (
        "t.csv",
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
        {},
        "a pointer of Git LFS, not csv: fetch the file itself with `git lfs pull`",
    ),
    ("t.xyz", b"a,b\n", {}, "format not known; use .csv"),
    ("t.csv", b"a,b\n", {}, "the table has no rows"),
    ("t.csv", b"\n", {}, "the file is empty"),
]


@pytest.mark.parametrize(("name", "content", "csv", "message"), WRONG)
def test_wrong_guesses_are_told(
    tmp_path: Path, name: str, content: bytes, csv: dict[str, Any], message: str
) -> None:
    """What is not as its name or the recipe says is one line with file, place and mend."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ComponentError, match=message) as caught:
        read_table(tmp_path / name, CsvOptions(**csv) if csv else None)
    assert str(caught.value).startswith(f"{name}: ")


def test_likely_other_signs_are_told(tmp_path: Path) -> None:
    """Numbers that are read as text, and an encoding that may be another one, are told."""
    told: list[str] = []
    (tmp_path / "t.csv").write_text('a;b;c;d\n1,5;"1,200";x;1 000\n2.000,5;"3,400.5";1,5;2 000\n')
    assert read_table(tmp_path / "t.csv", CsvOptions(separator=";"), told.append).shape == (2, 4)
    assert [line.rpartition("csv: ")[2].partition("}")[0] for line in told] == [
        "{decimal: ','",
        "{thousands: ','",
        "{thousands: ' '",
    ]
    assert told[0].startswith("t.csv: column 'a' is text such as '1,5': are these numbers?")
    told.clear()
    (tmp_path / "t.csv").write_text("c\nKöln\n", encoding="utf-8")
    read_table(tmp_path / "t.csv", CsvOptions(encoding="latin-1"), told.append)
    assert told == ["t.csv: the bytes are those of UTF-8: is latin-1 right?"]


def test_several_tables_in_a_zip(tmp_path: Path) -> None:
    """Which of several tables is meant is not guessed."""
    with zipfile.ZipFile(tmp_path / "t.zip", "w") as archive:
        archive.writestr("a.csv", "x\n1\n")
        archive.writestr("b.csv", "x\n1\n")
    with pytest.raises(
        ComponentError, match=r"t\.zip: the zip archive holds 2 tables, a\.csv, b\.csv: one is"
    ):
        read_table(tmp_path / "t.zip")


def test_indexes_are_told(tmp_path: Path) -> None:
    """An index that has a name is a column; one that has none is told."""
    told: list[str] = []
    pd.DataFrame({"n": [1, 2]}).to_csv(tmp_path / "t.csv")
    assert list(read_table(tmp_path / "t.csv", None, told.append)) == ["Unnamed: 0", "n"]
    pd.DataFrame({"n": [1, 2]}, index=pd.Index([5, 6], name="id")).to_parquet(tmp_path / "t.parquet")
    assert list(read_table(tmp_path / "t.parquet", None, told.append)) == ["id", "n"]
    pd.DataFrame({"n": [1, 2, 3]}).iloc[[0, 2, 1]].to_parquet(tmp_path / "u.parquet")
    assert list(read_table(tmp_path / "u.parquet", None, told.append)) == ["n"]
    assert [line.partition(": ")[2][:30] for line in told] == [
        "column 'Unnamed: 0' has no nam",
        "the index id is read as a colu",
        "the index of the table has no ",
    ]


def test_a_column_that_is_numbers_here_and_text_there(tmp_path: Path) -> None:
    """A long file is looked at as a whole: a letter in its last row makes the whole column text."""
    (tmp_path / "t.csv").write_text("k\n" + "4\n" * 600_000 + "x\n")
    assert set(read_table(tmp_path / "t.csv")["k"]) == {"4", "x"}


def test_columns_that_are_not_there() -> None:
    """The error names what is meant most likely, and what is there."""
    table = pd.DataFrame(columns=["Amount", "kind"])
    with pytest.raises(
        ComponentError, match=r"drop: column 'amount' not in .*mean 'Amount'\? \(it has Amount, kind"
    ):
        require_columns(table, ["amount"], purpose="drop")
    wide = pd.DataFrame(columns=[f"c{i}" for i in range(99)])
    with pytest.raises(ComponentError, match="c29 and 69 more"):
        require_columns(wide, ["zzz"], purpose="drop")


def test_a_table_that_cannot_be_written(tmp_path: Path) -> None:
    """Values that parquet cannot hold, and names that are there twice, are one line."""
    with pytest.raises(ComponentError, match="the table cannot be written"):
        write_table(pd.DataFrame({"a": [1, "x"]}), tmp_path / "t.parquet")
    with pytest.raises(ComponentError, match="column 'a' would be there twice"):
        write_table(pd.DataFrame([[1, 2]], columns=["a", "a"]), tmp_path / "t.parquet")


@pytest.mark.parametrize("wrong", [{"separator": ";;"}, {"encoding": "latin-99"}, {"seperator": ";"}])
def test_options_are_checked(wrong: dict[str, str]) -> None:
    """A wrong option is told when the recipe is read."""
    with pytest.raises(ValidationError):
        CsvOptions(**wrong)  # type: ignore[arg-type]
