"""Headers of the three versions, read leniently: no recording is lost over a field that describes it."""

import json
import math
import re
from collections.abc import Mapping

from sessions_app.terminal.asciicast.model import (
    DEFAULT_COLS,
    DEFAULT_ROWS,
    MAX_TIME_US,
    Header,
)
from sessions_app.terminal.asciicast.text import json_string, without_surrogates
from sessions_app.terminal.window import allowed_size

_NOT_IN_V1 = frozenset({"timestamp", "idle_time_limit", "tags", "theme"})
#: End of the year 9999, the last that dates can show.
_MAX_TIMESTAMP_S = 253_402_300_799

_VERSION_KEY = re.compile(rb'"version"\s*:\s*([0-9]+)\s*[,}]')
_BEFORE_HEADER = re.compile(rb"(?:\xef\xbb\xbf)?(?:\s+|#[^\n]*\n)*")


def detect_version(beginning: bytes) -> int | None:
    """Version of the recording that begins with these bytes (some KB are enough), None when it is none.

    A key inside a JSON string has its quotes escaped and cannot match; `term.version` is a string, not a
    number. Other JSON has a version too, so the key that holds the size must be there.
    """
    start = _BEFORE_HEADER.match(beginning)
    if start is None or beginning[start.end() : start.end() + 1] != b"{":
        return None
    found = _VERSION_KEY.search(beginning, start.end())
    version = int(found[1]) if found and found[1] in (b"1", b"2", b"3") else 0
    size_key = b'"term"' if version == 3 else b'"width"'
    return version if version and size_key in beginning else None


def parse_header(document: object) -> Header | None:
    """Header out of a decoded JSON object, None when it is not one of version 1, 2 or 3."""
    if not isinstance(document, dict):
        return None
    version = document.get("version")
    if type(version) is not int or version not in (1, 2, 3):
        return None
    if ("term" if version == 3 else "width") not in document:
        return None
    term = _mapping(document.get("term"))
    cols, rows = term.get("cols"), term.get("rows")
    if version != 3:
        cols, rows = document.get("width"), document.get("height")
    cols, rows = allowed_size(_cells(cols, DEFAULT_COLS), _cells(rows, DEFAULT_ROWS))
    timestamp = _number(document.get("timestamp"))
    duration = _number(document.get("duration"))
    tags = document.get("tags")
    tags = tags if isinstance(tags, list) else []
    return Header(
        version=version,
        cols=cols,
        rows=rows,
        timestamp_ms=None if timestamp is None or timestamp > _MAX_TIMESTAMP_S else round(timestamp * 1000),
        command=_text(document.get("command")),
        title=_text(document.get("title")),
        env=_texts(document.get("env")),
        idle_time_limit_s=_number(document.get("idle_time_limit")),
        duration_us=None if duration is None or duration * 1e6 > MAX_TIME_US else round(duration * 1e6),
        term_type=_text(term.get("type")),
        term_version=_text(term.get("version")),
        theme=_texts(term.get("theme") if version == 3 else document.get("theme")),
        tags=tuple(without_surrogates(tag) for tag in tags if isinstance(tag, str)),
    )


def format_header(header: Header) -> bytes:
    """The header line of a v2 or v3 file, without line feed; of a v1 file all but its output, as an object.

    Timestamps are whole seconds. v1 has none, and no limit of idle time, tags and theme.
    """
    document: dict[str, object] = {"version": header.version}
    term: dict[str, object] = {}
    if header.version == 3:
        term = {"cols": header.cols, "rows": header.rows}
        term |= {"type": header.term_type, "version": header.term_version, "theme": header.theme}
        document["term"] = {key: value for key, value in term.items() if value}
    else:
        document |= {"width": header.cols, "height": header.rows}
    document |= {
        "timestamp": None if header.timestamp_ms is None else header.timestamp_ms // 1000,
        "duration": None if header.version == 3 or header.duration_us is None else header.duration_us / 1e6,
        "idle_time_limit": header.idle_time_limit_s,
        "command": header.command,
        "title": header.title,
        "env": header.env or None,
        "tags": list(header.tags) or None,
        "theme": (header.theme or None) if header.version == 2 else None,
    }
    if header.version == 1:
        document = {key: value for key, value in document.items() if key not in _NOT_IN_V1}
    members = (
        json_string(key) + b": " + json.dumps(value, ensure_ascii=False).encode("utf-8", "backslashreplace")
        for key, value in document.items()
        if value is not None
    )
    return b"{" + b", ".join(members) + b"}"


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str | None:
    return without_surrogates(value) if isinstance(value, str) else None


def _texts(value: object) -> dict[str, str]:
    return {
        without_surrogates(name): without_surrogates(text)
        for name, text in _mapping(value).items()
        if isinstance(text, str)
    }


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if 0 <= value < 1e18 and math.isfinite(value) else None


def _cells(value: object, default: int) -> int:
    number = _number(value)
    return default if number is None or number < 1 else int(number)
