"""Following histories as they are written, on real files with the system's own change notices."""

import json
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, connection

from audit.actors import SYSTEM
from audit.models import Entry
from sessions_app.actions.imports import ImportWriter
from sessions_app.importers.report import Report
from sessions_app.importers.watching import Watcher
from sessions_app.models import AgentSession, Message, Source, SourceState, Status, ToolCall
from tests.samples import sample
from tests.sessions_app.importers.claude_records import SESSION, assistant, call, result
from tests.sessions_app.importers.driving import lines

pytestmark = pytest.mark.django_db(transaction=True)

CODEX = "codex/sessions/rollout-2026-02-23T12-41-04-019c8a4d-8f45-7010-8b5d-7fad920aa6f9.jsonl"
PATIENCE_S = 20.0


def wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


class Following:
    """A watcher at work in a thread of its own."""

    def __init__(self, *paths: Path) -> None:
        self.reports: list[Report] = []
        self.watcher = Watcher(SYSTEM, [str(path) for path in paths], self.reports.append)
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        try:
            self.watcher.run()
        finally:
            connection.close()

    def __enter__(self) -> "Following":
        self._thread.start()
        wait_for(lambda: bool(self.reports), "the first look through the folder")
        return self

    def __exit__(self, *error: object) -> None:
        self.watcher.stop()
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "sessions"
    place.mkdir()
    return place


def lines_of(name: str = CODEX) -> list[bytes]:
    return sample(name).read_bytes().splitlines(keepends=True)


def test_what_is_there_is_imported_and_what_is_appended_follows(folder: Path) -> None:
    file, lines = folder / Path(CODEX).name, lines_of()
    file.write_bytes(b"".join(lines[:50]))
    with Following(folder):
        source = Source.objects.get()
        assert source.read_offset == file.stat().st_size
        for line in lines[50:60]:
            with file.open("ab") as handle:
                handle.write(line)
        wanted = file.stat().st_size
        wait_for(lambda: Source.objects.get().read_offset == wanted, "ten appended lines")
    source = Source.objects.get()
    assert source.line_count == 60
    # The history as it was found, then all that it grew by; not ten times one line.
    entries = [
        json.loads(entry.body) for entry in Entry.objects.filter(action="source.imported").order_by("idx")
    ]
    begun = sum(map(len, lines[:50]))
    assert [(entry["details"]["from"], entry["details"]["to"]) for entry in entries] == [
        (0, begun),
        (begun, wanted),
    ]


def test_a_line_in_two_writes_is_read_once_it_is_whole(folder: Path) -> None:
    file, lines = folder / Path(CODEX).name, lines_of()
    file.write_bytes(b"".join(lines[:50]))
    with Following(folder) as following:
        seen = len(following.reports)
        with file.open("ab", buffering=0) as handle:
            handle.write(lines[50][:20])
            wait_for(lambda: len(following.reports) > seen, "the half line was noticed")
            handle.write(lines[50][20:])
        wanted = file.stat().st_size
        wait_for(lambda: Source.objects.get().read_offset == wanted, "the whole line")
    source = Source.objects.get()
    assert (source.line_count, source.skipped_line_count, bytes(source.tail)) == (51, 0, b"")


def test_new_files_in_new_folders_are_found(folder: Path) -> None:
    with Following(folder):
        deep = folder / "2026" / "02"
        deep.mkdir(parents=True)
        shutil.copy(sample(CODEX), deep)
        wait_for(lambda: AgentSession.objects.filter(tool_call_count=118).exists(), "the new file")


def test_only_a_turn_that_goes_on_while_it_is_followed_is_running(folder: Path) -> None:
    file, lines = folder / Path(CODEX).name, lines_of()
    file.write_bytes(b"".join(lines[:50]))
    with Following(folder):
        assert AgentSession.objects.get().status == Status.UNFINISHED
        with file.open("ab") as handle:
            handle.write(lines[50])
        wait_for(lambda: AgentSession.objects.get().status == Status.RUNNING, "the turn goes on")
        assert AgentSession.objects.get().status_evidence
    assert AgentSession.objects.get().status == Status.UNFINISHED


def test_a_watch_that_was_killed_leaves_no_session_running(folder: Path) -> None:
    file = folder / Path(CODEX).name
    file.write_bytes(b"".join(lines_of()[:50]))
    with Following(folder):
        pass
    AgentSession.objects.update(status=Status.RUNNING)
    with Following(folder):
        assert AgentSession.objects.get().status == Status.UNFINISHED


def test_a_deleted_file_is_marked_and_its_history_stays(folder: Path) -> None:
    file = Path(shutil.copy(sample(CODEX), folder))
    with Following(folder):
        count = Message.objects.count()
        file.unlink()
        wait_for(lambda: Source.objects.get().state == SourceState.DELETED, "the deletion")
    assert Message.objects.count() == count > 0


def test_a_database_that_is_away_for_a_while_is_waited_for(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sessions_app.importers.watching.RETRY_SECONDS", 0.05)
    real_write, refusals = ImportWriter.write, [3]

    def write(self: ImportWriter, batches: Any, **options: Any) -> object:
        if refusals[0]:
            refusals[0] -= 1
            raise OperationalError("database is locked")
        return real_write(self, batches, **options)

    with Following(folder) as following:
        monkeypatch.setattr(ImportWriter, "write", write)
        shutil.copy(sample(CODEX), folder)
        wait_for(
            lambda: AgentSession.objects.filter(tool_call_count=118).exists(), "the import after the trouble"
        )
    assert any("locked" in report.errors.get("database", "") for report in following.reports)
    assert Source.objects.get().read_offset == sample(CODEX).stat().st_size


@pytest.mark.parametrize("through", ["itself", "a link"])
def test_a_watch_that_ends_leaves_what_another_follows(tmp_path: Path, through: str) -> None:
    places = [tmp_path / "one", tmp_path / "two"]
    lines = lines_of()
    for number, place in enumerate(places):
        place.mkdir()
        if through == "a link":
            (tmp_path / f"to-{place.name}").symlink_to(place)
        content = [line.replace(b"019c8a4d", f"{number:08x}".encode()) for line in lines[:51]]
        (place / f"rollout-{number}.jsonl").write_bytes(b"".join(content[:50]))
    running = AgentSession.objects.filter(status=Status.RUNNING)
    named = places if through == "itself" else [tmp_path / f"to-{place.name}" for place in places]
    with Following(named[0]):
        with Following(named[1]):
            for number, place in enumerate(places):
                with (place / f"rollout-{number}.jsonl").open("ab") as handle:
                    handle.write(lines[50].replace(b"019c8a4d", f"{number:08x}".encode()))
            wait_for(lambda: running.count() == 2, "both turns go on")
        assert [session.sources.get().path for session in running.all()] == [
            str(places[0] / "rollout-0.jsonl")
        ]
    assert not running.all().exists()


def test_what_agents_write_beside_their_histories_is_no_error(folder: Path) -> None:
    with Following(folder) as following:
        for name in ("sessions-index.json", "package.json"):
            (folder / name).write_text('{"version": 1}')
        shutil.copy(sample(CODEX), folder)
        wait_for(lambda: AgentSession.objects.filter(tool_call_count=118).exists(), "the history")
        wait_for(lambda: sum(report.ignored for report in following.reports) >= 2, "a look at the others")
    assert [report.errors for report in following.reports if report.errors] == []


def test_outputs_beside_a_transcript_are_read_with_it(folder: Path) -> None:
    outputs = folder / SESSION / "tool-results"
    path = f"/home/other/{SESSION}/tool-results/t1.json"
    said = (
        f"<persisted-output>\nOutput too large (97.7KB). Full output saved to: {path}\n\n</persisted-output>"
    )
    with Following(folder) as following:
        outputs.mkdir(parents=True)
        (outputs / "t1.json").write_text(json.dumps([{"type": "text", "text": "all of it"}]))
        (folder / f"{SESSION}.jsonl").write_bytes(
            lines([assistant("a1", 1, call("t1", "Grep", pattern="x")), result("r1", 2, "t1", said)])
        )
        wait_for(lambda: ToolCall.objects.filter(output="all of it").exists(), "the output")
    assert [report.errors for report in following.reports if report.errors] == []
