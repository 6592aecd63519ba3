"""The contents of a run's report, read from the tracking server."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from waypost.contracts import provenance
from waypost.contracts.declared_outputs import outputs_declared
from waypost.contracts.figures import MOST_BYTES, TYPE, Figures, parse_figures
from waypost.contracts.metrics import CPU_SECONDS, PEAK_MEMORY, SECONDS, SYSTEM, metrics_in
from waypost.contracts.outcome import StepOutcome
from waypost.contracts.provenance import COMMAND_TAG, DIRTY_TAG, OVERRIDES_TAG, Provenance, parse_provenance
from waypost.errors import FindingsError, redacted
from waypost.pages.facts import Input, Picture, Remake, Run, Step
from waypost.tracking.baselines import RELEASE_TAG, baseline_of, named
from waypost.tracking.connection import client
from waypost.tracking.local import tracking_uri
from waypost.tracking.run_facts import compared
from waypost.tracking.run_reading import ReadRun, facts_of, read_run, step_run, text_of, trees_in
from waypost.tracking.runs import WARNINGS_TAG, TooLargeError, bounded_output_in, output_in
from waypost.tracking.tags import PARENT_TAG, PIPELINE_TAG

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run as MlflowRun

_KINDS = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".gif": "gif", ".svg": "svg+xml"}
_BEGINNINGS = {"png": b"\x89PNG\r\n\x1a\n", "jpeg": b"\xff\xd8\xff", "gif": b"GIF8"}
_MOST_PICTURES, _LARGEST_PICTURE, _ALL_PICTURES = 4, 150_000, 200_000
_LOG_LINES, _LOG_CHARACTERS = 40, 6000
_MOST_LOOKED_AT = 200  # steps with artifacts to read


def report_of(run_id: str, against: str = "", uri: str = "") -> Run:
    """Returns the facts of a pipeline run; `against` is the id of the run to compare it with, by default the
    previous release or run; `uri` is the tracking server, if not that of this process. Call it within
    `tracking_errors`.
    """
    reached = client(uri or tracking_uri())
    return report_from(reached, read_run(reached, run_id), against)


def report_from(reached: MlflowClient, read: ReadRun, against: str = "") -> Run:
    """Returns the facts of a run that was read already."""
    info, tags = read.parent.info, read.parent.data.tags
    base = reached.get_run(against) if against else baseline_of(reached, read.parent)
    ended = info.end_time or max(
        [info.start_time, *(run.info.end_time or 0 for run in read.results.values())]
    )
    return Run(
        str(info.run_id),
        str(tags.get(PIPELINE_TAG, "")),
        str(info.status),
        int(info.start_time),
        (ended - info.start_time) / 1000,
        str(tags.get("mlflow.user", "")),
        read.outcome.description if read.outcome else "",
        _remake(reached, read),
        tuple(_steps(reached, read)),
        dict(read.parent.data.params),
        tuple(filter(None, tags.get("waypost.warnings", "").splitlines())),
        _packages(read),
        named(base, chosen=bool(against)) if base else "",
        compared(facts_of(read_run(reached, base.info.run_id)), facts_of(read)) if base else None,
        str(info.experiment_id),
    )


def _packages(read: ReadRun) -> dict[str, str]:
    found = dict(read.outcome.packages) if read.outcome else {}
    version = read.parent.data.tags.get("waypost.version", "")
    return found or ({"waypost": version} if version else {})


def _remake(reached: MlflowClient, read: ReadRun) -> Remake:
    tags = read.parent.data.tags
    kept = _provenance(text_of(reached, read.parent, f"{provenance.FOLDER}/{provenance.FILE}"))
    place = kept.place if kept else None
    repository = str(tags.get("waypost.release.url", "") or (place.url if place else ""))
    return Remake(
        str(read.parent.info.run_id),
        provenance.command(kept) if kept else str(tags.get(COMMAND_TAG, "")),
        tuple(filter(None, tags.get(OVERRIDES_TAG, "").splitlines())),
        str(tags.get(DIRTY_TAG, "")),
        kept.diff if kept else "none",
        str(tags.get("waypost.commit", "")),
        "" if provenance.is_folder(repository) else redacted(repository),
        str(tags.get(RELEASE_TAG, "")),
        tags.get("waypost.dev") == "true",
        tuple(sorted(kept.outside)) if kept else (),
    )


def _provenance(text: str) -> Provenance | None:
    try:
        return parse_provenance(text) if text else None
    except FindingsError:  # written by a newer engine
        return None


def _steps(reached: MlflowClient, read: ReadRun) -> Iterator[Step]:
    """Yields the steps in the pipeline's order if the run records it, else by start time."""
    runs = {**read.results, **read.others}
    names = [each.name for each in read.outcome.steps] if read.outcome else []
    known = set(names)
    names += sorted((n for n in runs if n not in known), key=lambda name: runs[name].info.start_time)
    makers = {str(run.info.run_id): name for name, run in runs.items()}
    room = _ALL_PICTURES
    for at, name in enumerate(names):
        outcome = read.outcome_of(name)
        if name not in runs:
            yield _without_run(name, outcome, str(read.parent.data.tags.get(f"waypost.component.{name}", "")))
            continue
        step = _step(name, runs[name], makers, outcome, read)
        if at >= _MOST_LOOKED_AT and step.state != "failed":
            yield step
            continue
        step = _with_files(reached, step, runs[name])
        if not step.figures.figures:
            step = _with_pictures(reached, step, runs[name], room)
            room -= sum(len(picture.content) for picture in step.pictures)
        yield step


def _without_run(name: str, outcome: StepOutcome, component: str) -> Step:
    return Step(
        name,
        component or outcome.uses,
        outcome.state,
        cause=outcome.cause,
        needs=outcome.needs,
        cpus=outcome.cpus,
    )


def _step(
    name: str,
    run: MlflowRun,
    makers: dict[str, str],
    outcome: StepOutcome,
    read: ReadRun,
) -> Step:
    """Returns a step as the report shows it."""
    found, tags, info = step_run(name, run), run.data.tags, run.info
    is_own = str(tags.get(PARENT_TAG, "")) == read.parent.info.run_id
    state = outcome.state or _state(str(info.status), is_own=is_own)
    asked = str(read.parent.data.tags.get(f"waypost.component.{name}", ""))
    because = str(tags.get("waypost.because", "")) if is_own else "a finished step has the same key"
    taken = {parameter: makers[made] for parameter, (made, _) in found.inputs.items() if made in makers}
    return Step(
        name,
        asked or found.component,
        state,
        str(info.run_id),
        outcome.because or because,
        outcome.cause,
        outcome.user,
        outcome.needs or tuple(dict.fromkeys(taken.values())),
        int(info.start_time) if is_own else None,
        _seconds(run) if is_own else None,
        found.metrics.get(CPU_SECONDS),
        1e6 * found.metrics[PEAK_MEMORY] if PEAK_MEMORY in found.metrics else None,
        outcome.cpus,
        outcome.memory_mb,
        outcome.gpus,
        {n: value for n, value in found.metrics.items() if not n.startswith(SYSTEM)},
        metrics_in(tags),
        {n: text for n, text in found.parameters.items() if n not in found.inputs},
        tuple(
            Input(n, redacted(found.parameters.get(n, "")), digest)
            for n, digest in found.input_digests.items()
            if n not in taken
        ),
        found.digests,
        trees_in(tags),
        outcome.environment,
        outcome.platform,
        tuple(filter(None, tags.get(WARNINGS_TAG, "").splitlines())),
    )


def _with_files(reached: MlflowClient, step: Step, run: MlflowRun) -> Step:
    """Returns a step with its figures and, if it failed, the end of its log."""
    figures, problem = _figures(reached, run)
    tail = _log_tail(reached, step.name, run) if step.state == "failed" else ""
    return replace(step, figures=figures, figures_problem=problem, log_tail=tail)


def _seconds(run: MlflowRun) -> float | None:
    """Returns how long a step took: as measured, else as long as its run was open."""
    measured = run.data.metrics.get(SECONDS)
    if measured is not None:
        return float(measured)
    return (run.info.end_time - run.info.start_time) / 1000 if run.info.end_time else None


def _state(status: str, *, is_own: bool) -> str:
    if status == "FINISHED":
        return "done" if is_own else "reused"
    return {"FAILED": "failed", "KILLED": "killed"}.get(status, "running")


def _figures(reached: MlflowClient, run: MlflowRun) -> tuple[Figures, str]:
    """Returns the figures that a step logged, and the problems with them."""
    found, problems = Figures(), []
    for output in outputs_declared(run.data.tags).values():
        if output.type != TYPE:
            continue
        try:
            path = bounded_output_in(reached, run, output.path, MOST_BYTES)
            if path is None:
                continue
            own = parse_figures(path.read_text(encoding="utf-8", errors="replace"), output.path)
        except TooLargeError as error:
            problems.append(str(error))
            continue
        except FindingsError as error:
            problems.append("; ".join(map(str, error.findings[:3])))
            continue
        found = Figures(tables=found.tables + own.tables, figures=found.figures + own.figures)
    return found, "; ".join(problems)


def _log_tail(reached: MlflowClient, name: str, run: MlflowRun) -> str:
    lines = text_of(reached, run, f"logs/{name}.log").splitlines()
    return redacted("\n".join(lines[-_LOG_LINES:])[-_LOG_CHARACTERS:])


def _with_pictures(reached: MlflowClient, step: Step, run: MlflowRun, room: int) -> Step:
    """Returns a step with the images that it logged, at the top of its artifacts or one folder below."""
    listed = list(_pictures(reached, str(run.info.run_id)))
    taken: list[Picture] = []
    for name, stated in listed[:_MOST_PICTURES]:
        # Too large ones are not even downloaded.
        path = output_in(reached, run, name) if stated <= _LARGEST_PICTURE else None
        size = path.stat().st_size if path and path.is_file() else 0
        if path and 0 < size <= min(_LARGEST_PICTURE, room - sum(len(each.content) for each in taken)):
            kind, content = _KINDS[Path(name).suffix.lower()], path.read_bytes()
            taken += [Picture(name, kind, content)] if _is_image(content, kind) else []
    return replace(step, pictures=tuple(taken), pictures_left_out=len(listed) - len(taken))


def _is_image(content: bytes, kind: str) -> bool:
    """Returns whether a file begins as files of its kind do."""
    return b"<svg" in content if kind == "svg+xml" else content.startswith(_BEGINNINGS[kind])


def _pictures(reached: MlflowClient, run_id: str) -> Iterator[tuple[str, int]]:
    """Yields (path, size in bytes) of the images of a run; one of unknown size is too large."""
    for top in reached.list_artifacts(run_id):
        inside = reached.list_artifacts(run_id, top.path) if top.is_dir and top.path != "logs" else [top]
        for file in inside:
            if not file.is_dir and Path(file.path).suffix.lower() in _KINDS:
                yield str(file.path), _LARGEST_PICTURE + 1 if file.file_size is None else file.file_size
