"""`waypost image`: every line of what it writes, executed."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
import requests
from sklearn.ensemble import RandomForestClassifier
from uv import find_uv_bin

from tests import containers, models
from tests.conftest import BIN, ROOT, Call
from waypost.errors import WaypostError
from waypost.images.locked import engine_lock, locked, model_packages, pins_of
from waypost.inference.model_cache import proved

pytestmark = pytest.mark.journey
NOWHERE = "http://127.0.0.1:9"  # the port that discards: nobody listens


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def test_an_image_is_built_and_answers(
    workplace: Path, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder is the same bytes again; each line of its Containerfile is executed in an empty folder; what
    it starts is healthy without network and tracking server, answers as the model does, compiles nothing,
    writes nothing but below /tmp, and ends at SIGTERM.
    """
    cache = subprocess.run([find_uv_bin(), "cache", "dir"], capture_output=True, text=True, check=True)
    table = models.frame()
    forest = RandomForestClassifier(5, random_state=0)
    model = models.full_pipeline(forest=forest).fit(table, models.labels(table))
    folder = models.save(model, table, workplace / "Loan grades")
    proved(folder)  # in this process, which has imported all that it takes

    for name in ("image", "again"):
        done = call("python", "-m", "waypost", "image", folder, "-o", name)
        assert done.returncode == 0, done.stderr
    assert contents(workplace / "image") == contents(workplace / "again")
    refused = call("python", "-m", "waypost", "image", folder)
    assert (refused.returncode, "--overwrite" in refused.stderr) == (2, True)
    subprocess.run([BIN / "hadolint", workplace / "image" / "Containerfile"], check=True)

    shutil.rmtree(tmp_path / "cache")  # nothing of this machine is left
    shutil.rmtree(folder)
    root = tmp_path / "root"
    root.mkdir()
    monkeypatch.setenv("UV_CACHE_DIR", cache.stdout.strip())
    # Byte code would cost ten seconds, downloads a minute: both are the builder's to choose.
    made = containers.build(workplace / "image", root, free_port(), UV_COMPILE_BYTECODE="0", UV_NO_CACHE="0")
    before = contents(root / "opt")
    offline = dict.fromkeys(("MLFLOW_TRACKING_URI", "HTTPS_PROXY", "HTTP_PROXY"), NOWHERE)
    env = made.environment({**offline, "WAYPOST_TOKEN": "open-sesame", "NO_PROXY": "127.0.0.1"})
    out = (tmp_path / "said").open("w")
    server = subprocess.Popen(
        made.process([*made.entrypoint, *made.command]), cwd=made.folder, env=env, stdout=out, stderr=out
    )
    try:
        until = time.monotonic() + 60
        while subprocess.run(made.process(made.health), env=env, capture_output=True, check=False).returncode:
            assert server.poll() is None, (tmp_path / "said").read_text()
            assert time.monotonic() < until
            time.sleep(0.2)
        row = table.iloc[:1]
        address = f"http://127.0.0.1:{made.port}"
        token = {"Authorization": "Bearer open-sesame"}
        body = {"dataframe_split": json.loads(row.to_json(orient="split")), "params": {"probabilities": True}}
        reply = requests.post(f"{address}/invocations", json=body, headers=token, timeout=30)
        assert reply.json()["predictions"] == model.predict(row).tolist()
        assert reply.json()["probabilities"] == model.predict_proba(row).tolist()
        about = requests.get(f"{address}/model", headers=token, timeout=30).json()
        assert about["compiled"] == "yes"
        assert about["model"].startswith("loan-grades-")
    finally:
        server.send_signal(signal.SIGTERM)
        code = server.wait(60)
        out.close()
    assert code == 0, (tmp_path / "said").read_text()
    assert contents(root / "opt") == before
    assert (made.said["USER"], made.said["STOPSIGNAL"]) == (["10001:10001"], ["SIGTERM"])


def test_the_container_file_of_the_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each line of the engine's container file is executed in an empty folder: what it starts is there."""
    cache = subprocess.run([find_uv_bin(), "cache", "dir"], capture_output=True, text=True, check=True)
    monkeypatch.setenv("UV_CACHE_DIR", cache.stdout.strip())
    file = ROOT / "engine" / "container" / "Containerfile"
    made = containers.build(ROOT, tmp_path, 1, file=file, UV_COMPILE_BYTECODE="0", UV_NO_CACHE="0")
    done = subprocess.run(
        made.process([*made.entrypoint, "--help"]),
        env=made.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "Serve MODEL" in done.stdout) == (0, True), done.stderr
    assert made.said["USER"] == ["10001:10001"]


def test_what_a_model_needs_is_locked() -> None:
    """Where a model needs other versions, or other packages, uv resolves a lock with hashes, and keeps
    what it can of the engine's; what cannot be had together is told in one line.
    """
    lock = engine_lock()
    wanted = model_packages("click==8.2.1\ncowsay==6.1\n", lock, {}, is_trusted=True)
    found = locked(wanted, lock, is_trusted=True)
    before, now = pins_of(lock), pins_of(found)
    assert (now["click"], now["cowsay"]) == ("8.2.1", "6.1")
    assert {name for name in before if now.get(name) != before[name]} == {"click"}
    assert not [line for line in found.splitlines() if line.startswith("-")]  # it names no index
    with pytest.raises(
        WaypostError, match=r"cannot resolve the packages of the image: .*onnxruntime"
    ) as caught:
        locked(model_packages("onnxruntime<1.10", lock, {}, is_trusted=False), lock, is_trusted=False)
    assert "\n" not in str(caught.value)
