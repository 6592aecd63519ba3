"""What the text of a Python file says of its command line and its imports."""

from __future__ import annotations

import pytest

from waypost.contracts.python_code import Code, read_code, together


def options(text: str) -> tuple[set[str], set[str], bool]:
    code = read_code(text)
    assert code is not None
    return set(code.options), set(code.required), code.is_open


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "p.add_argument('-d', '--data', required=True)\np.add_argument('--n')",
            ({"-d", "--data", "--n"}, {"-d"}, False),
        ),
        ("p.add_argument('data')", (set(), set(), False)),
        ("@click.option('--on/--off')\ndef f(): pass", ({"--on", "--off"}, set(), False)),
        ("for n in names: p.add_argument(f'--{n}')", (set(), set(), True)),
        ("p.add_argument('--a', **more)", ({"--a"}, set(), True)),
        ("p.add_argument('--a')\np.parse_known_args()", ({"--a"}, set(), True)),
        ("import sys\nprint(sys.argv[1])", (set(), set(), True)),
        ("print(x.argv)", (set(), set(), False)),
    ],
)
def test_options(text: str, expected: tuple[set[str], set[str], bool]) -> None:
    """Constants that argparse or click is told of; where others may be read, that is said."""
    assert options(text) == expected


def test_imports_and_texts() -> None:
    """First names, relative imports aside; a text is one wherever it stands."""
    code = read_code("import a.b\nfrom c.d import e\nfrom . import f\ndef g():\n    return f'x-{h}', 'y'\n")
    assert code == Code(frozenset({"a", "c"}), frozenset({"x-", "y"}))
    assert read_code("def (") is None
    assert read_code("x = '\0'") is None
    assert together([Code(imports=frozenset("a")), Code(imports=frozenset("b"), is_open=True)]) == Code(
        imports=frozenset("ab"), is_open=True
    )
