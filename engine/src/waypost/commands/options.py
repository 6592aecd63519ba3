"""Arguments and options that several verbs share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from waypost.contracts.pipeline import Pipeline
    from waypost.contracts.target import Target

_F = TypeVar("_F", bound=Callable[..., Any])

pipeline_argument = click.argument(
    "folder", metavar="[PIPELINE]", default=".", type=click.Path(exists=True, file_okay=False, path_type=Path)
)
as_json_option = click.option(
    "--json", "as_json", is_flag=True, help="Write the result as JSON to stdout, progress to stderr."
)
offline_option = click.option("--offline", is_flag=True, help="Contact no remote.")

params_option = click.option(
    "--params",
    "files",
    multiple=True,
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Parameter file to merge over params.yaml; repeatable.",
)
jobs_option = click.option(
    "--jobs", type=click.IntRange(min=1), help="Number of steps to run in parallel. [default: one per core]"
)
env_option = click.option(
    "--env",
    type=click.Choice(["uv", "local"]),
    default="uv",
    show_default=True,
    help="uv: run each component in its own locked environment; local: run all of them in Waypost's.",
)

wandb_option = click.option(
    "--wandb/--no-wandb",
    default=None,
    help="Log the run to Weights & Biases, too. [default: `tracking` in pipeline.yaml]",
)


def pipeline_option(metavar: str, words: str) -> Callable[[_F], _F]:
    """Returns the option that names a pipeline's folder."""
    path = click.Path(exists=True, file_okay=False, path_type=Path)
    return click.option("-p", "--pipeline", "folder", default=".", metavar=metavar, type=path, help=words)


checked_pipeline_option = pipeline_option(
    "PIPELINE", "Folder of a pipeline that checks its data; the component runs in the version pinned there."
)
product_option = click.option(
    "-C",
    "--folder",
    default=".",
    metavar="FOLDER",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of the library, pipeline repository or Python package. [default: the current one]",
)
model_argument = click.argument("model")
trust_option = click.option(
    "--trust",
    is_flag=True,
    help="Load the model even if that can run arbitrary code, as pickles can. Only for sources you trust.",
)

model_env_option = click.option(
    "--env",
    type=click.Choice(["local", "model"]),
    default="local",
    show_default=True,
    help="model: run the model in the environment that it asks for, built by uv once (needs --trust); local: "
    "run it in Waypost's.",
)


on_option = click.option(
    "--on",
    metavar="ADDRESS",
    envvar="WAYPOST_ON",
    show_envvar=True,
    help="Work on the Dask cluster whose scheduler is at ADDRESS, such as tls://scheduler:8786.",
)


upload_option = click.option(
    "--upload",
    is_flag=True,
    help="With --on: let workers have the input files of this machine, as artifacts of the run.",
)


wait_option = click.option(
    "--wait",
    default=60.0,
    show_default=True,
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="With --on: seconds to wait for a first worker, while none is there.",
)


def tls_options(command: _F) -> _F:
    """Adds the options for certificates, by the names that Dask's own commands have for them."""
    file = click.Path(exists=True, dir_okay=False, path_type=Path)
    for option, about in (
        ("--tls-key", "Private key of the certificate (PEM)."),
        ("--tls-cert", "Certificate to show to the cluster (PEM)."),
        ("--tls-ca-file", "Certificate of the authority that the cluster's are signed by (PEM)."),
    ):
        add = click.option(option, type=file, help=f"{about} [default: as Dask's configuration says]")
        command = add(command)
    return command


def attestation_options(command: _F) -> _F:
    """Adds the options by which the provenance of a file is asked for."""
    for option in (
        click.option(
            "--signer-repo",
            default="",
            metavar="OWNER/NAME",
            help="With --attestation: repository of the reusable workflow that signed. [default: the same]",
        ),
        click.option(
            "--repo",
            "repository",
            default="",
            metavar="OWNER/NAME",
            help="With --attestation: repository on GitHub that attests. [default: that of the URL]",
        ),
        click.option(
            "--attestation",
            is_flag=True,
            help="Ask GitHub, by `gh attestation verify`, which workflow made it; none is a finding.",
        ),
    ):
        command = option(command)
    return command


def wanted_on_wandb(pipeline: Pipeline, asked: bool | None) -> bool:
    """Tells whether W&B hears of runs: what was asked for counts, else what the pipeline says.

    Raises MissingExtraError where it should, and what that takes is not installed.
    """
    from waypost.tracking.wandb_mirror import is_wanted

    if asked is None:
        return is_wanted("wandb" in pipeline.tracking, by="`tracking: [wandb]` in pipeline.yaml")
    return is_wanted(asked, by="--wandb")


def released(text: str) -> Target:
    """Returns the release that an argument names. Raises UsageError for one that names none."""
    from waypost.contracts.target import parse_target
    from waypost.errors import UsageError

    target = parse_target(text, str(Path.cwd()))
    if target is None:
        raise UsageError(f"{text}: not of the form URL[#FOLDER]@VERSION")
    return target


def parted(arguments: tuple[str, ...]) -> tuple[Path, tuple[str, ...]]:
    """Returns (pipeline folder, names): the first argument is the folder where one holds a pipeline.yaml."""
    from waypost.contracts.pipeline import FILE

    if arguments and (Path(arguments[0]) / FILE).is_file():
        return Path(arguments[0]), arguments[1:]
    return Path(), arguments


def several(arguments: tuple[str, ...]) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """Returns (pipeline folders, names): the folders are the first arguments, those with a pipeline.yaml."""
    folders = []
    while arguments and arguments != (found := parted(arguments))[1]:
        folders.append(found[0])
        arguments = found[1]
    return tuple(folders) or (Path(),), arguments
