"""One row of a compiled model, answered within the call: the bytes, lines and counts of a task."""

from __future__ import annotations

import asyncio
import json
import random
from pathlib import Path
from typing import Any

import pytest

from tests import row_plans
from tests.test_app import application, log, served
from tests.test_at_once import by_task, connected, noted, request, same
from waypost.contracts.mlmodel import Column
from waypost.inference.categories import Codes, OneHot
from waypost.inference.compiled import Compiled, Content, Weights
from waypost.inference.features import Numbers
from waypost.inference.layout import Layout
from waypost.inference.preprocessing import Plan
from waypost.inference.words import Words
from waypost.serving.app import Application

__all__ = ["log"]  # a fixture

COLUMNS = (
    Column(name="x", type="double"),
    Column(name="y", type="double", required=False),
    Column(name="s", type="string", required=False),
)
CELLS: dict[str, list[Any]] = {"x": row_plans.NUMBERS[:13], "y": row_plans.NUMBERS[:13], "s": row_plans.TEXTS}


def model() -> Compiled:
    """Returns a linear model of numbers and a text in three codings."""
    parts: list[Any] = [
        Numbers(columns=["x", "y"], fill=[1.0, 2.0]),
        Codes(columns=["s"], categories=[["b", "a"]]),
        OneHot(columns=["s"], categories=[["a", "\u00e9"]], fill="a"),
        Words(column="s", fill="", vocabulary={"a": 0, "b": 1}, pattern="(?u)\\w+"),
    ]
    weights = Weights(factors=[[0.3, 1e-3, 7.0, 0.1, 11.0, 1e5, 1e7]], intercept=[0.5])
    content = Content(plan=Plan(parts=parts), classes=None, link="identity", weights=weights)
    return Compiled(content, None, Layout(COLUMNS))


def body(choose: random.Random) -> bytes:
    """Returns a body with one row in one of two forms, mostly plain."""
    odd = choose.choice([0.0, 0.0, 0.2])
    row = {
        name: choose.choice([*row_plans.ODD[:4], 10**25, None] if choose.random() < odd else usual)
        for name, usual in CELLS.items()
    }
    if choose.random() < odd:
        del row[choose.choice(list(row))]
    if choose.random() < odd:
        row[choose.choice(["other", "xx"])] = 1
    if choose.random() < 0.3:
        return json.dumps({"dataframe_records": [row]}).encode()
    names, cells = list(row), list(row.values())
    if choose.random() < odd:
        names[0], cells = names[-1], [*cells, 1.0]
    given: dict[str, Any] = {"columns": names, "data": [cells] * choose.choice([1, 1, 1, 0, 2])}
    if choose.random() < 0.4:
        given["index"] = choose.choice([[0], ["a"], [0, 1], [None], None])
    content = {"dataframe_split": given}
    if choose.random() < odd:
        content["params"] = choose.choice([{}, {"probabilities": True}, {"other": 1}])
    return json.dumps(content, separators=choose.choice([(",", ":"), (", ", ": ")])).encode()


async def told(app: Application, way: Any, bodies: list[bytes]) -> list[bytes]:
    """Returns the replies to bodies, one after the other on a connection."""
    found = []
    wire, connection = connected(way(app))
    for number, given in enumerate(bodies):
        connection.data_received(request(given, x_request_id=str(number)))
        async with asyncio.timeout(10):
            while len(wire.statuses) <= number:  # noqa: ASYNC110 (a transport has no event for it)
                await asyncio.sleep(0)
        await asyncio.sleep(0)
        found.append(same(wire.told.rpartition(b"HTTP/1.1 ")[2]))
    connection.connection_lost(None)
    return found


@pytest.mark.filterwarnings("ignore:overflow")
def test_odd_rows_get_the_reply_of_the_usual_way(tmp_path: Path, log: list[Any]) -> None:
    """Missing cells, texts for numbers, booleans, huge integers, Unicode, too many and too few cells, other,
    double and misspelt columns, in any order: replies, lines of the log and counts are those of a task.
    """
    choose = random.Random(0)
    bodies = [body(choose) for _ in range(400)]
    found = []
    for way in (lambda app: app, by_task):
        one = served()
        one.model.__dict__["answers"] = model()
        app = application(tmp_path, one)
        app._models.main.now.model.__dict__["original"] = Refusing()
        log.clear()
        replies = asyncio.run(told(app, way, bodies))
        app._monitor.flush()
        found.append((replies, noted(log), app._monitor._counts.requests, app._monitor._counts.rows))
    for number, (given, reply, expected) in enumerate(zip(bodies, found[0][0], found[1][0], strict=True)):
        assert reply == expected, (number, given)
    assert found[0][1:] == found[1][1:]
    assert sum(reply.startswith(b"200") for reply in found[0][0]) > 120
    assert sum(reply.startswith(b"400") for reply in found[0][0]) > 50


class Refusing:
    """An original that refuses what it is asked."""

    layout = Layout(COLUMNS)

    def respond(self, *_: Any, **__: Any) -> Any:
        from waypost.inference.layout import TableError

        raise TableError("the original refuses it")
