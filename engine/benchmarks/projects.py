"""The same six steps, as each tool wants them: a chain, each reads a small table and writes one.

A project is a folder that a tool can run; `fresh` makes it one that never ran, `change` alters one
step so that it and what follows has to run again.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

STEPS = 6
LAST = STEPS - 1

WORK = """
import pandas as pd
import sklearn.ensemble

def work(source, target, step):
    table = pd.read_parquet(source)
    table["value"] += step
    table.to_parquet(target)
    return len(table)
"""

SCRIPT = (
    WORK
    + """
if __name__ == "__main__":
    import sys
    work(sys.argv[1], sys.argv[2], float(sys.argv[3]))
"""
)

TRACKED = (
    WORK
    + """
if __name__ == "__main__":
    import argparse, pathlib, tempfile
    import mlflow

    parser = argparse.ArgumentParser()
    parser.add_argument("--data")
    parser.add_argument("--step", type=float)
    arguments = parser.parse_args()
    source = pathlib.Path(arguments.data)
    with mlflow.start_run(), tempfile.TemporaryDirectory() as folder:
        target = pathlib.Path(folder, "table.parquet")
        mlflow.log_metric("rows", work(source, target, arguments.step))
        mlflow.log_artifact(str(target))
"""
)

COMPONENT = """
name: work
entry_points:
  main:
    parameters:
      data: {type: path}
      step: {type: float}
    outputs:
      table: {path: table.parquet}
    command: "python run.py --data {data} --step {step}"
"""


@dataclass
class Project:
    """A tool's version of the six steps in `folder`; `python` is the interpreter that the tool runs in.

    `state` is what a run leaves, `store` an empty tracking store for tools that track.
    """

    name: str
    folder: Path
    python: Path
    command: Sequence[str]
    variables: Mapping[str, str] = field(default_factory=dict)
    state: Sequence[str] = ()
    store: Path | None = None

    def environment(self) -> dict[str, str]:
        """Returns the variables of a run; byte code is read and written, whatever the shell says."""
        kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        path = os.pathsep.join([str(self.python.parent), kept["PATH"]])
        quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "KEDRO_DISABLE_TELEMETRY": "1"}
        return {**kept, **quiet, "PATH": path, **self.variables}

    def fresh(self) -> None:
        """Forgets everything that earlier runs left."""
        for name in self.state:
            path = self.folder / name
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
        if self.store:  # an empty one, with its tables: making them takes MLflow seconds, once
            shutil.copyfile(self.store, self.folder / "mlflow.db")

    def run(self) -> None:
        done = subprocess.run(
            self.command,
            cwd=self.folder,
            env=self.environment(),
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if done.returncode:
            sys.exit(f"{self.name} failed:\n{done.stdout[-3000:]}")

    def change(self, value: float) -> None:
        """Gives the last step another parameter."""
        file = self.folder / "params.yaml"
        file.write_text(f"last: {value}\n")


def _new(folder: Path, table: Path, files: Mapping[str, str]) -> Path:
    folder.mkdir(parents=True)
    shutil.copyfile(table, folder / "t0.parquet")
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(textwrap.dedent(text).lstrip())
    return folder


def floor(folder: Path, table: Path, python: Path) -> Project:
    """Six times `python step.py`: what separate processes cost at least."""
    calls = "; ".join(f"{python} step.py t{i}.parquet t{i + 1}.parquet {i} || exit 1" for i in range(STEPS))
    _new(folder, table, {"step.py": SCRIPT})
    return Project("plain python", folder, python, ["bash", "-c", calls])


def kedro(folder: Path, table: Path, python: Path) -> Project:
    """One process, no isolation, no tracking."""
    nodes = ", ".join(
        f"node(lambda t, i={i}: work(t, i), 't{i}', 't{i + 1}', name='step{i}')" for i in range(STEPS)
    )
    catalog = "\n".join(
        f"t{i}: {{type: pandas.ParquetDataset, filepath: {folder}/t{i}.parquet}}" for i in range(STEPS + 1)
    )
    registry = f"""
        import sklearn.ensemble
        from kedro.pipeline import Pipeline, node

        def work(table, step):
            table["value"] += step
            return table

        def register_pipelines():
            return {{"__default__": Pipeline([{nodes}])}}
    """
    files = {
        "pyproject.toml": """
            [tool.kedro]
            package_name = "chain"
            project_name = "chain"
            kedro_init_version = "1.0.0"
        """,
        "src/chain/__init__.py": "",
        "src/chain/settings.py": "",
        "src/chain/pipeline_registry.py": registry,
        "conf/base/catalog.yml": catalog + "\n",
        "conf/local/.keep": "",
    }
    _new(folder, table, files)
    state = [f"t{i}.parquet" for i in range(1, STEPS + 1)]
    return Project("Kedro", folder, python, [str(python.with_name("kedro")), "run"], state=state)


def dvc(folder: Path, table: Path, tool: Path, python: Path) -> Project:
    """A stage is a process; finished ones are known by content."""
    values = [*map(str, range(LAST)), "${last}"]
    stages = "\n".join(
        f"  step{i}:\n    cmd: {python} step.py t{i}.parquet t{i + 1}.parquet {values[i]}\n"
        f"    deps: [step.py, t{i}.parquet]\n    outs: [t{i + 1}.parquet]"
        + ("\n    params: [last]" if i == LAST else "")
        for i in range(STEPS)
    )
    _new(folder, table, {"step.py": SCRIPT, "dvc.yaml": f"stages:\n{stages}\n", "params.yaml": "last: 5\n"})
    command = [str(tool.with_name("dvc")), "repro", "--quiet"]
    subprocess.run([str(tool.with_name("dvc")), "init", "--no-scm", "--quiet"], cwd=folder, check=True)
    subprocess.run([str(tool.with_name("dvc")), "config", "core.analytics", "false"], cwd=folder, check=True)
    state = ["dvc.lock", ".dvc/cache", ".dvc/tmp", *(f"t{i}.parquet" for i in range(1, STEPS + 1))]
    return Project("DVC", folder, tool, command, state=state)


def snakemake(folder: Path, table: Path, tool: Path, python: Path) -> Project:
    """A rule is a process; finished ones are known by file times, parameters and code."""
    last = 'config["last"]'
    rules = "\n".join(
        f"rule step{i}:\n    input: 't{i}.parquet'\n    output: 't{i + 1}.parquet'\n"
        f"    params: step={last if i == LAST else i}\n"
        f"    shell: '{python} step.py {{input}} {{output}} {{params.step}}'\n"
        for i in range(STEPS)
    )
    top = f"configfile: 'params.yaml'\nrule all:\n    input: 't{STEPS}.parquet'\n"
    _new(folder, table, {"step.py": SCRIPT, "Snakefile": top + rules, "params.yaml": "last: 5\n"})
    command = [str(tool.with_name("snakemake")), "--cores", "2", "--quiet", "all"]
    state = [".snakemake", *(f"t{i}.parquet" for i in range(1, STEPS + 1))]
    return Project("Snakemake", folder, tool, command, state=state)


def metaflow(folder: Path, table: Path, python: Path) -> Project:
    """A step is a process; tables are kept in its own store."""
    steps = "\n".join(
        f"""
    @step
    def {"start" if i == 0 else f"step{i}"}(self):
        import pandas as pd
        import sklearn.ensemble
        table = pd.read_parquet("t0.parquet") if {i} == 0 else self.table
        table["value"] += {i}
        self.table = table
        self.next(self.{"end" if i == LAST - 1 else f"step{i + 1}"})
"""
        for i in range(LAST)
    )
    flow = f"""
from metaflow import FlowSpec, step

class Six(FlowSpec):
{steps}
    @step
    def end(self):
        import pandas as pd
        import sklearn.ensemble
        self.table["value"] += {LAST}

if __name__ == "__main__":
    Six()
"""
    _new(folder, table, {"flow.py": flow})
    variables = {"METAFLOW_USER": "bench", "USERNAME": "bench", "METAFLOW_DEFAULT_DATASTORE": "local"}
    return Project(
        "Metaflow", folder, python, [str(python), "flow.py", "run"], variables, state=[".metaflow"]
    )


def stock(folder: Path, table: Path, python: Path, components: str, store: Path) -> Project:
    """A parent project that calls `mlflow.run` on a git component for each step."""
    parent = f"""
        import mlflow

        data = "t0.parquet"
        with mlflow.start_run():
            for step in range({STEPS}):
                run = mlflow.run("{components}#work", version="v1.0.0", env_manager="local",
                                 parameters={{"data": data, "step": float(step)}})
                data = mlflow.get_run(run.run_id).info.artifact_uri.removeprefix("file://") + "/table.parquet"
    """
    contract = "name: parent\nentry_points: {main: {command: python parent.py}}\n"
    _new(folder, table, {"parent.py": parent, "MLproject": contract})
    command = [str(python.with_name("mlflow")), "run", "--env-manager", "local", "."]
    variables = {"MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db", "TMPDIR": str(folder / "temp")}
    (folder / "temp").mkdir()
    return Project("MLflow Projects", folder, python, command, variables, ["mlruns"], store)


def tracked_step(folder: Path, table: Path, python: Path, store: Path) -> Project:
    """One step by itself, tracked: what it costs to run it at all."""
    _new(folder, table, {"run.py": TRACKED})
    command = [str(python), "run.py", "--data", "t0.parquet", "--step", "1"]
    variables = {"MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db"}
    return Project("one tracked step", folder, python, command, variables, ["mlruns"], store)


def waypost(folder: Path, table: Path, python: Path, components: str, store: Path) -> Project:
    """The same components, pinned; all steps tracked and isolated."""
    data = ["t0.parquet", *(f'"${{steps.step{i}.outputs.table}}"' for i in range(LAST))]
    values = [*map(str, range(LAST)), '"${last}"']
    steps = "\n".join(
        f"  step{i}: {{uses: core/work, with: {{data: {data[i]}, step: {values[i]}}}}}" for i in range(STEPS)
    )
    text = f"name: six\ncomponents:\n  core: {{git: {components}, version: ==1.0.0}}\nsteps:\n{steps}\n"
    _new(folder, table, {"pipeline.yaml": text, "params.yaml": "last: 5\n"})
    command = [str(Path(sys.executable).with_name("waypost")), "run", "--env", "local"]
    variables = {"WAYPOST_HOME": str(folder / "home")}
    project = Project("Waypost", folder, python, command, variables, ["home", "mlruns"], store)
    lock = [command[0], "lock"]
    subprocess.run(lock, cwd=folder, env=project.environment(), check=True, stdout=subprocess.DEVNULL)
    return project


def component_repository(folder: Path, tags: int = 1, weight: int = 0) -> Path:
    """Makes a bare repository `components.git` with the component `work`; returns it.

    Args: `tags` releases, each with `weight` bytes of other content that does not compress.
    """
    work = folder / "components"
    _new_repository(work)
    (work / "work").mkdir()
    (work / "work" / "MLproject").write_text(COMPONENT)
    (work / "work" / "run.py").write_text(TRACKED)
    for number in range(tags):
        if weight:
            (work / "other").mkdir(exist_ok=True)
            (work / "other" / f"weight{number}").write_bytes(os.urandom(weight))
        (work / "CHANGELOG.md").write_text(f"version {number}\n")
        _git(work, "add", "--all")
        _git(work, "commit", "--quiet", "--message", f"Release {number}")
        _git(work, "tag", "-a", "-m", "release", f"v1.0.{number}")
    bare = folder / "components.git"
    _git(folder, "clone", "--quiet", "--bare", str(work), str(bare))
    _git(bare, "config", "uploadpack.allowFilter", "true")
    _git(bare, "config", "uploadpack.allowAnySHA1InWant", "true")
    return bare


def _new_repository(folder: Path) -> None:
    folder.mkdir(parents=True)
    _git(folder, "init", "--quiet", "--initial-branch", "main")
    _git(folder, "config", "user.name", "Bench")
    _git(folder, "config", "user.email", "bench@localhost")


def _git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=folder, check=True, stdout=subprocess.DEVNULL)
