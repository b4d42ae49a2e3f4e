"""One decision about text that a database may refuse.

NUL and lone surrogates occur in real transcripts; Postgres stores neither. Text columns hold the
readable form made here on both engines alike; the exact bytes stay in the source's raw chunks.
"""

import re

_SURROGATE = re.compile("[\ud800-\udfff]")


def storable(text: str) -> str:
    """The text with NUL shown as U+2400 and each lone surrogate as U+FFFD; the same object when clean."""
    if "\x00" in text:
        text = text.replace("\x00", "\u2400")
    try:
        # Encoding is the fastest test for surrogates that CPython offers.
        text.encode()
    except UnicodeEncodeError:
        text = _SURROGATE.sub("\ufffd", text)
    return text


def cut(text: str, limit: int) -> str:
    """At most `limit` characters, the last one an ellipsis when something was cut."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def cut_bytes(text: str, limit: int) -> str:
    """At most `limit` bytes of UTF-8, whole characters alone, the last one an ellipsis when something was cut."""
    data = text.encode()
    if len(data) <= limit:
        return text
    return data[: limit - len("…".encode())].decode(errors="ignore").rstrip() + "…"


def one_line(text: str, limit: int) -> str:
    """The text as a single line without control characters, at most `limit` characters."""
    head = text[: limit * 4]
    if not head.isprintable():
        head = "".join(c if c.isprintable() else " " for c in head)
    return cut(" ".join(head.split()), limit)
