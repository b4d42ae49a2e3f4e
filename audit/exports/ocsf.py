"""Open Cybersecurity Schema Framework, version 1.6.0: a line of JSON for each entry.

The meaning of attributes moves from version to version, so the version is pinned. Comings and goings are
Authentication (3002), what is done to people Account Change (3001), everything else API Activity (6003). What the
schema has no place for stands under `unmapped`, the index and the leaf among it.
"""

import json
from typing import Any, Final

from audit import catalog
from audit.decisions import REFUSALS, is_refusal
from audit.exports.rows import Row

VERSION: Final = "1.6.0"
_AUTHENTICATION: Final = 3002
_ACCOUNT_CHANGE: Final = 3001
_API_ACTIVITY: Final = 6003
_CATEGORIES: Final = {_AUTHENTICATION: 3, _ACCOUNT_CHANGE: 3, _API_ACTIVITY: 6}
_CLASS_NAMES: Final = {
    _AUTHENTICATION: "Authentication",
    _ACCOUNT_CHANGE: "Account Change",
    _API_ACTIVITY: "API Activity",
}

_LOGON, _LOGOFF = 1, 2
_SIGN_INS: Final = {
    "sign_in.succeeded": _LOGON, "sign_in.failed": _LOGON, "sign_in.delayed": _LOGON, "sign_in.expired": _LOGOFF,
    "sign_in.revoked": _LOGOFF, "sign_out.completed": _LOGOFF,
}  # fmt: skip
# Activities of Account Change; 99 is Other.
_ACCOUNTS: Final = {
    "person.created": 1, "person.enabled": 2, "person.password_changed": 3, "person.disabled": 5,
}  # fmt: skip
_CREATE, _READ, _UPDATE, _DELETE, _OTHER = 1, 2, 3, 4, 99
# Activities of API Activity, by the last word of the action; what is not here changes something.
_READING: Final = frozenset({"read", "exported", "verified", "used", "made"})
_CREATING: Final = frozenset({"created", "added", "opened", "imported", "saved", "completed"})
_DELETING: Final = frozenset({"deleted", "revoked", "pruned", "removed"})
_TELLING: Final = frozenset({"denied", "failed", "lost", "masked"})

_SUCCESS, _FAILURE = 1, 2
_INFORMATIONAL, _LOW, _MEDIUM = 1, 2, 3
# A user of a known kind: 1 is User, 3 System, 99 Other.
_USER_TYPES: Final = {"person": 1, "system": 3}


def line(row: Row) -> str:
    return json.dumps(event(row), separators=(",", ":")) + "\n"


def event(row: Row) -> dict[str, Any]:
    kind, activity = _kind(row)
    is_refused = is_refusal(row)
    user = {
        "name": row.actor_label or row.actor_id or row.actor_type,
        **({"uid": row.actor_id} if row.actor_id else {}),
        "type_id": _USER_TYPES.get(row.actor_type, 99),
        "type": row.actor_type,
    }
    found: dict[str, Any] = {
        "class_uid": kind,
        "class_name": _CLASS_NAMES[kind],
        "category_uid": _CATEGORIES[kind],
        "activity_id": activity,
        "type_uid": kind * 100 + activity,
        "time": row.at_ms,
        "severity_id": _MEDIUM if row.decision in REFUSALS else _LOW if is_refused else _INFORMATIONAL,
        "status_id": _FAILURE if is_refused else _SUCCESS,
        "message": f"{row.actor_label} {catalog.sentence_of(row.action)}",
        "metadata": {
            "version": VERSION,
            "uid": str(row.id),
            "sequence": row.idx,
            "product": {"name": "Scrollback", "vendor_name": "Scrollback"},
        },
        "actor": {"user": user},
        **_by_class(kind, row, user),
        "unmapped": {
            "idx": row.idx,
            "leaf": row.leaf_hex,
            "action": row.action,
            "decision": row.decision,
            "session": str(row.session_id or ""),
            "run": str(row.run_id or ""),
            "entry": row.body,
        },
    }
    return found


def _kind(row: Row) -> tuple[int, int]:
    if row.action in _SIGN_INS:
        return _AUTHENTICATION, _SIGN_INS[row.action]
    if row.action.startswith("person."):
        return _ACCOUNT_CHANGE, _ACCOUNTS.get(row.action, _OTHER)
    verb = row.action.rpartition(".")[2]
    for verbs, activity in (
        (_READING, _READ),
        (_CREATING, _CREATE),
        (_DELETING, _DELETE),
        (_TELLING, _OTHER),
    ):
        if verb in verbs:
            return _API_ACTIVITY, activity
    return _API_ACTIVITY, _UPDATE


def _by_class(kind: int, row: Row, user: dict[str, Any]) -> dict[str, Any]:
    if kind == _AUTHENTICATION:
        return {"user": user, "service": {"name": "scrollback"}}
    if kind == _ACCOUNT_CHANGE:
        return {"user": {"name": row.target_label or row.target_id, "uid": row.target_id, "type_id": 1}}
    named = {"name": row.target_label, "uid": row.target_id, "type": row.target_type}
    return {
        "api": {"operation": row.action, "service": {"name": "scrollback"}},
        # Where a request came from is in no entry of its own.
        "src_endpoint": {"svc_name": "scrollback"},
        **({"resources": [{key: value for key, value in named.items() if value}]} if row.target_type else {}),
    }
