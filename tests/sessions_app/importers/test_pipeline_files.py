"""Files that are linked, rewritten, deleted, archived or copied: one source, and nothing is lost or counted twice."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit.models import Entry
from sessions_app.models import AgentSession, Event, EventKind, Message, Source, SourceState, Terminal
from tests.sessions_app.importers.importing import assert_places_are_gapless, contents, raw_bytes, run_import

pytestmark = pytest.mark.django_db


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
    compressed = tmp_path / (codex_file.name + ".zst")
    compressed.write_bytes(zstandard.compress(codex_file.read_bytes()))
    codex_file.unlink()

    run_import(compressed)

    assert AgentSession.objects.get().total_tokens == 33_944_484


@pytest.mark.usefixtures("small_batches")
def test_a_copy_whose_calls_and_results_are_read_apart_tells_no_call_again(
    codex_file: Path, claude_file: Path, tmp_path: Path
) -> None:
    """A result that comes in a later batch than its call changes the call, where it says something new."""
    run_import(codex_file, claude_file)
    ended = Event.objects.filter(kind=EventKind.TOOL_CALL_ENDED)
    places = dict(AgentSession.objects.values_list("external_id", "last_seq"))
    before, told = contents(), ended.count()
    assert told > 0

    copies = tmp_path / "copies"
    copies.mkdir()
    for file in (codex_file, claude_file):
        shutil.copy(file, copies)
    run_import(copies)

    assert (contents(), ended.count()) == (before, told)
    assert dict(AgentSession.objects.values_list("external_id", "last_seq")) == places
    assert_places_are_gapless()


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


# ── Documents: read whole, so another content is another document ────────────────────────────────────────
#: (name, content, --format)
DOCUMENTS = [
    ("demo.json", b'{"version": 1, "width": 80, "height": 24, "stdout": [[0.5, "hello"]]}', None),
    ("lines.txt", b"hello\nthere\n", "text"),
    ("output.log", b"\x1b[31mhello\x1b[0m\r\n", "ansi"),
    ("talk.json", b'{"key": "talk", "messages": [{"role": "user", "content": "hello"}]}', None),
]
each_document = pytest.mark.parametrize(("name", "content", "only"), DOCUMENTS)
LATER_NS = 1_900_000_000_123_456_789


def touch(path: Path) -> None:
    os.utime(path, ns=(LATER_NS, LATER_NS))


def check_out_again(path: Path) -> None:
    """As git does: another file under the same name."""
    new = path.with_name("new")
    new.write_bytes(path.read_bytes())
    touch(new)
    new.replace(path)


def everything_but_sources() -> dict[str, Any]:
    return {
        **contents(),
        "terminals": sorted(Terminal.objects.values_list("pk", "started_ms", "updated_ms", "title")),
        "updates": sorted(AgentSession.objects.values_list("pk", "updated_ms", "last_seq")),
        "entries": Entry.objects.count(),
    }


def writes(queries: CaptureQueriesContext) -> list[str]:
    # Postgres declares a cursor for what is read piece by piece.
    return [query["sql"] for query in queries if not query["sql"].startswith(("SELECT", "DECLARE"))]


@each_document
@pytest.mark.parametrize("change", [touch, check_out_again])
def test_a_document_that_was_touched_is_unchanged(
    name: str, content: bytes, only: str | None, change: Callable[[Path], None], tmp_path: Path
) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    run_import(file, only_format=only)
    assert Terminal.objects.count() + AgentSession.objects.count() == 1
    before, source = everything_but_sources(), Source.objects.values().get()
    change(file)

    with CaptureQueriesContext(connection) as queries:
        report = run_import(file, only_format=only)

    assert (report.unchanged, report.counts.sources, report.errors) == (1, 0, {})
    assert everything_but_sources() == before
    status = file.stat()
    place = {"modified_ns": LATER_NS, "inode": f"{status.st_dev}:{status.st_ino}"}
    assert Source.objects.values().get() == source | place
    assert len(writes(queries)) == 1

    # From now on it is known by its new time.
    with CaptureQueriesContext(connection) as queries:
        assert run_import(file, only_format=only).unchanged == 1
    assert writes(queries) == []


@each_document
def test_a_document_with_another_content_is_read_anew(
    name: str, content: bytes, only: str | None, tmp_path: Path
) -> None:
    """Also where it is as long as before."""
    file = tmp_path / name
    file.write_bytes(content)
    run_import(file, only_format=only)
    first, changed = Source.objects.get(), content.replace(b"hello", b"hullo")
    file.write_bytes(changed)
    touch(file)

    run_import(file, only_format=only)

    old, new = Source.objects.order_by("generation")
    assert (old.pk, old.state, raw_bytes(old)) == (first.pk, SourceState.TRUNCATED, content)
    assert (new.state, new.modified_ns, raw_bytes(new)) == (SourceState.LIVE, LATER_NS, changed)


@each_document
def test_a_document_that_was_moved_is_the_same_source(
    name: str, content: bytes, only: str | None, tmp_path: Path
) -> None:
    file, archived = tmp_path / name, tmp_path / "archived" / name
    file.write_bytes(content)
    run_import(file, only_format=only)
    before = everything_but_sources()
    archived.parent.mkdir()
    file.rename(archived)
    touch(archived)

    assert run_import(archived, only_format=only).unchanged == 1

    source = Source.objects.get()
    assert (source.path, source.state, source.modified_ns) == (str(archived), SourceState.LIVE, LATER_NS)
    assert Entry.objects.newest_first()[0].action == "source.moved"
    assert everything_but_sources() == before | {"entries": before["entries"] + 1}


def test_a_document_that_was_compressed_is_the_same_source(tmp_path: Path) -> None:
    file, compressed = tmp_path / "demo.json", tmp_path / "demo.json.zst"
    file.write_bytes(DOCUMENTS[0][1])
    run_import(file)
    compressed.write_bytes(zstandard.compress(file.read_bytes()))
    file.unlink()

    assert run_import(compressed).unchanged == 1

    assert (Source.objects.get().path, Source.objects.get().size) == (
        str(compressed),
        compressed.stat().st_size,
    )
    assert Terminal.objects.count() == 1
    with CaptureQueriesContext(connection) as queries:
        assert run_import(compressed).unchanged == 1
    assert writes(queries) == []


@each_document
@pytest.mark.parametrize("loss", ["deleted", "emptied"])
def test_a_document_that_comes_back_is_the_one_that_it_was(
    name: str, content: bytes, only: str | None, loss: str, tmp_path: Path
) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    run_import(file, only_format=only)
    before = contents()
    if loss == "deleted":
        file.unlink()
        run_import(tmp_path)
    else:
        file.write_bytes(b"")
        run_import(file, only_format=only)
    assert Source.objects.get().state != SourceState.LIVE
    file.write_bytes(content)
    touch(file)

    assert run_import(file, only_format=only).unchanged == 1

    source = Source.objects.get()
    assert (source.state, source.deleted_ms, source.modified_ns) == (SourceState.LIVE, None, LATER_NS)
    assert Entry.objects.newest_first()[0].action == "source.restored"
    assert (contents(), Terminal.objects.count() + AgentSession.objects.count()) == (before, 1)
