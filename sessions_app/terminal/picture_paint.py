"""Colours and styles of a small picture, as attributes of its elements.

Everything is painted in its own `color`: a class for what the page's theme decides (the sixteen colours, the
foreground and the background), an attribute for the fixed ones.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from sessions_app.terminal.engine.model import Colour, Style

_NAMES: Final = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")
_THEMED: Final = (*_NAMES, *(f"bright-{name}" for name in _NAMES))
_CUBE: Final = (0, 95, 135, 175, 215, 255)
# Of relative luminance: on what is darker, light text is read more easily.
_DARK_BELOW: Final = 0.18


@dataclass(frozen=True, slots=True)
class Paint:
    """A style, ready to be written into the picture. Each is a string of attributes with a space before it."""

    # Of the text; "" for text like most.
    text: str
    # Of surfaces in quarters of their strength (the last is the whole) and of lines, in the text's colour.
    surfaces: tuple[str, str, str, str]
    line: str
    heavy_line: str
    # Of the surface behind it; "" when there is none.
    behind: str
    is_invisible: bool


@lru_cache(maxsize=4096)
def paint_of(style: Style) -> Paint:
    """Remembered, as programs have few styles and use the same ones again and again."""
    ink, paper = _resolve(style.foreground), _resolve(style.background)
    if style.inverse:
        ink, paper = paper or "ground", ink or "ink"
    names = [name for name in ("bold", "faint", "italic", "underline", "strike") if getattr(style, name)]
    if paper:
        names.append("on")
    if paper.startswith("#"):
        # Its own colours would be those of the page's theme, which may be as dark as this surface.
        names.append("dark" if _is_dark(paper) else "light")
        ink = "" if ink == "ground" else ink
    elif paper in _THEMED and ink != "ground":
        # In a light theme all of these are dark enough to need the light text that programs choose for them.
        names.append("dark")
    faint = [name for name in names if name == "faint"]
    return Paint(
        text=_attributes(ink, names),
        surfaces=(
            _attributes(ink, ["quarter"]),
            _attributes(ink, ["half"]),
            _attributes(ink, ["most"]),
            _attributes(ink, faint),
        ),
        line=_attributes(ink, ["line", *faint]),
        heavy_line=_attributes(ink, ["line", "heavy", *faint]),
        behind=_attributes(paper, []),
        is_invisible=style.invisible,
    )


def _resolve(colour: Colour) -> str:
    """A class, "#rrggbb", or "" for none."""
    if colour is None:
        return ""
    if isinstance(colour, str):
        return _rounded(colour)
    if colour < 16:
        return _THEMED[colour]
    if colour >= 232:
        return "#" + f"{8 + 10 * (colour - 232):02x}" * 3
    red, rest = divmod(colour - 16, 36)
    return "#" + "".join(f"{_CUBE[level]:02x}" for level in (red, *divmod(rest, 6)))


def _rounded(colour: str) -> str:
    """To 32 steps of each part: nobody sees the difference, and a gradient becomes a few runs instead of a hundred."""
    parts = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return "#" + "".join(f"{min(255, part // 8 * 8 + part // 32):02x}" for part in parts)


def _is_dark(paper: str) -> bool:
    red, green, blue = ((int(paper[start : start + 2], 16) / 255) ** 2.2 for start in (1, 3, 5))
    return bool(0.2126 * red + 0.7152 * green + 0.0722 * blue < _DARK_BELOW)


def _attributes(colour: str, names: list[str]) -> str:
    is_fixed = colour.startswith("#")
    classes = names if is_fixed or not colour else [*names, colour]
    named = f' class="{" ".join(classes)}"' if classes else ""
    return f'{named} color="{colour}"' if is_fixed else named
