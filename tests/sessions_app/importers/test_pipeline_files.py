"""Files that are linked, rewritten, deleted, archived or copied: one source, and nothing is lost or counted twice."""

import shutil
from pathlib import Path

import pytest

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
