"""Whole imports of real files, on the real database."""

import contextlib
import hashlib
import io
import itertools
import json
import os
import shutil
import signal
import socket
import time
from collections.abc import Buffer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from django.db import OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext

from audit.actors import SYSTEM
from audit.models import Entry
from dashboard.lib.interrupts import held_interrupts
from sessions_app.actions import unrecorded
from sessions_app.actions.imports import GATHER_S, ImportWriter
from sessions_app.importers import pipeline, reading
from sessions_app.importers.leases import settle
from sessions_app.importers.pipeline import Importer
from sessions_app.importers.reading import FINGERPRINT_BYTES
from sessions_app.importers.registry import HEAD_BYTES
from sessions_app.importers.report import Progress
from sessions_app.models import (
    AgentSession,
    Event,
    Message,
    Run,
    Source,
    SourceChunk,
    SourceState,
    Terminal,
    ToolCall,
)
from tests.samples import sample
from tests.sessions_app.importers.importing import (
    CLAUDE,
    CODEX,
    assert_places_are_gapless,
    contents,
    raw_bytes,
    run_import,
)

pytestmark = pytest.mark.django_db


def test_the_real_claude_session_has_its_known_numbers(claude_file: Path) -> None:
    report = run_import(claude_file)

    session = AgentSession.objects.get()
    assert session.assistant_message_count == Message.objects.filter(role="assistant").count() == 170
    assert session.output_tokens == 51_933
    assert Run.objects.filter(kind="subagent").count() == 5
    assert session.run_count == 6
    assert report.counts.tokens["output"] == 51_933
    assert not ToolCall.objects.filter(run=None).exists()
    assert Source.objects.get().line_count == 438
    assert report.counts.skipped_lines == 0
    assert_places_are_gapless()


def test_the_real_codex_rollout_has_its_known_numbers(codex_file: Path) -> None:
    report = run_import(codex_file)

    session = AgentSession.objects.get()
    assert session.turn_count == 33
    assert session.assistant_message_count == 255
    assert session.tool_call_count == ToolCall.objects.count() == 365
    assert not ToolCall.objects.filter(status__in=["running", "unanswered"]).exists()
    assert session.total_tokens == report.counts.tokens["total"] == 33_944_484
    compactions = Event.objects.filter(kind="session.compacted")
    assert compactions.count() == 1
    assert "40" in compactions.get().document
    assert_places_are_gapless()


def test_every_sample_is_imported_and_nothing_stops_the_others() -> None:
    report = run_import(sample("."))

    assert report.errors == {}
    assert {source.format for source in Source.objects.all()} >= {
        "claude-code",
        "codex",
        "picoclaw",
        "asciicast",
    }
    for source in Source.objects.all():
        path = Path(source.path)
        assert raw_bytes(source) + bytes(source.tail) == path.read_bytes(), path
    assert_places_are_gapless()


def test_importing_again_writes_nothing(claude_file: Path, codex_file: Path) -> None:
    run_import(claude_file.parent)
    before, entries = contents(), Entry.objects.count()

    with CaptureQueriesContext(connection) as queries:
        report = run_import(claude_file.parent)

    writes = [
        query["sql"] for query in queries if query["sql"].split()[0] in {"INSERT", "UPDATE", "DELETE", "COPY"}
    ]
    assert writes == []
    assert report.unchanged == 2
    assert report.counts.bytes == 0
    assert contents() == before
    assert Entry.objects.count() == entries


def test_a_file_that_was_imported_is_not_taken_for_another_format(codex_file: Path) -> None:
    run_import(codex_file)
    before = contents()

    named = run_import(codex_file, only_format="claude-code")
    beside = run_import(codex_file.parent, only_format="claude-code")

    assert named.errors == {str(codex_file): "it is a history of codex, not of claude-code"}
    assert (named.unchanged, beside.unchanged, beside.ignored) == (0, 0, 1)
    assert contents() == before


def test_a_touched_file_that_says_the_same_writes_no_rows(codex_file: Path) -> None:
    run_import(codex_file)
    before = contents()
    os.utime(codex_file, ns=(1, 1))

    report = run_import(codex_file)

    assert report.counts.bytes == 0
    assert contents() == before


@pytest.mark.parametrize("name", [CLAUDE, CODEX])
def test_a_file_that_grows_line_by_line_ends_as_if_it_had_been_read_at_once(
    name: str, tmp_path: Path
) -> None:
    lines = sample(name).read_bytes().splitlines(keepends=True)
    file = tmp_path / Path(name).name
    with transaction.atomic():
        run_import(sample(name))
        wanted = contents()
        transaction.set_rollback(True)

    steps = [0, 1, 2, 3, 50, 51, len(lines) // 2, len(lines) - 1, len(lines)]
    importer = Importer(SYSTEM)
    for start, end in itertools.pairwise(steps):
        with file.open("ab") as handle:
            handle.writelines(lines[start:end])
        importer.import_paths([str(file)])

    assert contents() == wanted
    assert raw_bytes(Source.objects.get()) == sample(name).read_bytes()
    assert_places_are_gapless()


class CountedFile(io.FileIO):
    """A file with no buffer in front of it: exactly what is asked of it is counted, in all of them together."""

    bytes_read: ClassVar[int] = 0

    def read(self, size: int | None = -1, /) -> bytes:
        content = super().read(size)
        CountedFile.bytes_read += len(content)
        return content

    def readall(self) -> bytes:
        content = super().readall()
        CountedFile.bytes_read += len(content)
        return content

    def readinto(self, buffer: Buffer, /) -> int:
        size = super().readinto(buffer)
        CountedFile.bytes_read += size
        return size


def test_an_appended_line_costs_one_lines_work(codex_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Its beginning, for its format and then for what was read of it, and the end of that.
    looked_at_again = HEAD_BYTES + 2 * FINGERPRINT_BYTES
    lines = codex_file.read_bytes().splitlines(keepends=True)
    codex_file.write_bytes(b"".join(lines[:-40]))
    assert codex_file.stat().st_size > 10 * looked_at_again
    importer = Importer(SYSTEM, following=True)
    importer.import_paths([str(codex_file)])
    monkeypatch.setattr(reading, "open_stream", CountedFile)
    costs = []
    for line in lines[-40:]:
        with codex_file.open("ab") as handle:
            handle.write(line)
        monkeypatch.setattr(CountedFile, "bytes_read", 0)
        with CaptureQueriesContext(connection) as queries:
            report = importer.import_paths([str(codex_file)])
        assert report.counts.bytes == len(line)
        assert len(line) <= CountedFile.bytes_read <= len(line) + looked_at_again
        costs.append(len(queries))

    assert max(costs) < 60
    sizes = SourceChunk.objects.values_list("size", flat=True)
    assert sum(sizes) == codex_file.stat().st_size
    # Forty appended lines must not leave forty chunks behind.
    assert len(sizes) < 12


def test_an_unfinished_last_line_waits_for_its_end(codex_file: Path) -> None:
    lines = codex_file.read_bytes().splitlines(keepends=True)
    whole = b"".join(lines[:20])
    codex_file.write_bytes(whole + lines[20][:30])
    run_import(codex_file)
    source = Source.objects.get()
    assert (source.read_offset, bytes(source.tail)) == (len(whole), lines[20][:30])

    codex_file.write_bytes(whole + lines[20])
    run_import(codex_file)

    source.refresh_from_db()
    assert (source.read_offset, bytes(source.tail)) == (len(whole) + len(lines[20]), b"")
    assert source.skipped_line_count == 0


def test_every_row_leads_back_to_its_own_line(codex_file: Path) -> None:
    run_import(codex_file)
    whole = codex_file.read_bytes()

    for row in [*Message.objects.all()[:50], *ToolCall.objects.all()[:50]]:
        assert row.source_offset is not None
        assert row.source_size is not None
        line = whole[row.source_offset : row.source_offset + row.source_size]
        assert line.endswith(b"\n")
        assert whole[: row.source_offset].count(b"\n") + 1 == row.source_line
        json.loads(line)


def test_a_file_is_one_source_whichever_link_leads_to_it(tmp_path: Path) -> None:
    folder, links = tmp_path / "recordings", tmp_path / "links"
    folder.mkdir()
    links.mkdir()
    recording = folder / "one.cast"
    recording.write_text('{"version": 2, "width": 80, "height": 24}\n[0.5, "o", "hello"]\n')
    (links / "again.cast").symlink_to(recording)
    (tmp_path / "elsewhere").symlink_to(folder, target_is_directory=True)

    for path in (folder, links, links / "again.cast", tmp_path / "elsewhere"):
        run_import(path)

    assert Terminal.objects.count() == 1
    assert Source.objects.get().path == str(recording)


def test_a_rewritten_file_is_read_anew_and_what_it_said_before_is_kept(codex_file: Path) -> None:
    run_import(codex_file)
    before = codex_file.read_bytes()
    lines = before.splitlines(keepends=True)
    codex_file.write_bytes(b"".join(lines[:30]))

    run_import(codex_file)

    old, new = Source.objects.order_by("generation")
    assert (old.generation, new.generation) == (1, 2)
    assert (old.state, new.state) == (SourceState.TRUNCATED, SourceState.LIVE)
    assert raw_bytes(old) == before
    assert raw_bytes(new) == codex_file.read_bytes()
    assert Message.objects.filter(role="assistant").count() == 255
    assert AgentSession.objects.get().total_tokens == 33_944_484
    assert Entry.objects.filter(action="source.rewritten").count() == 1


def test_a_deleted_file_is_marked_and_its_history_stays(codex_file: Path) -> None:
    run_import(codex_file.parent)
    codex_file.unlink()

    run_import(codex_file.parent)

    assert Source.objects.get().state == SourceState.DELETED
    assert Message.objects.filter(role="assistant").count() == 255
    assert Entry.objects.filter(action="source.deleted").count() == 1


def test_an_archived_and_compressed_twin_is_the_same_source(codex_file: Path) -> None:
    import zstandard

    run_import(codex_file.parent)
    before = contents()
    plain = codex_file.read_bytes()
    archived = codex_file.parent / "archived" / (codex_file.name + ".zst")
    archived.parent.mkdir()
    archived.write_bytes(zstandard.compress(plain))
    codex_file.unlink()

    report = run_import(codex_file.parent)

    source = Source.objects.get()
    assert source.path == str(archived)
    assert source.state == SourceState.LIVE
    assert report.counts.messages.total() == 0
    assert contents() == before


def test_a_compressed_rollout_reads_like_a_plain_one(codex_file: Path, tmp_path: Path) -> None:
    import zstandard

    compressed = tmp_path / (codex_file.name + ".zst")
    compressed.write_bytes(zstandard.compress(codex_file.read_bytes()))
    codex_file.unlink()

    run_import(compressed)

    assert AgentSession.objects.get().total_tokens == 33_944_484


def test_a_copy_of_a_file_counts_nothing_twice(codex_file: Path, claude_file: Path, tmp_path: Path) -> None:
    run_import(tmp_path)
    before = contents()
    copies = tmp_path / "copies"
    copies.mkdir()
    shutil.copy(codex_file, copies)
    shutil.copy(claude_file, copies)

    report = run_import(tmp_path)

    assert report.counts.messages.total() == report.counts.tool_calls == 0
    assert report.counts.tokens["total"] == 0
    assert contents()["messages"] == before["messages"]
    assert [row[-1] for row in contents()["sessions"]] == [row[-1] for row in before["sessions"]]


@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize("fails_at", [0, 1, 4])
def test_an_import_that_dies_goes_on_where_it_ended(
    codex_file: Path, fails_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_write, writes = ImportWriter.write, 0

    def write(self: ImportWriter, batches: Any, **options: Any) -> Any:
        nonlocal writes
        writes += 1
        if writes == fails_at + 1:
            raise KeyboardInterrupt
        return real_write(self, batches, **options)

    monkeypatch.setattr(ImportWriter, "write", write)
    with pytest.raises(KeyboardInterrupt):
        run_import(codex_file)
    monkeypatch.undo()
    assert Entry.objects.count() == 0

    run_import(codex_file)

    session = AgentSession.objects.get()
    assert (session.turn_count, session.assistant_message_count, session.tool_call_count) == (33, 255, 365)
    assert session.total_tokens == 33_944_484
    source = Source.objects.get()
    assert raw_bytes(source) == codex_file.read_bytes()
    assert_places_are_gapless()
    # One entry for all of it, and the hash of the whole file, as if it had never died.
    assert (source.sha256, source.sha256_size) == (hash_of(codex_file), codex_file.stat().st_size)
    (details,) = imported_details()
    assert details == {
        "format": "codex", "from": 0, "to": codex_file.stat().st_size, "sha256": hash_of(codex_file),
        "sessions": 1, "runs": Run.objects.count(), "messages": Message.objects.count(), "tool_calls": 365,
        "terminals": 0, "skipped_lines": 0,
    }  # fmt: skip
    assert source.unrecorded == ""


@pytest.mark.usefixtures("small_batches")
def test_what_was_read_by_who_was_killed_gets_its_entry(
    codex_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though its file is gone, and nobody reads on."""
    real_write, writes = ImportWriter.write, 0

    def write(self: ImportWriter, batches: Any, **options: Any) -> Any:
        nonlocal writes
        writes += 1
        if writes == 4:
            raise KeyboardInterrupt
        return real_write(self, batches, **options)

    monkeypatch.setattr(ImportWriter, "write", write)
    with pytest.raises(KeyboardInterrupt):
        run_import(codex_file)
    monkeypatch.undo()
    codex_file.unlink()

    settle(socket.gethostname(), actor=SYSTEM)
    settle(socket.gethostname(), actor=SYSTEM)

    source = Source.objects.get()
    (details,) = imported_details()
    assert (details["from"], details["to"]) == (0, source.read_offset)
    assert details["messages"] == Message.objects.count() > 0
    assert details["tool_calls"] == ToolCall.objects.count()
    hashes = source.chunks.order_by("offset").values_list("sha256", flat=True)
    assert len(hashes) > 2
    assert details["chunks_sha256"] == hashlib.sha256(bytes.fromhex("".join(hashes))).hexdigest()
    assert source.unrecorded == ""


def test_growth_that_a_killed_watch_had_gathered_gets_its_entry(codex_file: Path) -> None:
    watch = Importer(SYSTEM, following=True)
    watch.import_paths([str(codex_file)])
    begun = codex_file.stat().st_size
    for _ in range(2):
        with codex_file.open("ab") as handle:
            handle.write(b'{"type":"unknown"}\n')
        watch.import_paths([str(codex_file)])
    del watch

    settle(socket.gethostname(), actor=SYSTEM)

    assert [(details["from"], details["to"]) for details in imported_details()] == [
        (0, begun),
        (begun, codex_file.stat().st_size),
    ]


def test_what_another_process_recorded_is_not_recorded_twice(codex_file: Path) -> None:
    watch = Importer(SYSTEM, following=True)
    watch.import_paths([str(codex_file)])
    ends = [codex_file.stat().st_size]
    for _ in range(2):
        with codex_file.open("ab") as handle:
            handle.write(b'{"type":"unknown"}\n')
        watch.import_paths([str(codex_file)])
        ends.append(codex_file.stat().st_size)
        settle(socket.gethostname(), actor=SYSTEM)
    watch.record_growth()

    places = [(details["from"], details["to"]) for details in imported_details()]
    assert places == [(0, ends[0]), (ends[0], ends[1]), (ends[1], ends[2])]


def hash_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def imported_details() -> list[dict[str, Any]]:
    entries = Entry.objects.filter(action="source.imported").order_by("idx")
    return [json.loads(entry.body)["details"] for entry in entries]


class _InterruptedAsItGoes:
    """Python drops whatever is raised where an object is removed."""

    def __del__(self) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        # The signal is taken here at the latest.
        time.sleep(0)


@pytest.mark.usefixtures("small_batches")
def test_an_interrupt_that_python_would_drop_ends_the_import_between_two_batches(codex_file: Path) -> None:
    told = 0

    def on_progress(_: Progress) -> None:
        nonlocal told
        told += 1
        if told == 3:
            _InterruptedAsItGoes()

    with pytest.raises(KeyboardInterrupt):
        run_import(codex_file, on_progress=on_progress)

    assert told == 3
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    run_import(codex_file)
    assert AgentSession.objects.get().tool_call_count == 365
    assert_places_are_gapless()


def test_a_second_interrupt_is_not_held() -> None:
    reached = []
    with contextlib.suppress(KeyboardInterrupt), held_interrupts():
        os.kill(os.getpid(), signal.SIGINT)
        reached.append("after the first")
        os.kill(os.getpid(), signal.SIGINT)
        reached.append("after the second")

    assert reached == ["after the first"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_pass_is_one_audit_entry_for_each_source(codex_file: Path, claude_file: Path) -> None:
    run_import(codex_file.parent)

    entries = Entry.objects.filter(action="source.imported").order_by("idx")
    assert [entry.idx for entry in entries] == [0, 1]
    details = {
        json.loads(entry.body)["target"]["label"]: json.loads(entry.body)["details"] for entry in entries
    }
    assert details[str(codex_file)]["tool_calls"] == 365
    assert details[str(codex_file)]["to"] == codex_file.stat().st_size
    assert len(details[str(claude_file)]["sha256"]) == 64


def test_what_a_followed_file_grows_by_is_gathered_into_one_entry(codex_file: Path) -> None:
    lines = codex_file.read_bytes().splitlines(keepends=True)
    codex_file.write_bytes(b"".join(lines[:-20]))
    importer = Importer(SYSTEM, following=True)
    importer.import_paths([str(codex_file)])
    begun = codex_file.stat().st_size
    for line in lines[-20:]:
        with codex_file.open("ab") as handle:
            handle.write(line)
        importer.import_paths([str(codex_file)])
        importer.record_growth(after_s=GATHER_S)
    entries = Entry.objects.filter(action="source.imported").order_by("idx")
    assert len(entries) == 1

    importer.record_growth()
    importer.record_growth()
    found = [json.loads(entry.body)["details"] for entry in entries.all()]
    assert [(details["from"], details["to"]) for details in found] == [
        (0, begun),
        (begun, codex_file.stat().st_size),
    ]
    assert sum(details["messages"] for details in found) == Message.objects.count()
    assert sum(details["tool_calls"] for details in found) == ToolCall.objects.count()


def test_growth_has_its_entry_before_the_file_is_found_gone(codex_file: Path) -> None:
    importer = Importer(SYSTEM, following=True)
    importer.import_paths([str(codex_file)])
    with codex_file.open("ab") as handle:
        handle.write(b'{"type":"unknown"}\n')
    importer.import_paths([str(codex_file)])
    codex_file.unlink()
    importer.import_paths([str(codex_file.parent)])

    actions = Entry.objects.order_by("idx").values_list("action", flat=True)
    assert list(actions) == ["source.imported", "source.imported", "source.deleted"]


def test_growth_is_not_forgotten_when_its_entry_cannot_be_written(
    codex_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    importer = Importer(SYSTEM, following=True)
    importer.import_paths([str(codex_file)])
    with codex_file.open("ab") as handle:
        handle.write(b'{"type":"unknown"}\n')
    importer.import_paths([str(codex_file)])

    def fail(drafts: object) -> None:
        raise OperationalError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(unrecorded, "append", fail)
        with pytest.raises(OperationalError):
            importer.record_growth()
    importer.record_growth()
    assert Entry.objects.filter(action="source.imported").count() == 2


def test_progress_moves_within_a_file_and_ends_at_its_end(
    codex_file: Path, claude_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "BLOCK_BYTES", 8_192)
    monkeypatch.setattr(reading, "BATCH_BYTES", 20_000)
    seen: list[int] = []
    total: list[int] = []

    def note(progress: Progress) -> None:
        seen.append(progress.bytes_done)
        total.append(progress.bytes)

    paths = [str(codex_file), str(claude_file)]
    Importer(SYSTEM, on_progress=note).import_paths(paths)
    sizes = [os.path.getsize(path) for path in paths]
    assert seen == sorted(seen)
    assert len({done for done in seen if 0 < done < min(sizes)}) > 1
    assert seen[-1] == sum(sizes) == total[-1]
    seen.clear()
    Importer(SYSTEM, on_progress=note).import_paths(paths)
    assert seen[-1] == sum(sizes)


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite plans without counting rows")
def test_after_many_rows_postgres_knows_how_many(claude_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def counted() -> dict[str, int]:
        tables = ("sessions_app_message", "sessions_app_toolcall", "sessions_app_agentsession")
        with connection.cursor() as cursor:
            cursor.execute("SELECT relname, reltuples FROM pg_class WHERE relname = ANY(%s)", [list(tables)])
            return {name: int(rows) for name, rows in cursor.fetchall()}

    before = counted()
    monkeypatch.setattr(pipeline, "BATCH_BYTES", 1_000)
    run_import(claude_file)
    assert counted() != before
    assert counted()["sessions_app_message"] == Message.objects.count()
