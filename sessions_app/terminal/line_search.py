"""Patterns over lines of text, in time that grows with the text and never with the pattern's cleverness.

Both plain texts and regular expressions run on RE2 (https://github.com/google/re2/wiki/Syntax): no pattern can
make it backtrack, it lets other threads run meanwhile, and it looks at about 1 GB a second. Where its wheel is
missing, plain texts still work.

A pattern without capitals matches whatever the case is, by Unicode's simple case folding; with capitals, letter by
letter.
"""

import re
import time
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sessions_app.terminal.engine.model import Line
from sessions_app.terminal.lines import Block, LinesError

try:
    import re2  # type: ignore[import-untyped]  # a wheel without types
except ImportError:
    re2 = None

MAX_PATTERN_CHARS: Final = 500
# RE2's instructions: a larger program may look at less than half a megabyte a second.
_MAX_PROGRAM: Final = 5_000
# Searched in one go; the slowest pattern needs about a tenth of a second for it, and cannot be stopped meanwhile.
_PIECE_BYTES: Final = 64 * 1024
# ^ and $ stand for the ends of a line.
_LINES: Final = "(?m)"
# Characters that fold to ASCII letters: the long s and the Kelvin sign.
_FORMS_OF_ASCII: Final = "\u017f\u212a"
_CHARACTER_BYTES: Final = 4
# Each of them is looked for at more than twenty times the speed of RE2.
_MOST_NEEDED: Final = 4
_MAX_MEMORY: Final = 4 * 1024 * 1024
# What is an upper-case letter only by the name of a class or a group, such as \S, \pL or (?P<Name>…).
_NO_LETTERS = re.compile(
    r"\\[pP](?:\{[^}]*\}|.)|\\x(?:\{[^}]*\}|..)|\\.|\(\?P?<[^>]*>|\[:[^:]*:\]", re.DOTALL
)


class PatternError(ValueError):
    """The pattern cannot be searched for; the message says why, for a person."""


class TimeIsUp(Exception):
    """The deadline passed before the text was searched to its end."""


@dataclass(frozen=True, slots=True)
class Found:
    """The first match in a line. `number` counts lines from 0; the others are byte offsets within the text."""

    number: int
    line_start: int
    line_end: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class LineHit:
    """A line with its first match: characters `start` to before `end` of its text.

    `since` is the offset at which lines were listed before this one was, where that is known.
    """

    line: Line
    start: int
    end: int
    since: int | None = None

    @property
    def place(self) -> str:
        """What names it in a link: its offset, and a checksum of its text, as several lines may have one offset."""
        text = self.line.text.strip().encode("utf-8", "replace")
        return f"{self.line.offset}.{zlib.crc32(text):08x}"


class Pattern:
    """What is looked for: a plain text that may stand anywhere in a line, or a regular expression of RE2."""

    def __init__(self, text: str, *, is_regex: bool = False) -> None:
        """Raises PatternError."""
        if not text:
            raise PatternError("There is nothing to look for.")
        if len(text) > MAX_PATTERN_CHARS:
            raise PatternError(f"The pattern is longer than {MAX_PATTERN_CHARS} characters.")
        if any("\ud800" <= character <= "\udfff" for character in text):
            raise PatternError("The pattern holds half of a character (a lone surrogate); no line does.")
        self.text = text
        self.is_regex = is_regex
        self.ignores_case = not any(map(str.isupper, _NO_LETTERS.sub("", text) if is_regex else text))
        self._compiled = _compiled(text, is_regex, self.ignores_case)
        self._compiled_for_ascii = _compiled_for_ascii(text, is_regex, self.ignores_case, self._compiled)
        self._needed = [] if is_regex else _needed_bytes(text, self.ignores_case)

    def search(self, text: str) -> tuple[int, int] | None:
        """Where the first match stands in one line, in characters."""
        encoded = text.encode("utf-8", "replace")
        for found in self.find(encoded):
            return _characters(encoded[: found.start]), _characters(encoded[: found.end])
        return None

    def find(self, text: bytes, *, deadline: float | None = None) -> Iterator[Found]:
        """Each line of `text` (UTF-8, ended or separated by \\n) with a match, in order.

        Raises TimeIsUp once time.monotonic() is past `deadline`.
        """
        compiled = self._compiled_within(text)
        number = counted = position = 0
        while compiled is not None and position < len(text):
            if deadline is not None and time.monotonic() > deadline:
                raise TimeIsUp
            piece_end = _end_of_piece(text, position)
            while position < piece_end and (match := compiled.search(text, position, piece_end)):
                start, end = match.span()
                line_start = text.rfind(b"\n", 0, start) + 1
                line_end = text.find(b"\n", end)
                line_end = len(text) if line_end < 0 else line_end
                number += text.count(b"\n", counted, line_start)
                counted = line_start
                yield Found(number, line_start, line_end, start, end)
                position = line_end + 1
            position = max(position, piece_end)

    def _compiled_within(self, text: bytes) -> Any:
        """What finds all there is in this text; None where there can be nothing."""
        if self._is_as_ascii(text):
            return self._compiled_for_ascii
        is_possible = all(any(byte in text for byte in few) for few in self._needed)
        return self._compiled if is_possible else None

    def _is_as_ascii(self, text: bytes) -> bool:
        """Whether what is looked for can only be matched by ASCII: a plain text stands within other scripts as well."""
        if text.isascii():
            return True
        return not self.is_regex and self.text.isascii() and not (self.ignores_case and _has_odd_forms(text))


def find_in_block(data: bytes, pattern: Pattern, *, deadline: float | None = None) -> list[LineHit]:
    """The lines of a block (sessions_app/terminal/lines.py) that match, each with its first match.

    A block without any costs its search and nothing else. Raises TimeIsUp, LinesError.
    """
    text = data[_start_of_text(data) :]
    found = list(pattern.find(text, deadline=deadline))
    if not found:
        return []
    block = Block(data)
    return [
        LineHit(
            block.line(place.number),
            _characters(text[place.line_start : place.start]),
            _characters(text[place.line_start : place.end]),
            block.listed_before(place.number),
        )
        for place in found
    ]


def find_in_lines(lines: Sequence[Line], pattern: Pattern, *, deadline: float | None = None) -> list[LineHit]:
    """The same for lines in no block. Raises TimeIsUp."""
    text = "\n".join([line.text for line in lines]).encode("utf-8", "replace")
    return [
        LineHit(
            lines[place.number],
            _characters(text[place.line_start : place.start]),
            _characters(text[place.line_start : place.end]),
        )
        for place in pattern.find(text, deadline=deadline)
    ]


_HIGH = bytes(range(0x80, 0x100))


def _start_of_text(data: bytes) -> int:
    """Behind the three varints of each run, without reading them: each ends with its only byte below 0x80."""
    count = shift = 0
    position = 1
    while position < len(data):
        byte = data[position]
        position += 1
        count |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
    missing = 3 * count
    while missing > 0 and position < len(data):
        step = data[position : position + missing]
        position += len(step)
        missing -= len(step.translate(None, _HIGH))
    if missing:
        raise LinesError("the runs are cut off")
    return position


def _characters(encoded: bytes) -> int:
    # \C matches a byte, which may be a part of a character.
    return len(encoded.decode("utf-8", "ignore"))


def _end_of_piece(text: bytes, position: int) -> int:
    """Behind the last line that ends within the next piece; a longer line is a piece of its own."""
    if len(text) - position <= _PIECE_BYTES:
        return len(text)
    end = text.rfind(b"\n", position, position + _PIECE_BYTES)
    if end < 0:
        end = text.find(b"\n", position + _PIECE_BYTES)
    return len(text) if end < 0 else end + 1


def _compiled(text: str, is_regex: bool, ignores_case: bool) -> Any:
    if re2 is None:
        if is_regex:
            raise PatternError(
                "Regular expressions need the package google-re2, which is not installed here."
            )
        return _plain_without_re2(text, ignores_case)
    try:
        compiled = re2.compile(_expression(text, is_regex), _options(ignores_case))
    except re2.error as error:
        raise PatternError(f"The pattern cannot be read: {_words(error)}.") from error
    finally:
        # Its cache would keep a hundred of them with all their memory.
        re2.purge()
    if compiled.programsize > _MAX_PROGRAM:
        raise PatternError("The pattern is too large: its repetitions are too many to search with.")
    if compiled.search(b""):
        raise PatternError("The pattern matches where there is nothing, so every line would be a hit.")
    return compiled


def _compiled_for_ascii(text: str, is_regex: bool, ignores_case: bool, compiled: Any) -> Any:
    """What finds the same where only ASCII can match, as in most text; None when there is nothing to be found.

    There k and s have two forms, not three with the Kelvin sign and the long s, so RE2 can leap to the first
    letters of a pattern instead of looking at every byte: four times as fast.
    """
    if re2 is None:
        return compiled
    if not text.isascii():
        is_elsewhere = not is_regex and any(
            not form.isascii() for form in text if form not in _FORMS_OF_ASCII
        )
        return None if is_elsewhere else compiled
    options = _options(ignores_case)
    options.encoding = re2.Options.Encoding.LATIN1
    try:
        return re2.compile(_expression(text, is_regex).encode(), options)
    except re2.error:
        # It names characters beyond Latin-1.
        return compiled
    finally:
        re2.purge()


def _needed_bytes(text: str, ignores_case: bool) -> list[range]:
    """Of the bytes in each of the ranges one stands wherever a plain text is found.

    A letter of another script begins with one of a few in UTF-8, whatever its case. Where none of those is there, as
    in most text, RE2 need not look at every byte: twenty times as fast.
    """
    if re2 is None:
        return []
    ranges = set()
    for letter in set(text):
        if not letter.isascii():
            compiled = re2.compile(letter, _options(ignores_case))
            least, most = compiled.possiblematchrange(_CHARACTER_BYTES)
            ranges.add(range(least[0], most[0] + 1))
    re2.purge()
    return [few for few in ranges if len(few) <= _MOST_NEEDED]


def _has_odd_forms(text: bytes) -> bool:
    """Whether the long s or the Kelvin sign is in it; single bytes are looked for at ten times the speed of several."""
    return (b"\xc5" in text and b"\xc5\xbf" in text) or (b"\x84" in text and b"\xe2\x84\xaa" in text)


def _expression(text: str, is_regex: bool) -> str:
    return _LINES + (text if is_regex else re2.escape(text))


def _options(ignores_case: bool) -> Any:
    options = re2.Options()
    options.never_nl = True
    options.never_capture = True
    options.log_errors = False
    options.max_mem = _MAX_MEMORY
    options.case_sensitive = not ignores_case
    return options


def _words(error: Exception) -> str:
    reason = error.args[0] if error.args else str(error)
    words = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
    return words.replace(_LINES, "", 1)


def _plain_without_re2(text: str, ignores_case: bool) -> re.Pattern[bytes]:
    if not ignores_case:
        return re.compile(re.escape(text).encode())
    return re.compile(b"".join(_either_case(character) for character in text), re.IGNORECASE)


def _either_case(character: str) -> bytes:
    """A pattern over UTF-8, where `re` itself folds ASCII letters only."""
    forms = dict.fromkeys((character, character.lower(), character.upper()))
    return b"(?:" + b"|".join(re.escape(form).encode() for form in forms) + b")"
