"""Whole imports of real files, on the real database."""

import errno
import itertools
import json
import os
import shutil
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from audit.actors import SYSTEM
from audit.models import Entry
from sessions_app.actions.imports import ImportWriter
from sessions_app.actions.sessions import rename_session
from sessions_app.importers import reading
from sessions_app.importers.pipeline import Importer, Progress, Report
from sessions_app.models import (
    AgentSession,
    Event,
    Message,
    Run,
    SkippedLine,
    Source,
    SourceChunk,
    SourceState,
    Terminal,
    ToolCall,
)
from sessions_app.search.find import sessions_titled
from tests.factories import make_source, make_terminal
from tests.samples import sample

pytestmark = pytest.mark.django_db

CLAUDE = "claude-code/projects/sample-project/fe5e1c67-53e7-4862-81ae-d0e013e3270b.jsonl"
CODEX = "codex/sessions/rollout-2026-02-23T12-54-34-019c8a59-e9dd-71f0-9ae3-4079fe9726a9.jsonl"


def run_import(*paths: Path | str, **options: Any) -> Report:
    return Importer(SYSTEM, **options).import_paths([str(path) for path in paths])


@pytest.fixture
def claude_file(tmp_path: Path) -> Path:
    return Path(shutil.copy(sample(CLAUDE), tmp_path))


@pytest.fixture
def codex_file(tmp_path: Path) -> Path:
    return Path(shutil.copy(sample(CODEX), tmp_path))


def contents() -> dict[str, Any]:
    """Everything an import writes, without ids that are made anew and times of writing."""
    sessions = AgentSession.objects.order_by("external_id")
    return {
        "sessions": list(sessions.values_list(
            "external_id", "title", "first_prompt", "model", "status", "started_ms", "last_activity_ms", "run_count",
            "turn_count", "message_count", "tool_call_count", "failed_tool_call_count", "total_tokens",
        )),
        "runs": sorted(Run.objects.values_list("key", "message_count", "tool_call_count", "total_tokens", "status")),
        "messages": sorted(Message.objects.values_list(
            "id", "run__key", "role", "kind", "text", "reasoning", "input_tokens", "output_tokens", "source_line")),
        "calls": sorted(ToolCall.objects.values_list(
            "id", "run__key", "name", "status", "input", "output", "ended_ms", "source_line", "result_line")),
    }  # fmt: skip


def assert_places_are_gapless() -> None:
    for session in AgentSession.objects.all():
        places = sorted(
            seq
            for model in (Message, ToolCall, Event)
            for seq in model.objects.filter(session=session).values_list("seq", flat=True)
        )
        assert places == list(range(1, session.last_seq + 1))


def raw_bytes(source: Source) -> bytes:
    return b"".join(chunk.read() for chunk in source.chunks.order_by("offset"))


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


def test_an_appended_line_costs_one_lines_work(codex_file: Path) -> None:
    lines = codex_file.read_bytes().splitlines(keepends=True)
    codex_file.write_bytes(b"".join(lines[:-40]))
    importer = Importer(SYSTEM, following=True)
    importer.import_paths([str(codex_file)])
    costs = []
    for line in lines[-40:]:
        with codex_file.open("ab") as handle:
            handle.write(line)
        with CaptureQueriesContext(connection) as queries:
            report = importer.import_paths([str(codex_file)])
        assert report.counts.bytes == len(line)
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


def test_a_broken_line_is_kept_counted_and_shown(codex_file: Path) -> None:
    lines = codex_file.read_bytes().splitlines(keepends=True)
    broken = b'{"timestamp": "2026-02-23T12:55:00Z", "type": "resp\n'
    lines[5:5] = [
        broken,
        b"\x00\xff\xfe garbage \x80\n",
        b'{"type": "from the future", "payload": {}}\n',
        b"\n",
    ]
    codex_file.write_bytes(b"".join(lines))

    report = run_import(codex_file)

    source = Source.objects.get()
    assert report.counts.skipped_lines == source.skipped_line_count == 2
    assert report.counts.unknown_lines == source.unknown_line_count == 1
    kept = {skipped.line: skipped for skipped in SkippedLine.objects.all()}
    assert set(kept) == {6, 7, 8}
    whole = raw_bytes(source)
    assert whole == codex_file.read_bytes()
    assert whole[kept[6].offset : kept[6].offset + kept[6].size] == broken
    assert AgentSession.objects.get().total_tokens == 33_944_484


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


def test_one_bad_file_never_stops_the_others(codex_file: Path, tmp_path: Path) -> None:
    unreadable = tmp_path / "rollout-gone.jsonl"
    unreadable.symlink_to(tmp_path / "nowhere")
    (tmp_path / "noise.jsonl").write_bytes(os.urandom(100_000))
    (tmp_path / "broken.jsonl.zst").write_bytes(b"\x28\xb5\x2f\xfd" + os.urandom(500))

    report = run_import(tmp_path)

    assert AgentSession.objects.count() == 1
    assert any("broken.jsonl.zst" in path for path in report.errors)
    assert report.ignored == 1


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


def test_a_named_file_that_is_no_history_is_said_to_be_none(tmp_path: Path) -> None:
    noise = tmp_path / "noise.jsonl"
    noise.write_bytes(os.urandom(10_000))

    report = run_import(noise, tmp_path / "missing.jsonl")

    assert set(report.errors) == {str(noise), str(tmp_path / "missing.jsonl")}
    assert not Source.objects.exists()


def test_a_file_without_rights_is_reported(codex_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The tests may run as root, whom no mode bits stop: the refusal comes from open() itself.
    def refuse(path: str) -> Any:
        raise PermissionError(errno.EACCES, "Permission denied", path)

    monkeypatch.setattr(reading, "open_stream", refuse)
    report = run_import(codex_file)

    assert report.errors == {str(codex_file): "permission denied"}


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


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "BATCH_BYTES", 60_000)
    monkeypatch.setattr(reading, "BLOCK_BYTES", 50_000)


@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize("fails_at", [0, 1, 4])
def test_an_import_that_dies_goes_on_where_it_ended(
    codex_file: Path, fails_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_write, writes = ImportWriter.write, 0

    def write(self: ImportWriter, batches: Any) -> Any:
        nonlocal writes
        writes += 1
        if writes == fails_at + 1:
            raise KeyboardInterrupt
        return real_write(self, batches)

    monkeypatch.setattr(ImportWriter, "write", write)
    with pytest.raises(KeyboardInterrupt):
        run_import(codex_file)
    monkeypatch.undo()
    assert Entry.objects.count() == 0

    run_import(codex_file)

    session = AgentSession.objects.get()
    assert (session.turn_count, session.assistant_message_count, session.tool_call_count) == (33, 255, 365)
    assert session.total_tokens == 33_944_484
    assert raw_bytes(Source.objects.get()) == codex_file.read_bytes()
    assert_places_are_gapless()
    assert Entry.objects.count() == 1


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


def test_a_ten_megabyte_line_is_one_message(tmp_path: Path) -> None:
    file = tmp_path / "big.jsonl"
    lines = sample(CODEX).read_bytes().splitlines(keepends=True)[:3]
    text = "lorem ipsum " * 900_000
    record = {
        "timestamp": "2026-02-23T13:00:00.000Z",
        "type": "response_item",
        "payload": {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_text", "text": text}],
        },
    }
    file.write_bytes(b"".join(lines) + json.dumps(record).encode() + b"\n")

    run_import(file)

    message = Message.objects.get(role="assistant", text_size=len(text))
    assert message.text_blob is not None
    assert message.text_blob.read().decode() == text
    assert len(message.text) < 10_000


def test_nul_and_lone_surrogates_are_shown_and_their_bytes_kept(tmp_path: Path) -> None:
    file = tmp_path / "odd.jsonl"
    lines = sample(CODEX).read_bytes().splitlines(keepends=True)[:3]
    odd = (
        b'{"timestamp":"2026-02-23T13:00:00.000Z","type":"response_item","payload":{"type":"message",'
        b'"role":"assistant","content":[{"type":"output_text","text":"a\\u0000b\\ud800c"}]}}\n'
    )
    file.write_bytes(b"".join(lines) + odd)

    run_import(file)

    assert Message.objects.filter(text="a\u2400b\ufffdc").count() == 1
    assert raw_bytes(Source.objects.get()).endswith(odd)


@pytest.mark.usefixtures("small_batches")
def test_a_file_replaced_while_it_is_read_loses_neither(
    codex_file: Path, claude_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, after = codex_file.read_bytes(), codex_file.read_bytes().replace(b"019c8a59", b"019c8a60")
    real_write, writes = ImportWriter.write, 0

    def write(self: ImportWriter, batches: Any) -> Any:
        nonlocal writes
        writes += 1
        if writes == 2:
            other = codex_file.with_suffix(".new")
            other.write_bytes(after)
            other.replace(codex_file)
        return real_write(self, batches)

    monkeypatch.setattr(ImportWriter, "write", write)
    assert run_import(codex_file).errors == {}
    monkeypatch.undo()
    assert run_import(codex_file).errors == {}

    old, new = Source.objects.filter(path=str(codex_file)).order_by("generation")
    assert (raw_bytes(old), raw_bytes(new)) == (before, after)
    assert old.state == SourceState.TRUNCATED
    totals = AgentSession.objects.values_list("total_tokens", flat=True)
    assert sorted(totals) == [33_944_484, 33_944_484]


@pytest.mark.usefixtures("small_batches")
def test_a_file_truncated_while_it_is_read_keeps_what_was_read(
    codex_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = codex_file.read_bytes()
    real_write, writes = ImportWriter.write, 0

    def write(self: ImportWriter, batches: Any) -> Any:
        nonlocal writes
        writes += 1
        if writes == 2:
            os.truncate(codex_file, 1_000)
        return real_write(self, batches)

    monkeypatch.setattr(ImportWriter, "write", write)
    assert run_import(codex_file).errors == {}
    monkeypatch.undo()
    run_import(codex_file)

    old, new = Source.objects.order_by("generation")
    assert before.startswith(raw_bytes(old))
    assert len(raw_bytes(old)) > 50_000
    assert raw_bytes(new) + bytes(new.tail) == before[:1_000]


def fork_of(file: Path) -> Path:
    """What `--resume` writes: the same records under a new session id, and then a turn of its own."""
    old, new = "fe5e1c67-53e7-4862-81ae-d0e013e3270b", "0f0f0f0f-53e7-4862-81ae-d0e013e3270b"
    copied = file.read_text().replace(old, new)
    own = {
        "parentUuid": None, "isSidechain": False, "userType": "external", "cwd": "/path/to/Demo", "sessionId": new,
        "version": "1.0.98", "gitBranch": "", "type": "user", "message": {"role": "user", "content": "Go on, please"},
        "uuid": "11111111-2222-4333-8444-555555555555", "timestamp": "2025-09-04T10:00:00.000Z",
    }  # fmt: skip
    fork = file.parent / f"{new}.jsonl"
    fork.write_text(copied + json.dumps(own) + "\n")
    return fork


def test_a_fork_repeats_nothing_of_its_origin(claude_file: Path) -> None:
    run_import(claude_file)
    origin = AgentSession.objects.get()

    report = run_import(fork_of(claude_file))

    fork = AgentSession.objects.exclude(pk=origin.pk).get()
    assert report.counts.messages.total() == fork.message_count == 1
    assert report.counts.tokens["output"] == fork.output_tokens == 0
    assert Message.objects.filter(role="assistant").count() == 170
    assert fork.run_count == 1
    assert fork.messages.get().text == "Go on, please"
    assert_places_are_gapless()


def test_picoclaws_skip_hides_and_shows_again(tmp_path: Path) -> None:
    for name in sample("synthetic/picoclaw").iterdir():
        shutil.copy(name, tmp_path)
    (meta,) = tmp_path.glob("*.meta.json")
    run_import(tmp_path)
    hidden = list(Message.objects.order_by("seq").values_list("is_hidden", flat=True))
    assert hidden[0] is True
    assert hidden.count(True) == 1

    meta.write_text(json.dumps({**json.loads(meta.read_text()), "skip": 2, "summary": "Shorter now"}))
    run_import(tmp_path)

    assert list(Message.objects.order_by("seq").values_list("is_hidden", flat=True)).count(True) == 2
    assert AgentSession.objects.get().summary == "Shorter now"


def test_a_session_is_called_by_its_first_prompt_that_picoclaw_does_not_hide(tmp_path: Path) -> None:
    path, meta = tmp_path / "talk.jsonl", tmp_path / "talk.meta.json"

    def write(lines: int, skip: int) -> str:
        said = [{"role": "user", "content": f"prompt {number}"} for number in range(lines)]
        path.write_text("".join(json.dumps(line) + "\n" for line in said))
        meta.write_text(json.dumps({"key": "talk", "skip": skip}))
        run_import(tmp_path)
        return AgentSession.objects.get().heading

    assert write(lines=2, skip=0) == "prompt 0"
    assert write(lines=2, skip=1) == "prompt 1"
    # All that was written is hidden; what comes with the same batch is not.
    assert write(lines=3, skip=2) == "prompt 2"
    assert write(lines=3, skip=3) == "picoclaw talk"
    assert write(lines=3, skip=0) == "picoclaw talk"
    assert write(lines=4, skip=1) == "prompt 1"


def test_a_subagents_file_read_before_its_parents_joins_the_same_session(tmp_path: Path) -> None:
    parent = sample("claude-code/subagents-2.1/22220000-0000-4000-8000-000000000002.jsonl")
    child = sample(
        "claude-code/subagents-2.1/22220000-0000-4000-8000-000000000002/subagents/workflows/wf_sp01"
        "/agent-agsp0001.jsonl"
    )
    run_import(child)
    run_import(parent)

    session = AgentSession.objects.get()
    assert session.external_id == "22220000-0000-4000-8000-000000000002"
    assert set(session.runs.values_list("kind", flat=True)) == {"main", "subagent"}
    assert_places_are_gapless()


def test_a_title_that_a_person_gave_outlives_what_the_source_says_later(claude_file: Path) -> None:
    run_import(claude_file)
    session = AgentSession.objects.get()
    rename_session(session.pk, "The orchestra", actor=SYSTEM)
    title = {"type": "custom-title", "customTitle": "From the source", "sessionId": session.external_id}
    with claude_file.open("a") as handle:
        handle.write(json.dumps(title) + "\n")

    run_import(claude_file)

    assert AgentSession.objects.get().title == "The orchestra"
    assert sessions_titled(["orchestra"]) == [session.pk]
    assert_places_are_gapless()


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


@pytest.mark.parametrize(
    "header",
    [
        {"version": 2, "width": 80, "height": 24},
        {"version": 3, "term": {"cols": 80, "rows": 24}},
        {"version": 2, "width": 80, "height": 24, "timestamp": "yesterday"},
        {"version": 1, "width": 80, "height": 24, "stdout": [[0.5, "hello"]]},
    ],
)
def test_a_recording_without_a_time_has_that_of_its_file_and_says_so(
    tmp_path: Path, header: dict[str, Any]
) -> None:
    path = tmp_path / "demo.cast"
    path.write_text(json.dumps(header) + "\n")
    run_import(path)

    terminal = Terminal.objects.get()
    assert (terminal.started_ms, terminal.is_start_known) == (path.stat().st_mtime_ns // 1_000_000, False)
    # Where the file lies is not where it was recorded.
    assert terminal.host == ""


def test_a_recording_with_a_time_has_a_known_start(tmp_path: Path) -> None:
    path = tmp_path / "demo.cast"
    path.write_text('{"version": 2, "width": 80, "height": 24, "timestamp": 1500000000}\n')
    run_import(path)

    terminal = Terminal.objects.get()
    assert (terminal.started_ms, terminal.is_start_known, terminal.host) == (1_500_000_000_000, True, "")


def test_older_databases_forget_what_was_guessed_of_recordings() -> None:
    source = make_source(modified_ns=1_700_000_000_123_456_789)
    guessed = make_terminal(source=source, started_ms=1_700_000_000_123)
    said = make_terminal(source=source, started_ms=1_700_000_000_000)
    recorded = make_terminal(started_ms=1_700_000_000_123)

    migration = import_module("sessions_app.migrations.0013_terminal_is_start_known")
    migration.forget_what_was_guessed(apps, None)

    for terminal, facts in ((guessed, ("", False)), (said, ("", True)), (recorded, ("workshop", True))):
        terminal.refresh_from_db()
        assert (terminal.host, terminal.is_start_known) == facts
