"""A terminal as it is written: every byte in order, as fast as the viewer shows it."""

import asyncio
import time
from typing import Any

from dashboard.lib.errors import CorruptData
from sessions_app.actions.terminals.frames import SpanKey
from sessions_app.actions.terminals.reading import events_before, size_at
from sessions_app.live.close_codes import CloseCode
from sessions_app.live.consumers.base import LiveConsumer, Refusal
from sessions_app.live.facts import Changed, Interest, News
from sessions_app.live.frames import read_span, read_start
from sessions_app.live.reading import in_database
from sessions_app.live.sender import Done, Send, Sender, Skip, Wait
from sessions_app.live.window import WrongAck
from sessions_app.models import Terminal, TerminalState
from sessions_app.terminal import wire

# No answer at all for so long, with a full window: nobody is there.
STALLED_S = 30.0


class TerminalConsumer(LiveConsumer):
    """`/live/terminals/<id>/?offset=<bytes that the viewer has>`; frames as in sessions_app/terminal/wire.py.

    The viewer acknowledges what it has written to its screen: {"ack": offset}.
    """

    _sender: Sender
    # What the terminal has.
    _head: Changed
    _blocked_since: float | None = None
    _stall: asyncio.TimerHandle | None = None

    def interest(self) -> Interest:
        return "terminal", self.scope["url_route"]["kwargs"]["terminal_id"]

    async def begin(self) -> None:
        offset = self.query("offset")
        terminal, event, info = await in_database(self._opening, offset)
        if offset > terminal.size:
            raise Refusal(CloseCode.TAKEN_BACK)
        self._sender = Sender(offset, event, terminal.size, terminal.event_count)
        self._head = _head_of(terminal)
        await self.send_frame(info)
        if self.mailbox is not None:
            self.mailbox.wake()

    async def deliver(self, news: News) -> None:
        state = self._head.state
        if news.anything:
            await self._look()
        for fact in news.changed:
            if fact.is_gone:
                raise Refusal(CloseCode.UNKNOWN)
            if _has_all(fact, self._head):
                self._head = fact
            else:
                # The hub may have looked before this socket read for itself.
                await self._look()
        if self._blocked_since is not None and time.monotonic() - self._blocked_since >= STALLED_S:
            raise Refusal(CloseCode.TOO_SLOW)
        if self._head.state != state:
            terminal, _, info = await in_database(self._opening, self._sender.position)
            self._reach(terminal)
            await self.send_frame(info)
        try:
            await self._drain()
        except CorruptData:
            await self._look()
            raise

    async def take(self, message: dict[str, Any]) -> None:
        offset = message.get("ack")
        if type(offset) is not int or self.mailbox is None or not hasattr(self, "_sender"):
            raise Refusal(CloseCode.MISTAKE)
        try:
            self._sender.window.acknowledge(offset)
        except WrongAck:
            raise Refusal(CloseCode.MISTAKE) from None
        if self._blocked_since is not None:
            # An answer: the patience begins anew.
            self._unblock()
            self._block()
            self.mailbox.wake()

    async def disconnect(self, code: int) -> None:
        self._unblock()
        await super().disconnect(code)

    async def _look(self) -> None:
        """As `_reach`, what is there now."""
        self._reach(await in_database(self._terminal))

    def _reach(self, terminal: Terminal) -> None:
        """Output is never taken back, but by an older database that is restored. Raises Refusal then."""
        head = _head_of(terminal)
        if not _has_all(head, self._head):
            raise Refusal(CloseCode.TAKEN_BACK)
        self._head = head

    async def _drain(self) -> None:
        """Send until everything is sent or the window is full."""
        self._sender.grew(self._head.seq, self._head.events, time.monotonic())
        while not isinstance(step := self._sender.next(time.monotonic()), Done):
            if isinstance(step, Wait):
                self._block()
                return
            self._unblock()
            await (self._skip(step) if isinstance(step, Skip) else self._send_span(step))
        self._unblock()
        if self._head.state == TerminalState.ENDED:
            terminal = await in_database(self._terminal)
            await self.send_frame(wire.encode(wire.EndFrame(terminal.size, terminal.duration_us)))
            raise Refusal(1000)

    async def _send_span(self, step: Send) -> None:
        key = SpanKey(self._head.id, step.start, step.end, step.event, step.last_event)
        span = await read_span(key)
        self._sender.sent(span.end, span.event, span.size)
        for frame in span.frames:
            await self.send_frame(frame)

    async def _skip(self, step: Skip) -> None:
        """Go on with a screen near the end, and say what is left out."""
        found = await read_start(self._head.id, step.end, self._head.events, step.unaided_bytes)
        start, position = found.start, self._sender.position
        if not self._sender.is_worth_it(start.offset):
            return
        gap = wire.encode(wire.GapFrame(position, start.time_us, start.offset))
        self._sender.sent(start.offset, start.event, len(gap) + len(found.frame))
        for frame in (gap, found.frame):
            await self.send_frame(frame)

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


def _has_all(later: Changed, earlier: Changed) -> bool:
    return later.seq >= earlier.seq and later.events >= earlier.events


def _head_of(terminal: Terminal) -> Changed:
    return Changed(
        "terminal",
        terminal.pk,
        terminal.size,
        terminal.updated_ms,
        terminal.event_count,
        terminal.state,
    )
