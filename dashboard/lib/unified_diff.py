"""A unified diff read into numbered lines, for drawing."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

_NUMBERED_HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")

LineKind = Literal["context", "added", "removed", "hunk", "note"]


@dataclass(frozen=True, slots=True)
class DiffLine:
    """One line: its number before and after the change (None where it has none), its text unsigned."""

    kind: LineKind
    old_number: int | None
    new_number: int | None
    text: str

    @property
    def sign(self) -> str:
        return {"added": "+", "removed": "\N{MINUS SIGN}"}.get(self.kind, "")


def read_unified_diff(patch: str) -> Iterator[DiffLine]:
    """The lines of all hunks in order, file headers left out.

    Reads what `diff -u` and git write, and the form Codex applies (`*** Update File:`, `@@` alone), whose
    lines have no numbers. Any other text is accepted as context, since agents paste diffs that are cut.
    """
    old_number: int | None = None
    new_number: int | None = None
    # How many lines of either side the hunk still has, as it says itself: `--- x` is one of them, no header.
    old_left = new_left = 0
    lines = patch.removesuffix("\n").split("\n")
    for index, line in enumerate(lines):
        following = lines[index + 1] if index + 1 < len(lines) else ""
        previous = lines[index - 1] if index else ""
        if line.startswith(("diff --git ", "index ", "*** ")):
            old_left = new_left = 0
            continue
        if line.startswith("--- ") and following.startswith("+++ ") and old_left <= 0:
            continue
        if line.startswith("+++ ") and previous.startswith("--- ") and new_left <= 0:
            continue
        if line.startswith("@@"):
            numbered = _NUMBERED_HUNK.match(line)
            old_number, new_number = (int(numbered[1]), int(numbered[3])) if numbered else (None, None)
            old_left, new_left = (int(numbered[2] or 1), int(numbered[4] or 1)) if numbered else (0, 0)
            yield DiffLine("hunk", None, None, line)
        elif line.startswith("\\"):
            yield DiffLine("note", None, None, line[2:])
        elif line.startswith("+"):
            yield DiffLine("added", None, new_number, line[1:])
            new_number, new_left = _after(new_number), new_left - 1
        elif line.startswith("-"):
            yield DiffLine("removed", old_number, None, line[1:])
            old_number, old_left = _after(old_number), old_left - 1
        else:
            yield DiffLine("context", old_number, new_number, line[1:] if line.startswith(" ") else line)
            old_number, new_number = _after(old_number), _after(new_number)
            old_left, new_left = old_left - 1, new_left - 1


def _after(number: int | None) -> int | None:
    return None if number is None else number + 1
