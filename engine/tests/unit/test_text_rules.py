"""Keys, tokens and places of one machine in texts."""

from __future__ import annotations

import pytest

from waypost.contracts.text_rules import text_findings


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("x = 'gh" + "p_" + "a" * 36 + "'", "a GitHub token"),
        ("AKIA" + "A" * 16, "an AWS access key"),
        ("-----BEGIN RSA " + "PRIVATE KEY-----", "a private key"),
        ("postgresql://me:" + "s3cret@db/x", "a password in a URL"),
        ("hf_" + "b" * 34, "a Hugging Face token"),
        ("postgresql://me:${PASSWORD}@db/x", ""),
        ("postgresql://me:{password}@db/x", ""),
        ("https://example.org/a@b:c", ""),
        ("https://me:" + "s3cret@data.example.org/x", ""),  # opens nothing
        ("-----BEGIN PUBLIC KEY-----", ""),
        ("password = 'x'", ""),  # nothing is guessed from a name
    ],
)
def test_secrets(text: str, kind: str) -> None:
    """Forms that their issuers document are found by line; the secret itself is never said."""
    found = list(text_findings("a.py", f"# one\n{text}\n"))
    assert [(f.place, f.problem) for f in found] == ([("a.py:2", f"this looks like {kind}")] if kind else [])


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("read('/home/ada/data.csv')", "/home/ada"),
        ("data: /Users/ada/x", "/Users/ada"),
        (r"open('C:\\Users\\x')", r"C:\\Users\\x"),
        ("https://example.org/home/x", ""),
        ("/dev/null /tmp/x ./home/x a/home/x", ""),
        ("${HOME}/home/x", ""),
        ("re: http://x y:z", ""),
    ],
)
def test_places(text: str, path: str) -> None:
    """What only one machine has; not what every machine has, nor parts of other paths."""
    found = list(text_findings("a.py", text))
    assert [f.problem for f in found] == ([f"{path} is a path of one machine"] if path else [])
    assert not list(text_findings("a.py", text, with_places=False))
