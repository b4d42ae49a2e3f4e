"""Recorders that send at the same time: one transaction for many, and each acknowledged for its own bytes alone."""

import random
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from unittest.mock import patch

import pytest
from django.db import IntegrityError, OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper

from audit.actors import SYSTEM
from audit.models import Entry
from audit.verification import verify
from dashboard.lib.db import end_of_thread
from dashboard.lib.group_commit import GroupCommit
from dashboard.lib.ids import new_id
from sessions_app.actions.terminals import OffsetMismatch, TerminalEnded, append_output, output
from sessions_app.actions.terminals.output import insert_chunk
from sessions_app.actions.terminals.reading import read_bytes
from sessions_app.actions.terminals.stretches import Stretch
from sessions_app.models import Event, EventKind, Terminal, TerminalChunk, TerminalState
from sessions_app.terminal.asciicast.model import Exit, Marker, Output
from sessions_app.terminal.batch import Batch, Position
from tests.factories import make_session
from tests.sessions_app.terminals.recorder import start_recorder

pytestmark = pytest.mark.django_db(transaction=True)


def whole(terminal_id: uuid.UUID) -> bytes:
    terminal = Terminal.objects.get(pk=terminal_id)
    return read_bytes(terminal_id, 0, terminal.size)


def output_batch(data: bytes, start: Position | None = None) -> Batch:
    return Batch(start or Position(), [Output(1_000, data)], masked={})


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.001)


class Held:
    """The first transaction waits until the others have gathered behind it."""

    def __init__(self) -> None:
        self.begun, self.opened = threading.Event(), threading.Event()
        #: How many requests each transaction had.
        self.sizes: list[int] = []
        self._plug = start_recorder().terminal.pk
        self.group = GroupCommit(self._write, most_at_once=4_000_000)

    def _write(self, appends: Sequence[output._Append]) -> list[output._Appended | Exception]:
        self.sizes.append(len(appends))
        if not self.begun.is_set():
            self.begun.set()
            assert self.opened.wait(20)
        return output._append_all(appends)

    @contextmanager
    def gathering(self, *sent: tuple[uuid.UUID, Batch]) -> Iterator[list[Future[Position]]]:
        """All of these are sent while the first transaction is held, in this order."""
        with patch.object(output, "_commits", self.group), ThreadPoolExecutor(len(sent) + 1) as pool:
            plug = pool.submit(appending, self._plug, output_batch(b"plug"))
            assert self.begun.wait(20)
            futures = []
            for number, (terminal_id, batch) in enumerate(sent):
                futures.append(pool.submit(appending, terminal_id, batch))
                until(lambda number=number: len(self.group._queue) == number + 1)  # type: ignore[misc]
            yield futures
            self.opened.set()
            plug.result(30)


def appending(terminal_id: uuid.UUID, batch: Batch) -> Position:
    try:
        return append_output(terminal_id, batch, actor=SYSTEM)
    finally:
        end_of_thread()


def test_many_recorders_at_once_are_one_transaction() -> None:
    ids = [start_recorder().terminal.pk for _ in range(8)]
    held = Held()
    with held.gathering(*((pk, output_batch(b"of %d" % n)) for n, pk in enumerate(ids))) as sent:
        pass
    assert [each.result(20) for each in sent] == [Position(4, 0)] * 8
    assert [whole(pk) for pk in ids] == [b"of %d" % number for number in range(8)]
    assert held.sizes == [1, 8]


def test_what_is_acknowledged_is_stored_whoever_else_sends() -> None:
    """Many threads for many terminals, and three for each of them, which send the same in pieces of their own."""
    everything = {
        start_recorder().terminal.pk: random.Random(number).randbytes(30_000) for number in range(6)
    }

    def send(terminal_id: uuid.UUID, seed: int) -> None:
        chooser, position, data = random.Random(seed), Position(), everything[terminal_id]
        try:
            while position.offset < len(data):
                end = min(len(data), position.offset + chooser.randint(1, 4_000))
                # Some of it a second time, as after a lost answer.
                start = max(0, position.offset - chooser.randint(0, 500))
                batch = Batch(Position(start, 0), [Output(end, data[start:end])], masked={})
                position = append_output(terminal_id, batch, actor=SYSTEM)
                assert position.offset >= end
                assert Terminal.objects.get(pk=terminal_id).size >= end
                assert read_bytes(terminal_id, start, end) == data[start:end]
        finally:
            end_of_thread()

    with ThreadPoolExecutor(18) as pool:
        sent = [pool.submit(send, pk, seed) for pk in everything for seed in range(3)]
        for each in sent:
            each.result(120)
    assert {pk: whole(pk) for pk in everything} == everything


def test_one_terminal_takes_what_gathers_in_its_order() -> None:
    recorder = start_recorder().terminal.pk
    held = Held()
    with held.gathering(
        (recorder, output_batch(b"one ")),
        (recorder, Batch(Position(4, 0), [Output(2_000, b"two "), Marker(2_500, "m")], masked={"jwt": 1})),
        (recorder, output_batch(b"one ")),
        (recorder, Batch(Position(8, 1), [Output(3_000, b"three")], masked={"jwt": 2})),
        (recorder, output_batch(b"ahead", Position(99, 1))),
    ) as sent:
        pass
    assert [each.result(20) for each in sent[:4]] == [
        Position(4, 0),
        Position(8, 1),
        Position(8, 1),
        Position(13, 1),
    ]
    with pytest.raises(OffsetMismatch) as refusal:
        sent[4].result(20)
    assert refusal.value.committed == Position(13, 1)
    assert held.sizes == [1, 5]
    terminal = Terminal.objects.get(pk=recorder)
    assert whole(recorder) == b"one two three"
    assert (terminal.masked_by, terminal.events.get().offset) == ({"jwt": 2}, 8)
    # All of it is one row.
    assert TerminalChunk.objects.get(terminal=recorder).size == 13


def test_what_is_refused_or_at_fault_harms_nobody_else() -> None:
    good, other, hole, ended, damaged = (start_recorder() for _ in range(5))
    ended.exit(0)
    # A row that must not be there: what comes at its offset cannot be stored.
    stray = Stretch(0)
    stray.add(0, b"stray")
    insert_chunk(damaged.terminal, stray)
    held = Held()
    with held.gathering(
        (good.terminal.pk, output_batch(b"good")),
        (hole.terminal.pk, output_batch(b"hole", Position(1, 0))),
        (ended.terminal.pk, Batch(Position(0, 1), [Output(9, b"late")], masked={})),
        (new_id(), output_batch(b"nobody's")),
        (damaged.terminal.pk, output_batch(b"damaged")),
        (other.terminal.pk, output_batch(b"other")),
    ) as sent:
        pass
    assert (sent[0].result(20), sent[5].result(20)) == (Position(4, 0), Position(5, 0))
    errors = [each.exception(20) for each in sent[1:5]]
    assert [type(error) for error in errors] == [
        OffsetMismatch,
        TerminalEnded,
        Terminal.DoesNotExist,
        IntegrityError,
    ]
    assert (whole(good.terminal.pk), whole(other.terminal.pk)) == (b"good", b"other")
    assert damaged.refresh().size == 0


def test_a_commit_that_fails_is_told_to_everybody_and_nothing_of_it_is_there() -> None:
    recorders = [start_recorder() for _ in range(4)]
    held = Held()
    commit = BaseDatabaseWrapper.commit

    def fail(opened: BaseDatabaseWrapper) -> None:
        if len(held.sizes) == 2:
            raise OperationalError("database or disk is full")
        commit(opened)

    sending = [(one.terminal.pk, output_batch(b"%d" % n)) for n, one in enumerate(recorders)]
    with patch.object(BaseDatabaseWrapper, "commit", fail), held.gathering(*sending) as sent:
        pass
    errors = [each.exception(20) for each in sent]
    assert held.sizes == [1, 4]
    assert [str(error) for error in errors] == ["database or disk is full"] * 4
    assert {type(error) for error in errors} == {OperationalError}
    assert not any(recorder.refresh().size for recorder in recorders)
    assert not TerminalChunk.objects.filter(terminal__in=[pk for pk, _ in sending]).exists()
    assert [append_output(pk, batch, actor=SYSTEM) for pk, batch in sending] == [Position(1, 0)] * 4
    assert [whole(pk) for pk, _ in sending] == [b"0", b"1", b"2", b"3"]


def test_several_programs_that_end_at_once_are_each_on_their_timeline_and_in_the_log() -> None:
    sessions = [make_session() for _ in range(3)]
    recorders = [start_recorder(session) for session in sessions]
    held = Held()
    ends = [Batch(Position(), [Output(1, b"bye"), Exit(2, n)], masked={}) for n in range(3)]
    pairs = [*zip((one.terminal.pk for one in recorders), ends, strict=True)]
    late = Batch(Position(3, 1), [Output(9, b"late")], masked={})
    # The same end twice, as after a lost answer, and something behind it.
    with held.gathering(*pairs[::-1], pairs[0], (pairs[0][0], late)) as sent:
        pass
    assert [each.result(20) for each in sent[:4]] == [Position(3, 1)] * 4
    with pytest.raises(TerminalEnded):
        sent[4].result(20)
    for number, recorder in enumerate(recorders):
        terminal = recorder.refresh()
        assert (terminal.state, terminal.exit_status) == (TerminalState.ENDED, number)
        assert terminal.sealed_size == 3
        closed = Event.objects.filter(session_id=terminal.session_id, kind=EventKind.TERMINAL_CLOSED)
        assert closed.get().seq == 2
    for action in ("terminal.closed", "terminal.sealed"):
        targets = Entry.objects.filter(action=action).values_list("target_id", flat=True)
        assert sorted(targets) == sorted(str(recorder.terminal.pk) for recorder in recorders)
    assert not [one for one in verify().broken if one.check != "signatures"]


def test_two_processes_that_write_for_the_same_terminals_do_not_wait_for_one_another() -> None:
    """Each has a writer of its own; what they write in opposite orders is locked in one."""
    ids = [start_recorder().terminal.pk for _ in range(12)]
    barrier = threading.Barrier(2)

    def write(wanted: Sequence[uuid.UUID]) -> None:
        try:
            for number in range(15):
                barrier.wait(30)
                batch = Batch(Position(), [Output(1, b"x" * (number + 1))], masked={})
                outcomes = output._append_all(
                    [output._Append(pk, batch, SYSTEM, False, None) for pk in wanted]
                )
                assert not [one for one in outcomes if isinstance(one, Exception)]
        finally:
            end_of_thread()

    with ThreadPoolExecutor(2) as pool:
        for each in [pool.submit(write, ids), pool.submit(write, ids[::-1])]:
            each.result(60)
    assert {whole(pk) for pk in ids} == {b"x" * 15}
