"""MLflow's own page of a pipeline run: a description, images, the datasets and models of its steps.

All of it is a convenience: a server may refuse any part, and the others are there all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from waypost.errors import redacted
from waypost.texts.limits import shortened
from waypost.tracking.datasets import link_datasets
from waypost.tracking.run_reading import ReadRun
from waypost.tracking.runs import Runs

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

DESCRIPTION_TAG = "mlflow.note.content"
_NO_ANSWER = ("INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE")
_MOST_MODELS = 100
_LONGEST = 200  # characters of an error


def present(
    client: MlflowClient, read: ReadRun, images: Mapping[str, bytes], descriptions: Sequence[str]
) -> list[str]:
    """Lets MLflow's page of a run show `images` by their paths, and the first of `descriptions` that the
    server takes; returns what was refused. A server that does not answer is not asked for the rest.
    """
    from mlflow.exceptions import MlflowException

    runs, run_id = Runs(client), str(read.parent.info.run_id)
    parts: list[tuple[str, Callable[[], object]]] = [
        ("images", lambda: runs.log_contents(run_id, images)),
        *(("description", _described(runs, run_id, text)) for text in descriptions),
        ("datasets", lambda: link_datasets(client, read)),
        ("models", lambda: link_models(client, read)),
    ]
    refused: dict[str, str] = {}
    done: set[str] = set()
    for name, add in parts:
        if name in done:
            continue
        try:
            add()
        except (MlflowException, OSError) as error:
            refused[name] = shortened(redacted(" ".join(str(error).split())), _LONGEST)
            if getattr(error, "error_code", "") in _NO_ANSWER:
                break
        else:
            done.add(name)
    return [f"{name}: {why}" for name, why in refused.items() if name not in done]


def _described(runs: Runs, run_id: str, text: str) -> Callable[[], object]:
    return lambda: runs.tag(run_id, {DESCRIPTION_TAG: text})


def link_models(client: MlflowClient, read: ReadRun) -> None:
    """Lets a pipeline run name the models that its steps logged; each still belongs to its step's run."""
    from mlflow.entities import LoggedModelOutput

    def named(run: Run) -> list[str]:
        return [str(output.model_id) for output in (run.outputs.model_outputs if run.outputs else ())]

    # Steps with one key share a run, and MLflow refuses to name a model twice.
    found = dict.fromkeys(model for run in read.results.values() for model in named(run))
    wanted = [LoggedModelOutput(each, 0) for each in found if each not in named(read.parent)]
    if wanted:
        client.log_outputs(str(read.parent.info.run_id), wanted[:_MOST_MODELS])
