"""A terminal as it is written: every byte in order, as fast as the viewer shows it."""

import asyncio
import time
from typing import Any

from sessions_app.actions.terminals.frames import SpanKey
from sessions_app.actions.terminals.reading import events_before, line_start_after, size_at
from sessions_app.live.close_codes import CloseCode
from sessions_app.live.consumers.base import POLICY_VIOLATION, LiveConsumer, Refusal
from sessions_app.live.facts import Changed, Interest, News
from sessions_app.live.frames import read_span
from sessions_app.live.reading import in_database
from sessions_app.live.window import Window, WrongAck
from sessions_app.models import Terminal, TerminalState
from sessions_app.terminal import wire

# Of a longer history a new viewer gets the end; the rest is there over HTTP.
ATTACH_BYTES = 1024 * 1024
# A viewer this far behind, or held up for so long, is taken near the end instead of through everything.
LAG_BYTES = 4 * 1024 * 1024
LAG_S = 2.0
RESUME_BYTES = 256 * 1024
# No answer at all for so long, with a full window: nobody is there.
STALLED_S = 30.0
STEP_BYTES = 256 * 1024


class TerminalConsumer(LiveConsumer):
    """`/live/terminals/<id>/?offset=<bytes that the viewer has>`; frames as in sessions_app/terminal/wire.py.

    The viewer acknowledges what it has written to its screen: {"ack": offset}.
    """

    _window: Window
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
        terminal = await in_database(self._terminal)
        self._window = Window(offset)
        self._head = _head_of(terminal)
        self._event = await in_database(events_before, terminal.pk, offset)
        await self._send_info(terminal)
        if self.mailbox is not None:
            self.mailbox.wake()

    async def deliver(self, news: News) -> None:
        state = self._head.state
        if news.anything:
            self._head = _head_of(await in_database(self._terminal))
        for fact in news.changed:
            if fact.is_gone:
                raise Refusal(CloseCode.UNKNOWN)
            self._head = fact
        if self._stall is not None and time.monotonic() - (self._blocked_since or 0) >= STALLED_S:
            raise Refusal(CloseCode.TOO_SLOW)
        if self._head.state != state:
            await self._send_info(await in_database(self._terminal))
        await self._drain()

    async def take(self, message: dict[str, Any]) -> None:
        offset = message.get("ack")
        if type(offset) is not int or self.mailbox is None or not hasattr(self, "_window"):
            raise Refusal(POLICY_VIOLATION)
        try:
            self._window.acknowledge(offset)
        except WrongAck:
            raise Refusal(POLICY_VIOLATION) from None
        self.mailbox.wake()

    async def disconnect(self, code: int) -> None:
        self._unblock()
        await super().disconnect(code)

    async def _drain(self) -> None:
        """Send until everything is sent or the window is full."""
        if not self._attached and self._head.seq - self._window.position > ATTACH_BYTES:
            await self._skip_to(self._head.seq - ATTACH_BYTES)
        self._attached = True
        while self._window.position < self._head.seq or self._event < self._head.events:
            if self._window.room <= 0:
                self._block()
                return
            await self._catch_up()
            await self._send_step()
        self._unblock()
        if self._head.state == TerminalState.ENDED and self._window.position == self._head.seq:
            terminal = await in_database(self._terminal)
            await self.send(bytes_data=wire.encode(wire.EndFrame(terminal.size, terminal.duration_us)))
            raise Refusal(1000)

    async def _send_step(self) -> None:
        start = self._window.position
        end = max(start, min(self._head.seq, start + min(self._window.room, STEP_BYTES)))
        span = await read_span(SpanKey(self._head.id, start, end, self._event, self._head.events))
        for frame in span.frames:
            await self.send(bytes_data=frame)
        self._window.sent(span.end)
        self._event = span.event

    async def _catch_up(self) -> None:
        """Leave out what a viewer that fell behind would only have to hurry through."""
        behind = self._head.seq - self._window.position
        held_up_s = 0.0 if self._blocked_since is None else time.monotonic() - self._blocked_since
        self._unblock()
        if behind > LAG_BYTES or (held_up_s > LAG_S and behind > RESUME_BYTES):
            await self._skip_to(self._head.seq - RESUME_BYTES)

    async def _skip_to(self, near: int) -> None:
        """Go on at a line near this offset, on an empty screen of the right size."""
        terminal = await in_database(self._terminal)
        to, cols, rows, event = await in_database(_resume_point, terminal, near)
        for frame in (
            wire.GapFrame(self._window.position, 0, to),
            wire.KeyframeFrame(to, 0, cols, rows, b""),
        ):
            await self.send(bytes_data=wire.encode(frame))
        self._window.skip(to)
        self._event = event

    async def _send_info(self, terminal: Terminal) -> None:
        cols, rows = await in_database(size_at, terminal, self._window.position)
        members = {
            "state": terminal.state,
            "exit_status": terminal.exit_status,
            "title": terminal.title,
            "cols": cols,
            "rows": rows,
            "started_ms": terminal.started_ms,
            "heard_ms": terminal.updated_ms,
        }
        await self.send(bytes_data=wire.encode(wire.InfoFrame(terminal.size, terminal.duration_us, members)))

    def _block(self) -> None:
        if self._blocked_since is None and self.mailbox is not None:
            self._blocked_since = time.monotonic()
            self._stall = asyncio.get_running_loop().call_later(STALLED_S, self.mailbox.wake)

    def _unblock(self) -> None:
        self._blocked_since = None
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None

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


def _resume_point(terminal: Terminal, near: int) -> tuple[int, int, int, int]:
    """Offset, columns, rows there, and the newest event before it."""
    to = line_start_after(terminal.pk, near, terminal.size)
    return to, *size_at(terminal, to), events_before(terminal.pk, to)
