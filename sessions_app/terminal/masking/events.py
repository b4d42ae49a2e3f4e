"""Masks the events of a recording: output and what was typed each as one stream, in their order."""

from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sessions_app.terminal.asciicast.model import Event, Exit, Input, Marker, Output, Resize
from sessions_app.terminal.asciicast.text import decode, encode
from sessions_app.terminal.masking.detector import Detector
from sessions_app.terminal.masking.masker import Hold, Masker

if TYPE_CHECKING:
    # A recorder has no use for it, and starts sooner without RE2.
    from sessions_app.terminal.masking.sieve import Sieve


#: What is masked by itself: what the program showed, and what was typed.
type Stream = type[Output] | type[Input]


@dataclass(slots=True)
class _Waiting:
    """An event that was taken; of an output `remaining` bytes are not given out yet."""

    event: Event
    remaining: int = 0


class EventMasker:
    """Events go in, masked events come out, in the same order and with the same times and lengths.

    An output may come out in several pieces, unless `whole` is asked for. What happens while bytes are held
    back waits behind them, so that everything stays at its place.
    """

    def __init__(self, detector: Detector, *, width: int | None = None, whole: bool = False) -> None:
        self._detector = detector
        self._whole = whole
        self.output = Masker(detector, width=width)
        self.input = Masker(detector)
        self._texts: Counter[str] = Counter()
        self._waiting: deque[_Waiting] = deque()
        # So many of those are neither output nor input.
        self._others = 0
        self._given_output = bytearray()
        self._given_input = bytearray()

    @property
    def counts(self) -> Counter[str]:
        """How many secrets were masked, by rule."""
        return self.output.counts + self.input.counts + self._texts

    @property
    def hold(self) -> Hold:
        """Why events are held back, if any are."""
        return max(self.output.hold, self.input.hold)

    def masker(self, stream: Stream) -> Masker:
        """The one of this stream."""
        return self.output if stream is Output else self.input

    @property
    def first_stream(self) -> Stream | None:
        """Which one holds back all that waits, None when nothing does."""
        if not self._waiting:
            return None
        return Output if isinstance(self._waiting[0].event, Output) else Input

    @property
    def behind(self) -> int:
        """How much waits only because the other stream is not decided: bytes, and events that have none."""
        first = self.first_stream
        if first is None:
            return 0
        return self._others + len(self._given_input if first is Output else self._given_output)

    def take(self, event: Event) -> list[Event]:
        """What can be given out after `event`."""
        if isinstance(event, Output):
            given = self.output.feed(event.data)
            if not self._waiting and len(given) == len(event.data):
                return [event if given is event.data else replace(event, data=given)]
            self._given_output += given
            self._waiting.append(_Waiting(event, len(event.data)))
        elif isinstance(event, Input):
            self._given_input += self.input.feed(event.data)
            self._waiting.append(_Waiting(event))
        elif isinstance(event, Exit):
            return [*self.finish(), event]
        else:
            if isinstance(event, Resize):
                self._given_output += self.output.set_width(event.cols)
            self._others += 1
            self._waiting.append(_Waiting(self._with_masked_label(event)))
        return list(self._ready())

    def release(self, *streams: Stream) -> list[Event]:
        """Everything of these streams (of both when none is named), masked where it looks like a secret so far, and
        what waited behind it."""
        output = self.output.release() if not streams or Output in streams else b""
        typed = self.input.release() if not streams or Input in streams else b""
        return self._take_rest(output, typed)

    def finish(self) -> list[Event]:
        """Everything, at the end of the recording."""
        return self._take_rest(self.output.finish(), self.input.finish())

    def _take_rest(self, output: bytes, typed: bytes) -> list[Event]:
        self._given_output += output
        self._given_input += typed
        return list(self._ready())

    def _ready(self) -> Iterator[Event]:
        while self._waiting:
            first = self._waiting[0]
            if isinstance(first.event, Output):
                if self._whole and len(self._given_output) < first.remaining:
                    return
                piece = bytes(self._given_output[: first.remaining])
                if piece:
                    del self._given_output[: len(piece)]
                    first.remaining -= len(piece)
                    yield Output(first.event.time_us, piece)
                if first.remaining:
                    return
            elif isinstance(first.event, Input):
                length = len(first.event.data)
                if len(self._given_input) < length:
                    return
                yield Input(first.event.time_us, bytes(self._given_input[:length]))
                del self._given_input[:length]
            else:
                self._others -= 1
                yield first.event
            self._waiting.popleft()

    def _with_masked_label(self, event: Resize | Marker) -> Event:
        if isinstance(event, Resize):
            return event
        label, counts = mask_text(self._detector, event.label)
        self._texts += counts
        return replace(event, label=label)


def mask_text(detector: Detector, text: str) -> tuple[str, Counter[str]]:
    """A whole text masked, as long as it was in UTF-8, and what was masked in it."""
    masker = Masker(detector)
    data = encode(text)
    masked = masker.feed(data) + masker.finish()
    return decode(masked) if masker.counts else text, masker.counts


def mask_output(masker: Masker, writes: list[bytes], sieve: "Sieve | None" = None) -> list[bytes]:
    """Many writes at once, without holding anything back at their end.

    With a sieve, only what it names is looked at closely.
    """
    whole = b"".join(writes)
    suspicious = _suspicious_blocks(whole, sieve) if sieve is not None else None
    given = _Given(whole)
    start = 0
    while start < len(whole):
        end = _end_of_clean(start, suspicious) if suspicious is not None else start
        passed = masker.skip(whole, start, end) if end > start else None
        if passed is None:
            end = start + _BLOCK_BYTES
        else:
            given.add_as_written(passed)
            start = passed
        given.add(masker.feed(whole[start:end]))
        start = end
    given.add(masker.release())
    if given.masked is None:
        return writes
    cut, position = [], 0
    for write in writes:
        cut.append(bytes(given.masked[position : position + len(write)]))
        position += len(write)
    return cut


class _Given:
    """What a masker gives out of `written`, piece by piece; None as `masked` while it is the very same."""

    def __init__(self, written: bytes) -> None:
        self.masked: bytearray | None = None
        self._written = written
        self._size = 0

    def add(self, piece: bytes) -> None:
        if self.masked is None and self._written.startswith(piece, self._size):
            self._size += len(piece)
            return
        if self.masked is None:
            self.masked = bytearray(self._written[: self._size])
        self.masked += piece

    def add_as_written(self, end: int) -> None:
        """Up to `end`."""
        if self.masked is None:
            self._size = end
        else:
            self.masked += self._written[len(self.masked) : end]


#: Where something is found, a whole block is looked at the careful way, and those around it.
_BLOCK_BYTES = 16_384


def _suspicious_blocks(output: bytes, sieve: "Sieve") -> list[int]:
    """Numbers of the blocks in which a secret may begin or end, in order. The last, which may hold a beginning alone,
    is among them, and the one behind it.
    """
    last = (len(output) - 1) // _BLOCK_BYTES
    found = {last, last + 1}
    for start, end in sieve.candidates(output, _BLOCK_BYTES):
        found.update(range(start // _BLOCK_BYTES - 1, end // _BLOCK_BYTES + 2))
    # What is drawn anew over backspaces reads in another way than it stands there.
    found.update(
        at // _BLOCK_BYTES
        for at in range(0, len(output), _BLOCK_BYTES)
        if output.find(b"\b", at, at + _BLOCK_BYTES) >= 0
    )
    return sorted(found)


def _end_of_clean(start: int, suspicious: list[int]) -> int:
    """Where the blocks end that hold nothing, from the one at `start` on."""
    following = suspicious[bisect_left(suspicious, start // _BLOCK_BYTES)]
    return following * _BLOCK_BYTES
