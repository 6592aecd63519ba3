"""A served model: the one in a state file, replaced when the file names another."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from waypost.inference.compiled import Compiled
from waypost.inference.example import example_rows
from waypost.inference.fetching import FetchedModel, read_state
from waypost.inference.loading import differing
from waypost.inference.model_cache import ready, ready_in_its_environment
from waypost.serving.answering import MAIN, Served
from waypost.serving.feedback import FEEDBACK, described
from waypost.serving.fields import fields_of
from waypost.serving.openapi import example_of, openapi
from waypost.serving.prediction_log import check_columns
from waypost.texts.escaping import one_line


class Hosted:
    """The model in the file `state`, which `inference/fetching.py` writes. `notify` receives its messages."""

    def __init__(
        self,
        state: Path,
        notify: Callable[[str], None],
        *,
        role: str,
        needs_token: bool,
        is_logged: bool,
        seconds: float,
    ) -> None:
        self._state = state
        self.role = role
        self._is_logged = is_logged
        self._notify = notify
        self._needs_token = needs_token
        self._seconds = seconds
        self._served: Served | None = None
        self._fingerprint: tuple[int, int] = (0, 0)
        self._told = ""

    @property
    def now(self) -> Served:
        """The current model. A request keeps the one that it began with."""
        if self._served is None:
            raise RuntimeError("used before a model was loaded")
        return self._served

    def has_changed(self) -> bool:
        """Returns whether the file has changed since it was read."""
        return self._current_fingerprint() != self._fingerprint

    def _current_fingerprint(self) -> tuple[int, int]:
        found = self._state.stat()
        return found.st_mtime_ns, found.st_ino

    def load(self) -> bool:
        """Loads the model in the file, unless it is served already; new requests use it at once. Returns
        whether the model has changed. Raises WaypostError if there is none to load.
        """
        self._fingerprint = self._current_fingerprint()
        state = read_state(self._state)
        self.note_trouble(state.failed.message if state.failed else "")
        fetched = state.result()
        if self._served and self._served.fetched == fetched:
            return False
        served = self._prepared(fetched)
        is_first = self._served is None
        self._served = served
        if not is_first:
            self._notify(f"now serving {fetched.label}{'' if self.role == MAIN else f' as {self.role}'}")
        return True

    def note_trouble(self, trouble: str) -> None:
        """Reports a problem, once."""
        if trouble and trouble != self._told:
            self._notify(f"the current model stays in use: {trouble}")
        self._told = trouble

    def _prepared(self, fetched: FetchedModel) -> Served:
        """Returns a fetched model, loaded and warm, with everything that is the same for all requests."""
        if fetched.environment:
            model = ready_in_its_environment(fetched.folder, seconds=self._seconds)
        else:
            model = ready(fetched.folder, is_trusted=fetched.is_trusted)
            if words := differing(fetched.folder, model.mlmodel):
                self._notify(f"{fetched.label}: {words}")
        if self._is_logged:
            check_columns(model.answers.layout)
        model.answers.warm()
        classes = None if model.answers.classes is None else model.answers.classes.tolist()
        rows = example_rows(fetched.folder, model.mlmodel.inputs)
        example = example_of(model.mlmodel, rows)
        facts = {
            "model": fetched.label,
            "name": fetched.name,
            "version": fetched.version,
            "release": fetched.release,
            "run": fetched.run_id,
            "digest": fetched.digest,
            "compiled": "yes" if model.proof.is_equal else f"no: {model.proof.reason}",
        }
        label = one_line(fetched.label).encode("ascii", "replace")
        document = openapi(model.mlmodel, fetched.label, example, needs_token=self._needs_token)
        if self._is_logged:
            document["paths"][FEEDBACK] = {"post": described()}
        headers = [(b"x-model", label)]
        if self.role != MAIN:
            headers.append((b"x-model-role", self.role.encode()))
        known = model.answers.content.plan.categories if isinstance(model.answers, Compiled) else {}
        fields = fields_of(model.mlmodel, [example, *rows[1:]], known)
        return Served(fetched, model, classes, headers, document, facts, self.role, fields)
