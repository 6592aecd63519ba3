"""What is installed for a component, and what changed between two of its locks."""

from __future__ import annotations

import pytest

from waypost.contracts.requirements import PackageMove, environment_folders, package_moves, unmet

LOCK = """\
# a comment
--index-url https://example.org/simple
Foo_Bar[extra]==1.0 \\
    --hash=sha256:aa \\
    --hash=sha256:bb
numpy==1.26 ; python_version < "3.12" \\
    --hash=sha256:cc
numpy==2.1 ; python_version >= "3.12"  # for newer ones
gone==3
loose
"""


def test_only_versions_count() -> None:
    """Packages are told by name, old and new version; hashes, comments and order are no change."""
    assert package_moves([LOCK], ["\n".join(reversed(LOCK.splitlines()[-2:])) + "\n" + LOCK]) == ()
    newer = LOCK.replace("==1.0", "==1.1").replace("gone==3\n", "").replace("2.1", "2.2") + "tzdata==7\n"
    assert list(map(str, package_moves([LOCK], [newer]))) == [
        "foo-bar 1.0 → 1.1",
        "gone 3 is gone",
        "numpy 1.26, 2.1 → 1.26, 2.2",
        "tzdata 7 is new",
    ]


def test_secrets_in_urls_are_not_told() -> None:
    """A package from a URL is told by it, without what opens its door."""
    [move] = package_moves(["a @ https://u:secret@example.org/a-1.whl"], ["a @ https://example.org/a-2.whl"])
    assert move == PackageMove("a", "https://example.org/a-1.whl", "https://example.org/a-2.whl")


@pytest.mark.parametrize(
    ("contents", "files", "found"),
    [
        ({"environment": ["requirements.txt"]}, ["environment/requirements.txt"], {"environment"}),
        ({"environment": ["requirements.txt", "words.py"]}, ["environment/requirements.txt"], set()),
        ({"environment": ["requirements.txt", "inner"]}, ["environment/requirements.txt"], set()),
        ({"kit": ["words.py"]}, ["environment/requirements.txt", "own/requirements.txt"], set()),
        ({"empty": []}, ["own/requirements.txt"], set()),
        ({"environment": ["a.txt", "b.txt"]}, ["environment/b.txt", "environment/a.txt"], {"environment"}),
    ],
)
def test_a_folder_with_code_is_code(
    contents: dict[str, list[str]], files: list[str], found: set[str]
) -> None:
    """A shared folder is the environment's only where there is nothing in it but requirement files."""
    assert environment_folders(contents, files) == found


def test_what_is_not_here_as_asked_for() -> None:
    """Another version, and a package that is not here, in words; of other machines, and of URLs, nothing."""
    here = {"scipy": "1.3", "numpy": "2.4.0rc1", "mlflow": "3.17.2"}
    text = (
        "mlflow==3.17.2\nscipy==1.2 \\\n  --hash=sha256:00\nnumpy>=2\nskops\n-r more.txt\n"
        "x==1; sys_platform == 'none'\ny @ https://example.org/y.whl\nz==1; nothing == '1'\nlast\n"
    )
    assert unmet(text, here.get) == ["scipy==1.2 (here 1.3)", "skops (not installed)", "last (not installed)"]
    assert unmet("", here.get) == []
