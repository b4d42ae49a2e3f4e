"""Moments as dates, whatever the database has for a moment."""

import pytest

from dashboard.lib import formatting
from dashboard.lib.clock import iso_to_ms, ms_to_iso


@pytest.mark.parametrize(
    ("at_ms", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1_771_851_274_120, "2026-02-23T12:54:34.120Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
        (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
        (-62_135_596_800_000, "0001-01-01T00:00:00.000Z"),
    ],
)
def test_a_moment_is_written_to_the_millisecond(at_ms: int, text: str) -> None:
    assert (ms_to_iso(at_ms), iso_to_ms(text)) == (text, at_ms)


def test_what_no_date_shows_is_the_last_or_the_first_that_one_does() -> None:
    """A recording may begin in the last second of the year 9999 and go on."""
    for at_ms in (253_402_300_800_000, 2**63 - 1):
        assert ms_to_iso(at_ms) == "9999-12-31T23:59:59.999Z"
        assert formatting.exact_time(at_ms) == "9999-12-31 23:59:59 UTC"
        assert formatting.relative_time(at_ms, now_ms=0) == "31 Dec 9999"
    for at_ms in (-62_135_596_800_001, -(2**63)):
        assert ms_to_iso(at_ms) == "0001-01-01T00:00:00.000Z"
        assert formatting.relative_time(at_ms, now_ms=0) == "1 Jan 1"
