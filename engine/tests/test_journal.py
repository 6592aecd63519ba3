"""The log of predictions: what waits for the disk is bounded, what is lost is counted, no answer fails."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from waypost.contracts.mlmodel import Column
from waypost.errors import UsageError
from waypost.inference.compiled import Answer
from waypost.inference.layout import Layout
from waypost.inference.limits import MIB, RequestError
from waypost.inference.table import Rows, Table
from waypost.serving.feedback import labels_of
from waypost.serving.prediction_log import Answered, Journal, Label, check_columns
from waypost.serving.retention import Retention, remove_outlived

LAYOUT = Layout((Column(name="a", type="double"), Column(name="t", type="string")))


def answered(
    table: Table | Rows, labels: Any = None, request: str = "r", layout: Layout = LAYOUT
) -> Answered:
    found = np.zeros(len(table)) if labels is None else np.array(labels)
    return Answered(request, "m", "main", 0.25, layout, table, Answer(found, np.empty((len(table), 0))))


def row(text: str = "x", number: float = 1.0) -> Rows:
    return Rows([(number,)], [(text,)], LAYOUT)


def logged(folder: Path, pattern: str = "predictions-*.parquet") -> list[dict[str, Any]]:
    return [row for file in sorted(folder.glob(pattern)) for row in pq.read_table(file).to_pylist()]


def test_long_texts_fill_no_memory(tmp_path: Path) -> None:
    """Few rows with long texts are due as soon as many rows are; what the disk does not follow is dropped."""
    journal = Journal(tmp_path / "kept", 1.0)
    for _ in range(3):
        journal.take(answered(row("x" * 16 * MIB)))
    assert not journal.is_due()
    table = Table(np.ones((2, 1)), {"t": pa.array(["x" * 16 * MIB, None])})
    for _ in range(20):
        journal.take(answered(table))
    assert journal.is_due()
    journal.flush()
    assert not journal.is_due()
    (file,) = (tmp_path / "kept").glob("*.parquet")
    assert pq.read_metadata(file).num_rows == 5
    assert (journal.written, journal.dropped) == (5, 38)


def test_what_is_written_can_be_removed(tmp_path: Path) -> None:
    """Retention knows the log's files by the names that they get."""
    journal = Journal(tmp_path, 1.0)
    journal.take(answered(row()))
    journal.label([Label("one", 0, "1")])
    journal.flush()
    assert len(list(tmp_path.iterdir())) == 2
    remove_outlived(tmp_path, Retention(days=1, size=MIB))
    assert len(list(tmp_path.iterdir())) == 2
    remove_outlived(tmp_path, Retention(size=0))
    assert list(tmp_path.iterdir()) == []


def test_a_row_of_the_log(tmp_path: Path) -> None:
    """A row has its request, model and role, the seconds, the answer, and the inputs, null where missing."""
    journal = Journal(tmp_path, 1.0)
    journal.take(answered(row("ä", float("nan")), ["A"], "one"))
    journal.label([Label("one", 0, '"A"')])
    journal.flush()
    [found] = logged(tmp_path)
    assert found.pop("_time").tzinfo
    assert found == {
        "_request": "one",
        "_row": 0,
        "_model": "m",
        "_role": "main",
        "_seconds": 0.25,
        "_prediction": "A",
        "_confidence": None,
        "a": None,
        "t": "ä",
    }
    [label] = logged(tmp_path, "feedback-*.parquet")
    assert (label["_request"], label["_row"], label["_label"]) == ("one", 0, '"A"')
    assert not list(tmp_path.glob(".*"))


def test_answers_of_any_kind_are_logged_or_counted(tmp_path: Path) -> None:
    """Answers of several types come into files of their own; one that no table can hold is counted."""
    journal = Journal(tmp_path, 1.0)
    for labels in (["A"], [1.5], ["B"], [object()]):
        journal.take(answered(row(), labels))
    journal.flush()
    assert sorted(str(found["_prediction"]) for found in logged(tmp_path)) == ["1.5", "A", "B"]
    assert (journal.written, journal.dropped) == (3, 1)


def test_a_disk_that_takes_nothing_loses_only_the_log(tmp_path: Path) -> None:
    """Where it cannot be written, that is said, counted, and forgotten."""
    file = tmp_path / "file"
    file.touch()
    journal = Journal(file, 1.0)
    journal.take(answered(row()))
    with pytest.raises(OSError, match=str(file)):
        journal.flush()
    assert (journal.written, journal.dropped) == (0, 1)
    journal.flush()


def test_a_share_is_the_same_everywhere() -> None:
    """The id of a request decides whether it is kept, in each worker alike; about as many as asked for."""
    ids = [f"3f9a1c20-{i}" for i in range(4000)]
    one, two = Journal(Path("a"), 0.1), Journal(Path("b"), 0.1)
    kept = [one.keeps(name) for name in ids]
    assert kept == [two.keeps(name) for name in ids]
    assert 300 < sum(kept) < 500
    assert all(map(Journal(Path("c"), 1.0).keeps, ids))
    assert not any(map(Journal(Path("d"), 0.0).keeps, ids))


def test_a_column_with_a_name_of_ours_is_refused() -> None:
    """A model whose column is called as one of the log is told before it is served."""
    with pytest.raises(UsageError, match="the model's column '_time' has the name of a column of the log"):
        check_columns(Layout((Column(name="_time", type="double"),)))


TAKEN = {
    '{"request_id": "a", "label": "A"}': [("a", 0, '"A"')],
    '{"request_id": "a", "labels": [1, null, 2.5, true]}': [("a", 0, "1"), ("a", 2, "2.5"), ("a", 3, "true")],
    '[{"request_id": "a", "label": 1}, {"request_id": "b", "label": 2}]': [("a", 0, "1"), ("b", 0, "2")],
    "[]": [],
}
WRONG = {
    "{": "not valid JSON",
    "3": "not an object",
    '{"request_id": "a"}': "one of `labels` and `label` is needed",
    '{"request_id": "a", "label": 1, "labels": [1]}': "one of `labels` and `label` is needed",
    '{"request_id": "", "label": 1}': "request_id is not the x-request-id of a reply",
    '{"request_id": 7, "label": 1}': "request_id is not the x-request-id of a reply",
    '{"request_id": "a", "labels": "A"}': "`labels` is not an array",
    '{"request_id": "a", "labels": [[1]]}': "label 0 is not a string, number or boolean",
    '[{"request_id": "a", "label": 1}, {"request": "b"}]': "item 1: unknown key 'request'",
    '{"request_id": "a", "labels": [1, 2, 3, 4, 5, 6]}': "more than 5 labels",
}


@pytest.mark.parametrize("body", TAKEN)
def test_labels_are_taken(body: str) -> None:
    """A label for each row of a request, one alone, or those of many requests; null is not known yet."""
    assert labels_of(body.encode(), 5) == TAKEN[body]


@pytest.mark.parametrize("body", WRONG)
def test_wrong_feedback_is_told(body: str) -> None:
    """What is wrong with a body is said, with the place."""
    with pytest.raises(RequestError, match=WRONG[body]):
        labels_of(body.encode(), 5)
