"""Whether the columns of an entry say what its canonical text says. Pure.

Parsing a million texts takes longer than all the rest of a verification. The text is canonical (RFC 8785), so its
beginning, up to the details, and its end, from the id on, follow from the columns: they are made again and compared.
That is exact: within a JSON string a quotation mark is escaped, so neither can begin or end anywhere else in a text.
Whatever is not of this shape is parsed.
"""

import json
from collections.abc import Sequence
from json.encoder import encode_basestring
from typing import Any, Final

# As they are read (audit/rows.py): the body as bytes, ids with their dashes, None for none.
type Row = tuple[
    int, str, int, str, str, str, str, str, str, str, str | None, str | None, str, bytes, bytes
]  # fmt: skip
# The same as SQLite says it in short: idx, body, leaf, action, the beginning of the text up to the decision and a
# brace, id, session and run as 32 digits, the target as JSON.
type TextRow = tuple[int, bytes, bytes, str, str, str, str | None, str | None, str]
COLUMNS: Final = (
    "idx", "id", "at_ms", "actor_type", "actor_id", "actor_label", "action", "target_type", "target_id", "target_label",
    "session_id", "run_id", "decision",
)  # fmt: skip
# RFC 8785 escapes what this escapes.
_quoted: Final = encode_basestring


def odd_rows(rows: Sequence[Row]) -> list[Row]:
    """Those that have to be parsed: their columns differ from the text, or the entry has a payload."""
    odd = []
    quoted = _quoted
    for row in rows:
        idx, id_, at_ms, kind, who, label, action, t_type, t_id, t_label, session, run, decision, body, _ = (
            row
        )
        try:
            start = (
                f'{{"action":{quoted(action)},"actor":{{"id":{quoted(who)},"label":{quoted(label)},'
                f'"type":{quoted(kind)}}},"at_ms":{at_ms},"decision":{quoted(decision)},"details":{{'
            )
            end = (
                f'}},"id":"{id_}","idx":{idx},"run":"{run or ""}","session":"{session or ""}",'
                f'"target":{{"id":{quoted(t_id)},"label":{quoted(t_label)},"type":{quoted(t_type)}}},"v":1}}'
            )
            if not body.startswith(start.encode()) or not body.endswith(end.encode()):
                odd.append(row)
        except (TypeError, UnicodeEncodeError):
            # Not the kinds of values that belong there.
            odd.append(row)
    return odd


def odd_texts(rows: Sequence[TextRow]) -> list[int]:
    """The indices of those for which `odd_rows` would give the row, or of some more."""
    odd = []
    for idx, body, _, _, start, id_, session, run, target in rows:
        try:
            end = (
                f'}},"id":"{id_[:8]}-{id_[8:12]}-{id_[12:16]}-{id_[16:20]}-{id_[20:]}","idx":{idx},'
                f'"run":"{_dashed(run)}","session":"{_dashed(session)}","target":{target},"v":1}}'
            )
            beginning = f'{start[:-1]},"details":{{'
            if not body.startswith(beginning.encode()) or not body.endswith(end.encode()):
                odd.append(idx)
        except (TypeError, UnicodeEncodeError):
            odd.append(idx)
    return odd


def _dashed(digits: str | None) -> str:
    if not digits:
        return ""
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def parsed(body: bytes) -> dict[str, Any] | None:
    """The entry's document; None when it is none."""
    try:
        document = json.loads(body, object_pairs_hook=_without_doubles)
    except (ValueError, RecursionError, TypeError):
        return None
    return document if isinstance(document, dict) else None


def details_of(body: str | bytes) -> dict[str, Any]:
    """What the text of an entry says in detail; nothing where it is no such text. SQLite may keep it as bytes."""
    data = body if isinstance(body, bytes) else body.encode("utf-8", "surrogateescape")
    details = (parsed(data) or {}).get("details")
    return details if isinstance(details, dict) else {}


def difference(row: Row, document: dict[str, Any] | None) -> str:
    """The column that says something else than the text; "" when there is none."""
    if document is None:
        return "body"
    for name, stored, said in zip(COLUMNS, row[:-2], _said(document), strict=True):
        # 1 == True and 1 == 1.0: what is written must be the same, not only equal.
        if type(stored) is not type(said) or stored != said:
            return name
    return "body" if document.get("v") != 1 else ""


def _said(document: dict[str, Any]) -> tuple[Any, ...]:
    actor, target = document.get("actor"), document.get("target")
    actor = actor if isinstance(actor, dict) else {}
    target = target if isinstance(target, dict) else {}
    return (
        document.get("idx"), document.get("id"), document.get("at_ms"),
        actor.get("type"), actor.get("id"), actor.get("label"), document.get("action"),
        target.get("type"), target.get("id"), target.get("label"),
        document.get("session") or None, document.get("run") or None, document.get("decision"),
    )  # fmt: skip


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name occurs twice")
    return found
