"""Outputs of tools that were too large for a transcript and stand in files of their own beside it.

The record has the first 2 KB and names the file: in `toolUseResult.persistedOutputPath` and in the text around
the preview, or in the notice that takes the place of an MCP server's output. The name is somebody else's text and
may be one of another machine, so only its last component counts, and only in the session's own folder.
"""

import codecs
import enum
import os
import re
import stat
from typing import Final, NamedTuple

from sessions_app.drafts import CallResult
from sessions_app.importers.claude_code.layout import outputs_folder
from sessions_app.importers.claude_code.memory import SessionMemory
from sessions_app.importers.claude_code.reading import ROOM_BYTES, Reading
from sessions_app.importers.claude_code.records import ToolUseResult, plain, texts_of

# A file is awaited only where the result says no more than this besides: it is kept for so long.
_MAX_REST_CHARS: Final = 1_024
_MAX_NAME_BYTES: Final = 255
_OPENING, _CLOSING = "<persisted-output>", "</persisted-output>"
_WRAPPING = re.compile(
    r"<persisted-output>\s{0,4}Output too large \([^()\n]{1,40}\)\. Full output saved to: ([^\n]{1,4096})"
)
_NOTICE = re.compile(
    r"Error: result \([^()\n]{1,80}\) exceeds maximum allowed tokens\."
    r" Output has been saved to ([^\n]{1,4096}?)\.?(?:\n|$)"
)


class Preview(NamedTuple):
    """What a result says of an output that stands elsewhere."""

    name: str
    # The file holds a list of content blocks as JSON, and not the text itself.
    is_blocks: bool
    # What the result says besides: errors, or where a command goes on.
    rest: str

    def can_wait(self) -> bool:
        return len(self.rest) <= _MAX_REST_CHARS


class Lack(enum.Enum):
    """Why a file gives no output."""

    # It is not there, or too much for this batch.
    YET = enum.auto()
    # It is nothing that may be read.
    FOREVER = enum.auto()


def is_preview(said: str) -> bool:
    """Whether a result's text is the beginning of an output that stands elsewhere, or a word in its place."""
    return bool(_WRAPPING.match(said) or _NOTICE.match(said))


def preview_in(said: str, details: ToolUseResult) -> Preview | None:
    """None for a result that says all there is."""
    wrapped, notice = _WRAPPING.match(said), _NOTICE.match(said)
    path = plain(details.persisted_output_path) or (wrapped[1] if wrapped else notice[1] if notice else "")
    # Of any system's path: histories are copied between machines.
    name = re.split(r"[\\/]", path.strip())[-1]
    if name in ("", ".", "..") or "\0" in name or len(name.encode("utf-8", "replace")) > _MAX_NAME_BYTES:
        return None
    return Preview(name, notice is not None or name.endswith(".json"), _beside_preview(said))


def _beside_preview(said: str) -> str:
    start, end = said.find(_OPENING), said.rfind(_CLOSING)
    if not 0 <= start < end:
        return ""
    return "\n".join(filter(None, (said[:start].strip("\n"), said[end + len(_CLOSING) :].strip("\n"))))


def output_of(reading: Reading, session: SessionMemory, preview: Preview) -> str | Lack:
    """The whole output, with a word about what was cut."""
    folder = outputs_folder(reading.facts.path, session.external_id)
    if not folder:
        return Lack.FOREVER
    found = _read(folder, preview.name, reading.room)
    if isinstance(found, Lack):
        return found
    content, size = found
    reading.room -= len(content)
    texts = texts_of(content) if preview.is_blocks else []
    text = "\n".join(texts) if texts else _decoded(content, is_whole=size <= len(content))
    if size > len(content):
        text += f"\n[the output is cut here: the first {len(content):,} of its {size:,} bytes are kept]"
    return "\n".join(filter(None, (text, preview.rest)))


def take_awaited(reading: Reading) -> None:
    """Complete the calls of earlier batches whose file has come."""
    for session in reading.memory.sessions.values():
        for key, waiting in list(session.awaited.items()):
            if waiting.is_new:
                continue
            output = output_of(reading, session, Preview(waiting.name, waiting.is_blocks, waiting.rest))
            if output is Lack.YET:
                continue
            del session.awaited[key]
            if isinstance(output, Lack):
                continue
            draft = session.draft or reading.begin(session, session.last_ms)
            draft.run(waiting.run)
            draft.results.append(
                CallResult(
                    key, waiting.at_ms, waiting.run, waiting.status, output,
                    waiting.ended_ms, waiting.exit_status,
                )
            )  # fmt: skip
            if waiting.child:
                run = draft.run(waiting.child)
                run.output, run.is_output_preview = output, False


def awaited_paths(reading: Reading) -> list[str]:
    return [
        f"{folder}/{waiting.name}"
        for session in reading.memory.sessions.values()
        if (folder := outputs_folder(reading.facts.path, session.external_id))
        for waiting in session.awaited.values()
    ]


def _read(folder: str, name: str, room: int) -> tuple[bytes, int] | Lack:
    """(its beginning, the size of the whole), of a regular file that lies below this folder, links resolved."""
    session, outputs = os.path.split(folder)
    home, session = os.path.split(session)
    # The folders themselves may be links as well, and lead anywhere.
    own = os.path.join(os.path.realpath(home), session, outputs)
    path = os.path.join(own, name)
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return Lack.YET
    except (OSError, ValueError):
        return Lack.FOREVER
    real = os.path.realpath(path)
    if not real.startswith(own + os.sep):
        return Lack.FOREVER
    try:
        # Opening a pipe waits for its other end, and opening a device may do anything.
        if not stat.S_ISREG(os.lstat(real).st_mode):
            return Lack.FOREVER
        descriptor = os.open(real, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as handle:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode) or not status.st_size:
                return Lack.FOREVER
            wanted = min(status.st_size, ROOM_BYTES)
            return (handle.read(wanted), status.st_size) if wanted <= room else Lack.YET
    except OSError:
        return Lack.FOREVER


def _decoded(content: bytes, *, is_whole: bool) -> str:
    """Bytes that are no text are replaced; half a letter before a cut is left out."""
    return codecs.getincrementaldecoder("utf-8")("replace").decode(content, final=is_whole)
