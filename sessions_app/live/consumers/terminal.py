"""A terminal as it is written: every byte in order, as fast as the viewer shows it."""

import asyncio
import time
from typing import Any

from sessions_app.actions.terminals.frames import SpanKey
from sessions_app.actions.terminals.reading import events_before, size_at
from sessions_app.actions.terminals.starting import NEAR_BYTES, REACH_BYTES
from sessions_app.live.close_codes import CloseCode
from sessions_app.live.consumers.base import POLICY_VIOLATION, LiveConsumer, Refusal
from sessions_app.live.facts import Changed, Interest, News
from sessions_app.live.frames import read_span, read_start
from sessions_app.live.lag import Lag
from sessions_app.live.reading import in_database
from sessions_app.live.window import Window, WrongAck
from sessions_app.models import Terminal, TerminalState
from sessions_app.terminal import wire

# A viewer this far behind, in bytes or in time, is taken near the end instead of through everything.
LAG_BYTES = 4 * 1024 * 1024
LAG_S = 2.0
# Less than this is sent faster than a screen; and where there is no screen, so much of the end is shown.
RESUME_BYTES = 256 * 1024
# No answer at all for so long, with a full window: nobody is there.
STALLED_S = 30.0
STEP_BYTES = 256 * 1024


class TerminalConsumer(LiveConsumer):
    """`/live/terminals/<id>/?offset=<bytes that the viewer has>`; frames as in sessions_app/terminal/wire.py.

    The viewer acknowledges what it has written to its screen: {"ack": offset}.
    """

    _window: Window
    _lag: Lag
    # The newest event that was sent, and what the terminal has.
    _event = 0
    _head: Changed
    _attached = False
    _blocked_since: float | None = None
    _stall: asyncio.TimerHandle | None = None

    def interest(self) -> Interest:
        return "terminal", self.scope["url_route"]["kwargs"]["terminal_id"]

    async def begin(self) -> None:
        offset = self.query("offset")
        terminal, self._event, info = await in_database(self._opening, offset)
        self._window = Window(offset)
        self._lag = Lag(terminal.size)
        self._head = _head_of(terminal)
        await self._send(info, offset)
        if self.mailbox is not None:
            self.mailbox.wake()

    async def deliver(self, news: News) -> None:
        state = self._head.state
        if news.anything:
            self._head = _head_of(await in_database(self._terminal))
        for fact in news.changed:
            if fact.is_gone:
                raise Refusal(CloseCode.UNKNOWN)
            # The hub may have looked before this socket read for itself; output is never taken back.
            if (fact.seq, fact.events) >= (self._head.seq, self._head.events):
                self._head = fact
        self._lag.grew(self._head.seq, time.monotonic())
        if self._blocked_since is not None and time.monotonic() - self._blocked_since >= STALLED_S:
            raise Refusal(CloseCode.TOO_SLOW)
        if self._head.state != state:
            terminal, _, info = await in_database(self._opening, self._window.position)
            self._head = _head_of(terminal)
            await self._send(info, self._window.position)
        await self._drain()

    async def take(self, message: dict[str, Any]) -> None:
        offset = message.get("ack")
        if type(offset) is not int or self.mailbox is None or not hasattr(self, "_window"):
            raise Refusal(POLICY_VIOLATION)
        try:
            self._window.acknowledge(offset)
        except WrongAck:
            raise Refusal(POLICY_VIOLATION) from None
        if self._blocked_since is not None:
            # An answer: the patience begins anew.
            self._unblock()
            self._block()
            self.mailbox.wake()

    async def disconnect(self, code: int) -> None:
        self._unblock()
        await super().disconnect(code)

    async def _drain(self) -> None:
        """Send until everything is sent or the window is full."""
        if not self._attached:
            self._attached = True
            if self._head.seq - self._window.position > NEAR_BYTES:
                await self._skip(unaided_bytes=REACH_BYTES)
        while self._window.position < self._head.seq or self._event < self._head.events:
            if self._window.room < STEP_BYTES:
                self._block()
                return
            self._unblock()
            if not (self._is_left_behind() and await self._skip(unaided_bytes=RESUME_BYTES)):
                await self._send_step()
        self._unblock()
        if self._head.state == TerminalState.ENDED and self._window.position >= self._head.seq:
            terminal = await in_database(self._terminal)
            await self.send(bytes_data=wire.encode(wire.EndFrame(terminal.size, terminal.duration_us)))
            raise Refusal(1000)

    async def _send_step(self) -> None:
        start = self._window.position
        # Up to the same places for everybody, so that one read serves them all.
        end = max(start, min(self._head.seq, start - start % STEP_BYTES + STEP_BYTES))
        span = await read_span(SpanKey(self._head.id, start, end, self._event, self._head.events))
        self._window.sent(span.end, span.size)
        self._event = span.event
        for frame in span.frames:
            await self.send(bytes_data=frame)

    async def _send(self, frame: bytes, behind: int) -> None:
        self._window.sent(behind, len(frame))
        await self.send(bytes_data=frame)

    def _is_left_behind(self) -> bool:
        behind = self._head.seq - self._window.position
        if behind <= RESUME_BYTES:
            return False
        return behind > LAG_BYTES or self._lag.seconds(self._window.position, time.monotonic()) > LAG_S

    async def _skip(self, *, unaided_bytes: int) -> bool:
        """Go on with a screen near the end, and say what is left out; False when that would save too little."""
        found = await read_start(self._head.id, self._head.seq, unaided_bytes)
        to, position = found.start.offset, self._window.position
        if to - position <= RESUME_BYTES:
            return False
        await self._send(wire.encode(wire.GapFrame(position, found.start.time_us, to)), position)
        await self._send(found.frame, to)
        self._event = found.start.event
        return True

    def _block(self) -> None:
        if self._blocked_since is None and self.mailbox is not None:
            self._blocked_since = time.monotonic()
            self._stall = asyncio.get_running_loop().call_later(STALLED_S, self.mailbox.wake)

    def _unblock(self) -> None:
        self._blocked_since = None
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None

    def _opening(self, offset: int) -> tuple[Terminal, int, bytes]:
        """The terminal, the newest event before the offset, and what the viewer is told. Raises Refusal."""
        terminal = self._terminal()
        cols, rows = size_at(terminal, offset)
        members = {
            "state": terminal.state,
            "exit_status": terminal.exit_status,
            "title": terminal.title,
            "cols": cols,
            "rows": rows,
            "started_ms": terminal.started_ms,
            "heard_ms": terminal.updated_ms,
        }
        info = wire.encode(wire.InfoFrame(terminal.size, terminal.duration_us, members))
        return terminal, events_before(terminal.pk, offset), info

    def _terminal(self) -> Terminal:
        """The row, seen with the eyes of this person. Raises Refusal."""
        _, terminal_id = self.interest()
        found = Terminal.objects.visible_to(self.person).filter(pk=terminal_id).first()
        if not isinstance(found, Terminal):
            raise Refusal(CloseCode.UNKNOWN)
        return found


def _head_of(terminal: Terminal) -> Changed:
    return Changed(
        "terminal",
        terminal.pk,
        terminal.size,
        terminal.updated_ms,
        terminal.event_count,
        terminal.state,
    )
