"""What a program printed, as HTML: colours kept, every other control sequence dropped."""

import re
from typing import Final

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from sessions_app.legible import legible

# CSI, then OSC and the other string sequences up to their terminator, then escapes of two or three bytes.
_SEQUENCE: Final = re.compile(
    r"\x1b\[(?P<parameters>[0-?]{0,64})[ -/]{0,8}(?P<final>[@-~]?)"
    r"|\x1b[\]PX^_][^\x07\x1b]{0,4096}(?:\x07|\x1b\\)?"
    r"|\x1b[ -/]{0,8}[0-~]?"
)
# What a carriage return goes back over: a progress bar shows only its last state.
_OVERWRITTEN: Final = re.compile(r"[^\n]*\r(?!\n|$)", re.MULTILINE)
_NAMES: Final = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")
_STYLES: Final = {1: "bold", 2: "dim", 3: "italic", 4: "underline", 9: "strike"}
_STYLE_ENDS: Final = {22: ("bold", "dim"), 23: ("italic",), 24: ("underline",), 29: ("strike",)}


class _Pen:
    """The colours and styles in force."""

    def __init__(self) -> None:
        self.colour = ""
        self.styles: set[str] = set()

    def apply(self, parameters: str) -> None:
        codes = [int(part) if part.isdecimal() else 0 for part in parameters.replace(":", ";").split(";")]
        position = 0
        while position < len(codes):
            position += self._apply_one(codes, position)

    def _apply_one(self, codes: list[int], position: int) -> int:
        """Take one code; returns how many numbers it used."""
        code = codes[position]
        if code == 0:
            self.colour, self.styles = "", set()
        elif code in _STYLES:
            self.styles.add(_STYLES[code])
        elif code in _STYLE_ENDS:
            self.styles.difference_update(_STYLE_ENDS[code])
        elif 30 <= code <= 37:
            self.colour = _NAMES[code - 30]
        elif 90 <= code <= 97:
            self.colour = f"bright-{_NAMES[code - 90]}"
        elif code == 39:
            self.colour = ""
        elif code in (38, 48):
            return self._extended(codes, position)
        return 1

    def _extended(self, codes: list[int], position: int) -> int:
        """Of the 256 colours the first 16 are the theme's; the others would not be legible in both themes."""
        kind = codes[position + 1] if position + 1 < len(codes) else 0
        if codes[position] == 38:
            number = codes[position + 2] if kind == 5 and position + 2 < len(codes) else 16
            self.colour = (
                "" if number > 15 else f"bright-{_NAMES[number - 8]}" if number > 7 else _NAMES[number]
            )
        return 5 if kind == 2 else 3

    @property
    def classes(self) -> str:
        names = [f"ansi-{name}" for name in sorted(self.styles)]
        return " ".join([*names, f"ansi-{self.colour}"] if self.colour else names)


def to_html(text: str) -> SafeString:
    """The text in spans of `ansi-…` classes, safe for any input."""
    text = _OVERWRITTEN.sub("", text) if "\r" in text else text
    if "\x1b" not in text:
        return mark_safe(escape(legible(text)))  # noqa: S308  escaped
    pen, parts, at = _Pen(), list[str](), 0
    for match in _SEQUENCE.finditer(text):
        parts.append(_span(text[at : match.start()], pen))
        at = match.end()
        if match["final"] == "m":
            pen.apply(match["parameters"])
    parts.append(_span(text[at:], pen))
    return mark_safe("".join(parts))  # noqa: S308  each part is escaped


def _span(text: str, pen: _Pen) -> str:
    if not text:
        return ""
    shown = escape(legible(text))
    return f'<span class="{pen.classes}">{shown}</span>' if pen.classes else str(shown)
