"""Build folders of images: what is installed, what the texts say, what may be written where."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import re
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from uv import find_uv_bin

from tests import containers, kubernetes
from waypost.errors import UsageError, WaypostError
from waypost.images.build import model_files
from waypost.images.folder import MANIFEST, Manifest, check_free, write
from waypost.images.identity import Identity
from waypost.images.locked import engine_lock, installer_lock, locked, model_packages, pins_of
from waypost.images.texts import Image, texts
from waypost.images.wheel import engine_wheel, walk_wheel
from waypost.texts.escaping import one_line

LOCK = engine_lock()
PINS = pins_of(LOCK)
DIGEST = "ab" * 32
HOSTILE = 'grades"\nRUN rm -rf / #\\\u2028${HOME} `id` : {a: &b'


def identity(name: str = "grades", version: str = "3", **told: str) -> Identity:
    given = {"label": f"{name}/{version}", "run": "", "release": "", **told}
    return Identity(name=name, version=version, digest=DIGEST, **given)


def image(model: Identity, *, is_trusted: bool = False) -> Image:
    return Image(model, "1.0.0", "3.11", "waypost-1.0.0-py3-none-any.whl", "the compiled form", is_trusted)


def manifest(files: dict[str, bytes]) -> Manifest:
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    return Manifest(
        engine="1.0.0",
        python="3.11",
        model=identity(),
        is_compiled=True,
        is_trusted=False,
        files=digests,
    )


def test_the_engine_is_a_wheel() -> None:
    """The wheel has the engine's files, its lock and templates among them, and lists each by its digest."""
    name, content = engine_wheel()
    assert content == engine_wheel()[1]
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = archive.namelist()
        about = next(each.partition("/")[0] for each in names if ".dist-info/" in each)
        record = list(csv.reader(archive.read(f"{about}/RECORD").decode().splitlines()))
        for path, digest, _ in record[:-1]:
            found = base64.urlsafe_b64encode(hashlib.sha256(archive.read(path)).digest()).rstrip(b"=")
            assert digest == f"sha256={found.decode()}"
        assert "waypost = waypost.cli:main" in archive.read(f"{about}/entry_points.txt").decode()
    assert sorted(row[0] for row in record) == sorted(names)
    assert {"waypost/images/requirements.txt", "waypost/images/templates/Containerfile.in"} <= {*names}
    assert not [each for each in names if "__pycache__" in each]
    assert name == f"{about.removesuffix('.dist-info')}-py3-none-any.whl"


def test_the_extension_is_a_wheel_that_installs(tmp_path: Path) -> None:
    """Where the extension is installed, its wheel is made of what is there, and can be installed."""
    found = walk_wheel()
    if found is None:
        pytest.skip("waypost-walk is not installed")
    name, content = found
    assert found == walk_wheel()
    assert re.fullmatch(r"waypost_walk-[\d.]+-cp311-abi3-\w*linux\w+\.whl", name)
    (tmp_path / name).write_bytes(content)
    target = tmp_path / "there"
    options = ["--quiet", "--offline", "--no-deps", "--target", str(target)]
    subprocess.run([find_uv_bin(), "pip", "install", *options, str(tmp_path / name)], check=True)
    code = "import waypost_walk; print(waypost_walk.__file__, waypost_walk.Trees.__name__)"
    env = {"PYTHONPATH": str(target)}
    said = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert said.stdout == f"{target / 'waypost_walk.abi3.so'} Trees\n"


def test_an_image_holds_the_extension_where_there_is_one() -> None:
    """It is copied and installed; an image of another platform does without it, and so does one without."""
    made = texts(replace(image(identity()), walk="walk.whl"))
    steps = containers.instructions(made["Containerfile"].decode())
    runs = [rest for _, rest in steps if "walk.whl" in rest]
    assert [run.partition(" ")[0] for run in runs] == ["walk.whl", "uv"]
    assert '|| echo "without the extension"' in runs[1]
    assert "!walk.whl\n" in made[".dockerignore"].decode()
    plain = texts(image(identity()))
    assert not any(b"walk" in plain[name] for name in ("Containerfile", ".dockerignore"))


def test_the_engines_own_lock_serves_where_it_has_all() -> None:
    """A model that asks for what the lock has gets the lock, byte for byte; uv installs it and is in it."""
    text = f"mlflow=={PINS['mlflow']}\nscikit-learn\nwaypost==0.9\n"
    wanted = model_packages(text, LOCK, {"numpy": PINS["numpy"]}, is_trusted=False)
    assert locked(wanted, LOCK, is_trusted=False) == LOCK
    assert {str(each).partition("=")[0] for each in wanted.requirements} == {
        "numpy",
        "mlflow",
        "scikit-learn",
    }
    uv = installer_lock(LOCK)
    assert uv.startswith(f"uv=={PINS['uv']} \\\n    --hash=sha256:")
    assert uv in LOCK


def test_what_was_proved_is_installed() -> None:
    """A compiled form keeps the versions of its proof, whatever the model says that it was made with."""
    wanted = model_packages("scikit-learn==1.2\nskops\n", LOCK, {"scikit-learn": "1.9.0"}, is_trusted=True)
    assert [str(each) for each in wanted.requirements] == ["scikit-learn==1.9.0", "skops"]


def test_a_stranger_brings_no_package() -> None:
    """A model that is not trusted chooses versions of what the lock has; what else it names is left out."""
    text = f"pandas=={PINS['pandas']}\nevil-package==1\nother @ https://example.org/x.whl\n"
    wanted = model_packages(text, LOCK, {}, is_trusted=False)
    assert [each.name for each in wanted.requirements] == ["pandas"]
    assert wanted.left_out == ("evil-package", "other")
    trusted = model_packages("evil-package==1", LOCK, {}, is_trusted=True)
    assert ([str(each) for each in trusted.requirements], trusted.left_out) == (["evil-package==1"], ())
    with pytest.raises(WaypostError, match="needs other from a URL, which has no hash"):
        model_packages(text, LOCK, {}, is_trusted=True)


def test_packages_of_other_systems_do_not_count() -> None:
    """Of several versions of a package the one for Linux counts."""
    lock = "a==1 ; sys_platform == 'win32' \\\n    --hash=sha256:00\na==2 ; sys_platform != 'win32'\nB_c==3\n"
    assert pins_of(lock) == {"a": "2", "b-c": "3"}


@pytest.mark.parametrize(
    ("name", "version", "slug", "tag"),
    [
        ("grades", "3", "grades", "3"),
        ("Loan Grades (EU)", "12", "loan-grades-eu", "12"),
        ("2026_model", "", "model-2026-model", DIGEST[:12]),
        ("東京", "1", "model", "1"),
        ("x" * 90, "3\nRUN id", "x" * 40, DIGEST[:12]),
    ],
)
def test_names_are_those_of_kubernetes(name: str, version: str, slug: str, tag: str) -> None:
    """Any name becomes one that images and Kubernetes take; a tag is a number or a digest."""
    found = identity(name, version)
    assert (found.slug, found.tag) == (slug, tag)


@pytest.mark.parametrize("name", ["grades", "2026 grades", HOSTILE])
def test_kubernetes_takes_the_manifest(name: str) -> None:
    """Kubernetes' own schema has nothing to say; probes, limits and the time to end are there; nothing runs
    as root or writes but to /tmp; names are told as they are, whatever they hold.
    """
    made = texts(image(identity(name, run=name)))
    deployment, service = yaml.safe_load_all(made["kubernetes.yaml"])
    assert [kubernetes.problems(each) for each in (deployment, service)] == [[], []]
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    paths = {key: container[key]["httpGet"]["path"] for key in container if key.endswith("Probe")}
    assert paths == {"startupProbe": "/readyz", "readinessProbe": "/readyz", "livenessProbe": "/livez"}
    slept = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert container["args"] == ["--grace", "30"]
    assert pod["terminationGracePeriodSeconds"] > slept + 30
    assert pod["securityContext"]["runAsNonRoot"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert [mount["mountPath"] for mount in container["volumeMounts"]] == ["/tmp"]
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"].items() <= labels.items()
    assert deployment["spec"]["selector"]["matchLabels"].items() <= labels.items()
    told = deployment["metadata"]["annotations"]["org.opencontainers.image.title"]
    assert told == one_line(name)


def test_the_schema_refuses_what_kubernetes_refuses() -> None:
    """A key that is misspelt, or a value of another type, is found: the schema is a strict one."""
    made = texts(image(identity()))
    deployment: dict[str, Any] = next(yaml.safe_load_all(made["kubernetes.yaml"]))
    pod = deployment["spec"]["template"]["spec"]
    pod["terminationGracePeriod"] = 5
    pod["containers"][0]["ports"][0]["containerPort"] = "http"
    assert len(kubernetes.problems(deployment)) == 2


@pytest.mark.parametrize("name", ["grades", HOSTILE])
def test_a_name_is_no_instruction(name: str) -> None:
    """Whatever a model is called, the Containerfile has the same instructions, and `$` names no variable."""
    model = identity(name, run=name, release=name)
    read = list(containers.instructions(texts(image(model))["Containerfile"].decode()))
    assert [word for word, _ in read] == [
        *("ARG", "FROM", "ARG", "ARG", "WORKDIR", "COPY", "RUN", "COPY", "RUN", "COPY", "COPY"),
        *("USER", "ENV", "LABEL", "EXPOSE", "STOPSIGNAL", "HEALTHCHECK", "ENTRYPOINT", "CMD"),
    ]
    told = dict(read)["LABEL"]
    assert "$" not in told.replace("\\$", "")
    assert f'waypost.digest="{DIGEST}"' in told


def test_trust_is_said_again() -> None:
    """The server of a trusted model is started with --trust, any other without."""
    for is_trusted in (True, False):
        made = texts(image(identity(), is_trusted=is_trusted))["Containerfile"].decode()
        entrypoint = json.loads(dict(containers.instructions(made))["ENTRYPOINT"])
        assert entrypoint[:3] == ["waypost", "serve", "/opt/waypost/models/grades-3"]
        assert ("--trust" in entrypoint) == is_trusted


def test_a_model_holds_its_own_files_alone(tmp_path: Path) -> None:
    """A link to a file outside of the model's folder is refused: the file would be in the image."""
    model, secret = tmp_path / "model", tmp_path / "secret"
    model.mkdir()
    (model / "MLmodel").write_text("x")
    (model / "link").symlink_to("MLmodel")
    assert sorted(model_files(model)) == ["MLmodel", "link"]
    secret.write_text("s")
    (model / "link").unlink()
    (model / "link").symlink_to(secret)
    with pytest.raises(UsageError, match="link is a link out of the model"):
        model_files(model)


def test_only_what_is_ours_is_replaced(tmp_path: Path) -> None:
    """A folder that holds anything else, or something changed, is refused and left as it is; what an earlier
    call wrote is replaced where that is asked for, as a whole; another user can read all of it.
    """
    place = tmp_path / "image"
    files = {"Containerfile": b"FROM scratch\n", "model/MLmodel": b"x"}
    check_free(place, overwrite=False)
    write(place, files, manifest(files))
    with pytest.raises(UsageError, match="already has an image"):
        check_free(place, overwrite=False)
    check_free(place, overwrite=True)
    assert (place / "model").stat().st_mode & 0o777 == 0o755
    assert (place / "model" / "MLmodel").stat().st_mode & 0o777 == 0o644
    number = place.stat().st_ino
    write(place, {"README.md": b"y"}, manifest({"README.md": b"y"}))
    assert sorted(path.name for path in place.iterdir()) == ["README.md", MANIFEST]
    assert place.stat().st_ino == number
    assert [path.name for path in tmp_path.iterdir()] == ["image"]
    (place / "README.md").write_bytes(b"mine")
    with pytest.raises(UsageError, match="changed since it was written"):
        check_free(place, overwrite=True)
    (place / "README.md").write_bytes(b"y")
    (place / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"not empty, it has notes\.txt"):
        check_free(place, overwrite=True)


def test_a_folder_of_others_is_refused(tmp_path: Path) -> None:
    """A folder without a manifest of ours, a file and a broken link are no place to write to."""
    (tmp_path / "mine").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for place in (tmp_path, tmp_path / "mine", tmp_path / "link"):
        with pytest.raises(UsageError):
            check_free(place, overwrite=True)
    (tmp_path / MANIFEST).write_text('{"schema": 2}')
    with pytest.raises(UsageError, match="not empty, it has"):
        check_free(tmp_path, overwrite=True)
