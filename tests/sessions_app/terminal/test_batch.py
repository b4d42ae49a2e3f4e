"""The upload format, and the server's cutting of what it has already."""

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions_app.terminal.asciicast.model import Event, Exit, Input, Marker, Output, Resize
from sessions_app.terminal.batch import Batch, BatchError, Position, decode_batch, encode_batch
from tests.sessions_app.terminal.recordings import events_without_bytes, output_of, recordings

# Nothing here reaches a database.
pytestmark = pytest.mark.once


@given(recordings(), st.builds(Position, st.integers(0, 1 << 50), st.integers(0, 1 << 30)))
def test_a_batch_decodes_to_itself_and_is_ascii(events: list[Event], start: Position) -> None:
    body = encode_batch(start, events)

    assert decode_batch(body) == Batch(start, events)
    assert body.isascii()


def test_the_lines_of_a_batch_are_the_documented_ones() -> None:
    events: list[Event] = [
        Output(5, b"a\xff"),
        Input(6, b"\r"),
        Resize(7, 80, 24),
        Marker(8, "ż"),
        Exit(9, 137),
    ]
    events.append(Exit(10, None))

    assert encode_batch(Position(3, 4), events).decode() == (
        '{"offset": 3, "events": 4}\n'
        '[5, "o", "a\\udcff"]\n[6, "i", "\\r"]\n[7, "r", "80x24"]\n[8, "m", "\\u017c"]\n[9, "x", "137"]\n'
        '[10, "x", ""]\n'
    )


@given(recordings(), st.integers(0, 1 << 32))
def test_overlap_with_what_is_committed_is_cut_exactly(events: list[Event], seed: int) -> None:
    """Whatever prefix was committed, even one that ends inside a write, what remains is the rest."""
    chance = random.Random(seed)
    cut = chance.randrange(len(events) + 1)
    committed = Position()
    for event in events[:cut]:
        committed = committed.after(event)
    inside = events[cut] if cut < len(events) else None
    if isinstance(inside, Output) and inside.data:
        committed = Position(committed.offset + chance.randrange(len(inside.data)), committed.events)

    remaining = list(Batch(Position(), events).remaining(committed))
    assert output_of(remaining) == output_of(events)[committed.offset :]
    others = [event for event in events if not isinstance(event, Output)]
    assert [event for event in remaining if not isinstance(event, Output)] == others[committed.events :]
    assert events_without_bytes(remaining) == events_without_bytes(others[committed.events :])


@pytest.mark.parametrize(
    "body,index",
    [
        (b"", None),
        (b"[]\n", None),
        (b'{"offset": -1, "events": 0}\n', None),
        (b'{"offset": 1.0, "events": 0}\n', None),
        (b'{"offset": true, "events": 0}\n', None),
        (b'{"offset": 0}\n', None),
        (b'{"offset": 0, "events": 0}\n[1, "o", "a"]\n[1, "q", "a"]\n', 1),
        (b'{"offset": 0, "events": 0}\n[1.5, "o", "a"]\n', 0),
        (b'{"offset": 0, "events": 0}\n[-1, "o", "a"]\n', 0),
        (b'{"offset": 0, "events": 0}\n[1, "o", "a"]\n\n', 1),
        (b'{"offset": 0, "events": 0}\n[1, "o", "cut', 0),
        (b'{"offset": 0, "events": 0}\n' + b"[" * 100_000, 0),
        (b'{"offset": 0, "events": 0}\n[1, "r", "80"]\n', 0),
    ],
)
def test_a_batch_with_a_bad_line_is_refused_with_its_index(body: bytes, index: int | None) -> None:
    with pytest.raises(BatchError) as refused:
        decode_batch(body)
    assert refused.value.index == index


@given(st.binary(max_size=60))
def test_any_body_decodes_or_is_refused(body: bytes) -> None:
    for candidate in (body, b'{"offset": 0, "events": 0}\n' + body):
        try:
            batch = decode_batch(candidate)
        except BatchError:
            continue
        assert json.loads(candidate.split(b"\n")[0])["offset"] == batch.start.offset
