"""External data that a pipeline run's steps read, as datasets of the run itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from waypost.tracking.run_reading import ReadRun, step_run

if TYPE_CHECKING:
    from mlflow import MlflowClient

_CONTEXT = "mlflow.data.context"
_MOST = 100


def link_datasets(client: MlflowClient, read: ReadRun) -> None:
    """Adds to a pipeline run the datasets that its steps logged and that no other step made."""
    found: dict[tuple[str, str], Any] = {}
    for name, run in read.results.items():
        made = step_run(name, run).inputs
        for each in run.inputs.dataset_inputs if run.inputs else ():
            contexts = {tag.value for tag in each.tags if tag.key == _CONTEXT}
            if not contexts & made.keys():
                found[str(each.dataset.name), str(each.dataset.digest)] = each
    if found:
        client.log_inputs(str(read.parent.info.run_id), datasets=list(found.values())[:_MOST])
