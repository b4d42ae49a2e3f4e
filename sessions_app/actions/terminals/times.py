"""When stored output was written. Where what is stored is no timing, all of it raises CorruptData."""

from collections.abc import Iterator
from contextlib import contextmanager

from dashboard.lib.errors import CorruptData
from sessions_app.terminal import timing
from sessions_app.terminal.timing import Timing, TimingError


def times_of(stored: bytes, first_us: int) -> list[tuple[int, int]]:
    """The writes of a row, as (time in microseconds, number of bytes)."""
    with _damage_told():
        return timing.decode(stored, first_us)


def timing_of(stored: bytes, first_us: int, offset: int) -> Timing:
    """The same to ask for single places; the row begins at `offset`."""
    with _damage_told():
        return Timing.decode(stored, first_us, offset)


@contextmanager
def _damage_told() -> Iterator[None]:
    try:
        yield
    except TimingError as error:
        raise CorruptData(f"nothing says when it was written: {error}") from error
