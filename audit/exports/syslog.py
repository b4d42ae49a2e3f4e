"""RFC 5424: a line for each entry, ended with LF, as syslog relays and SIEMs read it from a file."""

import re
import socket
from typing import Final

from audit import catalog
from audit.decisions import is_refusal
from audit.exports.rows import Row
from audit.exports.text import without_controls
from dashboard.lib.clock import ms_to_iso
from dashboard.lib.text import cut_bytes

_FACILITY: Final = 13  # log audit
_WARNING, _NOTICE = 4, 5
# 32473 is the enterprise number that RFC 5612 keeps for those who have none.
_ELEMENT: Final = "scrollback@32473"
_MSGID_CHARS: Final = 32
_HOST_CHARS: Final = 255
#: A line stays below 2 kB, which every receiver has to take: so much of UTF-8 has each value as it is written, and
#: what is said in words.
_VALUE_BYTES: Final = 120
_SAID_BYTES: Final = 400
_SPECIAL: Final = re.compile(r'(["\\\]])')
# An escape whose second character was cut off.
_HALF_ESCAPE: Final = re.compile(r"(?<!\\)((?:\\\\)*)\\…$")
_NOT_NAME: Final = re.compile(r"[^!-~]")
# Tells the receiver that what follows is UTF-8.
_BOM: Final = "\ufeff"


def line(row: Row) -> str:
    is_refused = is_refusal(row)
    priority = _FACILITY * 8 + (_WARNING if is_refused else _NOTICE)
    parameters = {
        "idx": str(row.idx),
        "leaf": row.leaf_hex,
        "id": str(row.id),
        "action": row.action,
        "actorType": row.actor_type,
        "actorId": row.actor_id,
        "actor": row.actor_label,
        "targetType": row.target_type,
        "targetId": row.target_id,
        "target": row.target_label,
        "session": str(row.session_id or ""),
        "run": str(row.run_id or ""),
        "decision": row.decision,
    }
    data = " ".join(f'{name}="{_value(value)}"' for name, value in parameters.items() if value)
    said = cut_bytes(
        without_controls(f"{row.actor_label} {catalog.sentence_of(row.action)} {row.target_label}"),
        _SAID_BYTES,
    )
    name = _NOT_NAME.sub("_", row.action)[:_MSGID_CHARS] or "-"
    return (
        f"<{priority}>1 {ms_to_iso(row.at_ms)} {_host()} scrollback - {name} "
        f"[{_ELEMENT} {data}] {_BOM}{said.strip()}\n"
    )


def _value(text: str) -> str:
    written = _SPECIAL.sub(r"\\\1", without_controls(text))
    shown = cut_bytes(written, _VALUE_BYTES)
    return shown if shown is written else _HALF_ESCAPE.sub(r"\1…", shown)


def _host() -> str:
    return _NOT_NAME.sub("_", socket.gethostname())[:_HOST_CHARS] or "-"
