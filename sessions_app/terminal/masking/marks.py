"""What stands in a secret's place: as wide as it and as many bytes, with a tag that tells equal ones."""

import hashlib
import hmac
import unicodedata

_TAG_CHARS = 8
#: For characters that are not ASCII, one of as many bytes and columns: (bytes, columns) to character.
_SUBSTITUTES = {
    (2, 0): "\u0301",
    (2, 1): "\u00b7",
    (3, 0): "\u200d",
    (3, 1): "\u2022",
    (3, 2): "\uff0a",
    (4, 1): "\U00010101",
    (4, 2): "\U0001f512",
}


def tag_of(key: bytes, secret: bytes) -> str:
    """Eight hexadecimal digits: the same for the same secret under the same key, and nothing without the key."""
    return hmac.new(key, secret, hashlib.sha256).hexdigest()[:_TAG_CHARS]


def mark(label: str, tag: str, width: int) -> bytes:
    """`width` bytes of ASCII that name the rule and the tag, as far as they fit."""
    for text in (f"[{label}:{tag}]", f"[{tag}]") if tag else ():
        if len(text) <= width:
            return text.encode("ascii", "replace") + b"*" * (width - len(text))
    return b"*" * width


def cover(text: bytes, label: str, tag: str) -> bytes:
    """The mark for `text`, in which every character gets one as wide; control characters stay, and in several
    lines spaces. Bytes that are no UTF-8 stand for nothing that can be read, and become `*`.
    """
    if text.isascii():
        # Where there are several lines, spaces indent them.
        first = 0x21 if b"\n" in text else 0x20
        covered = sum(first <= byte < 0x7F for byte in text)
        shown = iter(mark(label, tag, covered))
        return bytes(next(shown) if first <= byte < 0x7F else byte for byte in text)
    covers = []
    for character in text.decode("utf-8", "surrogateescape"):
        if character.isascii():
            covers.append(b"*" if " " <= character < "\x7f" else character.encode())
        elif "\udc80" <= character <= "\udcff":
            covers.append(b"*")
        else:
            covers.append(_substitute(character))
    return b"".join(covers)


def _substitute(character: str) -> bytes:
    encoded = character.encode()
    columns = 2 if unicodedata.east_asian_width(character) in "WF" else 1
    if unicodedata.combining(character) or unicodedata.category(character) in {"Mn", "Me", "Cf"}:
        columns = 0
    substitute = _SUBSTITUTES.get((len(encoded), columns))
    return substitute.encode() if substitute else b"*" * len(encoded)
