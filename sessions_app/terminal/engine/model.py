"""What every terminal engine offers, and what is derived with it from a recording."""

import math
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

#: What a viewer is given at once must fit into its window; a screen larger than this is none to begin with.
MAX_KEYFRAME_BYTES: Final = 1024 * 1024


class EngineError(Exception):
    """The engine refuses, or took longer than it may; the recording's bytes are not affected."""


class EngineBusy(EngineError):
    """Others keep it so long that whoever can do without goes on without it."""


class Unfinished(EngineError):
    """Not while this sequence goes on: a keyframe can be made once it has ended."""


@dataclass(frozen=True, slots=True)
class Screen:
    """What the screen shows. `rows` are without the spaces at their ends; the cursor counts from 0."""

    cols: int
    rows: tuple[str, ...]
    cursor_column: int
    cursor_row: int
    cursor_visible: bool
    is_alternate: bool


#: A number of the palette (0 to 255), "#rrggbb", or None for the terminal's own.
type Colour = int | str | None


@dataclass(frozen=True, slots=True)
class Style:
    """How a run of text looks."""

    foreground: Colour = None
    background: Colour = None
    bold: bool = False
    faint: bool = False
    italic: bool = False
    underline: bool = False
    strike: bool = False
    inverse: bool = False
    invisible: bool = False


@dataclass(frozen=True, slots=True)
class StyledScreen:
    """What the screen shows, with colours: each row as runs of text that look alike. The cursor counts from 0."""

    cols: int
    rows: tuple[tuple[tuple[str, Style], ...], ...]
    cursor_column: int
    cursor_row: int
    cursor_visible: bool
    is_alternate: bool


@dataclass(frozen=True, slots=True)
class Redrawn:
    """VT text that makes a fresh terminal of this size look and go on like the one that was drawn."""

    cols: int
    rows: int
    data: bytes


class Engine(Protocol):
    """A terminal without a window. It answers no question that the output asks, and opens nothing."""

    def feed(self, data: bytes) -> None:
        """Take output, cut anywhere, also inside a sequence or a character. Raises EngineError."""

    def resize(self, cols: int, rows: int) -> None:
        """Give the window another size. Raises EngineError."""

    def keyframe(self, scrollback_rows: int, most_bytes: float = math.inf) -> bytes:
        """VT text that makes a fresh terminal of this size look and go on like this one.

        It carries up to `scrollback_rows` rows above the screen, of them as many as fit into `most_bytes` with the
        rest, which is larger where the screen alone is; both screens when the alternate one is up,
        modes, saved cursor, scroll region, cursor, its visibility, and last the sequence that is unfinished.
        Raises EngineError, of it Unfinished where one has to wait.
        """

    def screen(self) -> Screen:
        """What is to be seen now."""

    def close(self) -> None:
        """Give its memory back."""


class Output(NamedTuple):
    """Consecutive bytes of output from `offset` on, written at `time_us`."""

    offset: int
    time_us: int
    data: bytes


class Resize(NamedTuple):
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


class Line(NamedTuple):
    """A line that was to be read once `offset` bytes were out, at `time_us`."""

    offset: int
    time_us: int
    text: str


class Lines(NamedTuple):
    """`line_count` consecutive lines that became readable together: UTF-8 with a newline between them, none at the end.

    A recording has millions of lines; together they cost little more than their bytes.
    """

    offset: int
    time_us: int
    line_count: int
    text: bytes


@dataclass(frozen=True, slots=True)
class Derived:
    """What came out of the items given so far: everything before `offset` and up to event `event` is done."""

    offset: int
    event: int
    keyframes: tuple[Keyframe, ...]
    runs: tuple[Lines, ...]

    @property
    def lines(self) -> tuple[Line, ...]:
        """The lines of the runs, one by one."""
        return tuple(
            Line(run.offset, run.time_us, text)
            for run in self.runs
            for text in run.text.decode("utf-8", "replace").split("\n")
        )
