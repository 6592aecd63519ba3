"""What is sent to a worker of a cluster: one attempt at a step, as JSON without secrets.

Everything is named by content: code by its trees, files by run, artifact and digest, the environment by its
digest. Environment variables appear by name; the worker has its own values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from waypost.contracts.plan import Inline, Location, PlannedStep, Reference
from waypost.errors import redacted
from waypost.runs.executor import Work
from waypost.runs.inputs import Inputs
from waypost.texts.sealed import Sealed, Variable, sealed

Document = dict[str, Any]


@dataclass(frozen=True)
class Code:
    """A component: `folder` is its folder among the `trees`. It is fetched from `git`, or is the `artifact`
    of the run `run_id`.
    """

    uses: str
    folder: str
    trees: Mapping[str, str]
    git: str = ""
    commit: str = ""
    tag: str = ""
    run_id: str = ""
    artifact: str = ""


@dataclass(frozen=True)
class Spec:
    """An attempt at a step; `arguments` are made by `argument_documents`.

    `environment` is the digest of what has to be installed, `own` whether that is what the worker runs in;
    `variables` are the digests of variables that decide the result, `sealed` the names of those whose values
    nobody may see. `topic` is where the client hears what happens; `fork` is whether it may run as a fork.
    """

    step: str
    entry_point: str
    code: Code
    arguments: Mapping[str, Document]
    environment: str
    own: bool
    store: str
    experiment_id: str
    parent: str
    run_id: str
    key: str
    attempt: int
    topic: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    sealed: tuple[str, ...] = ()
    minutes: float | None = None
    memory_mb: int | None = None
    gpus: int = 0
    debug: bool = False
    fork: bool = False

    def document(self) -> Document:
        return asdict(self)


def spec_in(document: Document) -> Spec:
    """Returns the spec in a document from `Spec.document`."""
    return Spec(
        **{
            **document,
            "code": Code(**document["code"]),
            "sealed": tuple(document["sealed"]),
        }
    )


def spec_of(
    work: Work,
    code: Code,
    arguments: Mapping[str, Document],
    *,
    environment: str,
    own: bool,
    store: str,
    experiment_id: str,
    topic: str,
    debug: bool = False,
    fork: bool = False,
) -> Spec:
    """Returns the spec of an attempt."""
    step = work.prepared.pipeline.steps[work.step.name]
    hidden = tuple(sorted(work.prepared.variables))
    return Spec(
        step=work.step.name,
        entry_point=step.entry_point,
        code=code,
        arguments=arguments,
        environment=environment,
        own=own,
        store=redacted(store),
        experiment_id=experiment_id,
        parent=work.parent,
        run_id=work.run_id,
        key=work.key,
        attempt=work.attempt,
        topic=topic,
        # Digests of variables that the pipeline declares are keyed to this machine.
        variables={name: digest for name, digest in work.variables.items() if name not in hidden},
        sealed=hidden,
        minutes=step.limits.minutes,
        memory_mb=step.limits.memory_mb,
        gpus=step.resources.gpus or 0,
        debug=debug,
        fork=fork and work.attempt == 1,
    )


def argument_documents(
    step: PlannedStep, inputs: Inputs, uploaded: Mapping[str, Document]
) -> dict[str, Document]:
    """Returns a step's arguments for another machine; `uploaded` are local files, by parameter."""
    return {
        name: uploaded[name] if name in uploaded else _argument(argument, inputs)
        for name, argument in step.arguments.items()
    }


def _argument(argument: Any, inputs: Inputs) -> Document:
    if isinstance(argument, Reference):
        finished = inputs.finished[argument.step]
        return artifact_argument(
            finished.run_id, inputs.artifact(argument), finished.digests[argument.output]
        )
    if isinstance(argument, Inline):
        return {"inline": argument.text} if argument.content is None else {"open": encoded(argument.content)}
    if isinstance(argument, Location):
        return {"address": encoded(argument.text), "content": inputs.content_behind(argument)}
    return {"text": encoded(argument)}


def artifact_argument(run_id: str, artifact: str, digest: str) -> Document:
    """Returns the argument for a file that is an artifact of a run."""
    return {"run_id": run_id, "artifact": artifact, "digest": digest}


def encoded(value: Any) -> Document:
    """Returns a value as JSON, with environment variables by name only."""
    if isinstance(value, Sealed):
        return {"parts": [{"name": p.name} if isinstance(p, Variable) else str(p) for p in value.parts]}
    if isinstance(value, dict):
        return {"pairs": [[key, encoded(child)] for key, child in value.items()]}
    if isinstance(value, list):
        return {"items": [encoded(child) for child in value]}
    return {"is": str(value) if isinstance(value, str) else value}


def decoded(document: Document) -> Any:
    """Returns the value that `encoded` turned into a document."""
    if "parts" in document:
        return sealed(Variable(p["name"]) if isinstance(p, dict) else p for p in document["parts"])
    if "pairs" in document:
        return {key: decoded(child) for key, child in document["pairs"]}
    if "items" in document:
        return [decoded(child) for child in document["items"]]
    return document["is"]
