"""Which files an input names, what they are like, and what their folders say."""

from __future__ import annotations

from pathlib import Path

import fsspec
import pytest

from waypost.batch.inputs import InputFile, Listing, folder_values
from waypost.errors import UsageError

FILES = (
    "a.csv",
    "B.CSV",
    "c1.tsv",
    "c2.jsonl",
    "d.ndjson.gz",
    "e.parquet",
    "notes.txt",
    "f.csv.zst",
    "g.json",
)
BELOW = ("y=1/m=02/p.parquet", "y=1/m=03/p.parquet", "y=2/m=01/p.parquet", "_temp/x.csv", ".hidden/x.csv")


@pytest.fixture
def there(tmp_path: Path) -> Path:
    for name in (*FILES, *BELOW):
        file = tmp_path / "in" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("x\n1\n")
    return tmp_path / "in"


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("a.csv", ["a.csv"]),
        ("B.CSV", ["B.CSV"]),
        ("?.csv", ["a.csv"]),
        ("c[12].*", ["c1.tsv", "c2.jsonl"]),
        ("[!a-dB].*", ["e.parquet", "f.csv.zst"]),
        ("y=[12]/m=0[13]/*", ["y=1/m=03/p.parquet", "y=2/m=01/p.parquet"]),
        ("y=?", list(BELOW[:3])),
        ("y=1", ["m=02/p.parquet", "m=03/p.parquet"]),
        ("**/*.parquet", ["e.parquet", *BELOW[:3]]),
    ],
)
def test_patterns_name_files_and_folders(pattern: str, names: list[str], there: Path) -> None:
    """`*`, `?` and `[]` as in a shell, on this machine and elsewhere; a folder that fits is walked."""
    bucket = fsspec.filesystem("memory")
    bucket.store.clear()
    for file in (p for p in there.rglob("*") if p.is_file()):
        bucket.pipe_file(f"/b/{file.relative_to(there).as_posix()}", b"x")
    for root in (str(there), "memory://b"):
        found = Listing(f"{root}/{pattern}")
        assert [source.name for source in found.sources] == names, root
    bucket.store.clear()


def test_folder_gives_its_tables(there: Path) -> None:
    """In any case of letters, compressed or not; hidden folders and other files are nobody's business."""
    found = {s.name: (s.form, s.packing) for s in Listing(str(there)).sources}
    assert found == {
        **dict.fromkeys((*BELOW[:3], "e.parquet"), ("parquet", None)),
        "a.csv": ("csv", None),
        "B.CSV": ("csv", None),
        "f.csv.zst": ("csv", "zstd"),
        "c1.tsv": ("tsv", None),
        "c2.jsonl": ("jsonl", None),
        "d.ndjson.gz": ("jsonl", "gzip"),
    }


def test_file_that_looks_like_a_pattern_is_that_file(there: Path) -> None:
    """`loans[1].csv` is a file where there is one; where nothing fits, that is said."""
    (there / "loans[1].csv").write_text("x\n1\n")
    (there / "loans1.csv").write_text("x\n1\n")
    assert [s.name for s in Listing(str(there / "loans[1].csv")).sources] == ["loans[1].csv"]
    for name, said in (("loans[2].csv", "there is nothing here"), ("notes.*", "there are no tables here")):
        with pytest.raises(UsageError, match=said):
            Listing(str(there / name))


def test_folders_called_name_and_value() -> None:
    """As Hive and Spark write them: escaped, with a word for nothing."""
    path = "/data/in/year=2024/branch=a%20b%2Fc/kind=__HIVE_DEFAULT_PARTITION__/x=y.parquet"
    assert folder_values(path) == {"year": "2024", "branch": "a b/c", "kind": None}
    assert InputFile("in/n=1/p.csv", 1, "").folders == {"n": "1"}


@pytest.mark.parametrize(
    ("pattern", "output", "held"),
    [
        *(("*", "out", True), ("*.csv", "out", False), ("?*/*", "out", True), ("y=*", "y=3/out", True)),
        *(("**/*.jsonl", "out", True), ("y=[12]", "y=1/out", True), ("y=[12]", "z", False)),
    ],
)
def test_output_that_a_pattern_would_read(pattern: str, output: str, held: bool, there: Path) -> None:
    """The next reading of a pattern must not find what was written: folders that it names are walked."""
    assert Listing(str(there / pattern)).would_hold(str(there / output)) is held
