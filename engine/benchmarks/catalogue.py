"""The catalogue of a large library: 500 components in 20 releases, made by `git fast-import`, and timed.

    python -m benchmarks.catalogue [--components 500] [--releases 20] [--changed 1.0]

Every contract of every release differs from the one before with `--changed 1.0`, which is the most that there can be
to read.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

_DAY = 86400
_FIRST = 1_750_000_000
_WORDS = ("loads", "cleans", "splits", "joins", "trains", "scores", "checks", "plots", "counts", "encodes")
_OF = ("orders", "loans", "images", "texts", "sensors", "claims", "trips", "prices", "weather", "patients")
_TYPES = ("table", "mlflow-model", "report", "file")


def make_library(path: Path, components: int, releases: int, changed: float = 1.0) -> Path:
    """Makes a bare repository of a library; of each release, a share of the components has another contract."""
    git = ["git", "-C", str(path)]
    subprocess.run(["git", "init", "--quiet", "--bare", "-b", "main", str(path)], check=True)
    subprocess.run([*git, "config", "uploadpack.allowFilter", "true"], check=True)
    stream = "".join(_stream(components, releases, changed)).encode()
    subprocess.run([*git, "fast-import", "--quiet"], input=stream, check=True)
    return path


def _stream(components: int, releases: int, changed: float) -> Iterator[str]:
    """Gives the commands for fast-import: a commit and a tag for each release."""
    for release in range(releases):
        when = f"Team <team@example.org> {_FIRST + release * 7 * _DAY} +0000"
        yield f"commit refs/heads/main\ncommitter {when}\n{_data(f'Release 1.{release}.0')}"
        yield f"M 100644 inline CHANGELOG.md\n{_data(_changelog(components, release))}"
        if not release:
            yield f"M 100644 inline environment/requirements.txt\n{_data(_LOCK)}"
        for number in range(components):
            name = _name(number)
            if not release:
                yield f"M 100644 inline {name}/python_env.yaml\n{_data(_ENVIRONMENT)}"
                yield f"M 120000 inline {name}/requirements.txt\n{_data('../environment/requirements.txt')}"
                yield f"M 100644 inline {name}/README.md\n{_data(_readme(name))}"
                yield f"M 100644 inline {name}/run.py\n{_data('print(1)')}"
            if not release or (number * 7 + release) % 100 < changed * 100:
                yield f"M 100644 inline {name}/MLproject\n{_data(_contract(number, release))}"
        yield f"tag v1.{release}.0\nfrom refs/heads/main\ntagger {when}\n{_data(f'1.{release}.0')}"


def _data(text: str) -> str:
    return f"data {len(text.encode())}\n{text}\n"


def _name(number: int) -> str:
    return f"{_WORDS[number % 10][:-1]}_{_OF[number // 10 % 10]}_{number:03}"


def _changelog(components: int, newest: int) -> str:
    sections = [
        f"## [1.{release}.0] - 2026-01-01\n### Changed\n- `{_name(release % components)}` does more.\n"
        for release in range(newest, -1, -1)
    ]
    return "# Changelog\n\n## [Unreleased]\n\n" + "\n".join(sections)


_LOCK = "numpy==2.0.0 --hash=sha256:" + "0" * 64 + "\n"
_ENVIRONMENT = "python: '3.11'\ndependencies:\n  - -r requirements.txt\n"


def _readme(name: str) -> str:
    rows = "\n".join(
        f"- item {number}: **bold**, `code`, [a link](https://example.org/{number})" for number in range(12)
    )
    return f"# {name}\nWhat it does, at some length.\n\n{rows}\n\n```yaml\nkey: value\n```\n"


def _contract(number: int, release: int) -> str:
    about = f"{_WORDS[number % 10].capitalize()} {_OF[number // 10 % 10]} by the rules of case {number}."
    limits = "\n".join(
        f"      p{key}: {{type: int, default: {key + release}, minimum: 0, maximum: 100, description: setting {key}}}"
        for key in range(6)
    )
    return f"""name: {_name(number)}
python_env: python_env.yaml
shared: [environment]
entry_points:
  main:
    description: {about}
    parameters:
      data: {{type: path, description: table to work on}}
{limits}
    outputs:
      result: {{path: result, type: {_TYPES[number % 4]}, description: what comes of it}}
    metrics:
      rows: {{kind: count, unit: rows, description: rows of the result}}
    command: "python run.py --data={{data}} {" ".join(f"--p{key}={{p{key}}}" for key in range(6))}"
"""


def _processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Prints how long the catalogue takes, cold and warm, and how large its first page is."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--components", type=int, default=500)
    parser.add_argument("--releases", type=int, default=20)
    parser.add_argument("--changed", type=float, default=1.0)
    parser.add_argument("--keep", type=Path, help="folder to leave the site in")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as temp:
        library = make_library(Path(temp) / "large.git", asked.components, asked.releases, asked.changed)
        site = asked.keep or Path(temp) / "site"
        env = {**os.environ, "WAYPOST_HOME": f"{temp}/cache"}
        for state in ("cold", "warm"):
            start, before = time.perf_counter(), _processor_seconds()
            command = [
                sys.executable,
                "-m",
                "waypost",
                "components",
                "site",
                f"file://{library}",
                "-o",
                str(site),
            ]
            subprocess.run(command, check=True, env=env, stdout=subprocess.DEVNULL)
            wall, processor = time.perf_counter() - start, _processor_seconds() - before
            print(f"{state}: {wall:.1f} s, of which {processor:.1f} s of a core")
        sizes = [file.stat().st_size for file in site.rglob("*") if file.is_file()]
        print(
            f"first page: {(site / 'index.html').stat().st_size:,} bytes; {len(sizes)} files, {sum(sizes):,} bytes"
        )


if __name__ == "__main__":
    main()
