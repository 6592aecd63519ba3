"""`waypost serve`: a real server, asked over HTTP by MLflow's client and by others."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import mlflow
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from mlflow.pyfunc.scoring_server.client import ScoringServerClient
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline

from tests import models
from tests.conftest import BIN, Call
from tests.serving import SERVE, Server, serving
from waypost.errors import UsageError
from waypost.serving.certificates import check_certificate
from waypost.serving.sampling import point

TABLE = models.frame()
NEW = models.frame(300, seed=5)
ONE = {"amount": 120.0, "age": None, "city": "Zürich", "kind": "own", "note": "red loan"}


def fitted(classes: int = 4, trees: int = 20, seed: int = 0) -> Any:
    forest = RandomForestClassifier(trees, random_state=seed)
    return models.full_pipeline(forest=forest).fit(TABLE, models.labels(TABLE, classes))


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of four classes."""
    return models.save(fitted(), TABLE, tmp_path_factory.mktemp("model") / "grades")


@pytest.fixture(scope="module")
def server(saved: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of that model that many tests ask."""
    place = tmp_path_factory.mktemp("server")
    with serving(saved, cwd=place, env={"WAYPOST_HOME": str(place / "home")}) as found:
        yield found


def as_json(table: pd.DataFrame) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(table.to_json(orient="split"))
    return {"dataframe_split": content}


def test_stock_client_gets_the_models_answers(server: Server, saved: Path) -> None:
    """MLflow's own client: ready, and the answers for a table are those of MLflow's pyfunc."""
    parts = urlsplit(server.url)
    client = ScoringServerClient(parts.hostname, parts.port)
    client.wait_server_ready(timeout=10)
    told = client.invoke(NEW).get_predictions()
    assert told.iloc[:, 0].tolist() == mlflow.pyfunc.load_model(str(saved)).predict(NEW).tolist()


def test_probabilities_on_request(server: Server, saved: Path) -> None:
    """`params: {probabilities: true}` gives each class's, in the order of `classes`: the original's bits."""
    told = server.ask({**as_json(NEW), "params": {"probabilities": True}}).json()
    original = mlflow.sklearn.load_model(str(saved))
    assert told["classes"] == original.classes_.tolist()
    assert told["probabilities"] == original.predict_proba(NEW).tolist()
    assert "probabilities" not in server.ask(as_json(NEW)).json()


def test_other_bodies_say_the_same(server: Server) -> None:
    """CSV, Parquet and an Arrow stream get the answers that JSON gets."""
    expected = server.ask(as_json(NEW)).json()["predictions"]
    table = pa.Table.from_pandas(NEW, preserve_index=False)
    parquet, stream = pa.BufferOutputStream(), pa.BufferOutputStream()
    pq.write_table(table, parquet)
    with pa.ipc.new_stream(stream, table.schema) as writer:
        writer.write_table(table)
    bodies = {
        "text/csv": NEW.to_csv(index=False).encode(),
        "application/vnd.apache.parquet": parquet.getvalue().to_pybytes(),
        "application/vnd.apache.arrow.stream": stream.getvalue().to_pybytes(),
    }
    for kind, body in bodies.items():
        reply = requests.post(f"{server.url}/invocations", body, headers={"Content-Type": kind}, timeout=30)
        told = reply.json()["predictions"]
        if kind == "text/csv":  # as pandas reads it, an empty text is a missing one
            alike = NEW.replace({"city": {"": None}, "note": {"": None}})  # type: ignore[arg-type]
            assert told == server.ask(as_json(alike)).json()["predictions"]
        else:
            assert told == expected


def test_a_reply_tells_of_itself(server: Server) -> None:
    """A reply carries the request's id, the model, and how long parsing, validating, predicting took."""
    reply = server.ask({"instances": [ONE]}, headers={"X-Request-Id": "my-id"})
    assert reply.headers["x-request-id"] == "my-id"
    assert reply.headers["x-model"] == "grades"
    assert re.fullmatch(
        r"parse;dur=[\d.]+, validate;dur=[\d.]+, predict;dur=[\d.]+", reply.headers["server-timing"]
    )
    first, second = (server.ask({"instances": [ONE]}).headers["x-request-id"] for _ in range(2))
    assert first != second


def test_health_version_model(server: Server) -> None:
    """/ping and /health as MLflow has them, /version its version, /model which model and its proof."""
    for path in ("/ping", "/health"):
        reply = server.get(path)
        assert (reply.status_code, reply.text) == (200, "\n")
    assert server.get("/version").text == mlflow.__version__
    told = server.get("/model").json()
    assert told["compiled"] == "yes"
    assert told["proof"]["labels_different"] == 0
    assert requests.head(f"{server.url}/ping", timeout=5).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status", "message"),
    [
        ("GET", "/nothing", None, {}, 404, "there is no '/nothing'"),
        ("GET", "/invocations", None, {}, 405, "/invocations takes POST, not GET"),
        ("DELETE", "/ping", None, {}, 405, "takes GET"),
        ("POST", "/invocations", b"{}", {}, 415, "no Content-Type cannot be read"),
        ("POST", "/invocations", b"{", {"Content-Type": "application/json"}, 400, "not valid JSON"),
        (
            "POST",
            "/invocations",
            b"x",
            {"Content-Type": "application/json", "Content-Encoding": "br"},
            415,
            "Content-Encoding",
        ),
    ],
)
def test_wrong_requests_are_told(
    server: Server, method: str, path: str, body: Any, headers: dict[str, str], status: int, message: str
) -> None:
    """A request that cannot be answered gets a 4xx that says why, as JSON."""
    reply = requests.request(method, f"{server.url}{path}", data=body, headers=headers, timeout=10)
    assert reply.status_code == status
    assert message in reply.json()["message"]


def test_wrong_field_is_named(server: Server) -> None:
    """A wrong value: 400, with the column and the row as fields of their own."""
    reply = server.ask({"dataframe_records": [ONE, {**ONE, "amount": "much"}]})
    assert reply.status_code == 400
    assert reply.json() == {
        "error_code": "BAD_REQUEST",
        "message": "column 'amount', row 1: 'much' is not a valid number",
        "column": "amount",
        "row": 1,
    }


def test_described_by_openapi_and_a_page(server: Server) -> None:
    """The OpenAPI document has an example that works; the page needs nothing from elsewhere."""
    document = server.get("/openapi.json").json()
    content = document["paths"]["/invocations"]["post"]["requestBody"]["content"]
    for example in content["application/json"]["examples"].values():
        assert server.ask(example["value"]).status_code == 200
    kind = {"Content-Type": "text/csv"}
    csv = content["text/csv"]["example"].encode()
    assert requests.post(f"{server.url}/invocations", csv, headers=kind, timeout=5).status_code == 200
    page = server.get("/docs")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", page.text)
    assert all(str(name) in page.text for name in TABLE)


def test_metrics_count_all_requests(server: Server) -> None:
    """/metrics: requests by status, rows, errors, a histogram, the model; they grow as requests come."""

    def value(name: str) -> float:
        found = re.findall(rf"^{re.escape(name)} (\S+)", server.get("/metrics").text, re.MULTILINE)
        return float(found[0]) if found else 0.0

    ok = 'waypost_requests_total{path="/invocations",status="200"}'
    names = (ok, "waypost_rows_total", "waypost_errors_total", "waypost_request_seconds_count")
    before = [value(name) for name in names]
    server.ask({"instances": [ONE, ONE]})
    server.ask({"instances": [3]})
    after = [value(name) for name in names]
    assert [b - a for a, b in zip(before, after, strict=True)] == [1, 2, 1, 2]
    assert 'model="grades"' in server.get("/metrics").text


def test_access_log_is_structured(server: Server) -> None:
    """Each request is a line of JSON: id, status, rows, times, and what was wrong."""
    server.ask({"instances": [ONE]}, headers={"X-Request-Id": "logged"})
    server.ask({"instances": [3]}, headers={"X-Request-Id": 'refu"sed'})
    time.sleep(0.5)
    lines = {entry["id"]: entry for entry in map(json.loads, server.out.read_text().splitlines())}
    assert lines["logged"]["status"] == 200
    assert lines["logged"]["rows"] == 1
    assert 0 < lines["logged"]["predict"] < lines["logged"]["seconds"]
    assert lines['refu"sed']["status"] == 400
    assert "row 0 is a number" in lines['refu"sed']["problem"]


def test_limits_of_bytes_rows_and_time(saved: Path, workplace: Path) -> None:
    """Too many bytes or rows: 413, before they are read; a body that does not come: 408. It goes on after."""
    with serving(saved, "--max-mb", "1", "--max-rows", "10", "--timeout", "1", cwd=workplace) as server:
        assert server.ask({"instances": [ONE] * 11}).status_code == 413
        port = urlsplit(server.url).port
        head = "POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        for length, sent, status in ((2_000_000, b"", b"413"), (500, b'{"inst', b"408")):
            with socket.create_connection(("127.0.0.1", port or 0), timeout=20) as connection:
                connection.sendall(f"{head}Content-Length: {length}\r\n\r\n".encode() + sent)
                assert connection.recv(100).split()[1] == status
        with socket.create_connection(("127.0.0.1", port or 0), timeout=20) as connection:
            connection.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
            chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
            for _ in range(20):
                connection.sendall(chunk)
            assert connection.recv(100).split()[1] == b"413"
        # Who looks at the reply only when all is sent, and wants no other one, sees it, too.
        url, kind = f"{server.url}/invocations", {"Content-Type": "application/json"}
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(urllib.request.Request(url, b" " * 30_000_000, kind), timeout=20)
        assert json.load(refused.value)["message"] == "the body is larger than 1,048,576 bytes"
        assert server.ask({"instances": [ONE]}).status_code == 200


def test_headers_are_bounded(server: Server) -> None:
    """Headers of more than 64 KiB: 431, and the server goes on."""
    refused = server.get("/ping", headers={"x": "a" * 70_000})
    assert (refused.status_code, refused.json()["message"]) == (431, "the headers are larger than 64 KiB")
    assert server.get("/ping", headers={"x": "a" * 60_000}).status_code == 200


def certificate(folder: Path) -> tuple[Path, Path]:
    """Writes a certificate of 127.0.0.1, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    built = x509.CertificateBuilder(
        name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(1)
    )
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    signed = built.add_extension(names, critical=False).sign(key, hashes.SHA256())
    files = folder / "cert.pem", folder / "key.pem"
    files[0].write_bytes(signed.public_bytes(Encoding.PEM))
    files[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return files


def test_token_guards_everything_but_health(
    saved: Path, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With tokens, requests without one get 401, over TLS too; a file with others counts in all workers soon;
    none is anywhere in what the server writes. So does another certificate.
    """
    file = workplace / "tokens"
    file.write_text("open-sesame\n")
    cert, key = certificate(workplace)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(cert))
    tls = ["--tls-cert", str(cert), "--tls-key", str(key)]
    with serving(saved, "--token-file", str(file), "--workers", "2", *tls, cwd=workplace) as server:

        def asked(token: str) -> int:
            headers = {"Authorization": f"Bearer {token}", "Connection": "close"}
            return server.ask({"instances": [ONE]}, headers=headers).status_code

        assert server.url.startswith("https://")
        for path in ("/metrics", "/model", "/docs", "/openapi.json", "/version"):
            assert server.get(path).status_code == 401
        assert server.get("/ping").status_code == 200
        assert server.ask({"instances": [ONE]}).status_code == 401
        assert (asked("no"), asked("open-sesame")) == (401, 200)
        file.write_text("app: simsim-open-up-now\n")
        wait_for(lambda: {asked("open-sesame") for _ in range(10)} == {401})
        assert {asked("simsim-open-up-now") for _ in range(10)} == {200}
        address = ("127.0.0.1", int(server.url.rpartition(":")[2]))
        before = ssl.get_server_certificate(address)
        key.write_text("half of a new pair")
        wait_for(lambda: "the previous certificate stays" in "".join(server.errors))
        assert ssl.get_server_certificate(address) == before
        certificate(workplace)
        wait_for(lambda: before not in {ssl.get_server_certificate(address) for _ in range(10)})
        assert server.stop() == 0
        said = server.out.read_text() + "".join(server.errors)
        assert '"caller":"app"' in said
        assert "sesame" not in said
        assert "simsim" not in said


def test_a_certificate_has_its_key(tmp_path: Path) -> None:
    """A certificate without its key, or with one that asks for a passphrase, is told in one line."""
    cert, key = certificate(tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    _, another = certificate(other)
    check_certificate(None, None)
    check_certificate(cert, key)
    locked = tmp_path / "locked.pem"
    loaded = load_pem_private_key(key.read_bytes(), None)
    locked.write_bytes(
        loaded.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    )
    for pair in ((cert, None), (None, key), (cert, another), (key, key), (cert, locked), (cert, tmp_path)):
        with pytest.raises(UsageError) as error:
            check_certificate(*pair)
        assert "\n" not in str(error.value)


def test_stops_when_what_it_began_is_finished(saved: Path, workplace: Path) -> None:
    """SIGTERM while a body is on its way: the request is answered, then the server ends with 0."""
    with serving(saved, cwd=workplace) as server:
        body = json.dumps({"instances": [ONE]}).encode()
        connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=20)
        connection.putrequest("POST", "/invocations")
        connection.putheader("Content-Type", "application/json")
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body[:10])
        time.sleep(0.3)
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        connection.send(body[10:])
        assert connection.getresponse().status == 200
        assert server.process.wait(20) == 0


def hanging(folder: Path) -> Path:
    """Saves a model that answers a number with itself, and a negative one after a thousand seconds."""

    class Hanging(mlflow.pyfunc.PythonModel):  # type: ignore[misc,name-defined]
        def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
            import time

            if model_input["a"].iloc[0] < 0:
                time.sleep(1000)
            return model_input["a"].to_numpy()

    inputs = mlflow.models.infer_signature(pd.DataFrame({"a": [1.0]})).inputs
    signature = mlflow.models.ModelSignature(inputs)
    mlflow.pyfunc.save_model(folder, python_model=Hanging(), signature=signature, pip_requirements=[])
    return folder


@contextlib.contextmanager
def in_the_air(server: Server, count: int) -> Iterator[list[int]]:
    """Sends requests that hang; gives the statuses of their replies, 0 where there is none, as they come."""
    statuses: list[int] = []

    def send() -> None:
        with contextlib.suppress(requests.RequestException):
            statuses.append(server.ask({"inputs": {"a": [-1.0]}}).status_code)
            return
        statuses.append(0)

    threads = [threading.Thread(target=send) for _ in range(count)]
    for thread in threads:
        thread.start()
    yield statuses
    for thread in threads:
        thread.join()


def test_hanging_requests_stop_no_server(workplace: Path) -> None:
    """As many requests as cores hang: they are told so, others are answered, /ping too; and SIGTERM ends the
    server at once, since nobody waits for what hangs.
    """
    model = hanging(workplace / "hanging")
    with serving(model, "--trust", "--timeout", "1", cwd=workplace) as server:
        with in_the_air(server, os.cpu_count() or 1) as statuses:
            assert server.get("/ping").status_code == 200
        assert set(statuses) == {504}
        assert server.ask({"inputs": {"a": [2.0]}}).json() == {"predictions": [2.0]}
        began = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began < 10


@pytest.mark.journey
@pytest.mark.parametrize(
    ("number", "workers"), [(signal.SIGTERM, 1), (signal.SIGTERM, 2), (signal.SIGINT, 2)]
)
def test_the_grace_is_kept(workplace: Path, number: int, workers: int) -> None:
    """Requests that would take far longer than the grace are told 503, and no process is left after it."""
    model = hanging(workplace / "hanging")
    options = ["--trust", "--timeout", "100", "--grace", "3", "--workers", str(workers)]
    with serving(model, *options, cwd=workplace) as server, in_the_air(server, 3) as statuses:
        time.sleep(1)
        pids = [str(server.process.pid), *children_of(server.process.pid)]
        began = time.monotonic()
        assert server.stop(number) == 0
        wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))
        assert time.monotonic() - began < 8
    assert set(statuses) <= {503, 0}
    assert "Traceback" not in "".join(server.errors)


def children_of(pid: int) -> list[str]:
    command = ["pgrep", "-P", str(pid)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_workers_end_with_their_server(saved: Path, workplace: Path, number: int) -> None:
    """Several workers share the address, count together, and none is left when the server ends."""
    with serving(saved, "--workers", "2", cwd=workplace) as server:
        found = [server.get("/model", headers={"Connection": "close"}) for _ in range(20)]
        assert all(reply.status_code == 200 for reply in found)
        time.sleep(1)
        metrics = server.get("/metrics").text
        assert re.search(r'path="/model",status="200"} 20\.0', metrics), metrics
        pids = children_of(server.process.pid)
        assert len(pids) >= 2
        assert server.stop(number) == 0
        wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))


def test_a_taken_port_is_told(saved: Path, server: Server, workplace: Path, call: Call) -> None:
    """A port that somebody has: exit code 2, and what to do."""
    result = call(*SERVE, saved, "--port", str(urlsplit(server.url).port))
    assert result.returncode == 2
    assert "this address is not available" in result.stderr


@pytest.mark.parametrize(
    ("model", "code", "message"),
    [
        ("nothing", 2, "no MLflow model here"),
        ("models:/nobody@champion", 2, "nobody"),
        ("runs:/00000000000000000000000000000000/model", 2, "00000000000000000000000000000000"),
    ],
)
def test_no_such_model(workplace: Path, call: Call, model: str, code: int, message: str) -> None:
    """A model that is not there: one line that names it, exit code 2, nothing listens."""
    result = call(*SERVE, model, "--port", "0")
    assert result.returncode == code
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_pickled_model_needs_trust(workplace: Path, call: Call) -> None:
    """A pickled model is not opened unless it is trusted; then it serves, compiled."""
    folder = models.save(fitted(), TABLE, workplace / "pickled", format="cloudpickle")
    result = call(*SERVE, folder, "--port", "0")
    assert result.returncode == 2
    assert "stored as cloudpickle, which may run arbitrary code" in result.stderr
    assert "--trust" in result.stderr
    with serving(folder, "--trust", cwd=workplace) as server:
        assert server.ask({"instances": [ONE]}).status_code == 200


def test_original_serves_what_is_not_compiled(workplace: Path) -> None:
    """A model without a compiled form answers as it is, refuses what it cannot with a 400, and says why."""
    numbers = TABLE[["amount", "age"]]
    model = make_pipeline(SimpleImputer(), GaussianNB()).fit(numbers, models.labels(TABLE))
    folder = models.save(model, numbers, workplace / "linear")
    with serving(folder, cwd=workplace) as server:
        told = server.ask({**as_json(NEW[["amount", "age"]]), "params": {"probabilities": True}}).json()
        assert told["predictions"] == model.predict(NEW[["amount", "age"]]).tolist()
        assert "GaussianNB has no compiled form" in server.get("/model").json()["compiled"]
        reply = server.ask({"instances": [{"amount": 1e308, "age": 3.0}] * 2})
        assert reply.status_code in (200, 400)


def test_regressor_has_no_probabilities(workplace: Path) -> None:
    """A regressor answers numbers; who asks it for probabilities is told that there are none."""
    numbers = TABLE[["amount", "age"]]
    model = make_pipeline(SimpleImputer(), RandomForestRegressor(5)).fit(numbers, TABLE["amount"] * 2)
    folder = models.save(model, numbers, workplace / "regressor")
    with serving(folder, cwd=workplace) as server:
        asked = as_json(NEW[["amount", "age"]])
        assert server.ask(asked).json()["predictions"] == model.predict(NEW[["amount", "age"]]).tolist()
        reply = server.ask({**asked, "params": {"probabilities": True}})
        assert reply.status_code == 400
        assert "no probabilities" in reply.json()["message"]


def test_predictions_are_logged(saved: Path, workplace: Path, call: Call) -> None:
    """With --log-predictions, requests are kept as parquet: columns, answer, model, request; labels that come
    later, too. `waypost monitor` says from both how well the model does. What is older than --log-days goes.
    """
    log = workplace / "log"
    log.mkdir()
    old = log / "predictions-20200101T000000-0123abcd-1-0.parquet"
    old.write_bytes(b"x")
    with serving(saved, "--log-predictions", str(log), "--log-days", "30", cwd=workplace) as server:
        wait_for(lambda: not old.exists())
        reply = server.ask(as_json(NEW), headers={"X-Request-Id": "many"})
        told = reply.json()["predictions"]
        server.ask({"instances": [ONE]})
        wrong = [*told[:-1], "another"]
        assert server.ask({"request_id": "many", "labels": wrong}, "/feedback").status_code == 202
        assert server.stop() == 0
    table = pd.concat(map(pd.read_parquet, log.glob("predictions-*.parquet")), ignore_index=True)
    assert len(table) == len(NEW) + 1
    assert table["_prediction"].tolist()[: len(NEW)] == told
    assert set(table["_model"]) == {"grades"}
    assert set(table["_request"][: len(NEW)]) == {"many"}
    pd.testing.assert_series_equal(table["amount"][: len(NEW)], NEW["amount"])
    result = call("python", "-m", "waypost", "monitor", log, "--json", "--html", "report.html")
    assert result.returncode == 0, result.stderr
    [model] = json.loads(result.stdout)["models"]
    assert (model["model"], model["rows"], model["labelled"]) == ("grades", len(NEW) + 1, len(NEW))
    assert model["quality"] == {"accuracy": 1 - 1 / len(NEW)}
    assert "grades" in (workplace / "report.html").read_text()


def registered(name: str, *made: Any) -> mlflow.MlflowClient:
    """Logs and registers models, version by version."""
    client = mlflow.MlflowClient()
    mlflow.set_experiment("registered")
    for model in made:
        with mlflow.start_run():
            mlflow.sklearn.log_model(
                model,
                name="model",
                serialization_format="skops",
                skops_trusted_types=models.SKOPS_TYPES,
                signature=mlflow.models.infer_signature(TABLE, model.predict(TABLE.head(20))),
                input_example=TABLE.head(3),
                pip_requirements=[],
                registered_model_name=name,
            )
    return client


class _Caller:
    """Asks one row after the other over one connection, and notes what does not fit."""

    def __init__(self, port: int, bodies: list[bytes], expected: dict[str, list[str]]) -> None:
        self.port = port
        self.bodies = bodies
        self.expected = expected
        self.seen: Counter[str] = Counter()
        self.changes = 0
        self.wrong: list[str] = []

    async def run(self, name: int, count: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        before: list[str] = []
        for number in range(count):
            row = (name * 7919 + number) % len(self.bodies)
            body, identity = self.bodies[row], f"{name}-{number}"
            writer.write(
                b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                b"X-Request-Id: %s\r\nContent-Length: %d\r\n\r\n%s" % (identity.encode(), len(body), body)
            )
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            length = int(re.findall(r"content-length: (\d+)", head)[0])
            content = json.loads(await reader.readexactly(length))
            status = head.split()[1]
            model = re.findall(r"x-model: (\S+)", head)
            fits = (
                status == "200"
                and f"x-request-id: {identity}\r\n" in head
                and content["predictions"] == [self.expected[model[0]][row]]
            )
            self.seen[model[0] if model else status] += 1
            self.changes += model != before
            before = model
            if not fits:
                self.wrong.append(f"{head} {content}")
        writer.close()


def keep_moving(client: mlflow.MlflowClient, done: threading.Event, every: float) -> None:
    """Lets the alias name the other version, again and again."""
    version = 1
    while not done.wait(every):
        version = 3 - version
        client.set_registered_model_alias("grades", "champion", str(version))


@pytest.mark.journey
@pytest.mark.timeout(600)
def test_many_requests_while_the_alias_moves(workplace: Path) -> None:
    """Two workers, 40,000 requests, the alias moving twice a second: none fails, and each answer is the
    one of the model that it names, for the row that was asked.
    """
    mlflow.set_tracking_uri(f"sqlite:///{workplace / 'mlflow.db'}")
    made = [fitted(trees=10, seed=1), fitted(trees=10, seed=2)]
    client = registered("grades", *made)
    client.set_registered_model_alias("grades", "champion", "1")
    rows = NEW.head(50)
    expected = {f"grades/{i}": model.predict(rows).tolist() for i, model in enumerate(made, 1)}
    assert expected["grades/1"] != expected["grades/2"]
    bodies = [json.dumps(as_json(rows.iloc[[i]])).encode() for i in range(len(rows))]
    options = ["--workers", "2", "--reload-every", "0.1", "--no-access-log"]
    with serving("models:/grades@champion", *options, cwd=workplace) as server:
        caller = _Caller(urlsplit(server.url).port or 0, bodies, expected)
        done = threading.Event()
        mover = threading.Thread(target=keep_moving, args=(client, done, 0.5))
        mover.start()

        async def all_of_them() -> None:
            await asyncio.gather(*(caller.run(name, 2_500) for name in range(16)))

        try:
            # Compiling the second version may take longer than all requests: they come after that.
            wait_for(lambda: server.ask(as_json(rows.head(1))).headers["x-model"] == "grades/2")
            asyncio.run(all_of_them())
        finally:
            done.set()
            mover.join()
        assert caller.wrong[:3] == []
        assert sum(caller.seen.values()) == 40_000
        assert min(caller.seen[name] for name in expected) > 2_000, caller.seen
        assert caller.changes > 16 * 5, caller.changes  # of 16 connections, each saw the model change
        assert server.stop() == 0


def test_alias_moves_and_the_model_with_it(workplace: Path) -> None:
    """Where the alias moves, the new model answers some moments later; where the registry fails, the old
    one goes on and the server says so. A canary answers its share all the while, a shadow is asked the rest.
    """
    mlflow.set_tracking_uri(f"sqlite:///{workplace / 'mlflow.db'}")
    client = registered("grades", fitted(trees=5, seed=1), fitted(trees=5, seed=2))
    client.set_registered_model_alias("grades", "champion", "1")
    beside = ["--canary", "models:/grades/2=30%", "--shadow", "models:/grades/2"]
    ids = {point(name, b"canary") < 0.3: name for name in map(str, range(20))}
    with serving("models:/grades@champion", "--reload-every", "0.2", *beside, cwd=workplace) as server:

        def asked(*, canary: bool) -> Any:
            return server.ask({"instances": [ONE]}, headers={"X-Request-Id": ids[canary]}).headers

        assert (asked(canary=False)["x-model"], asked(canary=False)["x-shadow-model"]) == (
            "grades/1",
            "grades/2",
        )
        assert (asked(canary=True)["x-model"], asked(canary=True)["x-model-role"]) == ("grades/2", "canary")
        client.set_registered_model_alias("grades", "champion", "2")
        wait_for(lambda: asked(canary=False)["x-model"] == "grades/2")
        client.delete_registered_model_alias("grades", "champion")
        wait_for(lambda: any("the current model stays" in line for line in server.errors))
        assert asked(canary=False)["x-model"] == "grades/2"
        assert (
            'waypost_shadow_requests_total{model="grades/2",outcome="equal"}' in server.get("/metrics").text
        )
        assert "canary: grades/2" in "".join(server.errors)


def wait_for(is_so: Any) -> None:
    for _ in range(1200):
        if is_so():
            return
        time.sleep(0.1)
    raise AssertionError("it did not happen within two minutes")


@pytest.mark.journey
def test_schemathesis_finds_no_server_error(server: Server, tmp_path: Path) -> None:
    """Requests made from the OpenAPI document, right and wrong ones: none is a server error, and the
    replies are of the documented types.
    """
    checks = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
    result = subprocess.run(
        [
            *(BIN / "st", "run", f"{server.url}/openapi.json", "--checks", checks, "--max-examples", "150"),
            *("--generation-database", "none", "--seed", "1", "--no-color"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )
    assert result.returncode == 0, result.stdout[-6000:] + result.stderr[-2000:]
