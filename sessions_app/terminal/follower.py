"""The client's side of the live protocol: what to do with a frame, decided by its offset alone."""

from dataclasses import dataclass, replace

from sessions_app.terminal.wire import EndFrame, Frame, GapFrame, InfoFrame, KeyframeFrame, OutputFrame


@dataclass(frozen=True, slots=True)
class Hole:
    """Bytes are missing: ask for everything from `expected` on. Reported once, until a frame fits again."""

    expected: int


class Follower:
    """Follows one terminal from `expected` on, over any number of connections.

    `receive` gives back what is to be applied: the frame itself, its unseen part, nothing for what was seen
    already, or a Hole. `expected` is then the offset behind all that was applied: what to ask for after a
    reconnect.
    """

    def __init__(self, expected: int = 0) -> None:
        self.expected = expected
        self.ended = False
        self._nothing_drawn = True
        self._announced_keyframe: int | None = None
        self._hole_reported = False
        self._events_here: set[Frame] = set()

    def reconnected(self) -> None:
        """A new connection was asked for everything from `expected` on."""
        self._hole_reported = False
        self._announced_keyframe = None

    def receive(self, frame: Frame) -> Frame | Hole | None:
        """What to do about `frame`."""
        if isinstance(frame, InfoFrame):
            return frame
        if isinstance(frame, KeyframeFrame):
            applied = self._receive_keyframe(frame)
        elif frame.offset > self.expected:
            applied = None
            if not self._hole_reported:
                self._hole_reported = True
                return Hole(self.expected)
        elif isinstance(frame, OutputFrame):
            applied = self._receive_output(frame)
        elif isinstance(frame, GapFrame):
            applied = self._receive_gap(frame)
        else:
            applied = self._receive_event(frame)
        if applied is not None:
            self._hole_reported = self._nothing_drawn = False
        return applied

    def _receive_keyframe(self, frame: KeyframeFrame) -> Frame | None:
        """A keyframe replaces the screen when nothing was drawn yet or a gap announced it; else it is old."""
        fits = self._nothing_drawn and frame.offset >= self.expected
        if not fits and frame.offset != self._announced_keyframe:
            return None
        self._announced_keyframe = None
        self._move(frame.offset)
        return frame

    def _receive_output(self, frame: OutputFrame) -> Frame | None:
        unseen = frame.data[self.expected - frame.offset :]
        if not unseen:
            return None
        applied = replace(frame, offset=self.expected, data=unseen)
        self._move(self.expected + len(unseen))
        return applied

    def _receive_gap(self, frame: GapFrame) -> Frame | None:
        """`expected` stays until the keyframe is there: lost in between, the gap must be told again."""
        if frame.to_offset <= self.expected:
            return None
        self._announced_keyframe = frame.to_offset
        return replace(frame, offset=self.expected)

    def _receive_event(self, frame: Frame) -> Frame | None:
        """What happened at `expected` itself may be sent again with the bytes that follow it."""
        if frame.offset < self.expected or frame in self._events_here:
            return None
        self._events_here.add(frame)
        self.ended = self.ended or isinstance(frame, EndFrame)
        return frame

    def _move(self, expected: int) -> None:
        self.expected = expected
        self._events_here.clear()
