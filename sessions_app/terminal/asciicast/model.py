"""What a recording consists of, whatever version of asciicast it came from.

The output of a recording is one append-only string of bytes; everything else happens at a position in it.
Times are integer microseconds since the start of the recording and never decrease.
"""

from dataclasses import dataclass, field
from typing import TypeGuard

#: A hundred years. A time beyond it is a broken or hostile file, not a recording.
MAX_TIME_US = 100 * 365 * 86_400 * 1_000_000

DEFAULT_COLS, DEFAULT_ROWS = 80, 24


@dataclass(frozen=True, slots=True)
class Header:
    """First line of a recording. Fields that were missing or of a wrong type hold their default."""

    version: int
    cols: int = DEFAULT_COLS
    rows: int = DEFAULT_ROWS
    timestamp_ms: int | None = None
    command: str | None = None
    title: str | None = None
    env: dict[str, str] = field(default_factory=dict)
    idle_time_limit_s: float | None = None
    duration_us: int | None = None
    term_type: str | None = None
    term_version: str | None = None
    theme: dict[str, str] = field(default_factory=dict)
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Output:
    """Bytes that the program wrote."""

    time_us: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Input:
    """Bytes that the person typed."""

    time_us: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Resize:
    """The window got another size."""

    time_us: int
    cols: int
    rows: int


@dataclass(frozen=True, slots=True)
class Marker:
    """A named moment."""

    time_us: int
    label: str


@dataclass(frozen=True, slots=True)
class Exit:
    """The program ended. `status` is None where it is not known, as when the recorder itself was killed."""

    time_us: int
    status: int | None


@dataclass(frozen=True, slots=True)
class Malformed:
    """A line that is no event. `line` counts from 1 (in v1: the position in `stdout`, 0 for the document)."""

    line: int
    reason: str


type Event = Output | Input | Resize | Marker | Exit
type Item = Event | Malformed


def is_time_s(value: object) -> TypeGuard[float]:
    """Whether a decoded JSON value is a number of seconds that a recording can hold."""
    return type(value) in (int, float) and 0 <= value <= MAX_TIME_US // 1_000_000  # type: ignore[operator]
