"""One pipeline run on the tracking server: opened, reported, closed."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import replace
from time import monotonic

from waypost import __version__
from waypost.contracts.keys import FinishedStep
from waypost.contracts.schedule_messages import Node
from waypost.errors import UsageError, redacted
from waypost.runs import drafts
from waypost.runs.cache_lookup import CacheLookup, Reuse
from waypost.runs.events import Reporter, RunResult
from waypost.runs.execution import Execution, Tools
from waypost.runs.inputs import Inputs
from waypost.runs.outcomes import keep_outcome, outcome_of
from waypost.runs.preflight import Options, digests, rule_of, run_key
from waypost.runs.prepare import Prepared
from waypost.runs.provenance import origin_of
from waypost.runs.wandb_events import Mirrored
from waypost.texts.canonical_yaml import flat
from waypost.tracking.local import is_local
from waypost.tracking.tracker import Tracker


class PipelineRun:
    """One pipeline run, opened on the tracking server; `result` exists once it is closed.

    The constructor only opens it: whoever has it closes it, whatever happens. In a sweep it has its own
    `name`, and the sweep's run as `parent`; `env_digests` are those of the steps' environments, if known
    already.
    """

    result: RunResult

    def __init__(
        self,
        prepared: Prepared,
        options: Options,
        tools: Tools,
        reporter: Reporter,
        *,
        parent: str = "",
        name: str = "",
        env_digests: Mapping[str, str] | None = None,
    ) -> None:
        """Opens the pipeline's run on the tracking server; `parent` is the sweep that it belongs to."""
        self._prepared = prepared
        self._options = options
        self._tools = tools
        self._reporter = reporter
        self._opened = monotonic()
        self._is_one_of_many = bool(parent)
        self._warnings = list(prepared.warnings)
        inputs = Inputs(prepared, tools.memo, {}, options.data, options.offline)
        reuse = Reuse(
            options.cache,
            options.force,
            options.steps,
            _earlier_steps(tools.tracker, options, prepared.pipeline.name),
        )
        envs = digests(prepared, options.env) if env_digests is None else env_digests
        lookup = CacheLookup(prepared, envs, tools.index, rule_of(options, tools.memo), inputs, reuse)
        self._origin = origin_of(prepared, options)
        tags = {"waypost.version": __version__, **self._origin.tags}
        self.run_id = tools.tracker.open_pipeline(tags, parent=parent, name=name)
        mirrored = Mirrored(tools.mirror, prepared, self.run_id, tags, tools.tracker.uri)
        self.execution = Execution(prepared, lookup, tools, reporter, self.run_id, mirrored)

    @property
    def nodes(self) -> list[Node]:
        """The graph of the steps to execute, and of those with results that they need."""
        plan, selected = self._prepared.plan, self._options.steps
        needed = plan.needed_for([step.name for step in plan.steps] if selected is None else selected)
        return [
            Node(step.name, step.needs, selected is None or step.name in selected)
            for step in plan.steps
            if step.name in needed
        ]

    @property
    def _has_report(self) -> bool:
        """Whether the run gets a report: the points of a sweep share one."""
        return self._prepared.pipeline.report and not self._is_one_of_many

    def use_spare_time(self) -> None:
        """Imports what the report needs while steps run, so that the end of the run does not wait for it."""
        if self._has_report:
            with contextlib.suppress(Exception):  # it is a warning at the end, as every failing report
                import waypost.runs.page  # noqa: F401

    def begin(self) -> None:
        """Reports that the run is open, and records its parameters."""
        tracker = self._tools.tracker
        self.execution.mirrored.opened()
        self._reporter.starting(self._prepared.plan, self.run_id)
        tracker.log_parameters(self.run_id, flat(self._prepared.parameters))
        tracker.log_contents(self.run_id, self._origin.artifacts)

    def warn(self, text: str) -> None:
        """Shows a warning, and records it with the run."""
        self._warnings.append(text)
        self._reporter.warn(text)

    def say(self, text: str) -> None:
        self._reporter.say(text)

    def close(self, status: str) -> None:
        """Sets the run's terminal status; a finished run is added to the index."""
        execution = self.execution
        self.result = RunResult(
            self._prepared.pipeline.name,
            self.run_id,
            status,
            monotonic() - (execution.began or self._opened),
            redacted(self._tools.tracker.uri),
            tuple(execution.results),
            tuple(self._warnings),
            experiment_id=self._tools.tracker.experiment_id,
            differing=self._origin.differing,
            dirty=self._origin.dirty,
        )
        metrics = {f"{s.name}/{name}": value for s in execution.results for name, value in s.metrics.items()}
        execution.mirrored.ended(status, metrics)
        try:
            self._record_end(status)
        finally:
            self._reporter.ended(self.result)

    def _record_end(self, status: str) -> None:
        tracker, keys = self._tools.tracker, self.execution.keys
        if self._warnings:
            tracker.tag(self.run_id, {"waypost.warnings": "\n".join(self._warnings)})
        if status != "FINISHED" or not is_local(tracker.uri):
            # Only the server knows a step that was just about to be opened or recorded, or one opened
            # twice because the first response was lost.
            tracker.close_steps(self.run_id)
        tracker.close(self.run_id, status)
        if status != "KILLED":
            self.result = replace(self.result, report=self._tell_people(status))
        if status == "FINISHED" and len(keys) == len(self._prepared.plan.steps):
            key = run_key(self._prepared, keys, self._options, is_dirty=bool(self._origin.dirty))
            self._tools.index.add_run(key, self.run_id)
            drafts.note(self._prepared, self._options, self.run_id, tracker.uri)

    def _tell_people(self, status: str) -> str:
        """Records the outcome and the report of the run; returns where the report is. A problem is only a
        warning: the run has its status already.
        """
        tracker, execution = self._tools.tracker, self.execution
        try:
            outcome = outcome_of(self._prepared, execution.results, execution.inputs, status)
            keep_outcome(tracker, self.run_id, outcome)
            if self._has_report:
                from waypost.runs.page import keep_page

                kept = keep_page(tracker, self.run_id)
                for text in kept.lacking:
                    self._reporter.warn(f"MLflow's page of the run lacks its {text}")
                return kept.place
        except Exception as error:  # a failing report is no reason for a run to fail
            text = " ".join(str(error).split()) or type(error).__name__
            hint = f"; write it later: waypost report {self.run_id}"
            self._reporter.warn(redacted(f"no report was written for the run: {text}{hint}"))
        return ""


def _earlier_steps(tracker: Tracker, options: Options, name: str) -> Mapping[str, FinishedStep]:
    """Returns the finished steps of the run to resume, by key."""
    if not options.resume:
        return {}
    earlier = tracker.steps_to_resume()
    if earlier is None:
        message = f"no failed or interrupted run of {name} to resume"
        raise UsageError(message, hint="run it without --resume")
    return earlier
