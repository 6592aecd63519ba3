"""The texts of a build folder: Containerfile, Kubernetes manifest, README. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from waypost.images.identity import Identity
from waypost.sources.files import read_text
from waypost.texts.escaping import one_line
from waypost.texts.templates import filled

GRACE = 30
_ENDPOINTS_SECONDS, _MARGIN_SECONDS = 5, 5
_TEMPLATES = Path(__file__).with_name("templates")
_NAMES = {
    "Containerfile": "Containerfile.in",
    "kubernetes.yaml": "kubernetes.yaml.in",
    "README.md": "README.md.in",
    ".dockerignore": "dockerignore.in",
}


@dataclass(frozen=True)
class Image:
    """Values of the templates: `wheel` is the engine's file, `walk` the extension's if there is one,
    `python` the minor version of the proof.
    """

    model: Identity
    engine: str
    python: str
    wheel: str
    answers: str
    is_trusted: bool
    walk: str = ""


_INSTALL_WALK = """\
COPY {0} ./
# On another platform than the extension's, ONNX Runtime walks the trees, with the same answers.
RUN uv pip install --python "$(command -v python)" --no-deps ./{0} || echo "without the extension"
"""


def texts(image: Image) -> dict[str, bytes]:
    """Returns the files by name, the same bytes for the same image.

    Names from outside appear, quoted, in labels and annotations only; all else is a slug, a number or ours.
    """
    model = image.model
    labels = {key: one_line(value) for key, value in _facts(image).items() if value}
    values = {
        "slug": model.slug,
        "tag": model.tag,
        "engine": image.engine,
        "python": image.python,
        "wheel": image.wheel,
        "walk": _INSTALL_WALK.format(image.walk) if image.walk else "",
        "walk_allowed": f"!{image.walk}\n" if image.walk else "",
        "place": f"/opt/waypost/models/{model.slug}-{model.tag}",
        "options": "".join(f', "{option}"' for option in (["--trust"] if image.is_trusted else [])),
        "labels": " \\\n      ".join(f"{key}={_in_containerfile(value)}" for key, value in labels.items()),
        "annotations": _lines(labels, 4),
        "grace": str(GRACE),
        "endpoints": str(_ENDPOINTS_SECONDS),
        "until_killed": str(_ENDPOINTS_SECONDS + GRACE + _MARGIN_SECONDS),
    }
    return {name: filled(read_text(_TEMPLATES / source), values).encode() for name, source in _NAMES.items()}


def _facts(image: Image) -> dict[str, str]:
    model = image.model
    return {
        "org.opencontainers.image.title": model.name,
        "org.opencontainers.image.version": model.tag,
        "waypost.model": model.label,
        "waypost.run": model.run,
        "waypost.release": model.release,
        "waypost.digest": model.digest,
        "waypost.answers": image.answers,
        "waypost.engine": image.engine,
    }


def _in_containerfile(text: str) -> str:
    """Returns a text as a quoted value, in which `$` is not expanded."""
    return json.dumps(text, ensure_ascii=False).replace("$", "\\$")


def _lines(labels: Mapping[str, str], indent: int) -> str:
    """Returns a mapping as lines of YAML; JSON strings are valid YAML."""
    return "\n".join(
        f"{' ' * indent}{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in labels.items()
    )
