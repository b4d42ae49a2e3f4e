"""Arbitrary bytes as JSON text and back.

asciicast carries text, a terminal carries bytes. A byte that is not part of valid UTF-8 becomes the lone
surrogate U+DC00 + byte (PEP 383), which JSON spells as an escape such as \\udcff; every other character is
itself. Reading that back gives the very same bytes, in any chunking. Players that know nothing of this show
one replacement character.
"""

import json
import re
from codecs import getincrementaldecoder

_FOREIGN_SURROGATE = re.compile("[\ud800-\udc7f\udd00-\udfff]")
_UTF8_DECODER = getincrementaldecoder("utf-8")


def decode(data: bytes) -> str:
    """Text for `data` alone; a character cut at an edge of `data` becomes lone surrogates."""
    return data.decode("utf-8", "surrogateescape")


def encode(text: str) -> bytes:
    """The bytes that `text` stands for. Surrogates that no byte maps to become U+FFFD."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return _FOREIGN_SURROGATE.sub("\ufffd", text).encode("utf-8", "surrogateescape")


def without_surrogates(text: str) -> str:
    """`text` as a person reads it, fit for any database."""
    return encode(text).decode("utf-8", "replace")


def json_string(text: str) -> bytes:
    """JSON string in UTF-8; lone surrogates, which UTF-8 cannot hold, as \\uXXXX escapes."""
    return json.dumps(text, ensure_ascii=False).encode("utf-8", "backslashreplace")


def json_string_ascii(text: str) -> bytes:
    """JSON string in ASCII."""
    return json.dumps(text).encode("ascii")


class Joiner:
    """Decodes a stream of chunks, keeping a character that is split between two of them in one piece."""

    def __init__(self) -> None:
        self._decoder = _UTF8_DECODER("surrogateescape")

    def feed(self, data: bytes) -> str:
        """Text of `data` without a character that it leaves unfinished, which comes with the next call."""
        return self._decoder.decode(data)

    def finish(self) -> str:
        """What was left unfinished, as lone surrogates."""
        return self._decoder.decode(b"", True)
