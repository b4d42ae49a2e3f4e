"""Terminals read from files, written batch by batch."""

import json
import random
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from unittest.mock import patch

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.actors import SYSTEM
from audit.models import Entry, Log
from audit.verification import verify
from dashboard.lib.db import end_of_thread
from sessions_app.actions.terminals import add_marker, recording, seal, write_recording
from sessions_app.actions.terminals.output import Addition, apply_all
from sessions_app.actions.terminals.packing import pack_items
from sessions_app.actions.terminals.reading import read_bytes, read_items
from sessions_app.actions.terminals.stretches import SEGMENT_BYTES
from sessions_app.drafts import TerminalDraft
from sessions_app.importers.pipeline import Importer
from sessions_app.models import Source, Terminal, TerminalChunk, TerminalSegment, TerminalState
from sessions_app.terminal.asciicast.model import Exit, Marker, Output, Resize
from tests.factories import START_MS, make_source

pytestmark = pytest.mark.django_db

type Item = tuple[str, int, bytes]


def draft_of(items: list[Item], *, ended: bool = False) -> TerminalDraft:
    return TerminalDraft(
        key="cast",
        title="demo",
        command=["sh"],
        cols=80,
        rows=24,
        started_ms=START_MS,
        items=items,
        ended=ended,
    )


def write(source: Source, items: list[Item], *, ended: bool = False) -> Terminal:
    with transaction.atomic():
        terminal, _ = write_recording(source, draft_of(items, ended=ended), actor=SYSTEM)
    terminal.refresh_from_db()
    return terminal


def test_batches_of_one_recording_become_one_terminal() -> None:
    source = make_source()
    first, is_new = write_recording(source, draft_of([("o", 1, b"one "), ("r", 2, b"100x30")]), actor=SYSTEM)
    again, is_new_again = write_recording(
        source, draft_of([("o", 3, b"two"), ("m", 4, b"here"), ("x", 5, b"2")], ended=True), actor=SYSTEM
    )
    assert (is_new, is_new_again, again.pk) == (True, False, first.pk)
    terminal = Terminal.objects.get()
    assert (terminal.state, terminal.exit_status, terminal.ended_ms) == (TerminalState.ENDED, 2, START_MS)
    assert (terminal.source_id, terminal.last_line) == (source.pk, "one two")
    assert list(read_items(terminal)) == [
        Output(1, b"one "),
        Resize(2, 100, 30),
        Output(3, b"two"),
        Marker(4, "here"),
        Exit(5, 2),
    ]


def test_a_finished_recording_takes_nothing_more() -> None:
    source = make_source()
    write(source, [("o", 1, b"all"), ("x", 2, b"0")])
    terminal = write(source, [("o", 3, b"again")])
    assert read_bytes(terminal.pk, 0, terminal.size) == b"all"


def test_what_fills_segments_is_sealed_and_a_rest_that_may_grow_is_not() -> None:
    source = make_source()
    data = random.Random(2).randbytes(SEGMENT_BYTES + 10)
    terminal = write(source, [("o", 1, data[:100]), ("o", 2, data[100:])])
    assert (terminal.sealed_size, terminal.size) == (SEGMENT_BYTES, SEGMENT_BYTES + 10)
    assert (terminal.segments.count(), terminal.chunks.count()) == (1, 1)
    terminal = write(source, [], ended=True)
    assert (terminal.sealed_size, terminal.chunks.count()) == (terminal.size, 0)
    assert read_bytes(terminal.pk, 0, terminal.size) == data


def test_a_recording_without_output_can_end() -> None:
    terminal = write(make_source(), [], ended=True)
    assert (terminal.size, terminal.state) == (0, TerminalState.ENDED)
    assert list(read_items(terminal)) == []


@settings(max_examples=25)
@given(
    data=st.binary(min_size=1, max_size=400),
    gaps_us=st.lists(st.sampled_from([0, 1, 4_000_000, 12_000_000]), min_size=1, max_size=12),
    seed=st.integers(0, 2**32),
)
def test_any_batches_give_the_same_items(data: bytes, gaps_us: list[int], seed: int) -> None:
    chooser = random.Random(seed)
    source = make_source()
    items: list[Item] = []
    now_us = position = 0
    for gap_us in gaps_us:
        now_us += gap_us
        end = chooser.randint(position, len(data))
        if end > position:
            items.append(("o", now_us, data[position:end]))
        position = end
    start = 0
    while start < len(items):
        end = chooser.randint(start + 1, len(items))
        write(source, items[start:end])
        start = end
    terminal = write(source, [], ended=True)
    assert [
        ("o", item.time_us, item.data) for item in read_items(terminal) if isinstance(item, Output)
    ] == items


def test_a_recording_that_only_came_to_the_end_of_its_file_goes_on_with_it() -> None:
    source = make_source()
    write(source, [("o", 1, b"first ")], ended=True)
    terminal = write(source, [("o", 2, b"second")], ended=True)
    assert read_bytes(terminal.pk, 0, terminal.size) == b"first second"
    assert terminal.state == TerminalState.ENDED


def test_packed_items_are_written_as_the_items_would_be() -> None:
    chooser = random.Random(9)
    batches: list[list[Item]] = [[("o", 10, b"a little first"), ("m", 11, b"mark")]]
    now_us = 1_000
    for number in range(3):
        items: list[Item] = []
        for _ in range(300):
            now_us += chooser.choice([0, 500, 100_000])
            items.append(("o", now_us, chooser.randbytes(chooser.randint(1, 4_000))))
            if chooser.random() < 0.05:
                items.append(
                    chooser.choice([("r", now_us, b"90x20"), ("i", now_us, b"key"), ("m", now_us, b"here")])
                )
        batches.append(items)
        # A clock that was set back: times stay where they were.
        now_us -= 5_000_000 if number == 1 else 0
    batches.append([("o", now_us + 9_000_000, b"a little last"), ("x", now_us + 9_000_001, b"7")])
    plain, packed = make_source(), make_source()
    for batch in batches:
        expected, _ = write_recording(plain, draft_of(batch), actor=SYSTEM)
        draft = draft_of(batch)
        pack_items(draft)
        assert (draft.packed is not None) == (len(batch) > 100)
        found, _ = write_recording(packed, draft, actor=SYSTEM)
    for terminal in (expected, found):
        terminal.refresh_from_db()
    assert list(joined(read_items(found))) == list(joined(read_items(expected)))
    for name in (
        "size",
        "event_count",
        "duration_us",
        "state",
        "exit_status",
        "ended_ms",
        "cols",
        "last_line",
    ):
        assert getattr(found, name) == getattr(expected, name), name
    assert found.sealed_size == found.size
    stored = [(segment.offset, segment.size) for segment in found.segments.order_by("offset")]
    assert [offset + size for offset, size in stored[:-1]] == [offset for offset, _ in stored[1:]]


def joined(items: Iterable[object]) -> Iterator[object]:
    """Writes of one moment together: where a segment ends, one may have been divided."""
    for (kind, time_us), group in groupby(items, key=lambda item: (type(item), item.time_us)):  # type: ignore[attr-defined]
        if kind is Output:
            yield Output(time_us, b"".join(item.data for item in group))  # type: ignore[attr-defined]
        else:
            yield from group


# Beside others


def beside(other: Callable[[], object]) -> Callable[[Sequence[Addition]], None]:
    """`apply_all`, before which somebody else comes on a connection of their own; who has to wait is not waited for."""

    def apply(additions: Sequence[Addition]) -> None:
        thread = threading.Thread(target=other)
        thread.start()
        thread.join(1)
        apply_all(additions)

    return apply


@pytest.mark.django_db(transaction=True)
def test_a_marker_that_is_set_during_an_import_has_a_number_of_its_own() -> None:
    source = make_source()
    terminal = write(source, [("o", 1, b"one"), ("r", 2, b"100x30")])
    added = threading.Event()

    def mark() -> None:
        try:
            add_marker(terminal.pk, "from outside", actor=SYSTEM)
            added.set()
        finally:
            end_of_thread()

    with patch.object(recording, "apply_all", beside(mark)), transaction.atomic():
        write(source, [("o", 3, b"two"), ("r", 4, b"90x30")])
    assert added.wait(20)
    terminal = write(source, [("r", 5, b"80x30"), ("x", 6, b"0")])
    assert [event.text for event in terminal.events.order_by("number")] == [
        "100x30", "90x30", "from outside", "80x30", "0",
    ]  # fmt: skip
    assert (terminal.event_count, terminal.added_event_count) == (5, 1)


@pytest.mark.django_db(transaction=True)
def test_output_that_is_sealed_during_an_import_is_there_once() -> None:
    source = make_source()
    terminal = write(source, [("o", 1, b"one ")])
    sealed = threading.Event()

    def seal_it() -> None:
        try:
            seal(Terminal.objects.get(pk=terminal.pk))
            sealed.set()
        finally:
            end_of_thread()

    with patch.object(recording, "apply_all", beside(seal_it)), transaction.atomic():
        write(source, [("o", 2, b"two")], ended=True)
    assert sealed.wait(20)
    terminal.refresh_from_db()
    assert (terminal.size, terminal.sealed_size, terminal.chunks.count()) == (7, 7, 0)
    assert read_bytes(terminal.pk, 0, 7) == b"one two"


def test_an_import_asks_for_the_log_when_it_has_locked_all_that_it_writes(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a.cast", "b.cast")]
    for path in paths:
        path.write_text('{"version": 2, "width": 80, "height": 24}\n[0.5, "o", "first"]\n')
    importer = Importer(SYSTEM, following=True)

    def grow_by(*outputs: str) -> None:
        for path, data in zip(paths, outputs, strict=True):
            with path.open("a") as file:
                file.write(f'[1.5, "o", "{data}"]\n')
        assert not importer.import_paths([str(tmp_path)]).errors

    grow_by("", "")
    # What a file that is followed grows by is a chunk, until there is more.
    grow_by("a little", "a little")
    assert TerminalChunk.objects.count() == 2
    with CaptureQueriesContext(connection) as captured:
        grow_by("x" * SEGMENT_BYTES, "more")
    # Others have a terminal when they ask for the log; who has the log and asks for a terminal may meet them.
    statements = [query["sql"] for query in captured]
    log = [number for number, sql in enumerate(statements) if f'"{Log._meta.db_table}"' in sql]
    rows = [number for number, sql in enumerate(statements) if f'"{Terminal._meta.db_table}"' in sql]
    assert min(log) > max(rows)
    grown = Terminal.objects.get(size__gt=SEGMENT_BYTES)
    sealed = Entry.objects.filter(action="terminal.sealed", target_id=str(grown.pk)).order_by("idx")
    assert [offset_of(entry) for entry in sealed] == [0, 5, 13]
    assert [grown.sealed_size, verify().verdict("contents").outcome] == [grown.size, "sound"]


def offset_of(sealed: Entry) -> int:
    """Where the output begins that the entry is about."""
    offset: int = json.loads(sealed.body)["details"]["segments"][0]["offset"]
    return offset


# With damaged output


def cuts_a_hole(terminal: Terminal) -> None:
    terminal.chunks.get(offset=4).delete()


def loses_its_end(terminal: Terminal) -> None:
    terminal.chunks.get(offset=8).delete()


def has_times_that_are_none(terminal: Terminal) -> None:
    terminal.chunks.filter(offset=4).update(timing=b"\xff" * 9 + b"\x01\x04")


def is_later_than_the_recording_is_long(terminal: Terminal) -> None:
    terminal.chunks.filter(offset=8).update(first_us=1_000)


def stands_where_other_output_does(terminal: Terminal) -> None:
    TerminalSegment.objects.create(
        terminal=terminal, offset=0, size=4, first_us=1, last_us=1, timing=b"\0\x04", data=b"one ", codec="", sha256="",
    )  # fmt: skip


@pytest.mark.parametrize(
    "damage",
    [
        cuts_a_hole,
        loses_its_end,
        has_times_that_are_none,
        is_later_than_the_recording_is_long,
        stands_where_other_output_does,
    ],
)
@pytest.mark.parametrize("is_packed", [True, False])
def test_a_recording_with_damaged_output_goes_on(damage: Callable[[Terminal], None], is_packed: bool) -> None:
    source = make_source()
    for time_us, data in enumerate([b"one ", b"two ", b"six "], 1):
        terminal = write(source, [("o", time_us, data)])
    damage(terminal)
    before = list(terminal.chunks.order_by("offset").values())
    data = random.Random(4).randbytes(2 * SEGMENT_BYTES + 5)
    draft = draft_of([("o", 20, data), ("r", 21, b"90x30"), ("o", 22, b"more")])
    if is_packed:
        pack_items(draft)
    with transaction.atomic():
        write_recording(source, draft, actor=SYSTEM)
    terminal = write(source, [("o", 23, b"last"), ("x", 24, b"0")])
    # What was there is as it was, and nothing stands where it was not printed.
    assert list(terminal.chunks.filter(offset__lt=12).order_by("offset").values()) == before
    end = 12 + len(data) + 8
    assert (terminal.size, terminal.sealed_size, terminal.state) == (end, 0, TerminalState.ENDED)
    assert read_bytes(terminal.pk, 12, end) == data + b"more" + b"last"
    assert [event.offset for event in terminal.events.order_by("number")] == [12 + len(data), end]
    assert max(terminal.chunks.values_list("size", flat=True)) <= SEGMENT_BYTES
    # None of it is sealed, nor a hole in what is: the server's thread tells people.
    assert not Entry.objects.filter(action="terminal.sealed").exists()
    assert verify().verdict("contents").outcome == "sound"
