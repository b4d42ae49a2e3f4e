"""Comma-separated values (RFC 4180), for spreadsheets: no cell is taken for a formula, none breaks its line."""

import csv
import io
from typing import Final

from audit.exports.rows import Row
from audit.exports.text import cell
from dashboard.lib.clock import ms_to_iso

COLUMNS: Final = (
    "idx", "time", "action", "decision", "actor_type", "actor_id", "actor", "target_type", "target_id", "target",
    "session", "run", "id", "leaf", "entry",
)  # fmt: skip


def head() -> str:
    return ",".join(COLUMNS) + "\r\n"


def line(row: Row) -> str:
    values = (
        ms_to_iso(row.at_ms),
        row.action,
        row.decision,
        row.actor_type,
        row.actor_id,
        row.actor_label,
        row.target_type,
        row.target_id,
        row.target_label,
        str(row.session_id or ""),
        str(row.run_id or ""),
        str(row.id),
        row.leaf_hex,
        row.body,
    )
    written = io.StringIO()
    csv.writer(written).writerow((row.idx, *map(cell, values)))
    return written.getvalue()
