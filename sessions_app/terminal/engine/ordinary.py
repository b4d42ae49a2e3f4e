r"""Output that the library may get just as it is: one pass over the bytes tells, in place of a search for each thing.

What is not ordinary takes the long way (deriver.py, ghostty.py). So everything peculiar has to be found here, while
what is found may turn out to be nothing. Only RE2 is fast enough; without its wheel no output is ordinary.

Peculiar are sequences and characters that the library does not take as xterm.js does, what erases all of the screen or
puts up another one, and `ESC [ K` where the cursor may stand behind the last column (ghostty.py says why). For that,
columns are counted from wherever the cursor is sent to one that is known. Each token of the output is in exactly one of
the classes below, or peculiar: one in none of them would end the counting, one in two be counted as the wider.
"""

import re
from functools import lru_cache
from typing import Any, Final, NamedTuple

from sessions_app.terminal.byte_patterns import HAS_RE2, compile_pattern
from sessions_app.terminal.engine.widths import WIDE_IN_LIBRARY

# What RE2 remembers grows with the columns that are counted, and where it has no room it takes a hundred times as long.
# Output that is made for that finds a way in these widths too: whoever asks looks at the clock (ghostty.py).
_MOST_COLS: Final = 240
_MAX_MEMORY: Final = 16 * 1024 * 1024
#: Making the patterns for a width takes some milliseconds, which so many bytes of output pay for.
PAYING_BYTES: Final = 65_536

_NUMBERS: Final = rb"[0-9;:]*"
_ANY: Final = rb"[ -?]*"
_ODD: Final = rb"%b[ -/<=>?]%b" % (_NUMBERS, _ANY)

# Takes no column.
_STYLE: Final = rb"\x1b\[%b[mK]" % _NUMBERS
# Takes one at most. A character of three or four bytes takes two: its last byte is the second of them.
_COLUMN: Final = (
    rb"[^\x1b\r\t\x80-\xff]|[\x80-\xbf]"
    rb"|[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]|[\xf0-\xf4][\x80-\xbf][\x80-\xbf]"
)
# Sequences that send the cursor nowhere to the right. They are counted as a column all the same.
_STAYING: Final = rb"\x1b\[%b[ABDJL-Zc-eg-ln-tv-z@\[-_{-~]|\x1b\[%b[mK]|\x1b[ -79-OQ-WYZ\\`-bd-~]" % (
    _ANY,
    _ODD,
)
# The cursor is in the first column then; near to it, in the second to the ninth; or anywhere, as behind a string, in
# which nothing moves it though it may look so.
_HOME: Final = rb"\r|\x1b\[(?:[0-9]*(?:;0*1?)?[Hf]|0*1?[G`]|[0-9]*[EF])"
_NEAR: Final = rb"\x1b\[(?:[0-9]*;0*[2-9][Hf]|0*[2-9][G`])"
_NEAR_COLUMNS: Final = 8
_ANYWHERE: Final = (
    rb"\t|\x1b8|\x1b[PX\]^_]|\x1b\[(?:%b[CIabu]|[0-9]*;0*[1-9][0-9]+[Hf]|0*[1-9][0-9]+[G`]"
    rb"|[0-9]*;[0-9]*[;:]%b[Hf]|[0-9]*:%b[Hf]|[0-9]*[;:]%b[G`EF]|%b[GHf`EF])"
) % (_ANY, _NUMBERS, _NUMBERS, _NUMBERS, _ODD)
_ERASE: Final = rb"\x1b\[K"

_PECULIAR: Final = (
    # All of the screen is erased.
    rb"\x1b\[[23]J|H\x1b\[0?J|\x1bc",
    # Modes that put up another screen, move the origin or the margins, bring a saved cursor back, have another width,
    # let the cursor go back to the row before, or put clusters of characters into one cell.
    rb"\x1b\[\?(?:[0-9]*[:;])*0*(?:3|6|40|45|47|69|104[5789]|2027)(?:[:;][0-9:;]*)?[hlr]",
    # A link, a soft reset, a character very often, and erasing in other words.
    rb"\x1b\]8;|!p|\x1b\[[0-9]{3,}b|\x1b\[0+K",
    # In a sequence or a string something that belongs into none.
    rb"\x1b[\x00-\x1f\x7f-\xff]|\x1b[ -/]+[\x80-\xff]|\x1b\[%b[^ -~]" % _ANY,
    rb"\x1b\][^\x07\x1b]*\r|\x1b[PX^_][^\x1b]*[\r\x80-\x9f]",
    # What is no UTF-8: it may take a column for each byte.
    rb"[\xc0\xc1\xf5-\xff]|\xe0[\x80-\x9f]|\xed[\xa0-\xbf]|\xf0[\x80-\x8f]|\xf4[\x90-\xbf]",
    rb"[\xc2-\xf4][^\x80-\xbf]|[\xe0-\xf4][\x80-\xbf][^\x80-\xbf]|[\xf0-\xf4][\x80-\xbf][\x80-\xbf][^\x80-\xbf]",
    WIDE_IN_LIBRARY,
)


class Ordinary(NamedTuple):
    """The patterns for a window of one width."""

    #: Output up to the first that is peculiar.
    peculiar: Any
    #: Output up to the last erasing before the cursor is sent anywhere.
    beginning: Any

    def columns_needed(self, output: bytes) -> int | None:
        """How many columns have to be free, from the cursor's on, for the output to be ordinary; None where it is not.

        A cursor behind the last column has none.
        """
        if self.peculiar.match(output) is not None:
            return None
        met = self.beginning.match(output)
        return 0 if met is None else 1 + len(_STYLES.sub(b"", output[: met.end()]))


_STYLES: Final = re.compile(_STYLE)


def for_width(cols: int) -> Ordinary | None:
    """None where nothing is known to be ordinary: without RE2, and in very wide windows."""
    return _for_width(cols) if HAS_RE2 and cols <= _MOST_COLS else None


@lru_cache(maxsize=4)
def _for_width(cols: int) -> Ordinary:
    one = rb"(?:%b|%b)(?:%b)*" % (_COLUMN, _STAYING, _STYLE)
    then_erased = rb"(?:%b|%b|%b|%b)*%b" % (_COLUMN, _STAYING, _STYLE, _ANYWHERE, _ERASE)
    full_line = rb"(?:%b)*(?:%b){%d}%b"
    home = full_line % (_STYLE, one, cols, then_erased)
    near = full_line % (_STYLE, one, max(cols - _NEAR_COLUMNS, 1), then_erased)
    behind_it = (b"(?:%b)%b" % pair for pair in [(_HOME, home), (_NEAR, near), (_ANYWHERE, then_erased)])
    # With all that is before: RE2 would go back to see where it begins.
    peculiar = rb"(?s:.*?)(?:%b)" % b"|".join([*behind_it, *_PECULIAR])
    beginning = rb"(?:%b|%b|%b)*%b" % (_COLUMN, _STAYING, _STYLE, _ERASE)
    return Ordinary(compile_pattern(peculiar, _MAX_MEMORY), compile_pattern(beginning, _MAX_MEMORY))
