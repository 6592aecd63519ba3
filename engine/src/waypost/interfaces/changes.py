"""Changes of a value's type or limits, judged for its writers and for its readers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from waypost.texts.parsing import Strict

Item = TypeVar("Item")
Kind = Literal["breaking", "added", "changed"]

ANY = "any"
# Pairs of types of which the second accepts all values of the first: in contracts (int, float), in JSON
# Schema (integer, number) and on a command line (text), where everything arrives as a text.
_WIDER = {
    *(("int", "float"), ("bool", "string"), ("int", "string"), ("float", "string"), ("uri", "string")),
    *(("integer", "number"), ("integer", "text"), ("number", "text"), ("boolean", "text")),
    *(("path", "text"), ("text", "path")),
}


@dataclass(frozen=True)
class Change:
    """One difference: `kind` breaking demands a major version, added and changed a minor one."""

    kind: Kind
    text: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.text}"


class Facts(Strict):
    """What a value may be.

    `type` may name several, joined by ` | `; `limits` are bounds by JSON Schema's names, such as `minimum`;
    `must` holds all other conditions, each as a text.
    """

    type: str = ANY
    required: bool = False
    default: Any = None
    choices: tuple[Any, ...] = ()
    limits: dict[str, float] = {}
    must: tuple[str, ...] = ()


def compared(
    noun: str,
    old: Mapping[str, Item],
    new: Mapping[str, Item],
    changes: Callable[[str, Item, Item], Iterator[Change]],
    *,
    is_required: Callable[[Item], bool] = lambda _: False,
) -> Iterator[Change]:
    """Yields the differences between two groups of named items; `changes` those of an item in both."""
    for name in old:
        if name not in new:
            yield Change("breaking", f"{noun} {name!r} was removed")
        else:
            yield from changes(name, old[name], new[name])
    for name, item in new.items():
        if name in old:
            continue
        if is_required(item):
            yield Change("breaking", f"required {noun} {name!r} was added")
        else:
            yield Change("added", f"{noun} {name!r}")


def changes_for_givers(what: str, old: Facts, new: Facts) -> Iterator[Change]:
    """Yields what changed for those who give a value: an option, a parameter, a key of a file that is read.

    What takes less than before breaks them; what takes more does not.
    """
    if old.type != new.type:
        yield Change("changed" if _takes_all(old.type, new.type) else "breaking", _types(what, old, new))
    if old.required != new.required:
        if new.required:
            yield Change("breaking", f"{what} it is required now")
        else:
            yield Change("changed", f"{what} it is optional now, default {new.default!r}")
    elif old.default != new.default:
        yield Change("changed", f"{what} default {old.default!r} became {new.default!r}")
    yield from _choice_changes(what, old, new)
    for name in sorted({*old.limits, *new.limits}):
        yield from _limit_changes(f"{what} {name}", old.limits.get(name), new.limits.get(name), name)
    for condition in new.must:
        if condition not in old.must:
            yield Change("breaking", f"{what} it must {condition} now")
    for condition in old.must:
        if condition not in new.must:
            yield Change("changed", f"{what} it need not {condition} any more")


def changes_for_readers(what: str, old: Facts, new: Facts) -> Iterator[Change]:
    """Yields what changed for those who read a value that is written: a key of a JSON document.

    It breaks them where it may be missing, or be of a type that they never had to expect.
    """
    if old.type != new.type:
        yield Change("changed" if _takes_all(new.type, old.type) else "breaking", _types(what, old, new))
    if old.required and not new.required:
        yield Change("breaking", f"{what} it may be missing now")
    elif new.required and not old.required:
        yield Change("changed", f"{what} it is always there now")
    if old.choices and new.choices:
        for gone in _missing(old.choices, new.choices):
            yield Change("changed", f"{what} it is never {gone!r} any more")
        for more in _missing(new.choices, old.choices):
            yield Change("changed", f"{what} it may be {more!r} now")
    elif old.choices or new.choices:
        yield Change("changed", f"{what} {_choices(new)}")


def _takes_all(old: str, new: str) -> bool:
    """Tells whether every value of an old type is one of a new type."""
    after = new.split(" | ")
    return new == ANY or all(
        one in after or any((one, other) in _WIDER for other in after) for one in old.split(" | ")
    )


def _types(what: str, old: Facts, new: Facts) -> str:
    return f"{what} type {old.type} became {new.type}"


def _choices(facts: Facts) -> str:
    if not facts.choices:
        return "any value from now on"
    return f"only {', '.join(map(str, facts.choices))} from now on"


def _missing(choices: tuple[Any, ...], others: tuple[Any, ...]) -> list[Any]:
    return [choice for choice in choices if choice not in others]


def _choice_changes(what: str, old: Facts, new: Facts) -> Iterator[Change]:
    if bool(old.choices) != bool(new.choices):
        yield Change("breaking" if new.choices else "changed", f"{what} {_choices(new)}")
        return
    for gone in _missing(old.choices, new.choices):
        yield Change("breaking", f"{what} choice {gone!r} was removed")
    for more in _missing(new.choices, old.choices):
        yield Change("added", f"{what} choice {more!r}")


def _limit_changes(what: str, old: float | None, new: float | None, name: str) -> Iterator[Change]:
    if old == new:
        return
    is_upper = "max" in name.lower()
    narrowed = new is not None and (old is None or (new < old if is_upper else new > old))
    texts = ["none" if limit is None else f"{limit:g}" for limit in (old, new)]
    yield Change("breaking" if narrowed else "changed", f"{what} {texts[0]} became {texts[1]}")
