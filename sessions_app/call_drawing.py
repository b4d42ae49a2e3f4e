"""A tool call opened: its input drawn by what it means, its output as it was printed."""

import json
import shlex
from dataclasses import dataclass, field
from typing import Any, Final

from django.utils.safestring import SafeString

from dashboard.lib.text import one_line
from sessions_app import ansi, bodies, markdown
from sessions_app.diffs import FileChange, changes_of
from sessions_app.legible import legible
from sessions_app.models import ToolCall, ToolKind

# Inputs up to this size are read whole and drawn as what they mean; longer ones are text, in pieces.
MEANT_BYTES: Final = 2 * 1024 * 1024
_STEP_STATUS: Final = {
    "completed": "completed",
    "complete": "completed",
    "done": "completed",
    "in_progress": "running",
    "pending": "queued",
    "cancelled": "cancelled",
}
_COMMAND_KEYS: Final = ("command", "cmd", "script", "chars")
_PROMPT_KEYS: Final = ("prompt", "message", "task", "instructions")


@dataclass(frozen=True)
class Step:
    status: str
    text: str


@dataclass
class OutputPiece:
    """A piece of an output or input, drawn."""

    html: SafeString
    piece: bodies.Piece


@dataclass
class CallDrawing:
    """What there is to show of one call. Only what has content is drawn."""

    call: ToolCall
    command: str = ""
    directory: str = ""
    prompt: SafeString | None = None
    changes: list[FileChange] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    # Arguments that no part above has shown, as (name, value in one line).
    arguments: list[tuple[str, str]] = field(default_factory=list)
    # The input as text, where nothing says what it means.
    text: OutputPiece | None = None
    output: OutputPiece | None = None


def draw(call: ToolCall) -> CallDrawing:
    """The call with the beginning of its output. Raises Refused when stored bytes are damaged."""
    drawing = CallDrawing(call)
    if call.input_size > MEANT_BYTES:
        drawing.text = input_piece(call, 0)
    elif call.input_size:
        text = bodies.piece_of(call.input, call.input_blob_id, limit=MEANT_BYTES).text
        _draw_input(drawing, arguments_of(text), text)
    if call.output_size:
        drawing.output = output_piece(call, 0, limit=bodies.FIRST_PIECE_BYTES)
    return drawing


def arguments_of(text: str) -> dict[str, Any] | None:
    """The arguments as the agent wrote them, None when they are not a JSON object."""
    if not text.lstrip().startswith("{"):
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def output_piece(call: ToolCall, start: int, *, limit: int = bodies.PIECE_BYTES) -> OutputPiece:
    return _drawn(bodies.piece_of(call.output, call.output_blob_id, start=start, limit=limit))


def input_piece(call: ToolCall, start: int, *, limit: int = bodies.PIECE_BYTES) -> OutputPiece:
    return _drawn(bodies.piece_of(call.input, call.input_blob_id, start=start, limit=limit))


def _drawn(piece: bodies.Piece) -> OutputPiece:
    return OutputPiece(ansi.to_html(piece.text), piece)


def _draw_input(drawing: CallDrawing, arguments: dict[str, Any] | None, text: str) -> None:
    call = drawing.call
    if call.kind in {ToolKind.EDIT, ToolKind.WRITE, ToolKind.SHELL} or "*** Begin Patch" in text[:4096]:
        drawing.changes = changes_of(call.name, arguments, text)
    if drawing.changes:
        return
    if arguments is None:
        drawing.text = input_piece(call, 0, limit=bodies.FIRST_PIECE_BYTES)
        return
    shown: set[str] = set()
    if call.kind == ToolKind.SHELL:
        shown |= _draw_command(drawing, arguments)
    if call.kind == ToolKind.PLAN:
        shown |= _draw_steps(drawing, arguments)
    if call.kind == ToolKind.AGENT:
        shown |= _draw_prompt(drawing, arguments)
    drawing.arguments = [
        (legible(one_line(str(name), 80)), legible(one_line(_plain(value), 400)))
        for name, value in list(arguments.items())[:40]
        if name not in shown
    ]


def _draw_command(drawing: CallDrawing, arguments: dict[str, Any]) -> set[str]:
    for key in _COMMAND_KEYS:
        value = arguments.get(key)
        if isinstance(value, list) and value:
            words = [str(part) for part in value]
            shell = len(words) == 3 and words[1] in {"-lc", "-c"}
            drawing.command = legible(words[2] if shell else shlex.join(words))
        elif isinstance(value, str) and value:
            drawing.command = legible(value)
        if drawing.command:
            directory = arguments.get("workdir") or arguments.get("cwd")
            drawing.directory = legible(one_line(directory, 400)) if isinstance(directory, str) else ""
            return {key, "workdir", "cwd"}
    return set()


def _draw_steps(drawing: CallDrawing, arguments: dict[str, Any]) -> set[str]:
    for key, content in (("todos", "content"), ("plan", "step")):
        entries = arguments.get(key)
        if isinstance(entries, list):
            drawing.steps = [
                Step(
                    _STEP_STATUS.get(str(entry.get("status", "")), "queued"),
                    legible(one_line(str(entry.get(content, "")), 400)),
                )
                for entry in entries[:200]
                if isinstance(entry, dict)
            ]
            return {key}
    return set()


def _draw_prompt(drawing: CallDrawing, arguments: dict[str, Any]) -> set[str]:
    for key in _PROMPT_KEYS:
        value = arguments.get(key)
        if isinstance(value, str) and value:
            drawing.prompt = markdown.to_html(value)
            return {key}
    return set()


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
