"""What every terminal engine offers, and what is derived with it from a recording."""

from dataclasses import dataclass
from typing import Protocol


class EngineError(Exception):
    """The engine refuses, or took longer than it may; the recording's bytes are not affected."""


@dataclass(frozen=True, slots=True)
class Screen:
    """What the screen shows. `rows` are without the spaces at their ends; the cursor counts from 0."""

    cols: int
    rows: tuple[str, ...]
    cursor_column: int
    cursor_row: int
    cursor_visible: bool
    is_alternate: bool


class Engine(Protocol):
    """A terminal without a window. It answers no question that the output asks, and opens nothing."""

    def feed(self, data: bytes) -> None:
        """Take output, cut anywhere, also inside a sequence or a character. Raises EngineError."""

    def resize(self, cols: int, rows: int) -> None:
        """Give the window another size. Raises EngineError."""

    def keyframe(self, scrollback_rows: int) -> bytes:
        """VT text that makes a fresh terminal of this size look and go on like this one.

        It carries up to `scrollback_rows` rows above the screen, both screens when the alternate one is up,
        modes, saved cursor, scroll region, cursor, its visibility, and last the sequence that is unfinished.
        Raises EngineError.
        """

    def screen(self) -> Screen:
        """What is to be seen now."""

    def close(self) -> None:
        """Give its memory back."""


@dataclass(frozen=True, slots=True)
class Output:
    """Consecutive bytes of output from `offset` on, written at `time_us`."""

    offset: int
    time_us: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Resize:
    """Event number `event`: after `offset` bytes the window got another size."""

    event: int
    offset: int
    time_us: int
    cols: int
    rows: int


@dataclass(frozen=True, slots=True)
class Keyframe:
    """A screen to start from: after `offset` bytes and the events numbered up to `event`."""

    offset: int
    event: int
    time_us: int
    cols: int
    rows: int
    is_heavy: bool
    data: bytes


@dataclass(frozen=True, slots=True)
class Line:
    """A line that was to be read once `offset` bytes were out, at `time_us`."""

    offset: int
    time_us: int
    text: str


@dataclass(frozen=True, slots=True)
class Derived:
    """What came out of the items given so far: everything before `offset` and up to event `event` is done."""

    offset: int
    event: int
    keyframes: tuple[Keyframe, ...]
    lines: tuple[Line, ...]
