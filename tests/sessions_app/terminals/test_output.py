"""Taking a recorder's output: once, in order, and every byte readable at every moment."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.actors import SYSTEM
from audit.models import Entry
from dashboard.lib.errors import Conflict
from dashboard.lib.ids import new_id
from sessions_app.actions.terminals import (
    NewTerminal,
    NoSuchSession,
    OffsetMismatch,
    TerminalEnded,
    append_output,
    mark_lost,
    open_terminal,
    seal,
)
from sessions_app.actions.terminals.reading import read_bytes, read_items, read_output, size_at
from sessions_app.actions.terminals.stretches import SEGMENT_BYTES
from sessions_app.models import AgentSession, Event, EventKind, Terminal, TerminalEvent, TerminalState
from sessions_app.models.blob import sha256_of
from sessions_app.terminal.asciicast.model import Exit, Input, Marker, Output, Resize
from sessions_app.terminal.batch import Batch, Position
from tests.factories import START_MS, make_session
from tests.sessions_app.terminals.recorder import Recorder, start_recorder

pytestmark = pytest.mark.django_db


def whole(terminal: Terminal) -> bytes:
    terminal.refresh_from_db()
    return read_bytes(terminal.pk, 0, terminal.size)


def test_output_is_read_back_as_it_was_sent() -> None:
    recorder = start_recorder()
    assert recorder.write(b"caf\xc3") == Position(4, 0)
    recorder.write(b"\xa9\x00\xff\r\n")
    assert whole(recorder.terminal) == b"caf\xc3\xa9\x00\xff\r\n"
    assert recorder.terminal.duration_us == 2_000
    assert recorder.terminal.last_line == "café\ufffd"


def test_sending_a_batch_again_changes_nothing() -> None:
    recorder = start_recorder()
    batch = Batch(Position(), [Output(5, b"one"), Resize(6, 100, 30), Output(7, b"two")])
    first = append_output(recorder.terminal.pk, batch, actor=SYSTEM)
    assert append_output(recorder.terminal.pk, batch, actor=SYSTEM) == first == Position(6, 1)
    assert whole(recorder.terminal) == b"onetwo"
    assert recorder.terminal.events.count() == 1


def test_of_an_overlap_only_the_new_part_is_taken() -> None:
    recorder = start_recorder()
    recorder.write(b"abc")
    longer = Batch(Position(1, 0), [Output(5, b"bcde"), Marker(6, "here")])
    assert append_output(recorder.terminal.pk, longer, actor=SYSTEM) == Position(5, 1)
    assert whole(recorder.terminal) == b"abcde"
    assert recorder.terminal.events.get().offset == 5


@pytest.mark.parametrize("start", [Position(4, 0), Position(3, 1)])
def test_a_hole_is_refused_with_the_committed_position(start: Position) -> None:
    recorder = start_recorder()
    recorder.write(b"abc")
    with pytest.raises(OffsetMismatch) as refusal:
        append_output(recorder.terminal.pk, Batch(start, [Output(9, b"later")]), actor=SYSTEM)
    assert refusal.value.committed == Position(3, 0)
    assert whole(recorder.terminal) == b"abc"


def test_nothing_follows_the_end_of_a_program() -> None:
    recorder = start_recorder()
    recorder.write(b"bye\n")
    recorder.exit(3)
    with pytest.raises(TerminalEnded):
        recorder.write(b"more")
    terminal = recorder.refresh()
    assert (terminal.state, terminal.exit_status) == (TerminalState.ENDED, 3)
    assert terminal.ended_ms == START_MS + 1
    assert whole(terminal) == b"bye\n"


def test_the_end_seals_everything() -> None:
    recorder = start_recorder()
    recorder.write(b"one ")
    recorder.write(b"two")
    assert recorder.terminal.chunks.count() == 2
    recorder.exit(None)
    segment = recorder.refresh().segments.get()
    assert (segment.offset, segment.size, recorder.terminal.sealed_size) == (0, 7, 7)
    assert segment.sha256 == sha256_of(b"one two")
    assert not recorder.terminal.chunks.exists()
    assert recorder.terminal.exit_status is None
    assert list(read_items(recorder.terminal)) == [
        Output(1_000, b"one "),
        Output(2_000, b"two"),
        Exit(2_000, None),
    ]


def test_a_quarter_megabyte_is_sealed_in_pieces_of_that_size() -> None:
    recorder = start_recorder()
    data = random.Random(1).randbytes(2 * SEGMENT_BYTES + 100)
    recorder.write(data[:10])
    recorder.write(data[10:])
    sizes = list(recorder.refresh().segments.order_by("offset").values_list("size", flat=True))
    assert sizes == [SEGMENT_BYTES, SEGMENT_BYTES, 100]
    assert whole(recorder.terminal) == data


def test_ten_seconds_of_output_are_sealed() -> None:
    recorder = start_recorder()
    recorder.write(b"a")
    recorder.write(b"b", after_us=9_000_000)
    assert recorder.refresh().sealed_size == 0
    recorder.write(b"c", after_us=1_000_000)
    assert recorder.refresh().sealed_size == 3
    assert whole(recorder.terminal) == b"abc"


def test_a_reader_who_began_before_the_sealing_finds_every_byte() -> None:
    recorder = start_recorder()
    for letter in b"abcdef":
        recorder.write(bytes([letter]))
    reading = read_output(recorder.terminal.pk, 0, 6)
    assert next(reading) == b"a"
    seal(recorder.refresh())
    assert b"".join(reading) == b"bcdef"


def test_of_two_that_seal_at_once_one_does_nothing() -> None:
    recorder = start_recorder()
    recorder.write(b"abc")
    stale = Terminal.objects.get(pk=recorder.terminal.pk)
    seal(recorder.refresh())
    seal(stale)
    assert recorder.terminal.segments.count() == 1
    assert whole(recorder.terminal) == b"abc"


def test_time_never_runs_backwards() -> None:
    recorder = start_recorder()
    recorder.send(Output(50, b"a"), Output(20, b"b"), Marker(10, "m"))
    assert [event.time_us for event in read_items(recorder.refresh())] == [50, 50, 50]


def test_events_stand_between_the_bytes_where_they_happened() -> None:
    recorder = start_recorder()
    recorder.send(
        Output(1, b"ab"), Resize(2, 100, 30), Output(3, b"cd"), Input(4, b"\x03"), Marker(5, "m\x00")
    )
    recorder.exit(-1)
    assert list(read_items(recorder.refresh())) == [
        Output(1, b"ab"),
        Resize(2, 100, 30),
        Output(3, b"cd"),
        Input(4, b"\x03"),
        Marker(5, "m\u2400"),
        Exit(5, -1),
    ]
    assert (recorder.terminal.cols, recorder.terminal.rows) == (100, 30)
    assert size_at(recorder.terminal, 1) == (80, 24)
    assert size_at(recorder.terminal, 2) == (100, 30)


@settings(max_examples=25)
@given(everything=st.binary(min_size=1, max_size=300), seed=st.integers(0, 2**32))
def test_whatever_is_sent_again_the_stored_bytes_are_the_written_ones(everything: bytes, seed: int) -> None:
    """A recorder that falls back to any earlier position, as after a lost answer."""
    recorder, chooser = start_recorder(), random.Random(seed)
    while recorder.position.offset < len(everything):
        start = chooser.randint(0, recorder.position.offset)
        end = chooser.randint(recorder.position.offset, len(everything))
        batch = Batch(Position(start, 0), [Output(end, everything[start:end])])
        recorder.position = append_output(recorder.terminal.pk, batch, actor=SYSTEM)
        if chooser.random() < 0.3:
            seal(recorder.refresh())
    assert whole(recorder.terminal) == everything


# Opening and the timeline


def test_opening_again_is_harmless() -> None:
    new = NewTerminal(id=new_id(), started_ms=START_MS, command=["ls"])
    terminal, made = open_terminal(new, actor=SYSTEM)
    again, made_again = open_terminal(new, actor=SYSTEM)
    assert (made, made_again) == (True, False)
    assert again.pk == terminal.pk
    assert terminal.title == "ls"
    assert Entry.objects.filter(action="terminal.opened").count() == 1


def test_an_id_belongs_to_one_recording() -> None:
    new = NewTerminal(id=new_id(), started_ms=START_MS, command=["ls"])
    open_terminal(new, actor=SYSTEM)
    with pytest.raises(Conflict):
        open_terminal(NewTerminal(id=new.id, started_ms=START_MS + 1, command=["ls"]), actor=SYSTEM)


def test_a_terminal_cannot_join_a_session_that_is_not_there() -> None:
    new = NewTerminal(id=new_id(), started_ms=START_MS, session_id=new_id())
    with pytest.raises(NoSuchSession):
        open_terminal(new, actor=SYSTEM)
    assert not Terminal.objects.exists()


def test_a_terminal_stands_on_the_timeline_of_its_session() -> None:
    session = make_session()
    recorder = start_recorder(session)
    recorder.write(b"hello\n")
    recorder.exit(1)
    events = Event.objects.filter(session=session).order_by("seq")
    assert [(event.seq, event.kind, event.subject_id) for event in events] == [
        (1, EventKind.TERMINAL_OPENED, recorder.terminal.pk),
        (2, EventKind.TERMINAL_CLOSED, recorder.terminal.pk),
    ]
    assert AgentSession.objects.get().terminal_count == 1
    assert list(Entry.objects.order_by("idx").values_list("action", "session_id")) == [
        ("terminal.opened", session.pk),
        ("terminal.closed", session.pk),
        ("terminal.sealed", session.pk),
    ]


# Lost and found


def test_a_recorder_on_a_machine_that_booted_since_is_lost_until_it_comes_back() -> None:
    recorder = start_recorder()
    recorder.write(b"a")
    heard_ms = recorder.refresh().updated_ms
    assert mark_lost("workshop", heard_ms) == 0
    assert mark_lost("elsewhere", heard_ms + 1) == 0
    assert mark_lost("workshop", heard_ms + 1) == 1
    assert recorder.refresh().state == TerminalState.LOST
    recorder.write(b"b")
    assert recorder.refresh().state == TerminalState.LIVE


def test_a_batch_without_events_says_that_the_recorder_is_there() -> None:
    recorder = start_recorder()
    recorder.write(b"a")
    Terminal.objects.update(updated_ms=START_MS, state=TerminalState.LOST)
    assert recorder.send() == Position(1, 0)
    terminal = recorder.refresh()
    assert terminal.state == TerminalState.LIVE
    assert terminal.updated_ms > START_MS


def test_input_is_kept_apart_from_output() -> None:
    recorder: Recorder = start_recorder()
    recorder.send(Input(1, b"secret\r"), Output(2, b"ok"))
    assert whole(recorder.terminal) == b"ok"
    assert bytes(TerminalEvent.objects.get().data) == b"secret\r"
