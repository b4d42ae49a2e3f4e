"""Runs of text that look alike, out of the VT text that libghostty-vt writes for rows of its cells."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import lru_cache

from sessions_app.terminal.engine.model import Colour, Style

type Run = tuple[str, Style]

# Nothing but styles and links is in it.
_TOKEN = re.compile(r"\x1b\[([0-9;:]*)m|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|([^\x1b]+)|\x1b")
_PLAIN = Style()
_FLAGS = {
    1: "bold", 2: "faint", 3: "italic", 4: "underline", 7: "inverse", 8: "invisible", 9: "strike", 21: "underline"
}  # fmt: skip


def styled_rows(texts: Iterable[bytes], count: int) -> tuple[tuple[Run, ...], ...]:
    """`count` rows out of VT text for each of them; missing ones are empty."""
    rows: list[tuple[Run, ...]] = []
    style = _PLAIN
    for text in texts:
        runs: list[Run] = []
        for match in _TOKEN.finditer(text.decode("utf-8", "replace")):
            if match[1] is not None:
                style = _styled(style, match[1])
            elif match[2] is not None:
                _append(runs, match[2], style)
        rows.append(tuple(runs))
    rows += [()] * (count - len(rows))
    return tuple(rows)


def _append(runs: list[Run], text: str, style: Style) -> None:
    if runs and runs[-1][1] == style:
        runs[-1] = (runs[-1][0] + text, style)
    else:
        runs.append((text, style))


@lru_cache(maxsize=4_096)
def _styled(style: Style, parameters: str) -> Style:
    """The style after a select-graphic-rendition sequence."""
    numbers = iter(parameters.split(";"))
    for text in numbers:
        code, *kind = (int(part or 0) for part in text.split(":"))
        if code == 0:
            style = _PLAIN
        elif code == 4 and kind:
            style = replace(style, underline=kind[0] > 0)
        elif code in _FLAGS:
            style = replace(style, **{_FLAGS[code]: True})
        elif 30 <= code <= 37 or 90 <= code <= 97:
            style = replace(style, foreground=_basic(code))
        elif 40 <= code <= 47 or 100 <= code <= 107:
            style = replace(style, background=_basic(code - 10))
        elif code in (38, 48, 58):
            colour = _extended(numbers)
            if code != 58:
                style = replace(style, foreground=colour) if code == 38 else replace(style, background=colour)
    return style


def _basic(code: int) -> int:
    return code - 30 if code < 90 else code - 90 + 8


def _extended(numbers: Iterator[str]) -> Colour:
    if next(numbers, "") == "5":
        return int(next(numbers, "") or 0)
    red, green, blue = (int(next(numbers, "") or 0) for _ in range(3))
    return f"#{red:02x}{green:02x}{blue:02x}"
