"""The engine at work on terminals: where it stands in each, and what it does when it stumbles.

While one piece is being written, the engine is at those behind it, and the one after them is being read: each process
has one workshop, with one engine process, a thread that waits for it and one that reads.
"""

import logging
import threading
import uuid
from collections import deque
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from typing import Final

from django.db import DatabaseError, Error, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from dashboard.lib.errors import CorruptData
from sessions_app.actions.terminals.keyframes import first_sound
from sessions_app.actions.terminals.pieces import (
    PIECE_BYTES,
    Cursor,
    Piece,
    read_from,
    read_piece,
    window_at,
)
from sessions_app.models import Terminal, TerminalKeyframe
from sessions_app.terminal.engine.model import Derived, EngineError, Keyframe, Lines
from sessions_app.terminal.engine.process import EngineProcess

logger = logging.getLogger(__name__)

# A piece takes a quarter of a second. What takes this long hardly ends, and is given again in parts.
DEADLINE_S: Final = 5.0
# A piece in which the engine stumbles is given to it again in parts of this size, and a part in which it stumbles
# twice is left out.
CAREFUL_BYTES: Final = 256 * 1024
# Terminals of which pieces are worked out before they are asked for, and how many of each: an engine that waited until
# a piece is written would stand still while other writers have the database. Where much comes out of a piece, one.
_MOST_AHEAD: Final = 4
_PIECES_AHEAD: Final = 3
_MUCH_BYTES: Final = 16 * 1024 * 1024
# What comes out of a piece may be as large as its screens.
_LARGE_CELLS: Final = 16_384

# Keys by which an engine process knows its terminals, each given once.
_keys = count(1)


class EngineAway(Exception):
    """The engine does not even do nothing: this says something about the machine, not about a recording."""


@dataclass(frozen=True, slots=True)
class Result:
    """What the engine made of the output and events between `start` and `end`."""

    start: Cursor
    end: Cursor
    # The recording has ended there: its last lines and its last screen are among the rest.
    is_end: bool
    keyframes: tuple[Keyframe, ...] = ()
    runs: tuple[Lines, ...] = ()

    @property
    def size(self) -> int:
        """Bytes of all that came out."""
        return sum(len(keyframe.data) for keyframe in self.keyframes) + sum(
            len(run.text) for run in self.runs
        )


@dataclass(frozen=True, slots=True)
class _Place:
    """The engine process knows a terminal by `key` and has taken everything of it up to `cursor`."""

    key: str
    cursor: Cursor


@dataclass(frozen=True, slots=True)
class _ReadAhead:
    """The piece of a terminal that follows `start`, read before it is asked for."""

    terminal_id: uuid.UUID
    start: Cursor
    piece: Future[Piece]


class Workshop:
    """Threads may share one; a terminal is worked on by one of them at a time."""

    def __init__(
        self,
        engine: EngineProcess | None = None,
        *,
        works_ahead: bool = True,
        piece_bytes: int = PIECE_BYTES,
    ) -> None:
        self._engine = engine or EngineProcess(deadline_s=DEADLINE_S)
        self._piece_bytes = piece_bytes
        self._at_work = threading.RLock()
        self._places: dict[uuid.UUID, _Place] = {}
        self._ahead: dict[uuid.UUID, deque[Future[Result | None]]] = {}
        self._opened: list[BaseDatabaseWrapper] = []
        self._helper = self._thread("engine") if works_ahead else None
        self._reader = self._thread("pieces") if works_ahead else None
        self._read_ahead: _ReadAhead | None = None
        # Terminals in which the engine stumbled: the start of the piece, how far to be careful from there, and where
        # to begin with an empty screen.
        self._failed: dict[uuid.UUID, Cursor] = {}
        self._careful: dict[uuid.UUID, int] = {}
        self._afresh: dict[uuid.UUID, Cursor] = {}
        self._is_stopped = False

    def work(self, terminal: Terminal) -> Result:
        """What comes out of the next piece after the terminal's cursor. Raises CorruptData, EngineAway."""
        start = Cursor(terminal.derived_size, terminal.derived_event)
        result = self._result_ahead(terminal, start) or self._work(terminal, start)
        if self._helper is not None and terminal.pk not in self._careful:
            self._work_ahead(self._helper, terminal, result)
        return result

    def _work_ahead(self, helper: ThreadPoolExecutor, terminal: Terminal, last: Result) -> None:
        """Let the engine go on with what follows, as far as it is not at that already."""
        # Last of all: the first is the one that was not asked for the longest.
        ahead = self._ahead.pop(terminal.pk, deque())
        if last.end.offset >= terminal.size:
            return
        for _ in range(len(ahead), _PIECES_AHEAD if last.size < _MUCH_BYTES else 1):
            before = ahead[-1] if ahead else last
            ahead.append(helper.submit(self._work_behind, terminal, before))
        self._ahead[terminal.pk] = ahead
        while len(self._ahead) > _MOST_AHEAD:
            self.drop(next(iter(self._ahead)))

    def prepare(self) -> None:
        """Let the engine start meanwhile: there will be work."""
        if self._helper is not None:
            self._helper.submit(self._prepare)

    def _prepare(self) -> None:
        # What keeps it from starting does so again when there is work, and is told.
        with suppress(EngineError):
            self._engine.prepare()

    def drop(self, terminal_id: uuid.UUID) -> None:
        """What was worked out is not wanted: the terminal's cursor stands elsewhere."""
        self._places.pop(terminal_id, None)
        for future in self._ahead.pop(terminal_id, ()):
            future.cancel()

    def stop(self) -> None:
        """End the engine's process and the thread; nothing can be asked of this workshop any more."""
        self._is_stopped = True
        threads = [thread for thread in (self._helper, self._reader) if thread is not None]
        for thread in threads:
            thread.shutdown(wait=False, cancel_futures=True)
        self._engine.stop()
        for thread in threads:
            thread.shutdown()
        # Whoever was still reading a piece may have started it once more.
        self._engine.stop()
        for opened in self._opened:
            opened.close()

    def _thread(self, name: str) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(1, thread_name_prefix=name, initializer=self._remember)

    def _remember(self) -> None:
        """Let the thread's connection be closed by whoever ends the thread."""
        opened = connections["default"]
        opened.inc_thread_sharing()
        self._opened.append(opened)

    def _result_ahead(self, terminal: Terminal, start: Cursor) -> Result | None:
        ahead = self._ahead.pop(terminal.pk, None)
        if not ahead:
            return None
        result = None
        # What fails is tried again, and then told.
        with suppress(CorruptData, EngineAway, Error, CancelledError):
            result = ahead.popleft().result()
        if result is not None and result.start == start:
            self._ahead[terminal.pk] = ahead
            return result
        for future in ahead:
            future.cancel()
        return None

    def _work_behind(self, terminal: Terminal, before: Result | Future[Result | None]) -> Result | None:
        """What comes out of the piece behind that one; None where there is none yet, or none is to wait behind it."""
        if isinstance(before, Result):
            last: Result | None = before
        else:
            last = None if before.cancelled() or before.exception() is not None else before.result()
            if last is not None and last.size >= _MUCH_BYTES:
                return None
        if last is None or last.end.offset >= terminal.size or terminal.pk in self._careful:
            return None
        return self._work(terminal, last.end)

    def _work(self, terminal: Terminal, start: Cursor) -> Result:
        with self._at_work:
            if self._is_stopped:
                raise EngineAway("it was stopped")
            end = Cursor(terminal.size, terminal.event_count)
            is_careful = start.offset < self._careful.get(terminal.pk, 0)
            if is_careful:
                piece = read_piece(terminal.pk, start, end, limit=CAREFUL_BYTES)
            else:
                piece = self._read(terminal, start, end)
            is_end = piece.end == end and terminal.ended_ms is not None
            try:
                derived = self._derived(terminal, piece, is_end=is_end)
            except EngineError as error:
                self._check_engine()
                if self._failed.get(terminal.pk) == start:
                    return self._skip(terminal, piece, error, is_end=is_end)
                # Its process may have died of something else, and of a large piece most may be sound.
                if not is_careful:
                    logger.warning(
                        "terminal %s: the engine stumbles over the output from %d to %d, and gets it in parts: %s",
                        terminal.pk, start.offset, piece.end.offset, error,
                    )  # fmt: skip
                self._failed[terminal.pk] = start
                self._careful[terminal.pk] = max(piece.end.offset, self._careful.get(terminal.pk, 0))
                return self._work(terminal, start)
            self._failed.pop(terminal.pk, None)
            if piece.end.offset >= self._careful.get(terminal.pk, 0):
                self._careful.pop(terminal.pk, None)
            return Result(piece.start, piece.end, is_end, _numbered(piece, derived), derived.runs)

    def _read(self, terminal: Terminal, start: Cursor, end: Cursor) -> Piece:
        """The piece that follows `start`; the one behind it is read while the engine is at this one."""
        terminal_id = terminal.pk
        sizes = (window_at(terminal, start), (terminal.cols, terminal.rows))
        is_large = any(cols * rows > _LARGE_CELLS for cols, rows in sizes)
        limit = self._piece_bytes // 2 if is_large else self._piece_bytes
        ahead, self._read_ahead = self._read_ahead, None
        piece = None
        if ahead is not None and (ahead.terminal_id, ahead.start) == (terminal_id, start):
            # What went wrong there does so again here, and is told.
            with suppress(CorruptData, DatabaseError):
                piece = ahead.piece.result()
        piece = piece or read_piece(terminal_id, start, end, limit=limit)
        if self._reader is not None and piece.end.offset < end.offset:
            following = self._reader.submit(read_piece, terminal_id, piece.end, end, limit=limit)
            self._read_ahead = _ReadAhead(terminal_id, piece.end, following)
        return piece

    def _derived(self, terminal: Terminal, piece: Piece, *, is_end: bool) -> Derived:
        place = self._places.pop(terminal.pk, None)
        if place is not None and place.cursor == piece.start:
            derived = self._engine.derive(place.key, None, 1, 1, piece.items, finish=is_end)
            # It keeps a number of terminals; one that it had to let go of began anew, with another offset.
            if derived.offset == piece.end.offset:
                self._places[terminal.pk] = _Place(place.key, piece.end)
                return derived
        key = self._resumed(terminal, piece.start)
        derived = self._engine.derive(key, None, 1, 1, piece.items, finish=is_end)
        self._places[terminal.pk] = _Place(key, piece.end)
        return derived

    def _resumed(self, terminal: Terminal, cursor: Cursor) -> str:
        """Bring the engine from the newest keyframe to the cursor, where others have been before."""
        key = f"{terminal.pk}/{next(_keys)}"
        if self._afresh.pop(terminal.pk, None) != cursor:
            keyframe = _newest_keyframe(terminal, cursor)
            reached = Cursor(keyframe.offset, keyframe.event) if keyframe is not None else Cursor()
            cols, rows = terminal.first_size
            try:
                self._engine.derive(key, keyframe, cols, rows, [], finish=False)
                for piece in read_from(terminal.pk, reached, cursor):
                    self._engine.derive(key, None, cols, rows, piece.items, finish=False)
                return key
            except EngineError:
                self._check_engine()
        key = f"{terminal.pk}/{next(_keys)}"
        cols, rows = window_at(terminal, cursor)
        empty = Keyframe(cursor.offset, cursor.event, 0, cols, rows, is_heavy=False, data=b"")
        self._engine.derive(key, empty, cols, rows, [], finish=False)
        return key

    def _skip(self, terminal: Terminal, piece: Piece, error: EngineError, *, is_end: bool) -> Result:
        logger.warning(
            "terminal %s: the engine stumbles over the output from %d to %d, which stays without keyframe and text: %s",
            terminal.pk, piece.start.offset, piece.end.offset, error,
        )  # fmt: skip
        del self._failed[terminal.pk]
        self._places.pop(terminal.pk, None)
        self._afresh[terminal.pk] = piece.end
        return Result(piece.start, piece.end, is_end)

    def _check_engine(self) -> None:
        """Raises EngineAway when it cannot do the least of things either."""
        if self._is_stopped:
            raise EngineAway("it was stopped")
        # Whatever it knew is gone with its process.
        self._places.clear()
        try:
            self._engine.screen(None, 80, 24, [])
        except EngineError as error:
            raise EngineAway(str(error)) from error


def _newest_keyframe(terminal: Terminal, cursor: Cursor) -> Keyframe | None:
    # The heavy one of the two at an offset: what leaves the screen later is known to have been there.
    found = TerminalKeyframe.objects.filter(
        terminal=terminal, offset__lte=cursor.offset, event__lte=cursor.event
    )
    return first_sound(found.order_by("-offset", "-is_heavy"))


def _numbered(piece: Piece, derived: Derived) -> tuple[Keyframe, ...]:
    """Keyframes with the number of the last event before them, of those too that the engine is not given."""
    return tuple(
        Keyframe(
            keyframe.offset,
            max(keyframe.event, piece.event_before(keyframe.offset)),
            keyframe.time_us,
            keyframe.cols,
            keyframe.rows,
            keyframe.is_heavy,
            keyframe.data,
        )
        for keyframe in derived.keyframes
    )


_own_lock = threading.Lock()
_own: Workshop | None = None


def own_workshop() -> Workshop:
    """That of this process, for whoever has none at hand."""
    global _own
    with _own_lock:
        if _own is None:
            _own = Workshop()
        return _own


def stop_own_workshop() -> None:
    """End its processes and its thread; the next call starts others."""
    global _own
    with _own_lock:
        workshop, _own = _own, None
    if workshop is not None:
        workshop.stop()
