"""Text that came from anywhere, made harmless for whoever opens an export."""

import re
from typing import Final

_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]")
# What spreadsheets take for the beginning of a formula.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")  # noqa: RUF001


def without_controls(text: str) -> str:
    """Line ends, escapes and turns of direction as `\\u000a`: one line stays one, and a terminal obeys nothing."""
    return _CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def cell(value: str) -> str:
    """A value that no spreadsheet calculates: a quote before what would be a formula."""
    if value.lstrip(" ").startswith(_FORMULA):
        value = f"'{value}"
    return without_controls(value)
