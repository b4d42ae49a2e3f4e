"""Reading JSON that somebody else wrote: whatever a field holds, the answer has the type asked for."""

import json
import math
from typing import Any

import msgspec

from dashboard.lib.clock import iso_to_ms
from sessions_app.drafts import SkipLine

# What a bigint column and a UUIDv7 can both hold: the years 1970 to 9999.
_LATEST_MS = 253_402_300_799_999
_LARGEST = 2**53

# A longer line is kept in pieces of this size and counted as one that cannot be read.
MAX_LINE_BYTES = 64 * 1024 * 1024

_decode = msgspec.json.Decoder().decode


def decode_object(line: bytes) -> dict[str, Any]:
    """The JSON object on this line. Raises SkipLine when it is anything else."""
    value = decode_value(line)
    if not isinstance(value, dict):
        raise SkipLine("not a JSON object")
    return value


def decode_value(text: bytes | str) -> Any:
    """The JSON value of this text. Raises SkipLine when it is none."""
    try:
        return _decode(text)
    except RecursionError:
        raise SkipLine("nested too deeply") from None
    except (ValueError, UnicodeError):
        # msgspec refuses lone surrogates and numbers such as NaN, which real writers produce.
        return _decode_leniently(text)


def _decode_leniently(text: bytes | str) -> Any:
    try:
        return json.loads(text)
    except RecursionError:
        raise SkipLine("nested too deeply") from None
    except ValueError:
        raise SkipLine("not valid JSON") from None


def text_of(value: object) -> str:
    return value if isinstance(value, str) else ""


def mapping_of(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def list_of(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def whole_of(value: object) -> int | None:
    """A number as an integer; None for what is none, or beyond what JSON can carry exactly."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not math.isfinite(value) or abs(value) > _LARGEST:
        return None
    return int(value)


def stamp_of(value: object) -> int | None:
    """Unix milliseconds of an ISO 8601 stamp between 1970 and 9999."""
    if not isinstance(value, str) or not 10 <= len(value) <= 40:
        return None
    found = iso_to_ms(value)
    return found if found is not None and 0 < found <= _LATEST_MS else None


def is_list_if_any(value: object) -> bool:
    return value is None or isinstance(value, list)


def no_time(value: object) -> str:
    """What is remarked on a line whose time cannot be one."""
    return f"{brief(str(value), 40)!r} is no time: it stands at the time of what came before"


def json_text(value: object) -> str:
    """JSON text for a value that its source keeps as an object where a text was expected."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    except RecursionError:
        raise SkipLine("nested too deeply") from None


def brief(text: str, limit: int = 300) -> str:
    """The beginning of a text as one line, for headings of folded rows."""
    head = text[: limit + 1]
    if not head.isprintable():
        head = " ".join(part for part in head.split() if part)
        if not head.isprintable():
            head = "".join(letter if letter.isprintable() else " " for letter in head)
    head = head.strip()
    return head if len(text) <= limit else head[: limit - 1].rstrip() + "…"
