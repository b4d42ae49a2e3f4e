"""A terminal, a server and a viewer over a bad network, in memory and with a clock of their own.

The parts that decide are the program's own: Sender with its window on one side, Follower on the other, and
the frames between them are encoded and decoded. What is stored, the wire and the time are simulated.
"""

import random
from bisect import bisect_right
from collections import deque
from dataclasses import dataclass, field

from sessions_app.actions.terminals.starting import NEAR_BYTES, REACH_BYTES
from sessions_app.live.sender import Done, Send, Sender, Skip, Wait
from sessions_app.live.window import WINDOW_BYTES
from sessions_app.terminal import wire
from sessions_app.terminal.follower import Follower, Hole

FRAME_BYTES = 64 * 1024


@dataclass
class SimulatedTerminal:
    """Output, events and screens as they would be stored."""

    output: bytearray = field(default_factory=bytearray)
    events: list[wire.MarkerFrame] = field(default_factory=list)
    # (offset, number of the newest event before it, whether it is heavy)
    keyframes: list[tuple[int, int, bool]] = field(default_factory=list)

    def write(self, data: bytes) -> None:
        self.output += data

    def mark(self) -> None:
        self.events.append(wire.MarkerFrame(len(self.output), 0, f"event {len(self.events) + 1}"))

    def keep_screen(self, *, is_heavy: bool) -> None:
        self.keyframes.append((len(self.output), len(self.events), is_heavy))

    def events_before(self, offset: int) -> int:
        return bisect_right([event.offset for event in self.events], offset - 1)

    def span(self, step: Send) -> tuple[list[bytes], int]:
        """The frames of a span, as make_span has them, and the number of the newest event among them."""
        frames: list[bytes] = []
        number, position = step.event, step.start
        due = deque(event for event in self.events[step.event : step.last_event] if event.offset <= step.end)
        while True:
            while due and due[0].offset <= position:
                frames.append(wire.encode(due.popleft()))
                number += 1
            if position >= step.end:
                return frames, number
            to = min(step.end, position + FRAME_BYTES, due[0].offset if due else step.end)
            frames.append(wire.encode_output(position, 0, bytes(self.output[position:to])))
            position = to

    def start(self, step: Skip) -> tuple[int, int, bytes]:
        """Offset, newest event and data of the screen to begin with, as start_before chooses it."""
        near = [kept for kept in self.keyframes if step.end - REACH_BYTES <= kept[0] <= step.end]
        heavy = [kept for kept in near if kept[2] and kept[0] >= step.end - NEAR_BYTES]
        if near:
            offset, event, _ = (heavy or near)[-1]
            return offset, event, b"screen at %d" % offset
        offset = max(0, step.end - step.unaided_bytes)
        return offset, self.events_before(offset), b""


@dataclass
class Server:
    """One connection, seen from the server."""

    terminal: SimulatedTerminal
    sender: Sender
    is_waiting: bool = False

    @classmethod
    def connect(cls, terminal: SimulatedTerminal, offset: int) -> "Server":
        sender = Sender(offset, terminal.events_before(offset), len(terminal.output), len(terminal.events))
        return cls(terminal, sender)

    def drain(self, now: float) -> list[bytes]:
        """Everything that the viewer is sent now."""
        self.sender.grew(len(self.terminal.output), len(self.terminal.events), now)
        messages: list[bytes] = []
        while not isinstance(step := self.sender.next(now), Done | Wait):
            frames = self._span(step) if isinstance(step, Send) else self._skip(step)
            messages += frames
            assert self.sender.window.in_flight <= 2 * WINDOW_BYTES
        self.is_waiting = isinstance(step, Wait)
        return messages

    def _span(self, step: Send) -> list[bytes]:
        frames, event = self.terminal.span(step)
        self.sender.sent(step.end, event, sum(map(len, frames)))
        return frames

    def _skip(self, step: Skip) -> list[bytes]:
        offset, event, data = self.terminal.start(step)
        if not self.sender.is_worth_it(offset):
            return []
        frames = [
            wire.encode(wire.GapFrame(self.sender.position, 0, offset)),
            wire.encode(wire.KeyframeFrame(offset, 0, 80, 24, data)),
        ]
        self.sender.sent(offset, event, sum(map(len, frames)))
        return frames


class Network:
    """Brings messages in order, until it is cut; output may get lost, come twice or come late."""

    def __init__(self, chance: random.Random, *, trouble: float) -> None:
        self._chance = chance
        self._trouble = trouble
        self._way: deque[bytes] = deque()
        self._late: bytes | None = None

    def put(self, messages: list[bytes]) -> None:
        for message in messages:
            fate = self._chance.random() if message[0] == wire.FrameType.OUTPUT else 1.0
            if fate < self._trouble / 3:
                continue
            if fate < 2 * self._trouble / 3 and self._late is None:
                self._late = message
                continue
            self._way.append(message)
            if fate < self._trouble:
                self._way.append(message)
            if self._late is not None and message[0] == wire.FrameType.OUTPUT:
                self._way.append(self._late)
                self._late = None

    def take(self, most: int) -> list[bytes]:
        return [self._way.popleft() for _ in range(min(most, len(self._way)))]

    @property
    def is_empty(self) -> bool:
        return not self._way


@dataclass
class SimulatedViewer:
    """What is on the screen: that of a keyframe, or nothing, and all that came after it."""

    terminal: SimulatedTerminal
    follower: Follower = field(default_factory=Follower)
    begun_at: int = 0
    shown: bytearray = field(default_factory=bytearray)
    marks: list[str] = field(default_factory=list)
    # Offsets at which the viewer was told that something is left out.
    gaps: list[tuple[int, int]] = field(default_factory=list)

    def take(self, message: bytes) -> bool:
        """Apply a message; False when the viewer has to connect again."""
        applied = self.follower.receive(wire.decode(message))
        if isinstance(applied, Hole):
            return False
        if isinstance(applied, wire.GapFrame):
            self.gaps.append((applied.offset, applied.to_offset))
        elif isinstance(applied, wire.KeyframeFrame):
            assert (not self.shown and not self.begun_at) or self.gaps[-1][1] == applied.offset, "told before"
            self.begun_at, self.shown, self.marks = applied.offset, bytearray(), []
        elif isinstance(applied, wire.OutputFrame):
            assert applied.offset == self.begun_at + len(self.shown), "a hole or a repetition"
            self.shown += applied.data
        elif isinstance(applied, wire.MarkerFrame):
            assert applied.label not in self.marks, "an event twice"
            self.marks.append(applied.label)
        return True

    def check(self) -> None:
        """Everything behind the last screen is there once and in order."""
        offset = self.follower.expected
        assert self.begun_at + len(self.shown) == offset
        assert self.terminal.output[self.begun_at : offset] == self.shown
        numbers = [int(label.split()[1]) for label in self.marks]
        last = self.terminal.events_before(offset)
        first = self.terminal.events_before(self.begun_at)
        within = [number for number in numbers if first < number <= last]
        expected = list(range(first + 1, last + 1))
        # Those at the very place of a screen may be in it already.
        at_screen = sum(event.offset == self.begun_at for event in self.terminal.events)
        assert within == expected[len(expected) - len(within) :]
        assert len(expected) - len(within) <= at_screen


def follow_badly(
    terminal: SimulatedTerminal, chance: random.Random, *, attaches: int, trouble: float = 0.02
) -> SimulatedViewer:
    """Watch a terminal that goes on over so many connections, and at last in peace up to its end."""
    viewer = SimulatedViewer(terminal)
    now = 0.0
    for attach in range(attaches + 1):
        is_last = attach == attaches
        viewer.follower.reconnected()
        server = Server.connect(terminal, viewer.follower.expected)
        network = Network(chance, trouble=0 if is_last else trouble)
        for _ in range(10_000 if is_last else chance.randint(1, 12)):
            now += chance.choice([0.001, 0.05, 1.0])
            if not is_last:
                live(terminal, chance)
            network.put(server.drain(now))
            messages = network.take(1_000 if is_last else chance.randint(0, 40))
            if not all(viewer.take(message) for message in messages):
                assert not is_last, "a hole without any trouble"
                break
            if is_last or chance.random() < 0.7:
                acknowledge(server, viewer)
            if is_last and network.is_empty and viewer.follower.expected == len(terminal.output):
                assert not server.is_waiting
                break
        viewer.check()
        if not is_last and chance.random() < 0.5:
            # While nobody looked.
            for _ in range(chance.randint(1, 10)):
                live(terminal, chance)
    return viewer


def acknowledge(server: Server, viewer: SimulatedViewer) -> None:
    """Say what is drawn; of frames that were taken twice the server knows nothing."""
    window = server.sender.window
    if window.acknowledged <= viewer.follower.expected <= window.position:
        window.acknowledge(viewer.follower.expected)


def live(terminal: SimulatedTerminal, chance: random.Random) -> None:
    """A moment in the life of a terminal."""
    for _ in range(chance.randint(0, 3)):
        terminal.write(chance.randbytes(chance.choice([1, 100, 20_000, 500_000])))
        if chance.random() < 0.3:
            terminal.mark()
        if chance.random() < 0.4:
            terminal.keep_screen(is_heavy=chance.random() < 0.3)
