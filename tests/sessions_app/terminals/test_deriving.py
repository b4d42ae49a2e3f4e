"""Keyframes and text out of stored bytes: each piece once, whoever tries, and again at any time."""

import logging
import random
import sys
import threading
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from django.db import connection

from audit.actors import SYSTEM
from dashboard.lib.db import write_transaction
from dashboard.lib.errors import CorruptData
from sessions_app.actions.terminals import deriving, pieces, texts, working, write_recording
from sessions_app.actions.terminals.deriving import derivable, derive, derive_all, forget_derived
from sessions_app.actions.terminals.pieces import Cursor, Piece, read_piece
from sessions_app.actions.terminals.reading import read_stretches
from sessions_app.actions.terminals.sealing import seal
from sessions_app.actions.terminals.starting import start_before
from sessions_app.actions.terminals.working import EngineAway, Workshop
from sessions_app.models import SearchEntry, SearchKind, Terminal, TerminalKeyframe, TerminalText
from sessions_app.models.blob import Codec
from sessions_app.search import index
from sessions_app.terminal.engine.deriver import Deriver
from sessions_app.terminal.engine.model import Derived, EngineError, Keyframe, Line, Lines, Output, Resize
from sessions_app.terminal.engine.process import EngineProcess
from sessions_app.terminal.engine.version import ENGINE
from sessions_app.terminal.lines import BLOCK_BYTES, decode_lines
from tests.factories import START_MS, make_session, make_source, make_terminal
from tests.sessions_app.search.terminal_texts import shown
from tests.sessions_app.terminals.recorder import start_recorder
from tests.sessions_app.terminals.test_recording import draft_of

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def engine() -> Iterator[EngineProcess]:
    process = EngineProcess(deadline_s=20)
    yield process
    process.stop()


@pytest.fixture
def workshop(engine: EngineProcess) -> Workshop:
    return Workshop(engine, works_ahead=False)


def log_of(lines: int, *, seed: int = 1) -> bytes:
    chooser = random.Random(seed)
    words = [f"word{number}" for number in range(400)]
    return b"".join(
        f"{number:06d} {' '.join(chooser.choices(words, k=8))}\r\n".encode() for number in range(lines)
    )


def recorded(data: bytes, *, ended: bool = True, cut: int = 4_000) -> Terminal:
    """A terminal out of a file, in writes of `cut` bytes a hundredth of a second apart."""
    items = [
        ("o", 10_000 * number, data[position : position + cut])
        for number, position in enumerate(range(0, len(data), cut))
    ]
    with write_transaction():
        terminal, _ = write_recording(make_source(), draft_of(items, ended=ended), actor=SYSTEM)
    terminal.refresh_from_db()
    return terminal


def lines_of(terminal: Terminal) -> list[str]:
    rows = TerminalText.objects.filter(terminal=terminal).order_by("offset")
    return [line.text for row in rows for line in decode_lines(row.read())]


def keyframes_of(terminal: Terminal) -> list[tuple[Any, ...]]:
    columns = ("offset", "event", "at_us", "cols", "rows", "is_heavy", "size")
    rows = TerminalKeyframe.objects.filter(terminal=terminal).order_by("offset", "is_heavy")
    return [(*values, row.read()) for row, values in zip(rows, rows.values_list(*columns), strict=True)]


def found(terminal: Terminal, word: str) -> list[int]:
    """Places of the terminal's blocks in the word index that have this word."""
    places = index.candidates([index.Term(word)], before=None, after=None, limit=1_000)
    blocks = TerminalText.objects.filter(terminal=terminal).values_list("pk", flat=True)
    entries = SearchEntry.objects.filter(pk__in=places, kind=SearchKind.TERMINAL, object_id__in=list(blocks))
    return sorted(entries.values_list("pk", flat=True))


def indexed(word: str) -> list[int]:
    """Every place in the word index with this word, whether anything stands there or not."""
    return index.candidates([index.Term(word)], before=None, after=None, limit=10_000)


def assert_done(terminal: Terminal) -> None:
    terminal.refresh_from_db()
    assert (terminal.derived_size, terminal.derived_event) == (terminal.size, terminal.event_count)
    assert terminal.derived_by == ENGINE
    assert not derivable().filter(pk=terminal.pk).exists()


def assert_words_agree(terminal: Terminal) -> None:
    """One entry for each block and none besides."""
    blocks = set(TerminalText.objects.filter(terminal=terminal).values_list("pk", flat=True))
    entries = SearchEntry.objects.filter(kind=SearchKind.TERMINAL).values_list("object_id", flat=True)
    assert sorted(entries) == sorted(blocks)
    places = set(SearchEntry.objects.values_list("pk", flat=True))
    assert {*indexed("word7"), *indexed("step")} <= places


def test_a_recording_gets_keyframes_text_and_words_once(workshop: Workshop) -> None:
    session = make_session()
    data = log_of(20_000)
    terminal = recorded(data)
    Terminal.objects.filter(pk=terminal.pk).update(session=session)
    derive_all(terminal.pk, workshop)
    assert_done(terminal)
    assert terminal.derived_end
    assert lines_of(terminal) == [line.rstrip() for line in data.decode().split("\r\n")[:-1]]
    offsets = [row[0] for row in keyframes_of(terminal) if not row[5]]
    assert max(after - before for before, after in zip([0, *offsets], offsets, strict=False)) <= 300 * 1024
    assert keyframes_of(terminal)[-1][0] == len(data)
    assert keyframes_of(terminal)[-1][5]
    assert_words_agree(terminal)
    assert set(SearchEntry.objects.values_list("session_id", flat=True)) == {session.pk}
    blocks = TerminalText.objects.filter(terminal=terminal).count()
    assert blocks <= len(data) // BLOCK_BYTES + 2
    assert len(found(terminal, "word7")) == blocks
    assert derive(terminal.pk, workshop) is False


def test_rebuilding_gives_the_same_rows(workshop: Workshop) -> None:
    terminal = recorded(log_of(3_000) + b"\x1b[2J\x1b[Hredrawn" + log_of(3_000, seed=2))
    derive_all(terminal.pk, workshop)
    before = keyframes_of(terminal), lines_of(terminal), found(terminal, "word7")
    assert len(before[0]) > 2
    forget_derived(terminal.pk)
    assert (keyframes_of(terminal), lines_of(terminal), found(terminal, "word7")) == ([], [], [])
    assert not SearchEntry.objects.exists()
    assert indexed("word7") == []
    assert derivable().filter(pk=terminal.pk).exists()
    derive_all(terminal.pk, workshop)
    assert_done(terminal)
    assert (keyframes_of(terminal), lines_of(terminal)) == before[:2]
    assert len(found(terminal, "word7")) == len(before[2])


def watched(second: int) -> bytes:
    """What `watch -n2 date` draws, 100 bytes of it."""
    return b"\x1b[H\x1b[J%-72sworkshop\r\n\r\nat %05d" % (b"Every 2.0s: date", second)


def test_what_a_slow_program_showed_is_found_in_an_import_and_after_a_rebuild(workshop: Workshop) -> None:
    frames = [("o", 2_000_000 * number, watched(number)) for number in range(200)]
    assert len(watched(0)) == pytest.approx(100, abs=5)
    with write_transaction():
        terminal, _ = write_recording(make_source(), draft_of(frames, ended=True), actor=SYSTEM)
    for _ in range(2):
        derive_all(terminal.pk, workshop)
        shown = [line for line in lines_of(terminal) if line.startswith("at ")]
        assert shown == [f"at {number:05}" for number in range(200)]
        forget_derived(terminal.pk)


def test_what_was_found_of_a_slow_program_while_it_was_live_is_found_after_a_rebuild(
    workshop: Workshop,
) -> None:
    recorder = start_recorder()
    for number in range(100):
        recorder.write(watched(number), after_us=2_000_000)
        derive_all(recorder.terminal.pk, workshop)
    recorder.exit()
    derive_all(recorder.terminal.pk, workshop)
    live = lines_of(recorder.terminal)
    forget_derived(recorder.terminal.pk)
    derive_all(recorder.terminal.pk, workshop)
    assert set(live) == set(lines_of(recorder.terminal)) > {f"at {number:05}" for number in range(100)}


def test_forgetting_that_was_cut_off_is_gone_on_with(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = recorded(log_of(20_000))
    derive_all(terminal.pk, workshop)
    before = keyframes_of(terminal), lines_of(terminal)
    monkeypatch.setattr(texts, "_FORGOTTEN_AT_ONCE", 3)
    forget_some = texts.forget_some_text
    calls = 0

    def killed(terminal: Terminal) -> bool:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise KeyboardInterrupt
        return forget_some(terminal)

    monkeypatch.setattr(deriving, "forget_some_text", killed)
    with pytest.raises(KeyboardInterrupt):
        forget_derived(terminal.pk)
    assert lines_of(terminal)
    monkeypatch.setattr(deriving, "forget_some_text", forget_some)
    derive_all(terminal.pk, workshop)
    assert_done(terminal)
    assert (keyframes_of(terminal), lines_of(terminal)) == before
    assert_words_agree(terminal)


def test_output_of_a_live_terminal_is_found_while_it_goes_on(workshop: Workshop) -> None:
    recorder = start_recorder()
    for number in range(60):
        recorder.write(f"step {number} unique{number}\r\n".encode())
        derive(recorder.terminal.pk, workshop)
        assert found(recorder.terminal, f"unique{number}")
    assert_done(recorder.refresh())
    assert Terminal.objects.filter(derived_end=False).count() == 1
    # Little by little makes no row each time.
    assert TerminalText.objects.count() == 1
    assert_words_agree(recorder.terminal)
    recorder.exit(0)
    assert derive(recorder.terminal.pk, workshop) is False
    assert_done(recorder.refresh())
    assert recorder.terminal.derived_end
    assert lines_of(recorder.terminal) == [f"step {number} unique{number}" for number in range(60)]


def run_at(offset: int, size: int) -> Lines:
    return Lines(offset, offset, 1, (b"word%d " % offset * size)[:size])


def test_all_of_a_block_is_found_and_one_of_before_keeps_its_limit() -> None:
    whole = [run_at(offset, 10_000) for offset in range(27)]
    assert len(texts.indexed_text(whole)) == 27 * 10_001 - 1
    # Blocks were closed at 64 KB, and the index got 200,000 characters: it forgets nothing but those.
    before = [run_at(offset, 10_000) for offset in range(7)]
    for last in ([run_at(9, 300_000)], [run_at(9, 120_000), run_at(9, 150_000)]):
        assert len(texts.indexed_text([*before[:6], *last])) == 200_000
    assert len(texts.indexed_text([*whole[:26], run_at(99, 300_000)])) == 26 * 10_001 + 134_464


def test_small_blocks_become_one_when_there_are_enough(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(texts, "BLOCK_BYTES", 65_536)
    monkeypatch.setattr(texts, "_MOST_SMALL", 16)
    recorder = start_recorder()
    for number in range(60):
        recorder.write(log_of(80, seed=number))
        derive(recorder.terminal.pk, workshop)
        assert TerminalText.objects.filter(size__lt=32_768).count() <= 16
    expected = [line for number in range(60) for line in log_of(80, seed=number).decode().split("\r\n")[:-1]]
    assert lines_of(recorder.terminal) == expected
    recorder.exit(0)
    derive_all(recorder.terminal.pk, workshop)
    assert TerminalText.objects.count() <= len("\n".join(expected)) // 32_768 + 1
    assert lines_of(recorder.terminal) == expected
    assert_words_agree(recorder.terminal)


def test_blocks_of_before_are_joined_where_a_terminal_goes_on(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = start_recorder()
    with monkeypatch.context() as before:
        before.setattr(texts, "BLOCK_BYTES", 65_536)
        recorder.write(log_of(30_000))
        derive_all(recorder.terminal.pk, workshop)
    stored = set(TerminalText.objects.values_list("pk", flat=True))
    recorder.write(b"behind it\r\n" * 60)
    derive_all(recorder.terminal.pk, workshop)
    gone = stored - set(TerminalText.objects.values_list("pk", flat=True))
    assert 4 <= len(gone) <= 2 * BLOCK_BYTES // 65_536 < len(stored)
    recorder.exit(0)
    derive_all(recorder.terminal.pk, workshop)
    assert lines_of(recorder.terminal)[-1] == "behind it"
    assert_words_agree(recorder.terminal)


def test_a_terminal_that_ended_without_output_is_done_once(workshop: Workshop) -> None:
    terminal = recorded(b"")
    assert derivable().filter(pk=terminal.pk).exists()
    derive_all(terminal.pk, workshop)
    assert_done(terminal)
    assert terminal.derived_end
    assert lines_of(terminal) == []


def test_resizes_alone_move_the_cursor(workshop: Workshop) -> None:
    recorder = start_recorder()
    recorder.resize(100, 30)
    recorder.resize(90, 20)
    derive_all(recorder.terminal.pk, workshop)
    assert_done(recorder.refresh())
    recorder.write(b"after the resizes")
    recorder.exit(0)
    derive_all(recorder.terminal.pk, workshop)
    assert_done(recorder.refresh())
    last = keyframes_of(recorder.terminal)[-1]
    # The exit comes after it, for whoever opens the recording at its end.
    assert (last[0], last[1], last[3:5]) == (
        len(b"after the resizes"),
        2,
        (90, 20),
    )


def test_an_end_that_is_said_later_is_derived_once(workshop: Workshop) -> None:
    terminal = recorded(b"all of it\r\n", ended=False)
    derive_all(terminal.pk, workshop)
    assert_done(terminal)
    assert not TerminalKeyframe.objects.filter(is_heavy=True).exists()
    Terminal.objects.filter(pk=terminal.pk).update(state="ended", ended_ms=START_MS)
    derive_all(terminal.pk, workshop)
    assert_done(terminal)
    assert TerminalKeyframe.objects.filter(is_heavy=True).count() == 1
    assert lines_of(terminal) == ["all of it"]


def test_a_recording_that_goes_on_after_its_end_is_derived_on(workshop: Workshop) -> None:
    source = make_source()
    terminal, _ = write_recording(source, draft_of([("o", 1, b"first\r\n")], ended=True), actor=SYSTEM)
    derive_all(terminal.pk, workshop)
    write_recording(source, draft_of([("o", 2, b"second\r\n")], ended=True), actor=SYSTEM)
    derive_all(terminal.pk, workshop)
    assert_done(terminal)
    assert terminal.derived_end
    assert lines_of(terminal) == ["first", "second"]


def test_what_is_in_the_trash_waits_until_it_is_restored(workshop: Workshop) -> None:
    session = make_session(deleted_ms=START_MS)
    own = make_terminal(output=b"own\r\n", deleted_ms=START_MS)
    belonging = make_terminal(session, b"of a session\r\n")
    for terminal in (own, belonging):
        assert derive(terminal.pk, workshop) is False
        assert lines_of(terminal) == []
    Terminal.objects.update(deleted_ms=None)
    type(session).objects.update(deleted_ms=None)
    for terminal in (own, belonging):
        derive_all(terminal.pk, workshop)
        assert_done(terminal)


def test_a_terminal_that_is_gone_is_no_error(workshop: Workshop) -> None:
    terminal = make_terminal(output=b"gone\r\n")
    identity = terminal.pk
    Terminal.objects.filter(pk=identity).delete()
    assert derive(identity, workshop) is False
    forget_derived(identity)


def test_a_second_process_resumes_from_the_newest_keyframe(engine: EngineProcess) -> None:
    data = log_of(30_000)
    reached = data.rindex(b"\n", 0, 1_000_000) + 1
    linear = recorded(data)
    derive_all(linear.pk, Workshop(engine, works_ahead=False))
    terminal = recorded(data, ended=False)
    Terminal.objects.filter(pk=terminal.pk).update(size=reached)
    derive_all(terminal.pk, Workshop(engine, works_ahead=False))
    Terminal.objects.filter(pk=terminal.pk).update(size=len(data), state="ended", ended_ms=START_MS)
    fed: list[int] = []
    derive_in_engine = engine.derive

    def counted(key: str, start: Keyframe | None, cols: int, rows: int, items: Any, *, finish: bool) -> Any:
        fed.append(sum(len(item.data) for item in items if isinstance(item, Output)))
        return derive_in_engine(key, start, cols, rows, items, finish=finish)

    engine.derive = counted  # type: ignore[method-assign]
    try:
        derive_all(terminal.pk, Workshop(engine, works_ahead=False))
    finally:
        engine.derive = derive_in_engine  # type: ignore[method-assign]
    assert sum(fed) < len(data) - reached + 300 * 1024
    assert_done(terminal)
    assert lines_of(terminal) == lines_of(linear)
    assert keyframes_of(terminal)[-1] == keyframes_of(linear)[-1]


def test_bytes_that_are_sealed_while_they_are_read_come_once(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = start_recorder()
    for number in range(20):
        recorder.write(f"line {number}\r\n".encode())
    together = pieces._together
    sealed = False

    def sealing(*arguments: Any) -> Any:
        nonlocal sealed
        if not sealed:
            sealed = True
            seal(recorder.refresh())
        return together(*arguments)

    monkeypatch.setattr(pieces, "_together", sealing)
    derive_all(recorder.terminal.pk, workshop)
    assert recorder.refresh().sealed_size == recorder.terminal.size
    assert lines_of(recorder.terminal) == [f"line {number}" for number in range(20)]


def test_keyframes_count_the_events_that_the_engine_is_not_given(workshop: Workshop) -> None:
    recorder = start_recorder()
    recorder.mark("before everything")
    recorder.write(log_of(10_000))
    recorder.mark("in the middle")
    recorder.write(log_of(10_000, seed=2))
    recorder.exit(0)
    derive_all(recorder.terminal.pk, workshop)
    numbers = {row[1] for row in keyframes_of(recorder.terminal)}
    assert numbers >= {1, 2}


HANGING = b"HANG"


def stumbling_engine(deadline_s: float, monkeypatch: pytest.MonkeyPatch) -> EngineProcess:
    """A real child process, whose engine hangs over HANGING."""
    program = (
        "import sys; sys.argv[1:] = sys.argv[2:];"
        "from sessions_app.terminal.engine import child, ghostty;"
        "feed = ghostty.GhosttyEngine.feed;\n"
        "def hang(self, data, **told):\n"
        f"    while {HANGING!r} in data: pass\n"
        "    feed(self, data, **told)\n"
        "ghostty.GhosttyEngine.feed = hang\n"
        "sys.exit(child.main(sys.argv[1:]))"
    )
    popen = working_popen()

    def started(arguments: list[str], **options: Any) -> Any:
        return popen([sys.executable, "-P", "-c", program, *arguments[3:]], **options)

    monkeypatch.setattr("sessions_app.terminal.engine.process.subprocess.Popen", started)
    return EngineProcess(deadline_s=deadline_s)


def working_popen() -> Any:
    import subprocess

    return subprocess.Popen


@pytest.mark.once  # How long the engine takes is no matter of the database.
def test_an_engine_that_hangs_costs_the_piece_it_hangs_over(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    before, after = log_of(12_000), log_of(12_000, seed=2)
    terminal = recorded(before + HANGING + b"\r\n" + after)
    engine = stumbling_engine(1.5, monkeypatch)
    workshop = Workshop(engine, works_ahead=False)
    try:
        with caplog.at_level(logging.WARNING):
            derive_all(terminal.pk, workshop)
    finally:
        workshop.stop()
    assert_done(terminal)
    said = [record.getMessage() for record in caplog.records]
    assert ["gets it in parts" in text for text in said] == [True, False]
    assert "stays without keyframe and text" in said[1]
    kept = lines_of(terminal)
    whole = (before + after).decode().split("\r\n")
    # All but what lies in the part of 256 KB, as far as one can tell from lines that it cuts.
    lost = set(whole) - {""} - set(kept)
    assert 0 < sum(len(line) + 2 for line in lost) <= 260 * 1024
    assert found(terminal, "word7")
    assert keyframes_of(terminal)[-1][0] == terminal.size


@pytest.mark.once  # How long the engine takes is no matter of the database.
def test_a_flood_that_takes_too_long_is_given_up_and_what_follows_it_is_not(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Sequences that concern the whole of the largest window, with something else between any two of them."""
    before, flood, after = log_of(4_000), b"\x1b#8x" * (64 * 1024), b"\x1bc" + log_of(12_000, seed=2)
    data = before + flood + after
    writes = [data[position : position + 4_000] for position in range(0, len(data), 4_000)]
    items = [("r", 0, b"2000x250"), *(("o", 10_000 * number, write) for number, write in enumerate(writes))]
    with write_transaction():
        terminal, _ = write_recording(make_source(), draft_of(items, ended=True), actor=SYSTEM)
    workshop = Workshop(EngineProcess(deadline_s=1.5), works_ahead=False)
    try:
        with caplog.at_level(logging.WARNING):
            derive_all(terminal.pk, workshop)
    finally:
        workshop.stop()
    assert_done(terminal)
    assert any("stays without keyframe and text" in record.getMessage() for record in caplog.records)
    assert b"".join(stretch.data for stretch in read_stretches(terminal.pk, 0, terminal.size)) == data
    kept = lines_of(terminal)
    assert kept[-2_000:] == after.decode().split("\r\n")[-2_001:-1]
    offsets = [row[0] for row in keyframes_of(terminal)]
    assert any(len(before + flood) < offset < terminal.size for offset in offsets)
    assert offsets[-1] == terminal.size


def test_an_engine_that_never_starts_moves_no_cursor(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = recorded(b"kept for later\r\n")
    popen = working_popen()

    def started(arguments: list[str], **options: Any) -> Any:
        return popen([sys.executable, "-c", "raise SystemExit(3)"], **options)

    monkeypatch.setattr("sessions_app.terminal.engine.process.subprocess.Popen", started)
    workshop = Workshop(EngineProcess(deadline_s=5), works_ahead=False)
    with pytest.raises(EngineAway):
        derive(terminal.pk, workshop)
    workshop.stop()
    terminal.refresh_from_db()
    assert terminal.derived_size == 0


def test_a_child_that_is_killed_is_replaced(engine: EngineProcess) -> None:
    workshop = Workshop(engine, works_ahead=False)
    recorder = start_recorder()
    recorder.write(log_of(5_000))
    derive(recorder.terminal.pk, workshop)
    child = engine._deriving._process
    assert child is not None
    child.kill()
    child.wait()
    recorder.write(b"after the death\r\n")
    derive_all(recorder.terminal.pk, workshop)
    assert lines_of(recorder.refresh())[-1] == "after the death"
    assert len(lines_of(recorder.terminal)) == 5_001


DAMAGED_TEXT = [
    pytest.param({"codec": Codec.ZSTD, "data": b"this was never compressed"}, id="it does not unpack"),
    pytest.param({"codec": Codec.RAW, "data": b"\x01\xff", "size": 2}, id="its runs are cut off"),
]


@pytest.mark.parametrize("damage", DAMAGED_TEXT)
@pytest.mark.parametrize("which", [0, 1, 2])
def test_a_damaged_block_stays_and_what_follows_is_kept_behind_it(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, damage: dict[str, Any], which: int
) -> None:
    monkeypatch.setattr(texts, "OPEN_BYTES", 60)
    recorder = start_recorder()
    for number in range(3):
        recorder.write(f"line {number} {'bread ' * 10}word7\r\n".encode())
        derive_all(recorder.terminal.pk, workshop)
    blocks = TerminalText.objects.filter(terminal=recorder.terminal).order_by("offset")
    sound = [block.read() for block in blocks]
    assert len(sound) == 3
    TerminalText.objects.filter(pk=blocks[which].pk).update(**damage)
    damaged = TerminalText.objects.get(pk=blocks[which].pk)

    recorder.write(b"something after\r\n")
    derive_all(recorder.terminal.pk, workshop)
    recorder.write(b"and the end\r\n")
    recorder.exit(0)
    derive_all(recorder.terminal.pk, workshop)
    assert_done(recorder.terminal)
    assert_words_agree(recorder.terminal)
    there = list(blocks.all())
    assert all(block.end < after.offset for block, after in pairwise(there))
    assert there[which].pk == damaged.pk
    assert [block.read() for block in there[:which]] == sound[:which], "in its place"
    behind = [line.text for block in there[which + 1 :] for line in decode_lines(block.read())]
    assert behind == [
        *(line.text for data in sound[which + 1 :] for line in decode_lines(data)),
        "something after",
        "and the end",
    ]
    assert len(there) == which + 2, "what lies behind it becomes one"
    assert found(recorder.terminal, "something")

    forget_derived(recorder.terminal.pk)
    derive_all(recorder.terminal.pk, workshop)
    assert len(lines_of(recorder.terminal)) == 5


@pytest.mark.parametrize("damage", DAMAGED_TEXT)
def test_a_damaged_block_makes_room_for_lines_of_its_own_place(
    damage: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """An offset names one block."""
    terminal = make_terminal(size=20)
    damaged = shown(terminal, Line(20, 1_000, "before it"))
    TerminalText.objects.filter(pk=damaged.pk).update(**damage)

    change = texts.change_text(terminal, [Lines(20, 1_000, 1, b"the end")], at_end=True)
    with write_transaction():
        change.write()
    assert lines_of(terminal) == ["the end"]
    assert_words_agree(terminal)
    assert f"scrollback terminals rebuild {terminal.pk}" in caplog.text


@pytest.mark.parametrize("count", [1, 2, None], ids=["one", "two", "all"])
def test_damaged_keyframes_cost_the_way_from_the_one_before_them(
    engine: EngineProcess, workshop: Workshop, count: int | None
) -> None:
    recorder = start_recorder()
    recorder.write(log_of(12_000))
    derive_all(recorder.terminal.pk, workshop)
    kept = TerminalKeyframe.objects.filter(terminal=recorder.terminal)
    damaged = list(kept.order_by("-offset").values_list("pk", flat=True)[:count])
    assert len(damaged) == (count or kept.count())
    kept.filter(pk__in=damaged).update(codec=Codec.ZSTD, data=b"this was never compressed")
    recorder.write(log_of(12_000, seed=2))

    derive_all(recorder.terminal.pk, Workshop(engine, works_ahead=False))
    assert_done(recorder.terminal)
    whole = log_of(12_000) + log_of(12_000, seed=2)
    assert lines_of(recorder.terminal) == whole.decode().split("\r\n")[:-1]
    later = kept.exclude(pk__in=damaged).latest("offset")
    straight = recorded(whole)
    derive_all(straight.pk, workshop)
    same = TerminalKeyframe.objects.get(terminal=straight, offset=later.offset, is_heavy=False)
    assert (later.offset > len(log_of(12_000)), later.read()) == (True, same.read())


@pytest.mark.django_db(transaction=True)
def test_several_that_derive_the_same_at_once_write_each_piece_once() -> None:
    data = log_of(100_000)
    terminal = recorded(data)
    errors: list[BaseException] = []

    def work() -> None:
        workshop = Workshop()
        try:
            derive_all(terminal.pk, workshop)
        except BaseException as error:
            errors.append(error)
        finally:
            workshop.stop()
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    assert_done(terminal)
    assert lines_of(terminal) == data.decode().split("\r\n")[:-1]
    assert_words_agree(terminal)
    assert len(found(terminal, "word7")) == TerminalText.objects.count()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("failing", ["nothing", "nothing, and one is ahead", "pieces", "engine"])
def test_what_is_worked_out_ahead_is_like_what_is_not(
    engine: EngineProcess, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    terminal = recorded(log_of(60_000))
    piece_bytes = 256 * 1024
    derive_all(terminal.pk, Workshop(engine, works_ahead=False, piece_bytes=piece_bytes))
    expected = lines_of(terminal), keyframes_of(terminal)
    forget_derived(terminal.pk)
    read_ahead: list[Cursor] = []
    worked_ahead: list[Cursor] = []

    def read(*given: Any, limit: int) -> Piece:
        if threading.current_thread().name.startswith("pieces"):
            read_ahead.append(given[1])
            if failing == "pieces":
                raise CorruptData
        return read_piece(*given, limit=limit)

    def derived(self: Workshop, terminal: Terminal, piece: Piece, *, is_end: bool) -> Derived:
        if threading.current_thread().name.startswith("engine"):
            worked_ahead.append(piece.start)
            # Every third: two of those behind it wait for it.
            if failing == "engine" and len(worked_ahead) % 3 == 1:
                raise CorruptData
        return really_derived(self, terminal, piece, is_end=is_end)

    really_derived = Workshop._derived
    monkeypatch.setattr(working, "read_piece", read)
    monkeypatch.setattr(Workshop, "_derived", derived)
    if failing == "nothing, and one is ahead":
        monkeypatch.setattr(working, "_MUCH_BYTES", 0)
    ahead = Workshop(EngineProcess(deadline_s=20), piece_bytes=piece_bytes)
    try:
        derive_all(terminal.pk, ahead)
    finally:
        ahead.stop()

    assert (lines_of(terminal), keyframes_of(terminal)) == expected
    pieces = -(-terminal.size // piece_bytes)
    assert pieces > 10
    # All but the first, and each once where nothing fails.
    assert len(set(worked_ahead)) == pieces - 1 if failing != "engine" else len(worked_ahead) > 3
    if failing != "engine":
        assert len(worked_ahead) == len(read_ahead) == len(set(read_ahead)) == pieces - 1


def test_pieces_are_bounded_and_leave_nothing_out() -> None:
    recorder = start_recorder()
    for number in range(30):
        recorder.write(b"x" * 1_000)
        recorder.resize(80 + number, 24)
    terminal = recorder.refresh()
    start, end = Cursor(), Cursor(terminal.size, terminal.event_count)
    items: list[Output | Resize] = []
    while start != end:
        piece = read_piece(terminal.pk, start, end, limit=7_777)
        assert piece.size <= 7_777
        items += piece.items
        start = piece.end
    assert b"".join(item.data for item in items if isinstance(item, Output)) == b"x" * 30_000
    resizes = [(item.offset, item.cols) for item in items if isinstance(item, Resize)]
    assert resizes == [(1_000 * (number + 1), 80 + number) for number in range(30)]
    offset = 0
    for item in items:
        assert item.offset == offset
        if isinstance(item, Output):
            offset += len(item.data)


def test_the_same_as_a_deriver_in_this_process(workshop: Workshop) -> None:
    data = b"".join(
        f"\x1b[2K\x1b[1A\x1b[2K\x1b[Gstep {number}\r\n".encode() if number % 3 else log_of(5, seed=number)
        for number in range(3_000)
    )
    terminal = recorded(data)
    derive_all(terminal.pk, workshop)
    piece = read_piece(terminal.pk, Cursor(), Cursor(terminal.size, terminal.event_count))
    deriver = Deriver(80, 24)
    expected = [*deriver.take(piece.items).lines, *deriver.finish().lines]
    assert lines_of(terminal) == [line.text for line in expected]


def test_stumbling_is_told_apart_from_being_stopped() -> None:
    workshop = Workshop(EngineProcess(deadline_s=5), works_ahead=False)
    workshop.stop()
    terminal = recorded(b"x")
    workshop._is_stopped = True

    def refuse(*_: Any, **__: Any) -> Any:
        raise EngineError("gone")

    workshop._engine.derive = refuse  # type: ignore[method-assign]
    with pytest.raises(EngineAway):
        derive(terminal.pk, workshop)


def test_without_an_engine_nothing_is_derived_until_there_is_one(
    monkeypatch: pytest.MonkeyPatch, workshop: Workshop
) -> None:
    terminal = recorded(log_of(1_000))
    with monkeypatch.context() as without:
        without.setattr(deriving, "ENGINE", "")
        assert not derive(terminal.pk, workshop)
        terminal.refresh_from_db()
        assert (terminal.derived_size, terminal.derived_by) == (0, "")
        start = start_before(terminal, terminal.size)
        assert (start.offset, start.data) == (0, b"")
    derive_all(terminal.pk, workshop)
    terminal.refresh_from_db()
    assert (terminal.derived_size, terminal.derived_by) == (terminal.size, ENGINE)
    assert lines_of(terminal)[0].startswith("000000 ")


def test_what_was_derived_before_a_rebuild_is_not_written_behind_it(workshop: Workshop) -> None:
    terminal = recorded(log_of(1_000))
    before = workshop.work(terminal)
    forget_derived(terminal.pk)
    assert not deriving._store(terminal, before)
    assert not TerminalKeyframe.objects.filter(terminal=terminal).exists()
    terminal.refresh_from_db()
    assert deriving._store(terminal, before)
