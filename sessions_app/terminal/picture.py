"""A small picture of a screen as SVG: safe whatever a program printed, of bounded size, and without a theme.

What the theme decides is a class that static/css/components/wall.css colours. What is not plain text stands at
its own column, so no font can push what comes after it.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import lru_cache
from html import escape
from itertools import groupby
from typing import Final

from sessions_app.terminal.box_drawing import ARMS, BLOCKS, SHADES, blocks, rectangle, strokes
from sessions_app.terminal.engine.model import Style, StyledScreen
from sessions_app.terminal.engine.widths import to_library
from sessions_app.terminal.picture_paint import Paint, paint_of
from sessions_app.terminal.sanitise import is_shown

CELL_WIDTH: Final = 6
CELL_HEIGHT: Final = 13
#: Of a larger window the part with the cursor is drawn.
MAX_COLUMNS: Final = 240
MAX_ROWS: Final = 80
#: A smaller window is drawn in the corner of so many cells, not blown up.
MIN_COLUMNS: Final = 60
MIN_ROWS: Final = 18
#: A screen with another colour or an unusual character in every cell loses its colours after so many.
MAX_PIECES: Final = 2_000
#: Of the marks that stand on one character.
MAX_MARKS: Final = 3
#: Looked at for one picture, most of which may be marks that are not shown.
MAX_CHARACTERS: Final = 200_000

_BASELINE: Final = 10
#: Spaces; words of which every character is one cell wide; box drawing; and whatever else there is.
_PIECE: Final = re.compile(
    r"(?P<space> ++)"
    r"|(?P<plain>[!-~\u00a1-\u00ac\u00ae-\u024f]++(?: [!-~\u00a1-\u00ac\u00ae-\u024f]++)*+)"
    r"|(?P<drawn>[\u2500-\u259f]++)"
    r"|(?P<other>[^ -~\u00a1-\u00ac\u00ae-\u024f\u2500-\u259f]++)"
)

type _Row = Sequence[tuple[str, Style]]


def draw(screen: StyledScreen) -> str:
    """An `<svg>` of mostly a few thousand bytes."""
    drawing = _Drawing()
    first = max(0, min(len(screen.rows) - MAX_ROWS, screen.cursor_row))
    for number, row in enumerate(screen.rows[first : first + MAX_ROWS]):
        _RowPen(drawing, number).draw(row)
    if screen.cursor_visible:
        drawing.put_cursor(screen.cursor_column, screen.cursor_row - first)
    columns = max(MIN_COLUMNS, min(screen.cols, MAX_COLUMNS))
    rows = max(MIN_ROWS, min(len(screen.rows), MAX_ROWS))
    return drawing.svg(columns * CELL_WIDTH, rows * CELL_HEIGHT)


class _Drawing:
    """Each path gathers all that is painted alike, so frames and bars cost next to nothing."""

    def __init__(self) -> None:
        self.behind: dict[str, list[str]] = defaultdict(list)
        self.texts: list[str] = []
        self.drawn: dict[str, list[str]] = defaultdict(list)
        self.pieces = 0
        self.characters = 0
        self._cursor = ""

    def put_cursor(self, column: int, row: int) -> None:
        if column < MAX_COLUMNS and 0 <= row < MAX_ROWS:
            box = rectangle(column * CELL_WIDTH, row * CELL_HEIGHT, CELL_WIDTH, CELL_HEIGHT)
            self._cursor = f'<path class="cursor" d="{box}"/>'

    def svg(self, width: int, height: int) -> str:
        head = f'<svg class="picture" viewBox="0 0 {width} {height}" preserveAspectRatio="xMinYMin">'
        behind, drawn = (
            "".join(f'<path{paint} d="{"".join(parts)}"/>' for paint, parts in paths.items())
            for paths in (self.behind, self.drawn)
        )
        # Else there would be a seam between any two cells of the same colour.
        behind = f'<g shape-rendering="crispEdges">{behind}</g>' if behind else ""
        return f"{head}{behind}{self._cursor}{''.join(self.texts)}{drawn}</svg>"


class _RowPen:
    """Draws one row from left to right."""

    def __init__(self, drawing: _Drawing, number: int) -> None:
        self._drawing = drawing
        self._top = number * CELL_HEIGHT
        self._column = 0
        # Where the next character comes by itself; -1 after one of which only the browser knows the width.
        self._flows_at = -1
        # Attributes and text.
        self._spans: list[tuple[str, str]] = []

    def draw(self, row: _Row) -> None:
        for text, style in row:
            start, paint = self._column, paint_of(style)
            self._add(text, paint)
            if paint.behind:
                width = (min(self._column, MAX_COLUMNS) - start) * CELL_WIDTH
                box = rectangle(start * CELL_WIDTH, self._top, width, CELL_HEIGHT)
                self._drawing.behind[paint.behind].append(box)
            if self._column >= MAX_COLUMNS:
                break
        if self._spans:
            spans = (f"<tspan{paint}>{text}</tspan>" if paint else text for paint, text in self._spans)
            self._drawing.texts.append(f'<text y="{self._top + _BASELINE}">{"".join(spans)}</text>')

    def _add(self, text: str, paint: Paint) -> None:
        end = MAX_CHARACTERS - self._drawing.characters
        self._drawing.characters += min(end, len(text))
        for match in _PIECE.finditer(text, 0, end):
            room = MAX_COLUMNS - self._column
            if room <= 0:
                return
            if match.lastgroup == "space" or paint.is_invisible:
                self._column += sum(map(width_of, match[0]))
            elif match.lastgroup == "plain":
                self._write(match[0][:room], paint.text)
            elif match.lastgroup == "drawn":
                self._draw(match[0][:room], paint)
            else:
                self._write_other(match[0], paint.text)

    def _write(self, text: str, paint: str, width: int | None = None) -> None:
        """Text whose characters are one cell wide, or with its `width` one character of any."""
        self._drawing.pieces += 1
        if self._drawing.pieces > MAX_PIECES:
            attributes = ""
        else:
            attributes = (
                "" if self._flows_at == self._column else f' x="{self._column * CELL_WIDTH}"'
            ) + paint
        self._spans.append((attributes, escape(text, quote=False)))
        self._column += len(text) if width is None else width
        self._flows_at = self._column if width is None else -1

    def _write_other(self, text: str, paint: str) -> None:
        for cluster, width in _clusters(text):
            if width == 0:
                self._join(cluster)
            elif is_shown(cluster[0]) and not cluster[0].isspace():
                self._write(cluster, paint, width)
            else:
                self._column += width

    def _join(self, marks: str) -> None:
        """Marks without a character of their own belong to the one before them."""
        if self._spans and self._flows_at == self._column:
            attributes, before = self._spans[-1]
            self._spans[-1] = attributes, before + marks
            self._flows_at = -1

    def _draw(self, text: str, paint: Paint) -> None:
        drawn = self._drawing.drawn
        for character, same in groupby(text):
            count, left = len(list(same)), self._column * CELL_WIDTH
            if character in ARMS:
                for is_heavy, path in strokes(character, count, left, self._top, CELL_WIDTH, CELL_HEIGHT):
                    drawn[paint.heavy_line if is_heavy else paint.line].append(path)
            elif character in BLOCKS:
                drawn[paint.surfaces[3]] += blocks(character, count, left, self._top, CELL_WIDTH, CELL_HEIGHT)
            elif character in SHADES:
                surface = rectangle(left, self._top, CELL_WIDTH * count, CELL_HEIGHT)
                drawn[paint.surfaces[SHADES[character] - 1]].append(surface)
            else:
                self._write(character * count, paint.text)
                continue
            self._column += count


def _clusters(text: str) -> Iterator[tuple[str, int]]:
    """Characters with the marks that stand on them, and how many cells wide they are."""
    cluster, width = "", 0
    for character in text:
        if own := width_of(character):
            if cluster:
                yield cluster, width
            cluster, width = character, own
        elif len(cluster) - bool(width) < MAX_MARKS and is_shown(character):
            cluster += character
    if cluster:
        yield cluster, width


@lru_cache(maxsize=4096)
def width_of(character: str) -> int:
    """In cells, as the engine has it: 0 for what stands on, or joins, the character before it, 2 for wide ones."""
    if character < "\u0300":
        return 1
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    is_wide = unicodedata.east_asian_width(character) in "WF"
    return 2 if is_wide and to_library(letters := character.encode(errors="replace")) == letters else 1
