"""What is done with the log itself, for the catalogue."""

from typing import Final

OWN_ACTIONS: Final[dict[str, str]] = {
    "log.read": "read the audit log",
    "log.exported": "exported the audit log",
    "log.verified": "checked the audit log",
    "key.replaced": "replaced the key of the audit log",
    "audit.lost": "lost events on their way to the audit log",
    "payload.pruned": "removed payloads of the audit log",
    "hold.placed": "placed a legal hold",
    "hold.released": "released a legal hold",
}
# A key is a file, a hold its entry: nothing of these is stored in the database, beside the entry.
CHANGES_NOTHING: Final = frozenset(OWN_ACTIONS) - {"payload.pruned"}
# It says itself what could not be written.
BEST_EFFORT: Final = frozenset({"audit.lost"})
