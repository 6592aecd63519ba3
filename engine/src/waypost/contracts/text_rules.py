"""What no shared file may contain: paths of one machine, keys and tokens."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

from waypost.errors import Finding

_MOST_TOLD = 3  # per kind and file
_PLACE = re.compile(
    r"""(?<![\w./:{}$~%*\\-])                       # start of a path, not inside a URL or pattern
    (?:/(?:home|Users|root|mnt|media|Volumes|data\d*|scratch)/[\w.-]+ | [C-Z]:\\{1,2}Users\\{1,2}[\w.-]+)
    """,
    re.VERBOSE,
)
# Reserved hosts (RFC 2606, RFC 6761): credentials for them open nothing.
_NOWHERE = r"(?:[\w.-]+\.)?(?:example(?:\.(?:com|net|org))?|test|invalid|localhost)\b|127\."
# Forms documented by their issuers. Nothing is guessed from the name of a variable.
_SECRETS = {
    "a private key": re.compile(r"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----"),
    "an AWS access key": re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    "a GitHub token": re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{22,255})\b"),
    "a GitLab token": re.compile(r"\bglpat-[\w-]{20,}"),
    "a Hugging Face token": re.compile(r"\bhf_[A-Za-z0-9]{34,}\b"),
    "a Slack token": re.compile(r"\bxox[abeoprs]-[\w-]{10,}"),
    "a Google API key": re.compile(r"\bAIza[\w-]{35}\b"),
    "a PyPI token": re.compile(r"\bpypi-AgEIcHlwaS5vcmc[\w-]{50,}"),
    "an npm token": re.compile(r"\bnpm_[A-Za-z0-9]{36}\b"),
    "a Stripe key": re.compile(r"\b[rs]k_live_[A-Za-z0-9]{20,}"),
    "a password in a URL": re.compile(
        rf"\b[a-z][a-z0-9+.-]*://[^\s/:@{{}}$<'\"]+:(?![{{$<*])[^\s/@{{}}'\"]+@(?!{_NOWHERE})"
    ),
}


def secrets_in(text: str) -> Iterator[tuple[int, str]]:
    """Yields (line, kind) of everything that looks like a secret; never the secret."""
    for number, line in enumerate(text.splitlines(), 1):
        for kind, form in _SECRETS.items():
            if form.search(line):
                yield number, kind


def places_in(text: str) -> Iterator[tuple[int, str]]:
    """Yields (line, path) of paths that exist on one machine only."""
    for number, line in enumerate(text.splitlines(), 1):
        for found in _PLACE.finditer(line):
            yield number, found[0]


def text_findings(place: str, text: str, *, with_places: bool = True) -> Iterator[Finding]:
    """Yields findings about the text of a file, by line. Args: `place` is its name in findings."""
    for line, kind in itertools.islice(secrets_in(text), _MOST_TOLD):
        problem = f"this looks like {kind}"
        yield Finding(f"{place}:{line}", problem, "revoke it, and remove it", "secrets")
    for line, path in itertools.islice(places_in(text) if with_places else (), _MOST_TOLD):
        problem = f"{path} is a path of one machine"
        yield Finding(f"{place}:{line}", problem, "make it a parameter, or a relative path", "paths")
