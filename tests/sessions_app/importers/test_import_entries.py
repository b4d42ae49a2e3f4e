"""What the audit log says of imports: an entry for each pass, and for what was read by who was killed."""

import hashlib
import json
import math
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import OperationalError, transaction

from audit.actors import SYSTEM
from audit.models import Checkpoint, Entry
from audit.record import record
from dashboard.lib.machine import machine_name
from sessions_app.actions import unrecorded
from sessions_app.actions.imports import GATHER_S, ImportWriter
from sessions_app.importers.leases import settle, watch_lease
from sessions_app.importers.pipeline import Importer
from sessions_app.models import (
    AgentSession,
    Message,
    Run,
    Source,
    ToolCall,
)
from tests.sessions_app.importers.importing import (
    assert_places_are_gapless,
    raw_bytes,
    run_import,
)

pytestmark = pytest.mark.django_db


def die_at_write(number: int, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Import, and end before this one of the commits, counted from 1."""
    real_write, writes = ImportWriter.write, 0

    def write(self: ImportWriter, batches: Any, **options: Any) -> Any:
        nonlocal writes
        writes += 1
        if writes == number:
            raise KeyboardInterrupt
        return real_write(self, batches, **options)

    monkeypatch.setattr(ImportWriter, "write", write)
    with pytest.raises(KeyboardInterrupt):
        run_import(path)
    monkeypatch.undo()


def hash_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def imported_details() -> list[dict[str, Any]]:
    entries = Entry.objects.filter(action="source.imported").order_by("idx")
    return [json.loads(entry.body)["details"] for entry in entries]


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("small_batches")
def test_an_import_that_holds_the_lock_for_long_signs_between_its_batches(
    codex_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread that signs may not get the lock before the import ends; here there is none."""
    monkeypatch.setattr("audit.signing.LONG_HELD_S", 0.0)
    with transaction.atomic():
        record("sign_in.succeeded", actor=SYSTEM)
    die_at_write(2, codex_file, monkeypatch)
    assert Checkpoint.objects.get().size == 1, "what somebody else has committed meanwhile"
    # Batches that are short leave it to the thread.
    monkeypatch.setattr("audit.signing.LONG_HELD_S", math.inf)
    run_import(codex_file)
    assert Checkpoint.objects.get().size == 1 < Entry.objects.count()


@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize("fails_at", [0, 1, 4])
def test_an_import_that_dies_goes_on_where_it_ended(
    codex_file: Path, fails_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    die_at_write(fails_at + 1, codex_file, monkeypatch)
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
    die_at_write(4, codex_file, monkeypatch)
    codex_file.unlink()

    settle(machine_name(settings.HOME), actor=SYSTEM)
    settle(machine_name(settings.HOME), actor=SYSTEM)

    source = Source.objects.get()
    (details,) = imported_details()
    assert (details["from"], details["to"]) == (0, source.read_offset)
    assert details["messages"] == Message.objects.count() > 0
    assert details["tool_calls"] == ToolCall.objects.count()
    assert source.chunks.count() > 2
    assert details["sha256"] == hashlib.sha256(raw_bytes(source)).hexdigest()
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

    settle(machine_name(settings.HOME), actor=SYSTEM)

    content = codex_file.read_bytes()
    assert [(details["from"], details["to"], details["sha256"]) for details in imported_details()] == [
        (0, begun, hashlib.sha256(content[:begun]).hexdigest()),
        # The lines are kept in one chunk with those before them.
        (begun, len(content), hashlib.sha256(content[begun:]).hexdigest()),
    ]


def test_what_a_living_watch_gathers_is_left_to_it(codex_file: Path) -> None:
    watch = Importer(SYSTEM, following=True)
    watch.import_paths([str(codex_file)])
    with codex_file.open("ab") as handle:
        handle.write(b'{"type":"unknown"}\n')
    watch.import_paths([str(codex_file)])

    with watch_lease([str(codex_file.parent)]):
        settle(machine_name(settings.HOME), actor=SYSTEM)
        assert len(imported_details()) == 1

    settle(machine_name(settings.HOME), actor=SYSTEM)
    assert len(imported_details()) == 2


def test_what_another_process_recorded_is_not_recorded_twice(codex_file: Path) -> None:
    watch = Importer(SYSTEM, following=True)
    watch.import_paths([str(codex_file)])
    ends = [codex_file.stat().st_size]
    for _ in range(2):
        with codex_file.open("ab") as handle:
            handle.write(b'{"type":"unknown"}\n')
        watch.import_paths([str(codex_file)])
        ends.append(codex_file.stat().st_size)
        settle(machine_name(settings.HOME), actor=SYSTEM)
    watch.record_growth()

    places = [(details["from"], details["to"]) for details in imported_details()]
    assert places == [(0, ends[0]), (ends[0], ends[1]), (ends[1], ends[2])]


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


def test_a_source_that_began_without_a_line_has_the_hash_of_the_file_later(codex_file: Path) -> None:
    lines = codex_file.read_bytes().splitlines(keepends=True)
    codex_file.write_bytes(lines[0][:100])
    watch = Importer(SYSTEM, following=True)
    watch.import_paths([str(codex_file)])
    codex_file.write_bytes(b"".join(lines[:5]))
    watch.import_paths([str(codex_file)])

    source = Source.objects.get()
    assert (source.sha256, source.sha256_size) == (hash_of(codex_file), codex_file.stat().st_size)
