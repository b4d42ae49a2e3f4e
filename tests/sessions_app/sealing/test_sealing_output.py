"""Output that is not sealed as it is sent: a thread of the server comes to it within seconds, whatever happened."""

import logging
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from unittest.mock import patch

import pytest
from django.db import DatabaseError, connection
from django.test.utils import CaptureQueriesContext

from audit.actors import SYSTEM
from audit.models import Entry
from audit.verification import verify
from dashboard.lib.clock import now_ms
from dashboard.lib.ids import first_id
from sessions_app.actions import background_sealing
from sessions_app.actions.background_sealing import BackgroundSealing
from sessions_app.actions.terminals import append_output, mark_lost, seal
from sessions_app.actions.terminals import sealing as sealing_output
from sessions_app.actions.terminals.reading import read_bytes
from sessions_app.actions.terminals.sealing import UnreadableOutput, longest_unsealed
from sessions_app.actions.terminals.stretches import SEGMENT_BYTES
from sessions_app.models import AgentSession, Terminal, TerminalChunk, TerminalSegment, TerminalState
from sessions_app.terminal import timing
from sessions_app.terminal.asciicast.model import MAX_TIME_US, Exit
from sessions_app.terminal.batch import Batch, Position
from tests.factories import make_event, make_session
from tests.sessions_app.terminals.recorder import Recorder, start_recorder

pytestmark = pytest.mark.django_db


def printed(data: bytes = b"all of it\r\n") -> Recorder:
    recorder = start_recorder()
    recorder.write(data)
    return recorder


@contextmanager
def later(seconds: float) -> Iterator[None]:
    """As the console's clock has it."""
    moment = now_ms() + round(seconds * 1000)
    with patch.object(background_sealing, "now_ms", lambda: moment):
        yield


def look(after_s: float = 11, background: BackgroundSealing | None = None) -> None:
    with later(after_s):
        (background or BackgroundSealing()).seal_what_rests()


def sealed_of(recorder: Recorder) -> tuple[int, int]:
    terminal = recorder.refresh()
    return terminal.sealed_size, terminal.chunks.count()


def test_a_quiet_terminal_is_sealed_ten_seconds_after_it_printed() -> None:
    recorder = printed()
    look(after_s=9)
    assert sealed_of(recorder) == (0, 1)
    look()
    assert sealed_of(recorder) == (11, 0)
    assert recorder.terminal.state == TerminalState.LIVE
    assert Entry.objects.get(action="terminal.sealed").target_id == str(recorder.terminal.pk)
    # It goes on where it was.
    recorder.write(b"more", after_us=20_000_000)
    assert read_bytes(recorder.terminal.pk, 0, 15) == b"all of it\r\nmore"
    look()
    assert sealed_of(recorder) == (15, 0)
    assert verify().verdict("contents").outcome == "sound"


def test_what_a_lost_recorder_has_left_is_sealed() -> None:
    recorder = printed()
    assert mark_lost("workshop", recorder.refresh().updated_ms + 1) == 1
    look()
    assert sealed_of(recorder) == (11, 0)
    assert recorder.terminal.state == TerminalState.LOST


def test_an_end_whose_sealing_failed_is_sealed_later() -> None:
    recorder = printed()
    with (
        patch.object(sealing_output, "append", side_effect=DatabaseError("the disk is full")),
        pytest.raises(DatabaseError),
    ):
        recorder.exit(3)
    # What the recorder sends again is there already, so nobody comes back to it.
    recorder.exit(3)
    assert (recorder.refresh().state, sealed_of(recorder)) == (TerminalState.ENDED, (0, 1))
    look()
    assert sealed_of(recorder) == (11, 0)
    assert read_bytes(recorder.terminal.pk, 0, 11) == b"all of it\r\n"


def test_output_from_before_the_clock_was_set_back_is_sealed_at_once() -> None:
    recorder = printed()
    chunk = recorder.terminal.chunks.get()
    TerminalChunk.objects.filter(pk=chunk.pk).update(id=first_id(now_ms() + 3_600_000))
    look(after_s=0)
    assert sealed_of(recorder) == (11, 0)


def test_the_oldest_output_is_sealed_first() -> None:
    recorders = [printed() for _ in range(3)]
    for recorder, age_s in zip(recorders, (20, 40, 30), strict=True):
        recorder.terminal.chunks.update(id=first_id(now_ms() - age_s * 1000))
    found: list[uuid.UUID] = []
    while (key := longest_unsealed(now_ms(), found)) is not None:
        found.append(key)
    assert found == [recorders[number].terminal.pk for number in (1, 2, 0)]


def test_a_terminal_with_damaged_output_is_told_and_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    damaged, sound = printed(), printed()
    damaged.write(b"next")
    damaged.write(b"last")
    damaged.terminal.chunks.get(offset=11).delete()
    background = BackgroundSealing()
    with caplog.at_level(logging.WARNING):
        look(background=background)
        look(background=background)
    assert (sealed_of(damaged), sealed_of(sound)) == ((0, 2), (11, 0))
    assert [str(damaged.terminal.pk) in record.message for record in caplog.records] == [True]
    # Its recorder is not kept from sending, and nothing stands where it was not printed.
    end = Batch(damaged.position, [Exit(damaged.time_us, 0)], masked={})
    assert append_output(damaged.terminal.pk, end, actor=SYSTEM) == Position(19, 1)
    assert sealed_of(damaged) == (0, 2)


# Eleven bytes were written 2^64 microseconds after the recording began.
FAR_TIMING = b"\xff" * 9 + b"\x01\x0b"


@pytest.mark.parametrize("timing", [b"\xff", b"\x05\x02", b"\x05", FAR_TIMING])
def test_output_with_damaged_times_is_not_sealed(timing: bytes) -> None:
    recorder = printed()
    recorder.terminal.chunks.update(timing=timing)
    with pytest.raises(UnreadableOutput):
        seal(recorder.refresh())
    assert sealed_of(recorder) == (0, 1)


@pytest.mark.parametrize("first_us", [-1, MAX_TIME_US + 1])
def test_output_of_a_time_that_is_none_is_not_sealed(first_us: int) -> None:
    recorder = printed()
    recorder.terminal.chunks.update(first_us=first_us, timing=b"\0\x0b")
    with pytest.raises(UnreadableOutput):
        seal(recorder.refresh())
    recorder.terminal.chunks.update(first_us=MAX_TIME_US)
    assert seal(recorder.refresh())


def test_a_chunk_of_nothing_is_no_output() -> None:
    recorder = printed()
    recorder.terminal.chunks.update(size=0, data=b"")
    with pytest.raises(UnreadableOutput):
        seal(recorder.refresh())


@pytest.mark.parametrize(
    "change", ["timing = 'hello world'", "data = 'hello world'", "data = 11", "size = 'x'"]
)
def test_output_that_is_no_bytes_is_not_sealed(change: str) -> None:
    if connection.vendor != "sqlite":
        return
    recorder = printed()
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE sessions_app_terminalchunk SET {change}")  # noqa: S608
    with pytest.raises(UnreadableOutput):
        seal(recorder.refresh())


def has_far_times(recorder: Recorder) -> None:
    recorder.terminal.chunks.update(timing=FAR_TIMING)


def is_sealed_already(recorder: Recorder) -> None:
    """Something else stands where its output belongs."""
    terminal = recorder.terminal
    chunk = terminal.chunks.get()
    TerminalSegment.objects.create(
        terminal=terminal, offset=0, size=11, first_us=0, last_us=0, timing=chunk.timing, data=chunk.data,
        codec="", sha256="",
    )  # fmt: skip


@pytest.mark.parametrize("damage", [has_far_times, is_sealed_already])
def test_output_that_the_database_refuses_keeps_nothing_else_from_being_sealed(
    damage: Callable[[Recorder], None], caplog: pytest.LogCaptureFixture
) -> None:
    damaged = printed()
    damaged.terminal.chunks.update(id=first_id(now_ms() - 3_600_000))
    damage(damaged)
    sound, session = printed(), make_session()
    make_event(session)
    AgentSession.objects.update(updated_ms=1, last_activity_ms=1)
    with caplog.at_level(logging.WARNING):
        look(after_s=70)
    session.refresh_from_db()
    assert (sealed_of(damaged), sealed_of(sound), session.sealed_seq > 0) == ((0, 1), (11, 0), True)
    assert [str(damaged.terminal.pk) in record.message for record in caplog.records] == [True]
    # Nor its recorder from sending.
    damaged.exit(0)
    assert sealed_of(damaged) == (0, 1)


def output_reads(work: Callable[[], object]) -> int:
    """How many queries take the bytes of all chunks out of the database; the newest alone is read to mask secrets."""
    with CaptureQueriesContext(connection) as queries:
        work()
    column = '"sessions_app_terminalchunk"."data"'
    statements = [query["sql"].replace(f"LENGTH({column})", "") for query in queries]
    return sum(sql.startswith("SELECT") and column in sql and "LIMIT" not in sql for sql in statements)


# Enough that no line is put together with what was written before it.
LINES = b"and more\r\n" * 300


def test_who_sends_behind_output_that_is_not_all_there_reads_none_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recorder = printed(LINES)
    recorder.write(b"x" * (SEGMENT_BYTES - 2 * len(LINES)))
    recorder.terminal.chunks.filter(offset=0).delete()
    began = time.monotonic()
    for minute in range(3):
        monkeypatch.setattr(time, "monotonic", lambda minute=minute: began + 61 * minute)
        assert output_reads(lambda: recorder.write(LINES)) == 0
    assert sealed_of(recorder) == (0, 4)


def test_who_sends_behind_output_that_cannot_be_sealed_is_not_asked_to_each_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recorder = printed(b"x" * (SEGMENT_BYTES - 1))
    recorder.terminal.chunks.update(timing=b"\xff")
    assert output_reads(lambda: recorder.write(LINES)) == 1
    for _ in range(3):
        assert output_reads(lambda: recorder.write(LINES)) == 0
    began = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: began + 61)
    assert output_reads(lambda: recorder.write(LINES)) == 1
    # Somebody mends it.
    recorder.terminal.chunks.filter(offset=0).update(
        timing=timing.encode([(1_000, SEGMENT_BYTES - 1)], 1_000)
    )
    monkeypatch.setattr(time, "monotonic", lambda: began + 122)
    recorder.write(LINES)
    assert sealed_of(recorder) == (recorder.position.offset, 0)


def test_who_comes_second_does_nothing_and_calls_nothing_damaged() -> None:
    recorder = printed()
    stale = Terminal.objects.get(pk=recorder.terminal.pk)
    assert seal(recorder.refresh())
    assert not seal(stale)
    recorder.write(b"next")
    assert not seal(stale)
    assert sealed_of(recorder) == (11, 1)


def test_output_is_sealed_between_the_pieces_of_a_long_session() -> None:
    session = make_session()
    for number in range(250):
        make_event(session, text=str(number))
    AgentSession.objects.update(updated_ms=1, last_activity_ms=1)
    background, recorder = BackgroundSealing(every_s=0), start_recorder()
    rested: list[float] = []

    def rest(seconds: float) -> bool:
        if not rested:
            recorder.write(b"meanwhile")
        elif len(rested) == 1:
            assert sealed_of(recorder) == (9, 0)
        rested.append(seconds)
        return False

    with patch.object(background, "rest", rest):
        look(after_s=70, background=background)
    assert len(rested) == 3


def test_the_key_of_the_chunks_leads_to_what_is_to_be_sealed() -> None:
    if connection.vendor == "sqlite":
        plan = TerminalChunk.objects.committed_before(now_ms()).oldest_first()[:1].explain()
        assert "SEARCH" in plan
        assert "TEMP B-TREE" not in plan
