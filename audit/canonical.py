"""The canonical JSON (RFC 8785) of an entry. Pure.

The standard library's encoder writes the same bytes as RFC 8785 for what an entry may hold, and does it in C: texts,
integers within 2^53, booleans, null, lists, and objects whose names are ASCII. Names beyond are sorted by RFC 8785 in
another way than by Python, so those objects take the slow way. Floats never come here: they are texts.
"""

from json.encoder import JSONEncoder, encode_basestring
from typing import Any, Final, Protocol

import rfc8785

from dashboard.lib.text import cut, storable

MAX_TEXT_CHARS: Final = 4_000
_MAX_INT: Final = 2**53

# RFC 8785 escapes what this escapes.
_quoted: Final = encode_basestring
_encode: Final = JSONEncoder(
    ensure_ascii=False, allow_nan=False, check_circular=False, sort_keys=True, separators=(",", ":")
).encode


class Facts(Protocol):
    """What the columns of an entry hold."""

    idx: Any
    id: Any
    at_ms: Any
    actor_type: Any
    actor_id: Any
    actor_label: Any
    action: Any
    target_type: Any
    target_id: Any
    target_label: Any
    session_id: Any
    run_id: Any
    decision: Any


def entry_text(entry: Facts, details: dict[str, Any], payload: dict[str, Any] | None = None) -> str:
    """Names in the order of RFC 8785; audit/columns.py holds the columns against just this."""
    quoted = _quoted
    paid = "" if payload is None else f',"payload":{canonical(payload)}'
    return (
        f'{{"action":{quoted(entry.action)},"actor":{{"id":{quoted(entry.actor_id)},'
        f'"label":{quoted(entry.actor_label)},"type":{quoted(entry.actor_type)}}},"at_ms":{entry.at_ms},'
        f'"decision":{quoted(entry.decision)},"details":{canonical(details)},"id":"{entry.id}","idx":{entry.idx}'
        f'{paid},"run":"{entry.run_id or ""}","session":"{entry.session_id or ""}",'
        f'"target":{{"id":{quoted(entry.target_id)},"label":{quoted(entry.target_label)},'
        f'"type":{quoted(entry.target_type)}}},"v":1}}'
    )


def canonical(details: dict[str, Any]) -> str:
    """Any values, as texts where neither RFC 8785 nor both engines take them as they are."""
    names: set[str] = set()
    plain = _plain(details, names)
    if all(map(str.isascii, names)):
        return _encode(plain)
    return rfc8785.dumps(plain).decode()


def _plain(value: Any, names: set[str]) -> Any:
    """JSON values that RFC 8785 and both engines accept: storable text, ints within 2^53."""
    kind = type(value)
    if kind is str:
        return cut(storable(value), MAX_TEXT_CHARS)
    if kind is bool or value is None:
        return value
    if isinstance(value, dict):
        found = {storable(str(key)): _plain(item, names) for key, item in value.items()}
        names.update(found)
        return found
    if isinstance(value, list | tuple):
        return [_plain(item, names) for item in value]
    if isinstance(value, int):
        # int() as the value may be of an enumeration, which the encoder would write in its own way.
        return int(value) if abs(value) < _MAX_INT else str(int(value))
    return cut(storable(str(value)), MAX_TEXT_CHARS)
