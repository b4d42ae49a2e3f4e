"""What an entry says of a text that was changed: found among its details or in its payload, and drawn as a difference.

Pure.
"""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from typing import Any, Final

from audit.exports.text import without_controls
from dashboard.lib.text import storable
from dashboard.lib.unified_diff import DiffLine

#: The type of a payload that holds an edit: JSON with the whole texts `before` and `after`.
EDIT_TYPE: Final = "application/vnd.scrollback.edit+json"
# How details name what was before an edit and after it.
_PAIRS: Final = (("before", "after"), ("from", "to"), ("old", "new"))
# `{"changed": {"port": {"before": …, "after": …}}}`; deeper down nothing is looked for.
_MOST_DEEP: Final = 2
_SHORT_CHARS: Final = 80
_CONTEXT_LINES: Final = 3
# What is compared in a second at worst.
_MOST_PAIRS: Final = 200_000
_MOST_STEPS: Final = 4_000_000
#: Of one edit so many characters are drawn.
DRAWN_CHARS: Final = 200_000


@dataclass(frozen=True, slots=True)
class Edit:
    """`name` is the detail that holds it, "" where the entry itself is one."""

    name: str
    lines: Sequence[DiffLine]


def edits_of(details: dict[str, Any]) -> tuple[list[Edit], dict[str, Any]]:
    """What can be drawn, and the details that it leaves. Values that look the same are left as they are."""
    found: list[Edit] = []
    own, rest = _taken(details)
    if own:
        found.append(Edit("", own))
    for name, value in list(rest.items()):
        lines, left = _nested(value, 1)
        if lines:
            found.append(Edit(storable(name), lines))
            if left:
                rest[name] = left
            else:
                del rest[name]
    return found, rest


def edit_in(payload: bytes) -> Edit | None:
    """The edit that a payload of EDIT_TYPE holds; None where it is not what it says it is."""
    try:
        said = json.loads(payload)
        before, after = said["before"], said["after"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
    if not isinstance(before, str) or not isinstance(after, str):
        return None
    return Edit("", list(difference(storable(before), storable(after))))


def edit_payload(before: str, after: str) -> bytes:
    return json.dumps({"after": after, "before": before}, ensure_ascii=False).encode()


def shown(value: Any) -> str:
    """In one line where that is short."""
    if isinstance(value, str):
        return storable(value)
    try:
        line = storable(json.dumps(value, ensure_ascii=False))
        if len(line) <= _SHORT_CHARS:
            return line
        return storable(json.dumps(value, ensure_ascii=False, indent=2))
    except RecursionError:
        return "nested too deeply to be shown here"


def difference(before: str, after: str, heading: str = "") -> Iterator[DiffLine]:
    """The lines that differ with some around them, under `heading` instead of their numbers where one is given.

    A line ends with a newline and with nothing else; what cannot be seen is written out.
    """
    old, new = _lines(before), _lines(after)
    # Told where that is part of the change, and not of every word that was replaced.
    is_end_told = bool(old and new) and before.endswith("\n") != after.endswith("\n")
    drawn = 0
    for group in _groups(old, new):
        yield DiffLine("hunk", None, None, storable(heading) or _range(group))
        heading = ""
        for line in _drawn(group, old, new, is_end_told=is_end_told):
            if drawn + len(line.text) > DRAWN_CHARS:
                yield replace(line, text=line.text[: DRAWN_CHARS - drawn] + "…")
                yield DiffLine("note", None, None, "The rest is not drawn")
                return
            drawn += len(line.text)
            yield line


def _taken(details: dict[str, Any], heading: str = "") -> tuple[list[DiffLine], dict[str, Any]]:
    """The pairs of these details, drawn, and what is left."""
    lines: list[DiffLine] = []
    rest = dict(details)
    for first, second in _PAIRS:
        if first not in rest or second not in rest:
            continue
        before, after = rest[first], rest[second]
        # `from` and `to` of numbers are the ends of a span.
        if isinstance(before, int | float) or isinstance(after, int | float):
            continue
        if drawn := list(difference(_text(before), _text(after), heading)):
            lines += drawn
            del rest[first], rest[second]
    return lines, rest


def _nested(value: Any, depth: int, heading: str = "") -> tuple[list[DiffLine], Any]:
    if not isinstance(value, dict):
        return [], value
    lines, rest = _taken(value, heading)
    if depth < _MOST_DEEP:
        for name, inner in list(rest.items()):
            below, left = _nested(inner, depth + 1, name)
            if below:
                lines += below
                if left:
                    rest[name] = left
                else:
                    del rest[name]
    return lines, rest


def _text(value: Any) -> str:
    """Nothing where there was none, which is not the word null."""
    return "" if value is None else shown(value)


def _lines(text: str) -> list[str]:
    """With their newlines."""
    lines = text.split("\n")
    return [f"{line}\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])


type _Step = tuple[str, int, int, int, int]


def _groups(old: list[str], new: list[str]) -> list[list[_Step]]:
    """As difflib groups them, at a cost that nobody's text can drive up: then all between the first and last is one."""
    start = _same(old, new)
    end = _same(old[start:][::-1], new[start:][::-1])
    old_end, new_end = len(old) - end, len(new) - end
    if start == old_end and start == new_end:
        return []
    before, behind = min(start, _CONTEXT_LINES), min(end, _CONTEXT_LINES)
    first = start - before
    if _is_cheap(old[start:old_end], new[start:new_end]):
        matcher = SequenceMatcher(None, old[first : old_end + behind], new[first : new_end + behind])
        return [
            [
                (kind, old_start + first, old_end + first, new_start + first, new_end + first)
                for kind, old_start, old_end, new_start, new_end in group
            ]
            for group in matcher.get_grouped_opcodes(_CONTEXT_LINES)
        ]
    return [
        [
            ("equal", first, start, first, start),
            ("replace", start, old_end, start, new_end),
            ("equal", old_end, old_end + behind, new_end, new_end + behind),
        ]
    ]


def _same(old: list[str], new: list[str]) -> int:
    """How many lines are the same at the beginning."""
    return next(
        (n for n, (one, other) in enumerate(zip(old, new, strict=False)) if one != other),
        min(len(old), len(new)),
    )


def _is_cheap(old: list[str], new: list[str]) -> bool:
    """difflib looks at the equal lines, each with each, and again at all that is left behind each match."""
    in_old, in_new = Counter(old), Counter(new)
    pairs = sum(number * in_new[line] for line, number in in_old.items())
    return pairs <= _MOST_PAIRS and len(old) * (in_old & in_new).total() <= _MOST_STEPS


def _range(group: list[_Step]) -> str:
    """`@@ -1,3 +1,4 @@`"""
    spans = ((group[0][1], group[-1][2]), (group[0][3], group[-1][4]))
    old, new = (
        f"{start + (end > start)}" + (f",{end - start}" if end - start != 1 else "") for start, end in spans
    )
    return f"@@ -{old} +{new} @@"


def _drawn(group: list[_Step], old: list[str], new: list[str], *, is_end_told: bool) -> Iterator[DiffLine]:
    for kind, old_start, old_end, new_start, new_end in group:
        if kind == "equal":
            for place in range(old_end - old_start):
                number = old_start + place
                yield DiffLine("context", number + 1, new_start + place + 1, _visible(old[number]))
            continue
        for number in range(old_start, old_end):
            yield DiffLine("removed", number + 1, None, _visible(old[number]))
            if is_end_told and not old[number].endswith("\n"):
                yield _NO_NEWLINE
        for number in range(new_start, new_end):
            yield DiffLine("added", None, number + 1, _visible(new[number]))
            if is_end_told and not new[number].endswith("\n"):
                yield _NO_NEWLINE


_NO_NEWLINE: Final = DiffLine("note", None, None, "No newline at the end")


def _visible(line: str) -> str:
    """Without its newline. Tabs stay: they are seen."""
    return "\t".join(map(without_controls, line.removesuffix("\n").split("\t")))
