"""Time as the console keeps it: integer Unix milliseconds, UTC."""

import time
from datetime import UTC, datetime, timedelta
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# The first and the last that dates can show.
_FIRST_MS: Final = -62_135_596_800_000
_LAST_MS: Final = 253_402_300_799_999


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


def instant(ms: int) -> datetime:
    """The moment as an aware UTC datetime; one before the first or after the last of those as that."""
    return _EPOCH + timedelta(milliseconds=min(max(ms, _FIRST_MS), _LAST_MS))


def ms_to_iso(ms: int) -> str:
    """ISO 8601 in UTC with milliseconds, e.g. 2026-02-23T12:54:34.120Z."""
    return instant(ms).isoformat(timespec="milliseconds").replace("+00:00", "Z")
