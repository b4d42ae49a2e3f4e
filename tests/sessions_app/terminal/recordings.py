"""Arbitrary recordings for property tests, and what two recordings must have in common."""

from collections.abc import Iterable
from itertools import accumulate

from hypothesis import strategies as st

from sessions_app.terminal.asciicast.model import Event, Exit, Input, Item, Malformed, Marker, Output, Resize
from sessions_app.terminal.asciicast.reader import Reader
from sessions_app.terminal.window import MAX_COLS, MAX_ROWS, allowed_size

#: What real and hostile output is made of: cut characters, escapes, quotes, bytes that are no UTF-8.
_PIECES = [
    b"a",
    b"\xc5",
    b"\xbc",
    "ż".encode(),
    "😀".encode(),
    b"\xf0\x9f",
    b"\x98\x80",
    b"\xed\xa0\xbd",
    b"\xff",
]
_PIECES += [b"\x00", b'"', b"\\", b"\r\n", b"\x1b[31m", b"\x7f", b"\xe2\x80\xa8", b"\\udc80", b"\xed\xb2\x80"]

byte_strings = st.one_of(st.binary(max_size=40), st.lists(st.sampled_from(_PIECES), max_size=8).map(b"".join))
labels = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
sizes = st.builds(allowed_size, st.integers(1, MAX_COLS), st.integers(1, MAX_ROWS))


@st.composite
def recordings(draw: st.DrawFn) -> list[Event]:
    """Events in the order of their times, at most one exit, at the end."""
    events: list[Event] = []
    gaps: list[int] = draw(st.lists(st.integers(0, 3) | st.integers(0, 10**12), max_size=30))
    for time_us in accumulate(gaps):
        kind = draw(st.sampled_from(["output", "output", "output", "input", "resize", "marker"]))
        if kind == "output":
            events.append(Output(time_us, draw(byte_strings)))
        elif kind == "input":
            events.append(Input(time_us, draw(byte_strings)))
        elif kind == "resize":
            events.append(Resize(time_us, *draw(sizes)))
        else:
            events.append(Marker(time_us, draw(labels)))
    ends: bool = draw(st.booleans())
    if gaps and ends:
        status = draw(st.one_of(st.none(), st.integers(-(1 << 31), (1 << 31) - 1)))
        events.append(Exit(sum(gaps), status))
    return events


def output_of(items: Iterable[Item]) -> bytes:
    """All the output bytes."""
    return b"".join(item.data for item in items if isinstance(item, Output))


def input_of(items: Iterable[Item]) -> bytes:
    """All the input bytes."""
    return b"".join(item.data for item in items if isinstance(item, Input))


def events_without_bytes(items: Iterable[Item]) -> list[Item]:
    """Everything but output and input."""
    return [item for item in items if not isinstance(item, (Output, Input))]


def read_all(file: bytes) -> tuple[Reader, list[Item]]:
    """A v2 or v3 file, read without a broken line."""
    reader = Reader()
    items = list(reader.read(file.splitlines(keepends=True)))
    broken = [item for item in items if isinstance(item, Malformed)]
    assert broken == []
    return reader, items
