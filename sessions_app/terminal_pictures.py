"""Small pictures of terminals, drawn once for everybody who looks and at most once a second for each terminal.

They live in the memory of this process and can be drawn again at any time, so nothing is lost with them.
"""

import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from sessions_app.actions.terminals.reading import MissingOutput, read_tails
from sessions_app.actions.terminals.screens import styled_screen_at
from sessions_app.models import Terminal
from sessions_app.terminal.engine.model import EngineError, Style, StyledScreen
from sessions_app.terminal.picture import MAX_ROWS, draw
from sessions_app.terminal.plaintext import last_lines

# A terminal that writes without end is drawn this often, whoever asks.
REDRAW_S: Final = 1.0
# Of terminals; a picture has a few thousand bytes, and a hundred thousand where a program wants it so.
MAX_KEPT: Final = 300
# Where the engine refuses, or there is none, the end of the output is shown as lines of text, for so long.
PLAIN_S: Final = 30.0
TAIL_BYTES: Final = 16 * 1024
_TEXT: Final = Style()


@dataclass(frozen=True, slots=True)
class Picture:
    """`svg` shows the screen after `size` bytes and the events numbered up to `event`."""

    size: int
    event: int
    svg: str

    def shows(self, terminal: Terminal) -> bool:
        return (self.size, self.event) == (terminal.size, terminal.event_count)


@dataclass(slots=True)
class _Easel:
    """Where the picture of one terminal is drawn; whoever comes meanwhile waits for it."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    picture: Picture | None = None
    drawn_s: float = float("-inf")
    plain_until_s: float = float("-inf")


class Gallery:
    """The pictures that were looked at last."""

    def __init__(self, redraw_s: float = REDRAW_S) -> None:
        self._lock = threading.Lock()
        self._easels: OrderedDict[uuid.UUID, _Easel] = OrderedDict()
        self._redraw_s = redraw_s

    def newest(self, terminal: Terminal) -> Picture | None:
        """What is drawn already, without any cost."""
        with self._lock:
            easel = self._easels.get(terminal.pk)
        return easel.picture if easel else None

    def pictures_of(self, terminals: Sequence[Terminal]) -> dict[uuid.UUID, Picture]:
        """Of each of them, at most a second older than the row; `shows` says whether it is."""
        return {terminal.pk: self._picture(terminal) for terminal in terminals}

    def forget(self) -> None:
        """Draw everything again, as a new process does."""
        with self._lock:
            self._easels.clear()

    def _picture(self, terminal: Terminal) -> Picture:
        easel = self._easel(terminal.pk)
        with easel.lock:
            picture = easel.picture
            is_recent = time.monotonic() - easel.drawn_s < self._redraw_s
            # Others may have read a newer row than this one.
            if picture and (is_recent or picture.shows(terminal) or _is_newer(picture, terminal)):
                return picture
            easel.drawn_s = time.monotonic()
            easel.picture = Picture(terminal.size, terminal.event_count, draw(_screen(terminal, easel)))
            return easel.picture

    def _easel(self, terminal_id: uuid.UUID) -> _Easel:
        with self._lock:
            easel = self._easels.setdefault(terminal_id, _Easel())
            self._easels.move_to_end(terminal_id)
            while len(self._easels) > MAX_KEPT:
                self._easels.popitem(last=False)
            return easel


def _screen(terminal: Terminal, easel: _Easel) -> StyledScreen:
    """What the terminal shows after all its output."""
    now = time.monotonic()
    if now < easel.plain_until_s:
        return plain_screen(terminal)
    try:
        return styled_screen_at(terminal, terminal.size)
    except (EngineError, MissingOutput):
        # It may have taken seconds to refuse, while others waited for theirs: not again at once.
        easel.plain_until_s = now + PLAIN_S
        return plain_screen(terminal)


def plain_screen(terminal: Terminal) -> StyledScreen:
    """The last lines of the output, without colours and without the place of the cursor."""
    tail = read_tails({terminal.pk: terminal.size}, TAIL_BYTES)[terminal.pk]
    lines = last_lines(
        tail, is_cut=terminal.size > TAIL_BYTES, rows=min(terminal.rows, MAX_ROWS), columns=terminal.cols
    )
    rows = tuple(((line, _TEXT),) for line in lines) + ((),) * max(0, terminal.rows - len(lines))
    return StyledScreen(terminal.cols, rows, 0, 0, cursor_visible=False, is_alternate=False)


def _is_newer(picture: Picture, terminal: Terminal) -> bool:
    return picture.size >= terminal.size and picture.event >= terminal.event_count


GALLERY: Final = Gallery()
