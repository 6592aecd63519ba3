# ruff: noqa: E501 (sources are lines)
"""Python packages for tests, as any team has them: with a click command line, or without."""

from __future__ import annotations

from pathlib import Path

from tests.repositories import Repository, make_repository

PROJECT = """\
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]

[project]
name = "tally-sheets"
version = "0.1.0"
requires-python = ">=3.11"
dependencies = ["click>=8"]
readme = "README.md"

[project.optional-dependencies]
fast = ["numpy"]

[project.scripts]
tally = "tally.cli:cli"

[tool.waypost.interface]
api = ["tally"]
exit-codes = { ok = 0, wrong = "tally.cli:Wrong.exit_code" }
reads = { "tally.yaml" = "tally.files:Sheet", "old.json" = "old.schema.json" }
writes = { "tally count --json" = "tally.files:Count" }
"""
SETTINGS = """\
[bumpversion]
current_version = 0.1.0
commit = False
tag = False
tag_name = tally-v{new_version}

[bumpversion:file:pyproject.toml]
search = version = "{current_version}"
replace = version = "{new_version}"

[bumpversion:file:src/tally/__init__.py]
"""
FILES = {
    "setup.cfg": SETTINGS,
    "pyproject.toml": PROJECT,
    "CHANGELOG.md": "# Changelog\n\n## [Unreleased]\n### Added\n- Everything.\n",
    "README.md": "Counts.\n",
    ".gitignore": "__pycache__/\n",
    "old.schema.json": '{"type": "object", "properties": {"rows": {"type": "integer"}}}',
    "src/tally/__init__.py": (
        '__version__ = "0.1.0"\n__all__ = ["count", "Counter"]\nfrom tally.core import Counter, count\n'
    ),
    "src/tally/core.py": (
        "from dataclasses import dataclass\n\n\n"
        "def count(rows: list[str], *, skip: int = 0) -> int:\n    return len(rows) - skip\n\n\n"
        "@dataclass\nclass Counter:\n    start: int = 0\n\n"
        "    def add(self, number: int) -> None: ...\n\n\n"
        "def private(a): ...\n"
    ),
    "src/tally/cli.py": (
        "import enum, os\nimport click\n\n"
        "print('a word while it is imported')\n\n\n"
        "class Wrong(Exception):\n    exit_code = 3\n\n\n"
        "@click.group()\ndef cli():\n    '''Count.'''\n\n\n"
        "@cli.command()\n@click.argument('place', type=click.Path(exists=True))\n"
        "@click.option('--form', '-f', type=click.Choice(['csv', 'json']), default='csv', help='Which form.')\n"
        "@click.option('--least', type=click.IntRange(0, 9), envvar='TALLY_LEAST')\n"
        "@click.option('--json/--no-json', default=None)\n"
        "@click.option('--name', multiple=True)\n"
        "@click.option('--where', default=lambda: os.getcwd())\n"
        "@click.option('--quick', is_flag=True)\n"
        "def count(**options): ...\n\n\n"
        "@cli.command()\ndef show(): ...\n"
    ),
    "src/tally/files.py": (
        "from dataclasses import dataclass\nfrom pydantic import BaseModel\n\n\n"
        "class Sheet(BaseModel):\n    name: str\n    rows: int = 10\n\n\n"
        "@dataclass\nclass Count:\n    total: int\n    note: str = ''\n"
    ),
    # A build backend in the tree needs no index.
    "backend.py": (
        "import re, zipfile\n\n\n"
        "def build_wheel(folder, settings=None, metadata=None):\n"
        "    version = re.search('version = \"(.+)\"', open('pyproject.toml').read())[1]\n"
        "    name = f'tally_sheets-{version}-py3-none-any.whl'\n"
        "    with zipfile.ZipFile(f'{folder}/{name}', 'w') as wheel:\n"
        "        text = f'Metadata-Version: 2.1\\nName: tally-sheets\\nVersion: {version}\\n'\n"
        "        wheel.writestr(f'tally_sheets-{version}.dist-info/METADATA', text)\n"
        "    return name\n"
    ),
}


def write_package(folder: Path) -> None:
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def make_package(path: Path) -> Repository:
    """A repository with a package at its top, ready for its first release."""
    repository = make_repository(path)
    repository.git("config", "user.name", "t")
    repository.git("config", "user.email", "t@example.org")
    write_package(path)
    repository.commit("ready")
    return repository


def edit(folder: Path, name: str, old: str, new: str) -> None:
    """Changes a text of a file, which is there."""
    file = folder / name
    text = file.read_text()
    assert old in text, (name, old)
    file.write_text(text.replace(old, new))
