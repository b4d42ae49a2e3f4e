"""Edits that tools made, as the lines of a diff."""

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from dashboard.lib.unified_diff import DiffLine, read_unified_diff
from sessions_app.legible import legible

# Comparing takes time that grows with the product of both lengths; a longer change is a replacement.
_MOST_COMPARED_LINES: Final = 1_200
_MOST_DRAWN_LINES: Final = 2_000
_MOST_LINE_CHARS: Final = 2_000
_CONTEXT_LINES: Final = 3
_PATCH_FILE: Final = re.compile(r"^\*\*\* (Add|Update|Delete) File: (.+)$")
_PATCH_MOVE: Final = re.compile(r"^\*\*\* Move to: (.+)$")

type ChangeKind = Literal["edited", "added", "deleted", "moved"]


@dataclass
class FileChange:
    """What became of one file. Of a very long change only the first lines are here."""

    path: str
    kind: ChangeKind
    lines: list[DiffLine] = field(default_factory=list)
    added: int = 0
    removed: int = 0
    left_out: int = 0

    def extend(self, lines: Iterator[DiffLine]) -> None:
        for line in lines:
            self.added += line.kind == "added"
            self.removed += line.kind == "removed"
            if len(self.lines) < _MOST_DRAWN_LINES:
                self.lines.append(_shown(line))
            else:
                self.left_out += 1


def replacement(path: str, pairs: list[tuple[str, str]]) -> FileChange:
    """Passages of one file that were replaced: (before, after) of each, in their order."""
    change = FileChange(legible(path), "edited")
    for number, (before, after) in enumerate(pairs, 1):
        if len(pairs) > 1:
            change.extend(iter([DiffLine("hunk", None, None, f"Edit {number} of {len(pairs)}")]))
        change.extend(_compared(before, after))
    return change


def new_file(path: str, content: str) -> FileChange:
    change = FileChange(legible(path), "added")
    change.extend(DiffLine("added", None, number, line) for number, line in enumerate(_lines(content), 1))
    return change


def read_patch(patch: str) -> list[FileChange]:
    """The files of a patch in the form that Codex applies, or of a unified diff."""
    changes: list[FileChange] = []
    body: list[str] = []
    for line in patch.split("\n"):
        heading, move = _PATCH_FILE.match(line), _PATCH_MOVE.match(line)
        if heading:
            _finish(changes, body)
            kinds: dict[str, ChangeKind] = {"Add": "added", "Update": "edited", "Delete": "deleted"}
            changes.append(FileChange(legible(heading[2].strip()), kinds[heading[1]]))
        elif move and changes:
            changes[-1].path = f"{changes[-1].path} → {legible(move[1].strip())}"
            changes[-1].kind = "moved"
        elif not line.startswith("*** "):
            body.append(line)
    _finish(changes, body)
    return changes


def _finish(changes: list[FileChange], body: list[str]) -> None:
    """Give the lines so far to the file they belong to."""
    text = "\n".join(body).strip("\n")
    body.clear()
    if not text:
        return
    if not changes:
        changes.append(FileChange("", "edited"))
    changes[-1].extend(read_unified_diff(text))


def changes_of(name: str, arguments: dict[str, Any] | None, text: str) -> list[FileChange]:
    """What a call of an editing tool changed, by its arguments, or by their text when free-form.

    Empty when it is not an edit in a known form.
    """
    patch = _patch_in(arguments, text)
    if patch:
        return read_patch(patch)
    if arguments is None:
        return []
    path = _text(arguments, "file_path", "notebook_path", "path", "filePath", "file")
    edits = arguments.get("edits")
    if isinstance(edits, list):
        pairs = [_pair(edit) for edit in edits if isinstance(edit, dict)]
        return [replacement(path, pairs)] if pairs else []
    if any(key in arguments for key in ("old_string", "new_string", "oldString", "newString")):
        return [replacement(path, [_pair(arguments)])]
    content = _text(arguments, "content", "new_source", "contents")
    return [new_file(path, content)] if content or name == "Write" else []


def _patch_in(arguments: dict[str, Any] | None, text: str) -> str:
    if arguments is None:
        return text if "*** Begin Patch" in text[:4096] else ""
    for key in ("input", "patch", "cmd", "command"):
        value = arguments.get(key)
        if isinstance(value, list):
            value = next((part for part in value if isinstance(part, str) and "*** Begin Patch" in part), "")
        if isinstance(value, str) and "*** Begin Patch" in value:
            return value[value.index("*** Begin Patch") :].partition("\n*** End Patch")[0]
    return ""


def _pair(edit: dict[str, Any]) -> tuple[str, str]:
    return _text(edit, "old_string", "oldString"), _text(edit, "new_string", "newString")


def _text(values: dict[str, Any], *keys: str) -> str:
    return next((values[key] for key in keys if isinstance(values.get(key), str)), "")


def _compared(before: str, after: str) -> Iterator[DiffLine]:
    old, new = _lines(before), _lines(after)
    if max(len(old), len(new)) > _MOST_COMPARED_LINES:
        yield from (DiffLine("removed", None, None, line) for line in old)
        yield from (DiffLine("added", None, None, line) for line in new)
        return
    for group in difflib.SequenceMatcher(None, old, new).get_grouped_opcodes(_CONTEXT_LINES):
        if group[0][1] > 0:
            yield DiffLine("hunk", None, None, "…")
        for what, old_start, old_end, new_start, new_end in group:
            if what == "equal":
                yield from (DiffLine("context", None, None, line) for line in old[old_start:old_end])
                continue
            yield from (DiffLine("removed", None, None, line) for line in old[old_start:old_end])
            yield from (DiffLine("added", None, None, line) for line in new[new_start:new_end])


def _lines(text: str) -> list[str]:
    return text.removesuffix("\n").split("\n") if text else []


def _shown(line: DiffLine) -> DiffLine:
    text = line.text if len(line.text) <= _MOST_LINE_CHARS else line.text[:_MOST_LINE_CHARS] + " …"
    return DiffLine(line.kind, line.old_number, line.new_number, legible(text))
