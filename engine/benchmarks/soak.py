"""`make soak MINUTES=60`: a server under mixed load for an hour, and what it holds on to meanwhile.

Two workers, a canary, a log of predictions, aliases that move each minute; valid, invalid, huge, slow and
aborted requests, at a rate that leaves the machine to others. It fails (exit code 1) where a request is not
answered as its kind has to be, where memory grows, or where a thread, an open file or a process is left.
Linux only: what processes hold is read from /proc.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import io
import json
import os
import random
import socket
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import mlflow
import pandas as pd
from tests.models import SKOPS_TYPES, frame, full_pipeline, labels
from tests.serving import Server, serving

MARKS = (5, 10, 20, 30, 40, 50, 60)  # minutes of sixty at which memory is looked at
WARM = 10  # from this minute of sixty on it has to be flat
MOST_GROWTH = 0.05
ASKING, SLOW = 4, 3  # threads
PER_SECOND = 10.0  # requests of each asking thread, on average
MOVES_EVERY = 60.0
TIMEOUT = 45.0  # of the server, for a body and for an answer: the first one read by MLflow waits for it
SETTLING = 15.0  # seconds after the last request until connections must be gone
GONE = "closed"
IDLE = 4.9  # seconds after which the server may close a connection that is kept: 5, and the way
JSON, CSV, PARQUET = "application/json", "text/csv", "application/vnd.apache.parquet"
PARTS = {"spawn_main": "worker", "fetching": "registry", "unpacking": "unpacker", "": "server"}
ALLOCATOR = ("jemalloc_bg_thd",)  # Arrow's: up to one a core
POOLED = "unpacker"  # started one by one, when so many are needed at once


class Request(NamedTuple):
    """What is asked, and which outcomes are right."""

    method: str
    path: str
    kind: str
    body: bytes
    right: tuple[str, ...] = ("200",)


Kinds = Mapping[str, tuple[float, list[Request]]]


class Held(NamedTuple):
    """What a process holds: resident memory in MiB, the names of its threads, open files."""

    memory: float
    threads: list[str]
    files: int


@dataclass
class Seen:
    """What came back, by kind and outcome; `wrong` is what should not have."""

    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    models: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, kind: str, outcome: str, right: Sequence[str], said: bytes = b"", model: str = "") -> None:
        with self.lock:
            self.outcomes[kind, outcome] += 1
            if model:
                self.models[model] += 1
            if outcome not in right:
                self.wrong.append(f"{time.strftime('%H:%M:%S')} {kind}: {outcome} {said[:200]!r}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--minutes", type=float, default=60)
    minutes = parser.parse_args().minutes
    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        place = Path(name)
        os.environ["WAYPOST_HOME"] = str(place / "home")
        os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{place}/mlflow.db"
        os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
        os.chdir(place)
        client = registered()
        kinds = requests_by_kind()
        options = ["--workers", "2", "--reload-every", "5", "--max-mb", "1", "--timeout", f"{TIMEOUT:g}"]
        options += [
            "--canary",
            "models:/grades@candidate=10%",
            "--log-predictions",
            "log",
            "--log-share",
            "0.2",
        ]
        with serving("models:/grades@champion", *options, cwd=place) as server:
            problems = soak(server, client, kinds, minutes, place / "log")
            code = server.stop()
        problems += [f"the server ended with {code}"] if code else []
        problems += [f"access log: {line}" for line in faults(place / "access.log")]
        print("", *server.errors, sep="\n  stderr: " if server.errors else "")
    print("\n".join(["", *problems[:40], f"{len(problems)} problems" if problems else "all is well"]))
    sys.exit(1 if problems else 0)


def registered() -> mlflow.MlflowClient:
    """Registers two models of one name; returns the client that moves their aliases."""
    table = frame(600)
    for seed in (1, 2):
        model = full_pipeline()
        model.set_params(forest__random_state=seed).fit(table, labels(table))
        signature = mlflow.models.infer_signature(
            table, pd.Series(model.predict(table.head(20)), name="grade")
        )
        given: dict[str, Any] = {"signature": signature, "input_example": table.head(3)}
        given |= {"serialization_format": "skops", "skops_trusted_types": SKOPS_TYPES, "pip_requirements": []}
        with mlflow.start_run():
            mlflow.sklearn.log_model(model, name="model", registered_model_name="grades", **given)
    client = mlflow.MlflowClient()
    move(client, 1)
    return client


def move(client: mlflow.MlflowClient, champion: int) -> None:
    """Lets the aliases name the two versions, the champion first."""
    for alias, version in (("champion", champion), ("candidate", 3 - champion)):
        client.set_registered_model_alias("grades", alias, str(version))


def requests_by_kind() -> Kinds:
    """Returns the requests of each kind with the kind's weight."""
    table = frame(1000, seed=3)

    def ask(content: Any, *right: str, kind: str = JSON) -> Request:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        return Request("POST", "/invocations", kind, body, right or ("200",))

    def split(rows: pd.DataFrame, *right: str, **changes: Any) -> Request:
        content: dict[str, Any] = json.loads(rows.to_json(orient="split", index=False)) | changes
        return ask({"dataframe_split": content}, *right)

    def parquet(rows: pd.DataFrame) -> bytes:
        sink = io.BytesIO()
        rows.to_parquet(sink)
        return sink.getvalue()

    one = table.head(1)
    records = json.loads(one.to_json(orient="records"))
    texts = [{**records[0], "amount": str(records[0]["amount"])}]
    wide = pd.concat([one] * 101_000, ignore_index=True)[["amount"]].to_csv(index=False).encode()
    gets = ("/ping", "/readyz", "/metrics", "/model", "/docs", "/openapi.json", "/version")
    return {
        "one row": (60, [split(table.iloc[[number]]) for number in range(200)]),
        "records": (8, [ask({"dataframe_records": records})]),
        "probabilities": (4, [ask({"dataframe_records": records, "params": {"probabilities": True}})]),
        "1,000 rows": (2, [split(table)]),
        "CSV": (5, [ask(table.head(100).to_csv(index=False).encode(), kind=CSV)]),
        "Parquet": (2, [ask(parquet(table), kind=PARQUET)]),
        "read by MLflow": (2, [ask({"dataframe_records": texts})]),
        "invalid": (
            8,
            [
                ask(b"{not json", "400"),
                ask({"dataframe_records": [{"age": 1.0}]}, "400"),
                ask({"dataframe_records": [{**records[0], "amount": "much"}]}, "400"),
                ask({"dataframe_records": records, "parms": {}}, "400"),
                split(one, "400", data=[[1.0]]),
                ask(b"amount\n1,2,3\n", "400", kind=CSV),
                ask(b"PAR1 and then nothing", "400", kind=PARQUET),
                ask(b"<xml/>", "415", kind="text/xml"),
                Request("GET", "/invocations", JSON, b"", ("405",)),
                Request("GET", f"/{'made-up' * 5}", JSON, b"", ("404",)),
                Request("POST", "/feedback", JSON, b'{"labels": 5}', ("400",)),
            ],
        ),
        "huge": (2, [ask(b" " * (2 << 20), "413"), ask(wide, "413", kind=CSV)]),
        "feedback": (3, [Request("POST", "/feedback", JSON, b'{"request_id": "a", "labels": ["x"]}', ("202",))]),
        "pages": (3, [Request("GET", path, JSON, b"") for path in gets]),
        "aborted": (3, [split(table), ask(parquet(table), kind=PARQUET), split(one)]),
    }  # fmt: skip


def soak(server: Server, client: mlflow.MlflowClient, kinds: Kinds, minutes: float, log: Path) -> list[str]:
    """Asks for so many minutes; prints what was seen, and returns what is wrong with it."""
    seen, over = Seen(), threading.Event()
    address = urlsplit(server.url).hostname or "", urlsplit(server.url).port or 0
    warm_up(address, kinds, seen)
    show("at the start", held(server.process.pid))
    one = kinds["one row"][1][0]
    jobs = [partial(asking, address, kinds, seen, over, seed) for seed in range(ASKING)]
    jobs += [partial(dribbling, address, one, seen, over, seed) for seed in range(SLOW)]
    jobs += [partial(moving, client, over)]
    threads = [threading.Thread(target=job) for job in jobs]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    marks = {}
    try:
        for mark in MARKS:
            time.sleep(max(0.0, began + mark * minutes - time.monotonic()))
            marks[mark] = held(server.process.pid)
            show(f"at minute {mark * minutes / 60:g}", marks[mark])
    finally:
        over.set()
        for thread in threads:
            thread.join()
    time.sleep(SETTLING)
    last = held(server.process.pid)
    show("at the end, without requests", last)
    report(seen, log, minutes)
    return grown(marks) + left(marks[WARM], last) + seen.wrong


def warm_up(address: tuple[str, int], kinds: Kinds, seen: Seen) -> None:
    """Asks everything some times: what is loaded at its first use is loaded then, in both workers."""
    for _ in range(8):
        for name, (_, requests) in kinds.items():
            for request in requests[:12]:
                exchange(address, name, request, seen)
    time.sleep(SETTLING)


def asking(address: tuple[str, int], kinds: Kinds, seen: Seen, over: threading.Event, seed: int) -> None:
    """Asks one request after another, of kinds by their weights, most on a connection that is kept."""
    choose = random.Random(seed)
    names = list(kinds)
    weights = [kinds[name][0] for name in names]
    line = None
    while not over.wait(choose.expovariate(PER_SECOND)):
        name = choose.choices(names, weights)[0]
        request = choose.choice(kinds[name][1])
        if name == "aborted":
            abort(address, request, choose.random())
            seen.note(name, GONE, (GONE,))
        elif name == "one row":
            line = exchange(address, name, request, seen, line)
        else:
            exchange(address, name, request, seen)
    if line:
        line.close()


class Line(http.client.HTTPConnection):
    """A connection that knows when it brought its last reply."""

    used = float("inf")

    def ask(self, request: Request) -> tuple[http.client.HTTPResponse, bytes]:
        headers = {"Content-Type": request.kind, "X-Request-Id": uuid.uuid4().hex}
        self.request(request.method, request.path, request.body or None, headers)
        reply = self.getresponse()
        said = reply.read()
        self.used = time.monotonic()
        return reply, said


def exchange(
    address: tuple[str, int], name: str, request: Request, seen: Seen, line: Line | None = None
) -> Line | None:
    """Asks, and notes the outcome; with a kept connection it is given back. One that the server closed while
    it was idle is opened once more, as clients do, and counted.
    """
    is_kept = line is not None or name == "one row"
    line = line or Line(*address, timeout=60)
    was_idle = time.monotonic() - line.used > IDLE
    try:
        try:
            reply, said = line.ask(request)
        except (ConnectionError, http.client.BadStatusLine):
            if not was_idle:
                raise
            seen.note("idle connection", GONE, (GONE,))
            line.close()
            reply, said = line.ask(request)
        seen.note(name, str(reply.status), request.right, said, reply.getheader("x-model", ""))
    except (OSError, http.client.HTTPException) as error:
        seen.note(name, type(error).__name__, request.right)
        is_kept = False
    if is_kept:
        return line
    line.close()
    return None


def abort(address: tuple[str, int], request: Request, share: float) -> None:
    """Sends a share of a request and goes away; from 0.8 on all of it, without waiting for the reply."""
    content = head(request) + request.body
    with contextlib.suppress(OSError), socket.create_connection(address, timeout=10) as line:
        line.sendall(content[: int(len(content) * min(1.0, share * 1.25))])


def head(request: Request) -> bytes:
    said = f"POST {request.path} HTTP/1.1\r\nHost: soak\r\nContent-Type: {request.kind}\r\n"
    return f"{said}Content-Length: {len(request.body)}\r\n\r\n".encode()


def dribbling(
    address: tuple[str, int], request: Request, seen: Seen, over: threading.Event, seed: int
) -> None:
    """Sends headers, or a body, that never come to an end; or a whole request, slowly."""
    choose = random.Random(seed)
    start = head(request)
    ways: dict[str, tuple[bytes, bytes, tuple[str, ...]]] = {
        "slow headers": (b"", start[:-4] + b"\r\nX-Slow: " + b"x" * 1000, (GONE,)),
        "slow body": (start, request.body, ("408",)),
        "slow but whole": (start + request.body[:-8], request.body[-8:], ("200",)),
    }
    while not over.wait(choose.expovariate(0.5)):
        name = choose.choice(list(ways))
        at_once, slowly, right = ways[name]
        outcome, said = dribble(address, at_once, slowly)
        seen.note(name, outcome, right, said)


def dribble(address: tuple[str, int], at_once: bytes, slowly: bytes) -> tuple[str, bytes]:
    """Sends bytes one by one until there is a reply; returns its status, or that the connection was cut."""
    said = b""
    with contextlib.suppress(OSError), socket.create_connection(address, timeout=0.6) as line:
        line.sendall(at_once)
        for number in range(len(slowly)):
            line.sendall(slowly[number : number + 1])
            with contextlib.suppress(TimeoutError):
                said = line.recv(65536)
                break
        else:
            line.settimeout(10)
            said = line.recv(65536)
    return (said.split()[1].decode() if said else GONE), said


def moving(client: mlflow.MlflowClient, over: threading.Event) -> None:
    champion = 1
    while not over.wait(MOVES_EVERY):
        champion = 3 - champion
        move(client, champion)


def held(server: int) -> dict[tuple[int, str], Held]:
    """Returns what the server's processes hold, by id and what they are."""
    parents = {}
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has just ended
            parents[int(place.name)] = int((place / "stat").read_text().rpartition(")")[2].split()[1])
    ours = [server]
    for pid in ours:
        ours += [one for one, parent in parents.items() if parent == pid]
    found = {}
    for pid in ours:
        with contextlib.suppress(OSError):
            place = Path("/proc", str(pid))
            words = (place / "cmdline").read_text().replace("\0", " ")
            pages = int((place / "statm").read_text().split()[1])
            memory = pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)
            holds = Held(memory, threads(place / "task"), sum(1 for _ in (place / "fd").iterdir()))
            found[pid, next(what for word, what in PARTS.items() if word in words)] = holds
    return found


def threads(folder: Path) -> list[str]:
    """Returns the names of threads, without the allocator's, which come when memory is given back."""
    names = [(thread / "comm").read_text().strip() for thread in folder.iterdir()]
    return [name for name in names if name not in ALLOCATOR]


def show(when: str, found: Mapping[tuple[int, str], Held]) -> None:
    print(f"{time.strftime('%H:%M:%S')} {when}")
    for (pid, what), holds in found.items():
        print(
            f"  {what:9} {pid:8} {holds.memory:7.1f} MiB {len(holds.threads):4} threads {holds.files:4} files"
        )
    sys.stdout.flush()


def grown(marks: Mapping[int, Mapping[tuple[int, str], Held]]) -> list[str]:
    """Returns which processes hold more memory at the end than when they were warm, or came later."""
    warm, last = marks[WARM], marks[MARKS[-1]]
    found = [
        f"{what} {pid} was started while requests came"
        for pid, what in last
        if (pid, what) not in warm and what != POOLED
    ]
    for (pid, what), holds in warm.items():
        after = last[pid, what].memory if (pid, what) in last else 0.0
        if after > holds.memory * (1 + MOST_GROWTH):
            found.append(f"{what} {pid} grew from {holds.memory:.1f} to {after:.1f} MiB")
        if not after:
            found.append(f"{what} {pid} has ended")
    return found


def left(warm: Mapping[tuple[int, str], Held], last: Mapping[tuple[int, str], Held]) -> list[str]:
    """Returns what is there after the last request that was not there when all was warm: pools of threads
    are filled when they are needed.
    """
    return [
        f"{what} {pid} is left with {len(holds.threads)} threads and {holds.files} files; new: "
        + ", ".join((Counter(holds.threads) - Counter(before.threads)).elements())
        for (pid, what), holds in last.items()
        if len((before := warm.get((pid, what), holds)).threads) < len(holds.threads)
        or before.files < holds.files
    ]


def report(seen: Seen, log: Path, minutes: float) -> None:
    total = sum(seen.outcomes.values())
    print(f"{total:,} requests, {total / minutes / 60:.0f} a second: kind, outcome, how many")
    for (kind, outcome), count in sorted(seen.outcomes.items()):
        print(f"  {kind:15} {outcome:8} {count:8,}")
    print("answered by", dict(seen.models))
    files = [file.stat().st_size for file in log.glob("*.parquet")]
    print(f"log of predictions: {len(files)} files, {sum(files) / (1 << 20):.1f} MiB")


def faults(log: Path) -> list[str]:
    """Returns the lines of an access log that tell of a fault of the server."""
    with log.open() as lines:
        return [line.strip() for line in lines if json.loads(line)["status"] >= 500]


if __name__ == "__main__":
    main()
