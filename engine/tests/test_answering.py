"""Requests between event loop and threads, without a server: what is quick never waits for what is slow."""

from __future__ import annotations

import asyncio
import io
import json
import os
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from waypost.contracts.mlmodel import Column, MLmodel
from waypost.inference.columnar import PARQUET
from waypost.inference.compiled import Answer
from waypost.inference.fetching import FetchedModel
from waypost.inference.layout import Layout
from waypost.inference.limits import Limits, RequestError
from waypost.inference.model_cache import ReadyModel
from waypost.inference.proof import Proof
from waypost.inference.table import Rows, Table
from waypost.serving.answering import Answering, Served
from waypost.serving.metrics import Entry
from waypost.serving.protocol import CSV, JSON
from waypost.serving.replies import refusal

LAYOUT = Layout((Column(name="a", type="double"),))
SLOW = b'{"instances": [{"a": -1}]}'
QUICK = b'{"instances": [{"a": 1}]}'
CORES = os.cpu_count() or 1


class Model:
    """Answers with the name of the thread that asks; a negative number takes until the gate is opened."""

    layout = LAYOUT
    classes = None

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.begun = 0

    def warm(self) -> None:
        pass

    def predict(self, table: Table | Rows, check: Callable[[], None] | None = None) -> Answer:
        numbers = table.table().numbers[:, 0]
        if numbers[0] < 0:
            self.begun += 1
            assert self.gate.wait(30)
        return Answer(np.array([threading.current_thread().name] * len(numbers)), np.empty((len(numbers), 0)))


def served(model: Any, *, compiled: bool) -> Served:
    proof = Proof(is_equal=compiled, reason="", versions={})
    made = ReadyModel(Path(), "", MLmodel(flavors={"sklearn": {}}), proof, model)
    return Served(FetchedModel(uri="m", label="m", folder=Path(), digest=""), made, None, [], {}, {})


async def ask(beside: Answering, model: Any, body: bytes, kind: str = JSON, *, compiled: bool = False) -> Any:
    entry = Entry(datetime.now(UTC), "1", "", "POST", "/invocations", "m")
    told = await beside.answer(served(model, compiled=compiled), kind, body, entry)
    return json.loads(told.body)["predictions"]


def answering(seconds: float = 20.0) -> Answering:
    return Answering(Limits(rows=100_000), seconds, None)


def parquet() -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table({"a": [1.0]}), out)
    return out.getvalue()


def test_only_what_is_small_and_plain_is_answered_in_the_event_loop() -> None:
    """A small JSON or CSV body is answered at once; what takes longer is not."""

    async def asked() -> None:
        beside, model, here = answering(), Model(), threading.current_thread().name
        assert await ask(beside, model, QUICK, compiled=True) == [here]
        assert await ask(beside, model, b"a\n1\n", CSV, compiled=True) == [here]
        large = json.dumps({"instances": [{"a": 1}] * 65}).encode()
        spaces = QUICK + b" " * 40_000
        for body, kind, compiled in (
            (QUICK, JSON, False),
            (large, JSON, True),
            (spaces, JSON, True),
            (parquet(), PARQUET, True),
        ):
            assert set(await ask(beside, model, body, kind, compiled=compiled)) == {"predict"}
        beside.end()

    asyncio.run(asked())


def test_lost_threads_leave_room_for_others() -> None:
    """As many hanging requests as cores: each is told 504, and others are answered by other threads; where
    far too many hang, 503; what needs no thread is answered all the while.
    """

    async def asked() -> None:
        beside, model = answering(0.2), Model()
        for _ in range(4):
            for _ in range(CORES):
                with pytest.raises(RequestError, match=r"no answer within 0\.2 s") as error:
                    await ask(beside, model, SLOW)
                assert error.value.status == 504
            assert await ask(beside, model, QUICK, compiled=True) == [threading.current_thread().name]
            if model.begun < 4 * CORES:
                assert await ask(beside, model, QUICK) == ["predict"]
        with pytest.raises(RequestError, match="all threads are at work") as error:
            await ask(beside, model, QUICK)
        assert (b"retry-after", b"5") in refusal(error.value).headers
        model.gate.set()
        await asyncio.sleep(0.3)
        assert await ask(beside, model, QUICK) == ["predict"]

    asyncio.run(asked())


def test_a_flood_waits_in_a_queue_that_ends() -> None:
    """More slow requests than may wait: the rest is told 503 at once; what was given up is never begun."""

    async def asked() -> None:
        beside, model = answering(0.5), Model()
        told = await asyncio.gather(*(ask(beside, model, SLOW) for _ in range(400)), return_exceptions=True)
        statuses = [error.status for error in told if isinstance(error, RequestError)]
        assert len(statuses) == 400
        assert statuses.count(503) == 400 - 256 - CORES
        begun = model.begun
        assert begun <= 5 * CORES
        model.gate.set()
        await asyncio.sleep(0.2)
        assert model.begun == begun

    asyncio.run(asked())
