"""Characters that libghostty-vt draws two columns wide and xterm.js one.

xterm.js knows the widths of Unicode 11, and flags as two letters of one column each. A screen with columns of its
own would break lines elsewhere, so the library is given private characters of the same length in UTF-8 for
them: U+1Fxxx becomes U+10Fxxx, and the trigrams U+2630 to U+2637 become U+F830 to U+F837.
"""

import re

# Third byte of U+1Fxxx in UTF-8, and first and last fourth byte.
_WIDE_IN_LIBRARY = [
    (0x86, 0xAE, 0xAE), (0x87, 0xA6, 0xBF), (0x9B, 0x96, 0x99), (0x9B, 0x9C, 0x9F), (0x9B, 0xBB, 0xBC),
    (0x9F, 0x9A, 0x9A), (0x9F, 0xB0, 0xB0), (0xA4, 0x8C, 0x8C), (0xA5, 0xB2, 0xB2), (0xA5, 0xB7, 0xB9),
    (0xA6, 0xA3, 0xA4), (0xA6, 0xAB, 0xAD), (0xA7, 0x8B, 0x8C), (0xA9, 0xB4, 0xB7), (0xA9, 0xBB, 0xBC),
    (0xAA, 0x83, 0x8F), (0xAA, 0x96, 0xBF), (0xAB, 0x80, 0x86), (0xAB, 0x88, 0x88), (0xAB, 0x8C, 0x9D),
    (0xAB, 0x9F, 0xAB), (0xAB, 0xAF, 0xBA),
]  # fmt: skip
_CHARACTERS = b"|".join(
    re.escape(bytes([third])) + b"[" + re.escape(bytes([first])) + b"-" + re.escape(bytes([last])) + b"]"
    for third, first, last in _WIDE_IN_LIBRARY
)
#: What the library gets other characters for, as a pattern.
WIDE_IN_LIBRARY = rb"\xf0\x9f(?:%b)|\xe2\x98[\xb0-\xb7]" % _CHARACTERS
_TO = re.compile(rb"\xf0\x9f(?=%b)" % _CHARACTERS)
_FROM = re.compile(rb"\xf4\x8f(?=%b)" % _CHARACTERS)
_TRIGRAM_TO = re.compile(rb"\xe2\x98(?=[\xb0-\xb7])")
_TRIGRAM_FROM = re.compile(rb"\xef\xa0(?=[\xb0-\xb7])")
# The last ones are beginnings of sequences that the engine replaces, or looks for.
_PART = re.compile(rb"(?:\xf0(?:\x9f[\x80-\xbf]?)?|\xe2\x98?|\x1b(?:\[\??[0-9;]{0,20}!?|\]8?)?)\Z")
_MAX_PART_BYTES = 24


def to_library(data: bytes) -> bytes:
    """Output with private characters for those of another width."""
    if b"\xf0" in data:
        data = _TO.sub(b"\xf4\x8f", data)
    if b"\xe2" in data and b"\xe2\x98" in data:
        data = _TRIGRAM_TO.sub(b"\xef\xa0", data)
    return data


def from_library(text: bytes) -> bytes:
    """Text of the library with the characters that were printed."""
    if b"\xf4" in text:
        text = _FROM.sub(b"\xf0\x9f", text)
    if b"\xef" in text:
        text = _TRIGRAM_FROM.sub(b"\xe2\x98", text)
    return text


def unended(data: bytes) -> bytes:
    """The end of `data`, where it may be the beginning of what the library gets in another form."""
    part = _PART.search(data[-_MAX_PART_BYTES:])
    return part[0] if part else b""
