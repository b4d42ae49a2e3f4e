"""Writer of asciicast v2 and v3 that gives back the very same bytes, times and events when it is read again.

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

    `resolution_us` is the step of the written times. A v3 interval is the difference of two rounded times
    and never a rounded difference, so a long recording does not drift however coarse the step.
    """

    def __init__(self, header: Header, *, resolution_us: int = 1) -> None:
        if header.version not in (2, 3):
            raise ValueError(f"asciicast version {header.version} is not written, only read")
        self._header = header
        self._resolution_us = resolution_us
        self._written_us = 0
        self._output = Joiner()
        self._input = Joiner()

    def header_line(self) -> bytes:
        """First line of the file."""
        return format_header(self._header) + b"\n"

    def write(self, event: Event) -> bytes:
        """Line of `event`; nothing when it only began a character, two when it leaves one unfinished."""
        if isinstance(event, Output):
            return self._line(event.time_us, "o", self._output.feed(event.data))
        if isinstance(event, Input):
            return self._line(event.time_us, "i", self._input.feed(event.data))
        # Nothing comes after the end of the program.
        unfinished = self.finish() if isinstance(event, Exit) else b""
        code, text = event_text(event)
        return unfinished + self._line(event.time_us, code, text, always=True)

    def finish(self) -> bytes:
        """Lines of what is left unfinished at the end of the recording."""
        return self._line(0, "i", self._input.finish()) + self._line(0, "o", self._output.finish())

    def _line(self, time_us: int, code: str, text: str, *, always: bool = False) -> bytes:
        if not text and not always:
            return b""
        step = self._resolution_us
        rounded_us = max((time_us + step // 2) // step * step, self._written_us)
        shown_us = rounded_us - self._written_us if self._header.version == 3 else rounded_us
        self._written_us = rounded_us
        return b"[%d.%06d, %s, %s]\n" % (
            shown_us // 1_000_000,
            shown_us % 1_000_000,
            json.dumps(code).encode("ascii"),
            json_string(text),
        )
