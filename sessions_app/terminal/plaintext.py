"""Terminal output as plain lines of text: for previews and text export, not a terminal emulator.

Escape sequences vanish; a carriage return, a backspace, an erased line and a cursor moved within its line
do what a person would expect of a progress bar; a cursor sent elsewhere starts a new line, so that words
never run together. Time and memory are linear in the input whatever it holds.
"""

import re
from codecs import getincrementaldecoder

from sessions_app.terminal.sanitise import safe_label, safe_line

_UTF8_DECODER = getincrementaldecoder("utf-8")

#: A line longer than this is broken; a moved cursor never goes beyond it.
MAX_LINE = 65_536
#: A jump to the right is at most this wide, or a few bytes of input could become any amount of output.
_MAX_JUMP = 80
#: No control sequence in use is longer. One that is still unfinished then is dropped.
_MAX_PENDING = 256

_LAST_LINE_LIMIT = 200
_ERASED_SCREEN = b"\x1b[2J"

_TOKEN = re.compile(
    r"""
    (?P<text>[^\x00-\x1f\x7f-\x9f]++)
    | (?P<break>\n|[\v\f\x84\x85])
    | (?P<return>\r++)(?P<feed>\n)?
    | [\b]
    | \t
    | (?:\x1b\[|\x9b)(?P<parameters>[0-?]*+)[\ -/]*+(?P<final>[@-~])?
    | (?P<string>\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])
    | \x1b[\ -/]*+[0-~]?
    | [\x00-\x1f\x7f-\x9f]
    """,
    re.VERBOSE,
)
#: What ends OSC, DCS, SOS, PM and APC strings; an escape that is no `ESC \` starts a sequence of its own.
_STRING_END = re.compile(r"[\x07\x18\x1a\x9c]|\x1b\\?")
_UNFINISHED = re.compile(r"(?:\x1b|(?:\x1b\[|\x9b)[0-?]*+)[ -/]*+\Z")


class PlainText:
    """Turns a stream of chunks into lines; sequences and characters may be cut anywhere between chunks."""

    def __init__(self) -> None:
        self._decoder = _UTF8_DECODER("replace")
        self._pending = ""
        self._inside_string = False
        self._line: list[str] = []
        self._column = 0

    def feed(self, data: bytes) -> list[str]:
        """Lines that `data` completes."""
        return self._feed_text(self._pending + self._decoder.decode(data))

    def finish(self) -> list[str]:
        """What is left on the last line, if anything."""
        lines = self._feed_text(self._pending + self._decoder.decode(b"", True))
        self._pending = ""
        return [*lines, self._take_line()] if self._line else lines

    def _feed_text(self, text: str) -> list[str]:
        unfinished = _UNFINISHED.search(text, max(0, len(text) - _MAX_PENDING))
        # A carriage return may be the first half of a line end.
        keep = unfinished.start() if unfinished else len(text.rstrip("\r"))
        keep = max(keep, len(text) - _MAX_PENDING)
        self._pending = text[keep:]
        lines: list[str] = []
        position = 0
        while position < keep:
            if self._inside_string:
                end = _STRING_END.search(text, position, keep)
                self._inside_string = end is None
                # The escape of an unknown sequence is read again, as the start of that sequence.
                position = keep if end is None else end.end() - (end[0] == "\x1b")
                continue
            token = _TOKEN.match(text, position, keep)
            if token is None:
                raise AssertionError("every character is a token")
            position = token.end()
            self._take_token(token, lines)
        return lines

    def _take_token(self, token: re.Match[str], lines: list[str]) -> None:
        match token.lastgroup:
            case "text":
                self._write(token["text"], lines)
            case "break" | "feed":
                lines.append(self._take_line())
            case "return":
                self._column = 0
            case "string":
                self._inside_string = True
            case "final":
                self._control(token["final"], token["parameters"], lines)
            case _:
                self._control_character(token[0], lines)

    def _control_character(self, character: str, lines: list[str]) -> None:
        if character == "\b":
            self._column = max(0, self._column - 1)
        elif character == "\t":
            self._write("\t", lines)

    def _control(self, final: str, parameters: str, lines: list[str]) -> None:
        """Control sequence (CSI) with this final byte."""
        number = int(parameters[:5]) if parameters.isdecimal() and parameters.isascii() else 0
        if final == "C":
            self._column = min(self._column + min(number or 1, _MAX_JUMP), MAX_LINE)
        elif final == "D":
            self._column = max(0, self._column - (number or 1))
        elif final == "G":
            self._column = min(max(number, 1) - 1, len(self._line) + _MAX_JUMP, MAX_LINE)
        elif final == "K" and number == 0:
            del self._line[self._column :]
        elif final == "K" and number == 2:
            self._line.clear()
        elif final in "ABEFHdf" and self._line:
            lines.append(self._take_line())

    def _write(self, text: str, lines: list[str]) -> None:
        written = 0
        while written < len(text):
            if self._column >= MAX_LINE:
                lines.append(self._take_line())
            if self._column > len(self._line):
                self._line.extend(" " * (self._column - len(self._line)))
            part = text[written : written + MAX_LINE - self._column]
            self._line[self._column : self._column + len(part)] = part
            self._column += len(part)
            written += len(part)

    def _take_line(self) -> str:
        line = "".join(self._line).rstrip()
        self._line.clear()
        self._column = 0
        return line


def lines(data: bytes) -> list[str]:
    """Lines of a whole piece of output."""
    plain = PlainText()
    return plain.feed(data) + plain.finish()


def last_line(tail: bytes) -> str:
    """The last line with anything on it in the end of some output, safe to show, at most 200 characters."""
    for line in reversed(lines(tail)):
        label = safe_label(line, _LAST_LINE_LIMIT)
        if label:
            return label
    return ""


def last_lines(tail: bytes, *, is_cut: bool, rows: int, columns: int) -> list[str]:
    """The last lines in the end of some output, safe to show: at most `rows` of `columns` characters.

    What was there when the screen was last erased is not. `is_cut` says that output before the tail is
    missing: it may begin inside a line, a character or an escape sequence.
    """
    _, erased, shown = tail.rpartition(_ERASED_SCREEN)
    plain = lines(shown)
    if is_cut and not erased and len(plain) > 1:
        del plain[0]
    while plain and not plain[-1].strip():
        plain.pop()
    return [safe_line(line, columns) for line in plain[-rows:]]
