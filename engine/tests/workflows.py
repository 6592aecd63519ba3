"""GitHub's workflows, executed here from their YAML: jobs in the order of `needs`, steps one by one.

What is not there is refused, as there: an input or a secret that a workflow does not declare, a job that asks
for more than its caller may. A job's token says what the job may; `gh` (tests/github.py) holds it to that.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.conftest import ROOT
from tests.github import Github

FOLDER = ROOT / ".github" / "workflows"
_WORD = re.compile(r"'(?:[^']|'')*'|&&|\|\||[!=]=|!|[(),]|[A-Za-z_][\w.-]*")
_PYTHON = {"&&": "and", "||": "or", "!": "not", "startsWith": "str.startswith"} | {
    sign: sign for sign in ("(", ")", ",", "==", "!=")
}


def triggers(content: Any) -> Any:
    """Returns a workflow's `on:`, which YAML 1.1 takes for a truth value."""
    return content.get("on", content.get(True))


def _found(context: Mapping[str, Any], path: str) -> Any:
    value: Any = context
    for name in path.split("."):
        value = value.get(name, "") if isinstance(value, Mapping) else ""
    return "" if value is None else value


def evaluated(text: str, context: Mapping[str, Any]) -> Any:
    """Returns the value of an expression; its functions are those of a job's state."""
    words = []
    for word in _WORD.findall(text):
        if word.startswith("'"):
            words.append(repr(word[1:-1]))
        elif word in _PYTHON:
            words.append(_PYTHON[word])
        elif word in ("true", "false"):
            words.append(word.capitalize())
        elif word in ("cancelled", "success", "always"):
            words.append({"cancelled": "bool", "always": "not bool"}.get(word, "succeeded"))
        else:
            words.append(repr(_found(context, word)))
    return eval(" ".join(words), {"succeeded": lambda: context.get("succeeded", True)})


def filled(value: Any, context: Mapping[str, Any]) -> Any:
    """Returns a value of YAML with its expressions evaluated; one that is an expression keeps its type."""
    if isinstance(value, dict):
        return {key: filled(each, context) for key, each in value.items()}
    if not isinstance(value, str):
        return value
    if whole := re.fullmatch(r"\$\{\{((?:(?!\}\}).)*)\}\}", value.strip()):
        return evaluated(whole[1], context)
    return re.sub(r"\$\{\{(.*?)\}\}", lambda hit: _text(evaluated(hit[1], context)), value)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


@dataclass
class Machine:
    """Executes workflows of a repository; each job on a fresh clone. `log` is what its steps said, `packages`
    what PyPI got.
    """

    hub: Github
    slug: str
    place: Path
    secrets: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    with_: dict[str, Any] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)
    packages: list[str] = field(default_factory=list)
    count: int = 0

    def run(
        self, content: Any, event: str, inputs: Mapping[str, Any] | None = None, ref: str = "refs/heads/main"
    ) -> dict[str, str]:
        """Runs a caller's workflow; returns how each job ended. `with_` stands in for its inputs."""
        assert event in triggers(content), event
        github = {
            "event_name": event,
            "token": "",
            "server_url": self.hub.url,
            "repository": self.slug,
            "repository_owner": self.slug.partition("/")[0],
            "actor": "robot",
            "ref": ref,
            "ref_name": ref.split("/", 2)[2],
        }
        context = {
            "github": github,
            "inputs": dict(inputs or {}),
            "secrets": self.secrets,
            "vars": self.variables,
            "signer": self.slug,
        }
        results, _ = self._jobs(content, context, None)
        return results

    def _jobs(
        self, content: Any, context: dict[str, Any], allowed: Mapping[str, str] | None
    ) -> tuple[dict[str, str], dict[str, Any]]:
        assert content["permissions"] == {}
        needs: dict[str, Any] = {}
        for name, job in content["jobs"].items():  # each stands below those that it needs
            wanted = [job["needs"]] if isinstance(job.get("needs"), str) else job.get("needs", [])
            succeeded = all(needs[each]["result"] == "success" for each in wanted)
            here = {**context, "needs": {each: needs[each] for each in wanted}, "succeeded": succeeded}
            condition = job.get("if", "success()")
            is_wanted = evaluated(re.sub(r"^\$\{\{|\}\}$", "", condition.strip()), here)
            if not is_wanted or (not succeeded and "cancelled()" not in condition):
                needs[name] = {"result": "skipped", "outputs": {}}
                continue
            permissions = job["permissions"]
            if allowed is not None:
                more = {s for s, right in permissions.items() if _right(right) > _right(allowed.get(s, ""))}
                assert not more, f"{name} asks for more than its caller may: {more}"
            ended = self._called(job, here) if "uses" in job else self._steps(name, job, here)
            needs[name] = {"result": ended[0], "outputs": ended[1]}
        return {name: each["result"] for name, each in needs.items()}, {"jobs": needs}

    def _called(self, job: Any, context: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        name = re.fullmatch(r"(\$|OWNER/waypost)/\.github/workflows/([\w-]+\.yml)(?:@TAG)?", job["uses"])
        assert name, job["uses"]
        signer = context["signer"] if name[1] == "$" else name[1]  # `$` is where this workflow itself is from
        content = yaml.safe_load((FOLDER / name[2]).read_text())
        call = triggers(content)["workflow_call"]
        given, secrets = filled(job.get("with", {}), context), filled(job.get("secrets", {}), context)
        given |= {key: value for key, value in self.with_.items() if key in call["inputs"]}
        assert not set(given) - set(call["inputs"]), f"{name[2]} has no inputs {given}"
        assert not set(secrets) - set(call.get("secrets", {})), f"{name[2]} has no secrets {secrets}"
        inputs = {key: each.get("default", "") for key, each in call["inputs"].items()} | given
        inner = {**context, "inputs": inputs, "secrets": secrets, "signer": signer}
        results, outcome = self._jobs(content, inner, job["permissions"])
        ended = "failure" if "failure" in results.values() else "success"
        outputs = {key: filled(each["value"], outcome) for key, each in call.get("outputs", {}).items()}
        return ended, outputs

    def _steps(self, name: str, job: Any, context: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        self.count += 1
        runner = self.place / f"{self.count}-{name}"
        runner.mkdir(parents=True)
        writes = ",".join(f"{scope}={right}" for scope, right in sorted(job["permissions"].items()))
        here = {**context, "runner": {"temp": str(runner)}, "steps": {}}
        here["github"] = {**context["github"], "token": f"job:{writes}"}
        path: list[str] = []
        for number, step in enumerate(job["steps"]):
            if "if" in step and not evaluated(step["if"], here):
                continue
            code, outputs = self._step(step, runner, here, path, number)
            if code:
                return "failure", {}
            if "id" in step:
                here["steps"][step["id"]] = {"outputs": outputs}
        return "success", filled(job.get("outputs", {}), here)

    def _step(
        self, step: Any, runner: Path, context: dict[str, Any], path: list[str], number: int
    ) -> tuple[int, dict[str, str]]:
        if "uses" in step:
            self._action(
                step["uses"].partition("@")[0], filled(step.get("with", {}), context), runner, context
            )
            return 0, {}
        assert "${{" not in step["run"]
        self.steps.append(step.get("name", step["run"]))
        env = {key: _text(value) for key, value in filled(step.get("env", {}), context).items()}
        files = {
            f"GITHUB_{each}": str(runner / f"{number}-{each}") for each in ("OUTPUT", "PATH", "STEP_SUMMARY")
        }
        job = {**self.hub.variables, **files, "RUNNER_TEMP": str(runner), **env}
        job["PATH"] = os.pathsep.join([*path, job["PATH"]])
        done = subprocess.run(
            ["bash", "-e", "-c", step["run"]],
            cwd=_workspace(runner),
            env={**os.environ, **job},
            capture_output=True,
            text=True,
            check=False,
        )
        self.log.append(f"$ {step['run']}\n{done.stdout}{done.stderr}")
        path += _lines(Path(files["GITHUB_PATH"]))
        outputs = dict(line.split("=", 1) for line in _lines(Path(files["GITHUB_OUTPUT"])))
        return done.returncode, outputs

    def _action(self, name: str, given: Mapping[str, Any], runner: Path, context: Mapping[str, Any]) -> None:
        self.steps.append(name)
        may = context["github"]["token"]
        kept = self.place / "artifacts" / str(given.get("name", ""))
        path = _workspace(runner) / str(given.get("path", ""))
        if name == "actions/checkout":
            assert given["persist-credentials"] is False
            url = f"{self.hub.url}/{self.slug}.git"
            subprocess.run(["git", "clone", "-q", url, runner / "work"], check=True)
            ref = given.get("ref") or "main"
            subprocess.run(["git", "-C", runner / "work", "checkout", "-q", ref], check=True)
        elif name == "actions/upload-artifact":
            shutil.rmtree(kept, ignore_errors=True)
            if path.is_dir():
                shutil.copytree(path, kept)
            else:
                kept.mkdir(parents=True)
                shutil.copy(path, kept)
        elif name == "actions/download-artifact":
            shutil.copytree(kept, path, dirs_exist_ok=True)
        elif name == "actions/attest-build-provenance":
            assert "attestations=write" in may
            assert "id-token=write" in may
            if "subject-path" in given:  # else it is an image, by its digest
                for file in sorted(Path("/").glob(given["subject-path"].lstrip("/"))):
                    self.hub.attest(self.slug, file, context["signer"])
        elif name == "github/codeql-action/upload-sarif":
            assert "security-events=write" in may
            assert (_workspace(runner) / given["sarif_file"]).is_file()
        elif name == "pypa/gh-action-pypi-publish":
            assert may == "job:id-token=write"
            self.packages += sorted(
                each.name for each in (_workspace(runner) / given["packages-dir"]).iterdir()
            )
        else:
            assert name == "actions/setup-python", name


def _workspace(runner: Path) -> Path:
    return runner / "work" if (runner / "work").exists() else runner


def _right(word: str) -> int:
    return ("", "read", "write").index(word)


def _lines(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []


def callers(page: Path) -> Iterator[Any]:
    """Gives the workflows that a page shows, for others to copy."""
    for block in re.findall(r"^```yaml\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE):
        assert len(block.splitlines()) <= 22, block
        yield yaml.safe_load(block)
