"""A secret of the environment reaches the step that it is for, and no file, no line, no other process."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest
import yaml

from tests.conftest import Call
from tests.pipelines import write_component, write_pipeline
from tests.test_run import RUN

SECRET = "s3cr3t-of/mine it's"
# What a step with a secret might do to it: show it in many ways, have it on its command line, fail with it.
READS = """
import base64, hashlib, json, os, pathlib, sys, urllib.parse
given = dict(zip(sys.argv[1::2], sys.argv[2::2]))
secret = given["--token"].removeprefix("Bearer ")
options = pathlib.Path(given["--options"]).read_text()
pathlib.Path(os.environ["PROOF"]).write_text(json.dumps({
    "token": hashlib.sha256(secret.encode()).hexdigest(),
    "options": hashlib.sha256(options.encode()).hexdigest(),
    "port": given["--port"],
    "shown": pathlib.Path("/proc/self/cmdline").read_text(),
}))
print("given", sys.argv, options, json.dumps(secret), urllib.parse.quote(secret))
print(base64.b64encode(secret.encode()).decode(), flush=True)
os.system("echo + curl -H \\"Authorization: Bearer $TOKEN\\"")
if os.environ.get("FAILS"):
    raise ValueError("no access with " + secret)
"""


@pytest.fixture
def reader(workplace: Path) -> Path:
    """A pipeline of one step that is given a secret as a text, within a mapping, and a number."""
    folder = workplace / "reader"
    parameters = {"token": {}, "port": {"type": "int", "maximum": 9000}, "options": {"type": "path"}}
    write_component(folder / "parts", "read", READS, **parameters)
    given = {"token": "Bearer ${token}", "port": "${oc.env:PORT,80}", "options": {"auth": ["${token}", 1]}}
    write_pipeline(folder, {"read": {"uses": "parts/read", "with": given}}, {"token": "${oc.env:TOKEN}"})
    with (folder / "pipeline.yaml").open("a") as file:
        file.write("variables: [TOKEN, PORT]\n")
    return folder


def places_of(secret: str, top: Path) -> list[str]:
    """Returns the files below a folder that hold a secret, as it is or as texts often have it."""
    forms = [secret, json.dumps(secret)[1:-1], secret.replace("/", "%2F"), secret.split(" ", maxsplit=1)[0]]
    files = [path for path in top.rglob("*") if path.is_file() and not path.is_symlink()]
    return [str(path) for path in files if any(form.encode() in path.read_bytes() for form in forms)]


@pytest.mark.parametrize("worker", ["fork", "process"])
def test_secret_reaches_the_step_alone(reader: Path, call: Call, tmp_path: Path, worker: str) -> None:
    """The step gets the value; plan, output, MLflow, W&B, logs and cache have its name. Of a fork the command
    line shows nothing, either.
    """
    proof = tmp_path / "proof"
    env = {"TOKEN": SECRET, "PROOF": str(proof), "WANDB_MODE": "offline", "WANDB_DIR": str(tmp_path)}
    plan = call(*RUN, reader, "--dry-run", env=env)
    wandb = ["--wandb"] if worker == "fork" else []
    ran = call(*RUN, reader, "--worker", worker, *wandb, "--explain", env=env)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    said = json.loads(proof.read_text())
    assert said["token"] == hashlib.sha256(SECRET.encode()).hexdigest()
    options = yaml.safe_dump({"auth": [SECRET, 1]}, width=float("inf"))
    assert said["options"] == hashlib.sha256(options.encode()).hexdigest()
    assert said["port"] == "80"
    assert (SECRET in said["shown"]) == (worker == "process")
    proof.unlink()
    failed = call(*RUN, reader, "--worker", worker, "--force", "read", env={**env, "FAILS": "1"})
    assert failed.returncode == 1
    assert "ValueError: no access with ${oc.env:TOKEN}" in failed.stdout
    proof.unlink()
    for result in (plan, ran, failed):
        assert "s3cr3t" not in result.stdout + result.stderr
    assert "token = Bearer ${oc.env:TOKEN}" in plan.stdout
    assert places_of(SECRET, tmp_path) == []
    logs = "".join(path.read_text() for path in tmp_path.rglob("artifacts/logs/read.log"))
    assert logs.count("${oc.env:TOKEN}") >= 7


def test_another_value_is_seen(reader: Path, call: Call, tmp_path: Path) -> None:
    """A step runs again where a variable in its arguments has another value; nothing that is recorded lets
    anybody find the value by trying.
    """
    env = {"TOKEN": "1234", "PROOF": str(tmp_path / "proof")}

    def state(**more: str) -> str:
        result = call(*RUN, reader, "--json", env={**env, **more})
        assert result.returncode == 0, result.stdout
        (step,) = json.loads(result.stdout)["steps"]
        return str(step["state"])

    assert [state(), state(), state(), state(TOKEN="1235"), state(TOKEN="1235")] == [
        "done",
        "reused",
        "reused",
        "done",
        "reused",
    ]
    assert state(TOKEN="1235", PORT="81") == "done"
    digests = [hashlib.sha256(text.encode()).hexdigest() for text in ("1234", "1235", "81")]
    (tmp_path / "proof").unlink()
    assert [place for digest in digests for place in places_of(digest, tmp_path)] == []
    key = Path(os.environ["WAYPOST_HOME"], "key")
    assert key.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"TOKEN": None}, "the environment variable TOKEN is not set"),
        (
            {"PORT": "99999"},
            "the value of ${oc.env:PORT} does not match the parameter: type int, maximum 9000",
        ),
        (
            {"PORT": "s3cr3t"},
            "the value of ${oc.env:PORT} does not match the parameter: type int, maximum 9000",
        ),
    ],
)
def test_values_that_do_not_fit(reader: Path, call: Call, change: dict[str, str | None], said: str) -> None:
    """What is missing or does not fit its parameter is found before anything runs; no value is shown."""
    env = {k: v for k, v in {"TOKEN": SECRET, **change}.items() if v is not None}
    result = call(*RUN, reader, "--dry-run", env=env)
    assert result.returncode == 1
    assert said in result.stdout + result.stderr
    assert "s3cr3t" not in result.stdout + result.stderr


def test_addresses_with_secrets(workplace: Path, call: Call, tmp_path: Path) -> None:
    """A path with a variable in it is found by its value, its content counts, and it is told by its name."""
    folder = workplace / "p"
    code = "import os, sys, shutil; shutil.copy(sys.argv[2], os.environ['PROOF'])"
    write_component(folder / "parts", "read", code, data={"type": "path"})
    write_pipeline(folder, {"read": {"uses": "parts/read", "with": {"data": "${oc.env:PLACE}/data.csv"}}})
    with (folder / "pipeline.yaml").open("a") as file:
        file.write("variables: [PLACE]\n")
    (tmp_path / "hidden-place").mkdir()
    env = {"PLACE": str(tmp_path / "hidden-place"), "PROOF": str(tmp_path / "proof")}
    missing = call(*RUN, folder, env=env)
    assert missing.returncode == 1
    assert "no such file: " in missing.stderr
    assert "${oc.env:PLACE}/data.csv" in missing.stderr
    (tmp_path / "hidden-place" / "data.csv").write_text("a,b\n")
    ran = call(*RUN, folder, env=env)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert (tmp_path / "proof").read_text() == "a,b\n"
    assert "hidden-place" not in missing.stderr + ran.stdout
    assert call(*RUN, folder, env=env).returncode == 0
    assert places_of("hidden-place", tmp_path) == []
