"""Whole imports of real files, on the real database."""

import json
import os
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit.models import Entry
from sessions_app.importers import pipeline
from sessions_app.models import (
    AgentSession,
    Event,
    Message,
    Run,
    Source,
    Terminal,
    ToolCall,
)
from tests.samples import sample
from tests.sessions_app.importers.importing import (
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


def test_a_recording_is_told_of_before_it_is_read(codex_file: Path, tmp_path: Path) -> None:
    recording = tmp_path / "demo.cast"
    recording.write_bytes(sample("asciicast/v2-markers.cast").read_bytes())
    imported: list[int] = []

    def told() -> None:
        imported.append(Terminal.objects.count())

    for path in (codex_file, recording, recording):
        run_import(path, on_recording=told)
    assert imported == [0]
    assert Terminal.objects.count() == 1


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
