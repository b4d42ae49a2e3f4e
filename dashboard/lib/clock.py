"""Time as the console keeps it: integer Unix milliseconds, UTC."""

import time
from datetime import UTC, datetime


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def iso_to_ms(text: str) -> int | None:
    """Milliseconds of an ISO 8601 stamp; None when it is not one. A stamp without a zone is read as UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    try:
        return round(moment.timestamp() * 1000)
    except (OverflowError, ValueError):
        return None


def ms_to_iso(ms: int) -> str:
    """ISO 8601 in UTC with milliseconds, e.g. 2026-02-23T12:54:34.120Z."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
