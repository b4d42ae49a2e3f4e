"""A terminal as a file: asciicast v1, v2 or v3, plain text, or the very bytes."""

import json
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from sessions_app.actions.terminals.reading import read_items, read_output
from sessions_app.models import Terminal
from sessions_app.terminal.asciicast.model import Header
from sessions_app.terminal.asciicast.writer import Writer
from sessions_app.terminal.plaintext import PlainText

# Lines are gathered into pieces of about this size, so that sending one is worth its while.
_PIECE_BYTES = 64 * 1024


def as_asciicast(terminal: Terminal, version: int = 3) -> Iterator[bytes]:
    """asciicast, from which the very same bytes and times can be read again; with version 2 and 3 all events too.

    Bytes that are no UTF-8 stand in it as lone surrogates (sessions_app/terminal/asciicast/text.py): read here
    they are themselves again, in other players one replacement character each.
    """
    return _gathered(_asciicast_lines(terminal, version))


def as_ansi(terminal: Terminal) -> Iterator[bytes]:
    """What the program wrote, byte for byte, without times and sizes."""
    return read_output(terminal.pk, 0, terminal.size)


def as_text(terminal: Terminal) -> Iterator[bytes]:
    """What was printed, as lines of text without any colours or cursor movements."""
    plain = PlainText()
    for data in read_output(terminal.pk, 0, terminal.size):
        yield _joined(plain.feed(data))
    yield _joined(plain.finish())


def file_name(terminal: Terminal, ending: str) -> str:
    """A name for the file that is safe in a header and on any disk."""
    words = "".join(c if c.isascii() and c.isalnum() else "-" for c in terminal.title.lower())
    stem = "-".join(part for part in words.split("-") if part)[:60].rstrip("-")
    return f"{stem or 'terminal'}-{terminal.pk.hex[-8:]}.{ending}"


def export_of(terminal: Terminal, form: str) -> Iterator[bytes]:
    """The terminal in one of FORMS, piece by piece, up to the end that it has now."""
    return FORMS[form].write(terminal)


@dataclass(frozen=True, slots=True)
class Form:
    """One way to write a terminal down."""

    ending: str
    content_type: str
    write: Callable[[Terminal], Iterator[bytes]]


FORMS: Final[dict[str, Form]] = {
    "asciicast": Form("cast", "application/x-asciicast", as_asciicast),
    "asciicast2": Form("cast", "application/x-asciicast", lambda terminal: as_asciicast(terminal, 2)),
    "asciicast1": Form("json", "application/json", lambda terminal: as_asciicast(terminal, 1)),
    "text": Form("txt", "text/plain; charset=utf-8", as_text),
    "ansi": Form("ansi", "application/octet-stream", as_ansi),
}


def _asciicast_lines(terminal: Terminal, version: int) -> Iterator[bytes]:
    cols, rows = terminal.first_size
    writer = Writer(
        Header(
            version=version,
            cols=cols,
            rows=rows,
            timestamp_ms=terminal.started_ms if terminal.is_start_known else None,
            command=_shell_text(terminal) or None,
            title=terminal.title or None,
            env=terminal.environment,
            duration_us=terminal.duration_us,
            term_type=terminal.environment.get("TERM"),
        )
    )
    yield writer.header_line()
    for item in read_items(terminal):
        yield writer.write(item)
    yield writer.finish()


def _shell_text(terminal: Terminal) -> str:
    """The command as one types it. What came out of a file is such a line already, kept as the only word."""
    words = json.loads(terminal.command) if terminal.command else []
    if not isinstance(words, list):
        return ""
    if terminal.source_id is not None and len(words) == 1:
        return str(words[0])
    return shlex.join(str(word) for word in words)


def _gathered(lines: Iterator[bytes]) -> Iterator[bytes]:
    waiting: list[bytes] = []
    size = 0
    for line in lines:
        waiting.append(line)
        size += len(line)
        if size >= _PIECE_BYTES:
            yield b"".join(waiting)
            waiting, size = [], 0
    yield b"".join(waiting)


def _joined(lines: list[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "replace")
