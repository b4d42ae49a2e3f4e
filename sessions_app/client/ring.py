"""Events on their way from the recorder to the keeper, in memory that both processes share.

The recorder puts them in and is never held up by what becomes of them, unless the ring is full. What is in the ring
outlives a recorder that is killed. It is memory and no file, as secrets are not masked yet.
"""

import mmap
import struct

from sessions_app.terminal.asciicast.model import Event, Exit, Input, Marker, Output, Resize

#: What a program may print faster than it is masked and written down.
CAPACITY_BYTES = 64 << 20
#: Where writing begins again whenever everything was read, so that a program which prints little needs no more.
_WARM_BYTES = 8 << 20
#: Memory behind the warm part goes back to the system in such pieces.
_PIECE_BYTES = 1 << 20
_HEADER_BYTES = mmap.PAGESIZE
#: Kind, length and time in microseconds of what follows.
_FRAME = struct.Struct("<BxxxIQ")
_WRAP, _OUTPUT, _INPUT, _RESIZE, _MARKER, _EXIT = range(6)
_SIZE = struct.Struct("<II")
_STATUS = struct.Struct("<?q")
#: Places in the header: bytes that were ever put in, and taken out; whether the one and the other have ended; whether
#: what was put in is not all there was.
_HEAD, _TAIL, _ENDED, _STOPPED, _CUT_SHORT = range(5)


class EventRing:
    """One process puts, the other takes; make it before they part.

    Each number in the header has one writer and is stored in one piece. `look` belongs behind a system call that
    waits for what the other has said after `put`: only then is what it shows certainly written.
    """

    def __init__(self, capacity: int = CAPACITY_BYTES, warm: int = _WARM_BYTES) -> None:
        """`capacity` and `warm` are multiples of a megabyte. Raises OSError."""
        self._capacity = capacity
        self._warm = warm
        self._map = mmap.mmap(-1, _HEADER_BYTES + capacity)
        self._numbers = memoryview(self._map)[:_HEADER_BYTES].cast("Q")
        self._data = memoryview(self._map)[_HEADER_BYTES:]
        self._seen = 0

    def put(self, event: Event) -> bool:
        """False when there is no room for it now."""
        kind, payload = _encode(event)
        size = _FRAME.size + len(payload)
        head, tail = self._numbers[_HEAD], self._numbers[_TAIL]
        at = head % self._capacity
        rest = self._capacity - at
        skipped = rest if rest < size or (head == tail and at >= self._warm) else 0
        if self._capacity - (head - tail) < skipped + size:
            return False
        if skipped:
            if rest >= _FRAME.size:
                _FRAME.pack_into(self._data, at, _WRAP, 0, 0)
            head, at = head + skipped, 0
        _FRAME.pack_into(self._data, at, kind, len(payload), event.time_us)
        self._data[at + _FRAME.size : at + size] = payload
        self._numbers[_HEAD] = head + size
        return True

    def has_room(self, size: int) -> bool:
        """Whether an output of `size` bytes would find room."""
        # At the end of the ring as much may have to be left out.
        return self._capacity - (self._numbers[_HEAD] - self._numbers[_TAIL]) >= 2 * (size + _FRAME.size)

    def look(self) -> None:
        """Let `take` give everything that was put in by now."""
        self._seen = self._numbers[_HEAD]

    def take(self) -> Event | None:
        """The first event that was not let go of, None when there is none. It stays until `let_go`."""
        while (tail := self._numbers[_TAIL]) < self._seen:
            at = tail % self._capacity
            rest = self._capacity - at
            kind = _WRAP
            if rest >= _FRAME.size:
                kind, length, time_us = _FRAME.unpack_from(self._data, at)
            if kind != _WRAP:
                start = at + _FRAME.size
                return _decode(kind, time_us, bytes(self._data[start : start + length]))
            self._move_tail(tail + rest)
        return None

    def let_go(self) -> None:
        """Of what `take` gave: it is written down."""
        tail = self._numbers[_TAIL]
        _, length, _ = _FRAME.unpack_from(self._data, tail % self._capacity)
        self._move_tail(tail + _FRAME.size + length)

    @property
    def taken(self) -> int:
        """A number that grows as long as the other process gets on."""
        return self._numbers[_TAIL]

    @property
    def is_empty(self) -> bool:
        return self._numbers[_HEAD] == self._numbers[_TAIL]

    def end(self) -> None:
        """Nothing more will be put in, by a recorder that was not killed."""
        self._numbers[_ENDED] = 1

    @property
    def has_ended(self) -> bool:
        return bool(self._numbers[_ENDED])

    def cut_short(self) -> None:
        """Nothing more will be put in, though there will be more."""
        self._numbers[_CUT_SHORT] = 1

    @property
    def is_cut_short(self) -> bool:
        return bool(self._numbers[_CUT_SHORT])

    def stop(self) -> None:
        """Nothing more will be taken out."""
        self._numbers[_STOPPED] = 1

    @property
    def has_stopped(self) -> bool:
        return bool(self._numbers[_STOPPED])

    def _move_tail(self, tail: int) -> None:
        before = self._numbers[_TAIL]
        # Before the room is given free: then it may be written to.
        for start in range(
            before // _PIECE_BYTES * _PIECE_BYTES, tail // _PIECE_BYTES * _PIECE_BYTES, _PIECE_BYTES
        ):
            at = start % self._capacity
            if at >= self._warm and hasattr(mmap, "MADV_REMOVE"):
                self._map.madvise(mmap.MADV_REMOVE, _HEADER_BYTES + at, _PIECE_BYTES)
        self._numbers[_TAIL] = tail


def _encode(event: Event) -> tuple[int, bytes]:
    if isinstance(event, Output):
        return _OUTPUT, event.data
    if isinstance(event, Input):
        return _INPUT, event.data
    if isinstance(event, Resize):
        return _RESIZE, _SIZE.pack(event.cols, event.rows)
    if isinstance(event, Marker):
        return _MARKER, event.label.encode("utf-8", "surrogatepass")
    return _EXIT, _STATUS.pack(event.status is not None, event.status or 0)


def _decode(kind: int, time_us: int, payload: bytes) -> Event:
    if kind == _OUTPUT:
        return Output(time_us, payload)
    if kind == _INPUT:
        return Input(time_us, payload)
    if kind == _RESIZE:
        return Resize(time_us, *_SIZE.unpack(payload))
    if kind == _MARKER:
        return Marker(time_us, payload.decode("utf-8", "surrogatepass"))
    is_known, status = _STATUS.unpack(payload)
    return Exit(time_us, status if is_known else None)
