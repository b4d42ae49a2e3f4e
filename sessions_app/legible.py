"""Text that a program wrote, made harmless to read: nothing hidden in it acts on the page or reorders it."""

from typing import Final

_KEPT: Final = "\t\n\r"
# Embeddings, overrides and isolates make a line read differently from what it is (CVE-2021-42574).
_REORDERING: Final = (*range(0x202A, 0x202F), *range(0x2066, 0x206A))

_SHOWN: Final[dict[int, str]] = {
    **{code: chr(0x2400 + code) for code in range(0x20) if chr(code) not in _KEPT},
    0x7F: "\u2421",
    **{code: f"\u2039U+{code:04X}\u203a" for code in (*range(0x80, 0xA0), *_REORDERING)},
    **dict.fromkeys(range(55296, 57344), "�"),
}


def legible(text: str) -> str:
    """The text with control characters as their pictures, and what would reorder it by its code point."""
    return text if text.isascii() and text.isprintable() else text.translate(_SHOWN)
