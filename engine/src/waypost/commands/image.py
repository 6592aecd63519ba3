"""`waypost image`: a model as a container image."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from waypost.commands.options import as_json_option, model_argument, trust_option
from waypost.images.build import ImageRequest, build
from waypost.report import common
from waypost.report.console import Console
from waypost.report.deploy import show_image


@click.command()
@model_argument
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=Path("image"),
    show_default=True,
    metavar="DIR",
    help="Folder to write, which holds nothing else.",
)
@click.option("--overwrite", is_flag=True, help="Replace what an earlier `waypost image` wrote there.")
@trust_option
@as_json_option
def image(model: str, output: Path, overwrite: bool, trust: bool, as_json: bool) -> int:
    """Write a folder from which any container engine builds an image that serves MODEL.

    MODEL is what `waypost serve` takes, and is checked, compiled and compared as there. The folder has a
    Containerfile, the locked packages with their hashes, this engine as a wheel, the model with its compiled
    form, and a Kubernetes manifest. The image starts without network and without a tracking server. The same
    model gives the same bytes.

    \b
    Examples:
      waypost image models:/grades@champion
      waypost image models:/grades/3 -o grades-image && podman build -t grades:3 grades-image
    """
    console = Console(stderr=True)
    request = ImageRequest(model, output, is_trusted=trust, overwrite=overwrite)
    manifest = build(request, common.notifier(console), lambda text: common.warn(console, text))
    if as_json:
        common.write_document(sys.stdout, manifest.model_dump(by_alias=True))
    show_image(console, manifest, output)
    return 0
