"""Small pictures of terminals, drawn once for everybody who looks and at most once a second for each terminal.

They live in the memory of this process and can be drawn again at any time, so nothing is lost with them.
"""

import contextlib
import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from sessions_app.actions.terminals.newest_screens import newest_screens
from sessions_app.actions.terminals.reading import read_tails
from sessions_app.models import Terminal
from sessions_app.terminal.engine.model import Style, StyledScreen
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
    # The last lines as text, as the engine refused.
    is_plain: bool

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
        easels = {terminal.pk: self._easel(terminal.pk) for terminal in terminals}
        due = [terminal for terminal in terminals if self._is_due(easels[terminal.pk], terminal)]
        with contextlib.ExitStack() as stack:
            # In one order, so that two who want several of the same never wait for each other.
            for terminal in sorted(due, key=lambda terminal: terminal.pk):
                stack.enter_context(easels[terminal.pk].lock)
            self._draw({terminal: easels[terminal.pk] for terminal in due})
            return {pk: easel.picture for pk, easel in easels.items() if easel.picture}

    def forget(self) -> None:
        """Draw everything again, as a new process does."""
        with self._lock:
            self._easels.clear()

    def _is_due(self, easel: _Easel, terminal: Terminal) -> bool:
        picture, now = easel.picture, time.monotonic()
        if picture is None or (picture.is_plain and now >= easel.plain_until_s):
            return True
        # Others may have read a newer row than this one.
        is_newer = picture.size >= terminal.size and picture.event >= terminal.event_count
        return not is_newer and now - easel.drawn_s >= self._redraw_s

    def _draw(self, wanted: Mapping[Terminal, _Easel]) -> None:
        """With the locks of the easels: some were drawn while this waited for them."""
        easels = {terminal: easel for terminal, easel in wanted.items() if self._is_due(easel, terminal)}
        now = time.monotonic()
        screens = newest_screens(
            [terminal for terminal, easel in easels.items() if easel.plain_until_s <= now]
        )
        for terminal, easel in easels.items():
            screen = screens.get(terminal.pk)
            if screen is None and easel.plain_until_s <= now:
                # To refuse may have taken it seconds, while others waited for theirs: not again at once.
                easel.plain_until_s = now + PLAIN_S
            easel.drawn_s = now
            svg = draw(screen or plain_screen(terminal))
            easel.picture = Picture(terminal.size, terminal.event_count, svg, is_plain=screen is None)

    def _easel(self, terminal_id: uuid.UUID) -> _Easel:
        with self._lock:
            easel = self._easels.setdefault(terminal_id, _Easel())
            self._easels.move_to_end(terminal_id)
            while len(self._easels) > MAX_KEPT:
                self._easels.popitem(last=False)
            return easel


def plain_screen(terminal: Terminal) -> StyledScreen:
    """The last lines of the output, without colours and without the place of the cursor."""
    tail = read_tails({terminal.pk: terminal.size}, TAIL_BYTES)[terminal.pk]
    lines = last_lines(
        tail, is_cut=terminal.size > TAIL_BYTES, rows=min(terminal.rows, MAX_ROWS), columns=terminal.cols
    )
    rows = tuple(((line, _TEXT),) for line in lines) + ((),) * max(0, terminal.rows - len(lines))
    return StyledScreen(terminal.cols, rows, 0, 0, cursor_visible=False, is_alternate=False)


GALLERY: Final = Gallery()
