"""Box-drawing and block characters as lines and rectangles of a cell: few fonts draw them so that they meet."""

from collections.abc import Iterator
from typing import Final

#: The arms of U+2500 to U+257F as up, right, down, left: 0 none, 1 light, 2 heavy, 3 double. Dashes count as whole
#: lines and arcs as corners. The three diagonals have no arms.
_ARMS: Final = (
    "0101 0202 1010 2020 0101 0202 1010 2020 0101 0202 1010 2020 0110 0210 0120 0220 "
    "0011 0012 0021 0022 1100 1200 2100 2200 1001 1002 2001 2002 1110 1210 2110 1120 "
    "2120 2210 1220 2220 1011 1012 2011 1021 2021 2012 1022 2022 0111 0112 0211 0212 "
    "0121 0122 0221 0222 1101 1102 1201 1202 2101 2102 2201 2202 1111 1112 1211 1212 "
    "2111 1121 2121 2112 2211 1122 1221 2212 1222 2122 2221 2222 0101 0202 1010 2020 "
    "0303 3030 0310 0130 0330 0013 0031 0033 1300 3100 3300 1003 3001 3003 1310 3130 "
    "3330 1013 3031 3033 0313 0131 0333 1303 3101 3303 1313 3131 3333 0110 0011 1001 "
    "1100 0000 0000 0000 0001 1000 0100 0010 0002 2000 0200 0020 0201 1020 0102 2010"
)

#: (left, top, right, bottom) in eighths of a cell.
type Box = tuple[int, int, int, int]

_UPPER_LEFT: Final[Box] = (0, 0, 4, 4)
_UPPER_RIGHT: Final[Box] = (4, 0, 8, 4)
_LOWER_LEFT: Final[Box] = (0, 4, 4, 8)
_LOWER_RIGHT: Final[Box] = (4, 4, 8, 8)

ARMS: Final[dict[str, tuple[int, int, int, int]]] = {
    chr(0x2500 + at // 5): (int(_ARMS[at]), int(_ARMS[at + 1]), int(_ARMS[at + 2]), int(_ARMS[at + 3]))
    for at in range(0, len(_ARMS), 5)
    if _ARMS[at : at + 4] != "0000"
}

#: In quarters of a full surface.
SHADES: Final = {"░": 1, "▒": 2, "▓": 3}

BLOCKS: Final[dict[str, tuple[Box, ...]]] = {
    "▀": ((0, 0, 8, 4),),
    **{chr(0x2580 + eighths): ((0, 8 - eighths, 8, 8),) for eighths in range(1, 9)},
    **{chr(0x2590 - eighths): ((0, 0, eighths, 8),) for eighths in range(1, 8)},
    "▐": ((4, 0, 8, 8),),
    "▔": ((0, 0, 8, 1),),
    "▕": ((7, 0, 8, 8),),
    "▖": (_LOWER_LEFT,),
    "▗": (_LOWER_RIGHT,),
    "▘": (_UPPER_LEFT,),
    "▙": (_UPPER_LEFT, (0, 4, 8, 8)),
    "▚": (_UPPER_LEFT, _LOWER_RIGHT),
    "▛": ((0, 0, 8, 4), _LOWER_LEFT),
    "▜": ((0, 0, 8, 4), _LOWER_RIGHT),
    "▝": (_UPPER_RIGHT,),
    "▞": (_UPPER_RIGHT, _LOWER_LEFT),
    "▟": (_UPPER_RIGHT, (0, 4, 8, 8)),
}


def strokes(
    character: str, count: int, left: float, top: float, width: float, height: float
) -> Iterator[tuple[bool, str]]:
    """`count` of a character of ARMS beside each other, as (is it heavy, SVG path); a double line is a heavy one."""
    up, right, down, lefts = ARMS[character]
    if right == lefts and not up and not down:
        yield right > 1, f"M{left:g} {top + height / 2:g}h{width * count:g}"
        return
    middle, centre = top + height / 2, left + width / 2
    for number in range(count):
        x = centre + number * width
        if up and up == down:
            yield up > 1, f"M{x:g} {top:g}v{height:g}"
        else:
            yield from _arms(x, middle, ((up, f"v{-height / 2:g}"), (down, f"v{height / 2:g}")))
        yield from _arms(x, middle, ((right, f"h{width / 2:g}"), (lefts, f"h{-width / 2:g}")))


def _arms(x: float, y: float, arms: tuple[tuple[int, str], ...]) -> Iterator[tuple[bool, str]]:
    for weight, way in arms:
        if weight:
            yield weight > 1, f"M{x:g} {y:g}{way}"


def blocks(character: str, count: int, left: float, top: float, width: float, height: float) -> Iterator[str]:
    """`count` of a character of BLOCKS beside each other, as SVG paths of rectangles."""
    for start, above, end, below in BLOCKS[character]:
        is_joined = (start, end) == (0, 8)
        for number in range(1 if is_joined else count):
            x = left + (number + start / 8) * width
            across = width * count if is_joined else (end - start) / 8 * width
            yield rectangle(x, top + above / 8 * height, across, (below - above) / 8 * height)


def rectangle(left: float, top: float, width: float, height: float) -> str:
    """SVG path."""
    return f"M{left:g} {top:g}h{width:g}v{height:g}h{-width:g}z"
