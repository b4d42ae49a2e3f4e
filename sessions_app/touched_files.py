"""Which files a session's edits and writes named, as recorded; what a shell did is not known."""

import json
import re
from dataclasses import dataclass
from typing import Final

from sessions_app.legible import legible
from sessions_app.models import AgentSession, ToolCall, ToolKind

# Looked through from the newest; a longer session says that there was more.
MAX_CALLS: Final = 2_000
# The beginning of a long input is in its row; a path stands there, or is not found.
_PATH_IN_JSON: Final = re.compile(
    r'"(?:file_path|notebook_path|filePath|path)"\s*:\s*("(?:[^"\\]|\\.){1,2000}")'
)
_PATH_IN_PATCH: Final = re.compile(r"\*\*\* (Add|Update|Delete) File: (.{1,1000}?)(?=\n|\\n|\"|$)")


@dataclass
class TouchedFile:
    path: str
    edits: int
    failed: int
    last: ToolCall


@dataclass(frozen=True)
class TouchedFiles:
    """Newest first. `cut` calls had an input too long to be read here; `more`: older calls were left out."""

    files: list[TouchedFile]
    calls: int
    cut: int
    more: bool


def touched_files(session: AgentSession) -> TouchedFiles:
    calls = list(
        session.toolcalls.filter(kind__in=[ToolKind.EDIT, ToolKind.WRITE])
        .only("id", "session_id", "run_id", "seq", "at_ms", "name", "status", "input", "input_blob_id")
        .order_by("-seq")[: MAX_CALLS + 1]
    )
    files: dict[str, TouchedFile] = {}
    cut = 0
    for call in calls[:MAX_CALLS]:
        paths = paths_in(call.input)
        cut += call.input_blob_id is not None and (not paths or "*** " in call.input)
        for path in paths:
            file = files.setdefault(path, TouchedFile(path, 0, 0, call))
            file.edits += 1
            file.failed += call.status == "failed"
    return TouchedFiles(list(files.values()), min(len(calls), MAX_CALLS), cut, len(calls) > MAX_CALLS)


def paths_in(text: str) -> list[str]:
    """The paths that the input of an edit names, each once."""
    found = [match[2].strip() for match in _PATH_IN_PATCH.finditer(text)]
    match = None if found else _PATH_IN_JSON.search(text)
    if match:
        try:
            found = [str(json.loads(match[1]))]
        except ValueError:
            found = [match[1].strip('"')]
    return [legible(path) for path in dict.fromkeys(found) if path]
