"""Projects as strangers write them: the same under stock MLflow, with `--backend waypost`, as steps.

Each is a small likeness of public ones: several entry points with types of their own (the workflow courses),
a conda environment, no name and a shell, its own folder written, runs of other projects, a package.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import yaml

from tests.conftest import Call
from tests.repositories import make_pipeline, make_repository

pytestmark = pytest.mark.journey

TELL = (
    "import os, sys\ndef tell(*words):\n    with open(os.environ['GOT'], 'a') as f: print(*words, file=f)\n"
)
PROJECTS: dict[str, dict[str, str]] = {
    "courses": {
        "MLproject": """
name: nyc_airbnb
owner: {team: x}
entry_points:
  download:
    parameters:
      sample: {description: one of them, type: str, help: so}
      ratio: {type: number, default: 0.3}
      flag: {default: "-x"}
    command: "python get.py {sample} --ratio {ratio} --flag={flag}"
  main:
    command: "python get.py main"
""",
        "get.py": f"{TELL}tell('courses', sys.argv)\n",
    },
    "conda": {
        "MLproject": "name: c\nconda_env: conda.yml\nentry_points:\n  main:\n    command: python run.py\n",
        "conda.yml": "channels: [x]\ndependencies: [python=3.11, pip, {pip: [packaging==24.2]}]\n",
        "run.py": f"{TELL}import packaging\ntell('conda', packaging.__version__, sys.version_info[:2])\n",
    },
    "shell": {
        "MLproject": """
entry_points:
  main:
    parameters: {a: string, n: {type: int, default: 2}}
    command: |
      for i in $(seq {n}); do
        echo shell {a} $i | tr a-z A-Z >> "$GOT"
      done
""",
    },
    "writer": {
        "MLproject": "name: w\nentry_points: {main: {command: python src/train.py}}\n",
        "src/train.py": f"{TELL}from pathlib import Path\nhere = Path(__file__).parents[1]\n"
        "(here / 'models').mkdir()\n(here / 'models' / 'm.pkl').write_text('m')\n"
        "Path('data.csv').write_text(Path('data.csv').read_text() + 'more')\n"
        "tell('writer', sorted(p.name for p in here.iterdir()), Path('data.csv').read_text())\n",
        "data.csv": "some ",
    },
    "nested": {
        "MLproject": """
name: n
entry_points:
  main: {parameters: {word: {type: string, default: hi}}, command: "python main.py {word}"}
  child: {parameters: {word: string}, command: "python child.py {word}"}
""",
        "main.py": f"{TELL}import mlflow\n"
        "for n in (1, 2):\n"
        "    run = mlflow.run('.', 'child', parameters={'word': f'{sys.argv[1]}{n}'}, env_manager='local')\n"
        "    params = mlflow.get_run(run.run_id).data.params\n"
        "    tell('nested', run.get_status(), params)\n",
        "child.py": f"{TELL}tell('child', sys.argv)\n",
    },
    "package": {
        "MLproject": "name: p\nentry_points:\n  main:\n    parameters: {x: float}\n"
        '    command: "PYTHONPATH=src python -m pkg.train --x={x}"\n',
        "src/pkg/train.py": f"{TELL}from pkg import names\ntell('package', names.WORD, sys.argv[1:])\n",
        "src/pkg/names.py": "WORD = 'word'\n",
    },
}
# (project, entry point, parameters, environment)
ASKED: list[tuple[str, str, dict[str, str], str]] = [
    ("courses", "download", {"sample": "it's -1"}, "local"),
    ("courses", "main", {}, "local"),
    ("conda", "main", {}, "uv"),
    ("shell", "main", {"a": "$HOME x"}, "local"),
    ("writer", "main", {}, "local"),
    ("nested", "main", {"word": "-w"}, "local"),
    ("package", "main", {"x": "-0.5"}, "local"),
]


def write_projects(root: Path) -> None:
    for name, files in PROJECTS.items():
        for file, text in files.items():
            (root / name / file).parent.mkdir(parents=True, exist_ok=True)
            (root / name / file).write_text(text)


def test_strangers(workplace: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """Six projects say the same, whoever runs them; the library's folder and the cache stay as they are."""
    write_projects(workplace / "stock")
    library = make_repository(workplace / "library")
    write_projects(library.path)
    library.release("1.0.0")
    script = (
        "import mlflow, sys\n"
        f"for name, entry_point, values, manager in {ASKED!r}:\n"
        "    options = dict(entry_point=entry_point, parameters=values, env_manager=manager)\n"
        "    mlflow.run(sys.argv[1] + name, **options, **eval(sys.argv[2]))\n"
    )
    got = {}
    for mode, place, options in (
        ("stock", "stock/", "{}"),
        ("backend", "library#", "dict(version='v1.0.0', backend='waypost')"),
    ):
        monkeypatch.setenv("GOT", str(workplace / f"{mode}.txt"))
        result = call(sys.executable, "-c", script, f"{workplace}/{place}", options)
        assert result.returncode == 0, result.stdout + result.stderr
        got[mode] = (workplace / f"{mode}.txt").read_text().splitlines()
    monkeypatch.setenv("GOT", str(workplace / "steps.txt"))
    assert run_as_steps(workplace, call, library.path) == 0
    got["steps"] = (workplace / "steps.txt").read_text().splitlines()
    assert len(got["stock"]) == 11
    assert got["backend"] == got["stock"]
    assert got["steps"] == got["stock"]
    assert library.git("status", "--porcelain") == ""
    trees = (workplace.parent / "cache" / "trees").glob("*/writer")
    assert [sorted(path.name for path in tree.iterdir()) for tree in trees] == [
        ["MLproject", "data.csv", "src"]
    ]


def run_as_steps(workplace: Path, call: Call, library: Path) -> int:
    """Runs the projects as the steps of a pipeline that has them locked, one after the other."""
    pipeline = make_pipeline(workplace / "pipeline", str(library))
    steps: dict[str, object] = {}
    for number, (name, entry_point, values, _) in enumerate(ASKED):
        after = [f"s{number - 1}"] if number else []
        steps[f"s{number}"] = {
            "uses": f"core/{name}",
            "entry_point": entry_point,
            "with": values,
            "after": after,
        }
    content = yaml.safe_load((pipeline.path / "pipeline.yaml").read_text())
    (pipeline.path / "pipeline.yaml").write_text(yaml.safe_dump({**content, "steps": steps}, sort_keys=False))
    for verb in ("lock", "run"):
        result = call(sys.executable, "-m", "waypost", verb, pipeline.path)
        if result.returncode:
            pytest.fail(result.stdout + result.stderr)
    return 0
