"""A terminal as a file: asciicast v3, or plain text."""

import json
import shlex
from collections.abc import Iterator

from sessions_app.actions.terminals.reading import read_items, read_output
from sessions_app.models import Terminal
from sessions_app.terminal.asciicast.model import Header
from sessions_app.terminal.asciicast.writer import Writer
from sessions_app.terminal.plaintext import PlainText

# Lines are gathered into pieces of about this size, so that sending one is worth its while.
_PIECE_BYTES = 64 * 1024


def as_asciicast(terminal: Terminal) -> Iterator[bytes]:
    """asciicast v3, from which the very same bytes, times and events can be read again."""
    return _gathered(_asciicast_lines(terminal))


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


def _asciicast_lines(terminal: Terminal) -> Iterator[bytes]:
    writer = Writer(
        Header(
            version=3,
            cols=terminal.first_cols,
            rows=terminal.first_rows,
            timestamp_ms=terminal.started_ms,
            command=_shell_text(terminal.command) or None,
            title=terminal.title or None,
            env=terminal.environment,
            term_type=terminal.environment.get("TERM"),
        )
    )
    yield writer.header_line()
    for item in read_items(terminal):
        yield writer.write(item)
    yield writer.finish()


def _shell_text(command: str) -> str:
    words = json.loads(command) if command else []
    return shlex.join(str(word) for word in words) if isinstance(words, list) else ""


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
