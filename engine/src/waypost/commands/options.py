"""Arguments and options that several verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from waypost.contracts.pipeline import Pipeline
    from waypost.contracts.target import Target

pipeline_argument = click.argument(
    "folder", metavar="[PIPELINE]", default=".", type=click.Path(exists=True, file_okay=False, path_type=Path)
)
as_json_option = click.option(
    "--json", "as_json", is_flag=True, help="Write the result as JSON to stdout, progress to stderr."
)
offline_option = click.option("--offline", is_flag=True, help="Ask no remote.")

params_option = click.option(
    "--params",
    "files",
    multiple=True,
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Parameter file merged on top of params.yaml; may be given several times.",
)
jobs_option = click.option(
    "--jobs", type=click.IntRange(min=1), help="How many steps at the same time. [default: one per core]"
)
env_option = click.option(
    "--env",
    type=click.Choice(["uv", "local"]),
    default="uv",
    show_default=True,
    help="uv: each component in the environment that it asks for; local: in the engine's own.",
)

wandb_option = click.option(
    "--wandb/--no-wandb",
    default=None,
    help="Show the run on Weights & Biases, too. [default: what pipeline.yaml says under `tracking`]",
)

model_argument = click.argument("model")
trust_option = click.option(
    "--trust",
    is_flag=True,
    help="Load it whatever its file asks for: pickled models can run any code. Only for sources you know.",
)


def wanted_on_wandb(pipeline: Pipeline, asked: bool | None) -> bool:
    """Tells whether W&B hears of runs: what was asked for counts, else what the pipeline says.

    Raises MissingExtraError where it should, and what that takes is not installed.
    """
    from waypost.tracking.mirror import is_wanted

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
