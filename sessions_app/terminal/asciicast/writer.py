"""Writer of asciicast v1, v2 and v3 that gives back the very same bytes and times when it is read again.

v2 and v3 give back all events too. v1 knows output alone, without resizes, input, markers and the exit.

A UTF-8 character that the program wrote in two pieces is written whole, at the time of its last piece, so
that every player shows it; only then does the position of what lies between the pieces move, by at most
three bytes.
"""

import json

from sessions_app.terminal.asciicast.events import event_text
from sessions_app.terminal.asciicast.header import format_header
from sessions_app.terminal.asciicast.model import Event, Exit, Header, Input, Output
from sessions_app.terminal.asciicast.text import Joiner, json_string


class Writer:
    """Writes one recording, line by line: `header_line()`, then `write()` for every event, then `finish()`.

    All lines of v1 together are one JSON document. Its duration stands before its output, so the header must have it.

    `resolution_us` is the step of the written times. An interval of v1 or v3 is the difference of two rounded times
    and never a rounded difference, so a long recording does not drift however coarse the step.
    """

    def __init__(self, header: Header, *, resolution_us: int = 1) -> None:
        self._header = header
        self._resolution_us = resolution_us
        self._written_us = 0
        self._output = Joiner()
        self._input = Joiner()
        self._has_output = False

    def header_line(self) -> bytes:
        """First line of the file."""
        header = format_header(self._header)
        if self._header.version == 1:
            return header.removesuffix(b"}") + b', "stdout": [\n'
        return header + b"\n"

    def write(self, event: Event) -> bytes:
        """Line of `event`; nothing when it only began a character, two when it leaves one unfinished."""
        if isinstance(event, Output):
            return self._line(event.time_us, "o", self._output.feed(event.data))
        if isinstance(event, Input):
            return self._line(event.time_us, "i", self._input.feed(event.data))
        # Nothing comes after the end of the program.
        unfinished = self._unfinished() if isinstance(event, Exit) else b""
        code, text = event_text(event)
        return unfinished + self._line(event.time_us, code, text, always=True)

    def finish(self) -> bytes:
        """Lines of what is left unfinished at the end of the recording, and the end of the file."""
        return self._unfinished() + (b"\n]}\n" if self._header.version == 1 else b"")

    def _unfinished(self) -> bytes:
        return self._line(0, "i", self._input.finish()) + self._line(0, "o", self._output.finish())

    def _line(self, time_us: int, code: str, text: str, *, always: bool = False) -> bytes:
        version = self._header.version
        if (not text and not always) or (version == 1 and code != "o"):
            return b""
        step = self._resolution_us
        rounded_us = max((time_us + step // 2) // step * step, self._written_us)
        shown_us = rounded_us if version == 2 else rounded_us - self._written_us
        self._written_us = rounded_us
        if version == 1:
            separator = b",\n" if self._has_output else b""
            self._has_output = True
            return b"%b[%d.%06d, %b]" % (
                separator, shown_us // 1_000_000, shown_us % 1_000_000, json_string(text)
            )  # fmt: skip
        return b"[%d.%06d, %s, %s]\n" % (
            shown_us // 1_000_000,
            shown_us % 1_000_000,
            json.dumps(code).encode("ascii"),
            json_string(text),
        )
