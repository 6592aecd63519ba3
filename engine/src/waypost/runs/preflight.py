"""What is known before anything runs: which steps are current, and whether the whole pipeline is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from waypost.contracts.keys import FinishedStep
from waypost.contracts.plan import PlannedStep
from waypost.contracts.python_env import PythonEnv
from waypost.errors import Finding, FindingsError, redacted
from waypost.runs import environments
from waypost.runs.cache_lookup import (
    CacheLookup,
    Decision,
    Reuse,
    Whole,
    colleague,
    is_recorded,
    is_whole_here,
    unchanged,
)
from waypost.runs.events import RunResult, StepResult
from waypost.runs.index import Index
from waypost.runs.inputs import Inputs
from waypost.runs.outputs import models_in
from waypost.runs.prepare import Prepared
from waypost.runs.processes import can_fork
from waypost.runs.uncommitted import uncommitted
from waypost.sources.files import read_python_env
from waypost.sources.memo import Memo
from waypost.system.places import home
from waypost.texts.canonical_yaml import flat
from waypost.texts.digests import digest_of
from waypost.tracking.local import project_run, tracking_uri

T = TypeVar("T")


@dataclass(frozen=True)
class Options:
    """How to run: `steps` to execute (None: all that need it), what to reuse (`cache`, `force`, `resume`),
    `env` (uv or local), `jobs` at once (0: one per core), `fork` steps from workers, `debug`, `offline`,
    `wandb` to mirror the run to W&B; of a bundle the folder of its `wheels`, and its `data`, files by their
    URL. `on` is the address of the cluster that executes steps, empty for this machine; `upload` gives its
    workers the input files of this machine.
    """

    steps: frozenset[str] | None = None
    resume: bool = False
    cache: bool = True
    force: frozenset[str] = frozenset()
    env: str = "uv"
    jobs: int = 0
    fork: bool = field(default_factory=can_fork)
    debug: bool = False
    offline: bool = False
    wandb: bool = False
    on: str = ""
    upload: bool = False
    wheels: Path | None = None
    data: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class Preflight:
    """The decision for each step with known inputs, by name.

    `missing` are the steps that have to run, and steps with inputs that are not known yet; `current` is the
    earlier run that has everything, if any. `outputs` are the local files of finished steps; `asked_servers`
    says whether the content behind URLs counted.
    """

    decisions: Mapping[str, Decision]
    missing: tuple[PlannedStep, ...]
    current: RunResult | None
    outputs: tuple[Path, ...] = ()
    asked_servers: bool = False


def rule_of(options: Options, memo: Memo) -> Whole:
    """Returns how to check that a finished step is complete, given where steps execute."""
    return is_recorded if options.on else is_whole_here(memo)


def preflight(
    prepared: Prepared, options: Options, env_digests: Mapping[str, str] | None = None
) -> Preflight:
    """Returns the decisions from this machine's index; asks no tracking server, imports nothing heavy.

    Args: `env_digests` are the digests of the steps' environments, if known already.
    """
    finished: dict[str, FinishedStep] = {}
    memo, index = Memo(home()), Index(home(), tracking_uri())
    inputs = Inputs(prepared, memo, finished, options.data, options.offline)
    reuse = Reuse(options.cache, options.force, options.steps)
    envs = digests(prepared, options.env) if env_digests is None else env_digests
    lookup = CacheLookup(prepared, envs, index, rule_of(options, memo), inputs, reuse)
    decisions, missing = {}, []
    for step in prepared.plan.steps:
        if all(need in finished for need in step.needs):
            decision = lookup.look_up(step, lambda _: None, lambda _: True)
            decisions[step.name] = decision
            if decision.earlier:
                finished[step.name] = decision.earlier
                continue
        missing.append(step)
    current = None
    if not missing and not options.resume and options.steps is None and not project_run():
        keys = {name: decision.key for name, decision in decisions.items()}
        earlier, dirty = _recorded(prepared, keys, options, index)
        if earlier:
            current = replace(_earlier_run(prepared, earlier, finished), dirty=dirty)
    outputs = tuple(Path(path) for step in finished.values() for path in step.paths.values())
    return Preflight(decisions, tuple(missing), current, outputs, inputs.asked_servers)


def _recorded(
    prepared: Prepared, keys: Mapping[str, str], options: Options, index: Index
) -> tuple[str, tuple[str, ...]]:
    """Returns the earlier run that has everything, empty if there is none, and its uncommitted files: once
    these are committed, the run no longer says where its result comes from.
    """
    if earlier := index.run(run_key(prepared, keys, options)):
        return earlier, ()
    if earlier := index.run(run_key(prepared, keys, options, is_dirty=True)):
        dirty = uncommitted(prepared)
        return earlier if dirty else "", dirty
    return "", ()


def _earlier_run(prepared: Prepared, run_id: str, finished: Mapping[str, FinishedStep]) -> RunResult:
    steps = tuple(
        StepResult(
            step.name,
            step.uses,
            "reused",
            finished[step.name].run_id,
            because=unchanged(finished[step.name]),
            user=colleague(finished[step.name]),
            metrics=declared_metrics(step, finished[step.name]),
            models=models_of(step, finished[step.name]),
        )
        for step in prepared.plan.steps
    )
    name, uri, warnings = prepared.pipeline.name, redacted(tracking_uri()), prepared.warnings
    return RunResult(name, run_id, "FINISHED", 0.0, uri, steps, warnings, current=True)


def run_key(prepared: Prepared, keys: Mapping[str, str], options: Options, *, is_dirty: bool = False) -> str:
    """Returns the digest of what a pipeline run records: its steps' keys, its parameters, its versions, and
    whether what it read was committed.
    """
    versions = {**prepared.release, "lock": prepared.lock, "dev": prepared.dev}
    if options.wandb:
        versions["wandb"] = True
    if is_dirty:
        versions["dirty"] = True
    return digest_of([prepared.pipeline.name, dict(keys), flat(prepared.parameters), versions])


def declared_metrics(step: PlannedStep, finished: FinishedStep) -> dict[str, float]:
    """Returns the metrics of a finished step that its contract declares."""
    found = finished.metrics
    return {name: found[name] for name in step.entry_point.metrics if name in found}


def models_of(step: PlannedStep, finished: FinishedStep) -> tuple[str, ...]:
    """Returns the artifacts of a finished step that are MLflow models."""
    return models_in(step.entry_point, finished.paths)


def digests(prepared: Prepared, env: str) -> dict[str, str]:
    """Returns the digest of each step's environment."""
    return by_step(prepared, env, environments.digest_of)


def by_step(prepared: Prepared, env: str, find: Callable[[Path, PythonEnv | None], T]) -> dict[str, T]:
    """Returns the result of `find` for each step's environment, called once per component with its folder and
    the environment to build, None if the engine's own is enough. Raises FindingsError with all environments
    that cannot be built.
    """
    wanted: dict[Path, PythonEnv | None] = {}
    problems: list[Finding] = []
    for code in prepared.checkouts.values():
        try:
            python_env = None if env == "local" else read_python_env(code.folder, code.component)
            wanted[code.folder] = environments.to_build(python_env)
        except FindingsError as error:
            problems += error.findings
    if problems:
        raise FindingsError(problems)
    found = {folder: find(folder, python_env) for folder, python_env in wanted.items()}
    return {step.name: found[prepared.checkout(step).folder] for step in prepared.plan.steps}
