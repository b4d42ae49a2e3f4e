"""The text between escape sequences, with the way back to the bytes that it was read from.

Two texts run through a terminal's output: what is drawn, and what stands inside control strings (titles,
links). Colours and modes are no part of either, so a word is whole however it is coloured; whatever moves the
cursor ends a word. A shell that draws a word anew as one types goes back over it: where there are backspaces,
what is drawn is read once as it comes and once with each of them taking back the character before it.
"""

import re
from bisect import bisect_right
from dataclasses import dataclass, field

#: Stands for a control sequence that ends a word.
SEPARATOR = b"\x1b"

_ESCAPE = re.compile(
    rb"\x1b(?:\[[0-?]*+[ -/]*+(?P<control>[@-~])|(?P<string>[PX\]^_])|(?P<other>[ -/]*+[0-OQ-WYZ\\`-~]))"
)
_UNFINISHED = re.compile(rb"\x1b(?:\[[0-?]*+[ -/]*+|[ -/]*+)\Z")
_STRING_END = re.compile(rb"[\x07\x18\x1a\x1b]")
_CONTROLS_WITHIN_WORDS = b"mKhlqnc"
_OTHERS_BETWEEN_WORDS = b"78DEHMc"

#: The same at one stroke, for bytes in which no control string is unfinished: what ends a word leaves its ESC. No
#: part can give anything back that the next could take, so it means the same to engines that never backtrack.
WITHIN_WORDS = (
    rb"(?:\x1b\[[0-?]*[ -/]*[mKhlqnc]"
    rb"|\x1b[PX\]^_][^\x07\x18\x1a\x1b]*[\x07\x18\x1a]?"
    rb"|\x1b[ -/]*[0-69-CFGI-LNOQ-WYZ\\`-bd-~])"
)
_WITHIN_WORDS = WITHIN_WORDS.replace(b"]*", b"]*+") + b"++"
_DROPPED = re.compile(_WITHIN_WORDS)
_STRIPPED = re.compile(_WITHIN_WORDS + rb"|(\x1b)(?:\[[0-?]*+[ -/]*+[@-~]|[78DEHMc])")
_PAYLOAD = re.compile(rb"\x1b[PX\]^_]([^\x07\x18\x1a\x1b]*+)")
_SHORT_STRING = 512
_STRING_START = re.compile(rb"\x1b[PX\]^_]")
_UNFINISHED_STRING = re.compile(rb"\x1b[PX\]^_][^\x07\x18\x1a\x1b]*+\Z")


@dataclass(slots=True)
class View:
    """`data` is what is to be read. `segments` are the raw bytes it came from, what was taken back included."""

    takes_back: bool = False
    data: bytearray = field(default_factory=bytearray)
    segments: list[tuple[int, int]] = field(default_factory=list)
    #: How many characters from before this view were taken back.
    taken_back: int = 0
    _starts: list[int] = field(default_factory=list)
    _raw_starts: list[int] = field(default_factory=list)

    def add(self, raw: bytes, start: int, end: int) -> None:
        """Read raw[start:end]."""
        self.segments.append((start, end))
        while self.takes_back and (back := raw.find(b"\b", start, end)) >= 0:
            self._append(raw, start, back)
            self._take_back()
            start = back + 1
        self._append(raw, start, end)

    def separate(self, raw_start: int) -> None:
        """Note that a word ends here."""
        self._starts.append(len(self.data))
        self._raw_starts.append(raw_start)
        self.data += SEPARATOR

    def raw_position(self, position: int) -> int:
        """Where the character at `position` stands in the raw bytes."""
        piece = bisect_right(self._starts, position) - 1
        return self._raw_starts[piece] + position - self._starts[piece]

    def position_before(self, raw_position: int) -> int:
        """How many characters stand before `raw_position` in the raw bytes."""
        piece = bisect_right(self._raw_starts, raw_position) - 1
        if piece < 0:
            return 0
        end = self._starts[piece + 1] if piece + 1 < len(self._starts) else len(self.data)
        return min(self._starts[piece] + raw_position - self._raw_starts[piece], end)

    def _append(self, raw: bytes, start: int, end: int) -> None:
        if start < end:
            self._starts.append(len(self.data))
            self._raw_starts.append(start)
            self.data += raw[start:end]

    def _take_back(self) -> None:
        if not self.data:
            self.taken_back += 1
            return
        del self.data[-1]
        if self._starts[-1] == len(self.data):
            self._starts.pop()
            self._raw_starts.pop()


@dataclass(frozen=True, slots=True)
class Reading:
    """Both texts of some raw bytes, and what is drawn anew where there are backspaces. What comes from `end` on
    is the beginning of an escape sequence."""

    drawn: View
    redrawn: View | None
    strings: View
    in_string: bool
    end: int


def read(raw: bytes, *, in_string: bool) -> Reading:
    """Both texts with their places."""
    drawn, strings = View(), View()
    redrawn = View(takes_back=True) if b"\b" in raw else None
    on_screen = (drawn, redrawn) if redrawn else (drawn,)
    position = 0
    while position < len(raw):
        if in_string:
            stop = _STRING_END.search(raw, position)
            end = stop.start() if stop else len(raw)
            strings.add(raw, position, end)
            if stop is None:
                return Reading(drawn, redrawn, strings, True, len(raw))
            strings.separate(end)
            in_string = False
            position = end if raw[end] == 0x1B else end + 1
            continue
        start = raw.find(b"\x1b", position)
        start = len(raw) if start < 0 else start
        if start > position:
            for view in on_screen:
                view.add(raw, position, start)
        if start == len(raw):
            break
        escape = _ESCAPE.match(raw, start)
        if escape is None and _UNFINISHED.match(raw, start):
            return Reading(drawn, redrawn, strings, False, start)
        in_string = escape is not None and escape["string"] is not None
        if escape is None or _ends_word(escape):
            for view in on_screen:
                view.separate(start)
        position = escape.end() if escape else start + 1
    return Reading(drawn, redrawn, strings, in_string, len(raw))


def _ends_word(escape: re.Match[bytes]) -> bool:
    if escape["control"] is not None:
        return escape["control"] not in _CONTROLS_WITHIN_WORDS
    return escape["other"] is not None and escape["other"] in _OTHERS_BETWEEN_WORDS


def read_plainly(raw: bytes) -> tuple[bytes, bytes, int] | None:
    """Both texts without their places, much faster, and where they end as in a Reading.

    None for bytes that need the careful way. Control strings are held back until they end, if they are short.
    """
    if b"\b" in raw:
        return None
    last = raw.rfind(b"\x1b")
    if last < 0:
        return raw, b"", len(raw)
    end = len(raw)
    if _UNFINISHED.match(raw, last):
        end, raw = last, raw[:last]
        last = raw.rfind(b"\x1b")
    if last >= 0 and _UNFINISHED_STRING.match(raw, last):
        if len(raw) - last > _SHORT_STRING:
            return None
        end, raw = last, raw[:last]
    drawn, strings = _DROPPED.sub(b"", raw), b""
    if b"\x1b" in drawn:
        # Slower, and only needed where something ends a word.
        drawn = _STRIPPED.sub(rb"\1", raw)
    if _STRING_START.search(raw):
        strings = SEPARATOR.join([*_PAYLOAD.findall(raw), b""])
    return drawn, strings, end


def ends_in_text(raw: bytes, length: int) -> bool:
    """Whether the last `length` bytes are text, all of them."""
    last = raw.rfind(b"\x1b")
    if last < 0:
        return True
    escape = _ESCAPE.match(raw, last)
    return escape is not None and escape["string"] is None and escape.end() <= len(raw) - length
