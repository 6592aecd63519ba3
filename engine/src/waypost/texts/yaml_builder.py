"""Building values from YAML events, within limits."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NoReturn

import yaml
from yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    CollectionStartEvent,
    DocumentStartEvent,
    Event,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
)

from waypost.texts.limits import HALF_A_CHARACTER, Limits, is_unicode, shortened
from waypost.texts.scalars import NUMBERS, STRING, TAG, Schema, scalar, value_of, written

_MERGE = "<<"


def too_long(text: str, limits: Limits) -> str:
    """Returns the problem with a number that is too long."""
    return f"a number of {len(text):,} characters, more than {limits.number:,}"


@dataclass
class _Size:
    """The size of what was built so far, or of an alias's target; `height` in levels."""

    values: int = 0
    characters: int = 0
    height: int = 0


@dataclass
class _Frame:
    """A list or mapping that is not closed yet; `before` is how much there was when it began."""

    content: Any
    start: CollectionStartEvent
    before: _Size
    key: Any = None
    has_key: bool = False
    merged: list[Any] = field(default_factory=list)
    height: int = 1


class Builder:
    """Makes the value of a YAML document from the parser's events."""

    def __init__(self, limits: Limits, schema: Schema, *, as_written: bool) -> None:
        self.value: Any = None
        self.limits = limits
        self._schema = schema
        self._as_written = as_written
        self._total = _Size()
        self._open: list[_Frame] = []
        self._anchors: dict[str, tuple[Any, _Size] | None] = {}
        self._documents = 0

    def take(self, event: Event) -> None:
        """Takes the next event. Raises YAMLError."""
        if isinstance(event, ScalarEvent):
            self._grow(event, 1, len(event.value))
            before = _Size(self._total.values - 1, self._total.characters - len(event.value))
            self._end(event, self._scalar(event), before, 0)
        elif isinstance(event, CollectionStartEvent):
            self._begin(event)
        elif isinstance(event, CollectionEndEvent):
            frame = self._open.pop()
            self._end(frame.start, self._whole(frame), frame.before, frame.height)
        elif isinstance(event, AliasEvent):
            self._repeat(event)
        elif isinstance(event, DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                _refuse(event, "a second document begins here")

    def _begin(self, event: CollectionStartEvent) -> None:
        self._grow(event, 1, 0)
        if len(self._open) >= self.limits.depth:
            _refuse(event, self.limits.too_deep)
        if event.tag not in (None, "!", f"{TAG}map", f"{TAG}seq"):
            _refuse(event, f"the tag {shortened(event.tag)} is not taken")
        if event.anchor:
            self._anchors[event.anchor] = None
        before = _Size(self._total.values - 1, self._total.characters)
        self._open.append(_Frame({} if isinstance(event, MappingStartEvent) else [], event, before))

    def _whole(self, frame: _Frame) -> Any:
        """Returns a mapping with what it merges (`<<`) below its own keys."""
        if not frame.merged:
            return frame.content
        content: dict[Any, Any] = {}
        for other in frame.merged:
            content.update(other)
        return {**content, **frame.content}

    def _repeat(self, event: AliasEvent) -> None:
        if event.anchor not in self._anchors:
            _refuse(event, f"nothing is called &{shortened(event.anchor)}")
        known = self._anchors[event.anchor]
        if known is None:
            _refuse(event, f"&{shortened(event.anchor)} contains itself")
        value, size = known
        if len(self._open) + size.height > self.limits.depth:
            _refuse(event, self.limits.too_deep)
        self._grow(event, size.values, size.characters)
        self._put(event, value, size.height)

    def _end(self, event: NodeEvent, value: Any, before: _Size, height: int) -> None:
        if event.anchor:
            size = _Size(
                self._total.values - before.values, self._total.characters - before.characters, height
            )
            self._anchors[event.anchor] = (value, size)
        self._put(event, value, height)

    def _put(self, event: NodeEvent, value: Any, height: int) -> None:
        """Adds a complete value to the open list or mapping."""
        if not self._open:
            self.value = value
            return
        frame = self._open[-1]
        frame.height = max(frame.height, height + 1)
        if isinstance(frame.content, list):
            frame.content.append(value)
        elif frame.has_key:
            frame.has_key = False
            if frame.key is _MERGE_KEY:
                self._merge(event, frame, value)
            else:
                frame.content[frame.key] = value
        else:
            self._begin_entry(event, frame, value)

    def _begin_entry(self, event: NodeEvent, frame: _Frame, key: Any) -> None:
        key = value_of(key)
        if isinstance(key, (dict, list)):
            _refuse(event, f"a {'mapping' if isinstance(key, dict) else 'list'} cannot be a key")
        if isinstance(key, str) and len(key) > self.limits.key:
            _refuse(event, f"a key of {len(key):,} characters, more than {self.limits.key:,}")
        is_merge = isinstance(event, ScalarEvent) and event.implicit[0] and event.value == _MERGE
        if frame.merged if is_merge else key in frame.content:
            _refuse(event, f"key {shortened(key)!r} appears twice")
        frame.key, frame.has_key = (_MERGE_KEY if is_merge else key), True

    def _merge(self, event: NodeEvent, frame: _Frame, value: Any) -> None:
        # Of several, the first has the last word: https://yaml.org/type/merge.html
        frame.merged = list(reversed(value)) if isinstance(value, list) else [value]
        if not all(isinstance(other, dict) for other in frame.merged):
            _refuse(event, "<< takes a mapping, or a list of mappings")

    def _grow(self, event: NodeEvent, values: int, characters: int) -> None:
        self._total.values += values
        self._total.characters += characters
        if self._total.values > self.limits.values:
            _refuse(event, f"more than {self.limits.values:,} values, those behind aliases counted")
        if self._total.characters > self.limits.characters:
            _refuse(event, f"more than {self.limits.characters:,} characters, those behind aliases counted")

    def _scalar(self, event: ScalarEvent) -> Any:
        """Returns what a scalar means, with its text where that is asked for."""
        tag, text = event.tag, event.value
        is_plain = tag in (None, "!") and event.implicit[0]
        if tag in (None, "!"):
            tag = self._schema(text) if is_plain else STRING
        if tag in NUMBERS and len(text) > self.limits.number:
            _refuse(event, too_long(text, self.limits))
        try:
            value = scalar(self._schema, tag, text)
        except (ValueError, KeyError, IndexError, OverflowError, AttributeError) as error:
            is_known = tag.startswith(TAG) and not (isinstance(error, KeyError) and error.args == (tag,))
            problem = f"{shortened(text)!r} is no {tag.removeprefix(TAG)}"
            _refuse(event, problem if is_known else f"the tag {shortened(tag)} is not taken", error)
        if isinstance(value, str) and not is_unicode(value):
            _refuse(event, HALF_A_CHARACTER)
        return written(value, text) if is_plain and self._as_written else value


_MERGE_KEY = object()


def _refuse(event: Event, problem: str, cause: BaseException | None = None) -> NoReturn:
    mark: Any = event.start_mark
    raise yaml.constructor.ConstructorError(None, None, problem, mark) from cause
