"""Text out of a terminal or a recording, made safe to show beside other text."""

import unicodedata

#: Cc controls, Cs surrogates and Cn unassigned are never shown. Of the format characters (Cf) only the
#: joiners that emoji and several scripts need stay: the rest reorder, hide or smuggle text (bidi, zero
#: width, tags).
_HIDDEN_CATEGORIES = frozenset({"Cc", "Cs", "Cn", "Cf"})
_SHOWN_FORMATS = frozenset({"\u200c", "\u200d"})


def safe_label(text: str, limit: int) -> str:
    """`text` on one line without control, invisible or direction-changing characters, at most `limit` long.

    Runs of white space become one space; an ellipsis stands for what was cut off.
    """
    # Hostile text may be megabytes of marks that all vanish; what is shown is decided by its beginning.
    beginning = text[: limit * 16]
    shown = (" " if character.isspace() else character for character in beginning if is_shown(character))
    label = " ".join("".join(shown).split())
    return label if len(label) <= limit else label[: limit - 1].rstrip() + "…"


def safe_line(text: str, limit: int) -> str:
    """`text` without the same characters, cut at `limit`; its white space keeps its width, with tabs of eight."""
    # A tab may be eight columns, and only the beginning is shown.
    beginning = text[: limit * 16].expandtabs()
    shown = (" " if character.isspace() else character for character in beginning if is_shown(character))
    return "".join(shown)[:limit].rstrip()


def is_shown(character: str) -> bool:
    """Whether a character neither controls, hides, nor reorders text."""
    if character.isascii():
        return " " <= character <= "~" or character.isspace()
    return unicodedata.category(character) not in _HIDDEN_CATEGORIES or character in _SHOWN_FORMATS
