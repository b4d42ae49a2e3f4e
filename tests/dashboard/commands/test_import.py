from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError

from sessions_app.actions.imports import ImportWriter
from sessions_app.actions.terminals import background
from sessions_app.importers import pipeline
from sessions_app.models import AgentSession
from tests.dashboard.commands.calling import Caller
from tests.samples import sample

pytestmark = pytest.mark.django_db
CAST = sample("recorded/vim-edit.cast")
CODEX = sample("codex/sessions/rollout-2026-02-23T12-54-34-019c8a59-e9dd-71f0-9ae3-4079fe9726a9.jsonl")


def test_files_that_are_no_histories_are_counted(call: Caller, tmp_path: Path) -> None:
    (tmp_path / "rollout.jsonl").write_bytes(CODEX.read_bytes())
    (tmp_path / "package.json").write_text("{}")

    done = call("import", tmp_path)

    assert done.status == 0
    assert "1 other file left alone: no history in a format that is known here." in done.text
    assert "left alone" not in call("import", tmp_path / "rollout.jsonl").text


def test_a_history_of_another_format_than_asked_for_is_refused_and_imported_later(
    call: Caller, tmp_path: Path
) -> None:
    history = tmp_path / "rollout.jsonl"
    history.write_bytes(CODEX.read_bytes())

    refused = call("import", "--format", "claude-code", history)
    assert (refused.status, "it is a history of codex, not of claude-code" in refused.errors) == (2, True)
    assert call("import", "--format", "claude-code", tmp_path).status == 2
    assert call("import", history).status == 0
    assert AgentSession.objects.count() == 1


def test_garbage_and_links_to_nowhere_are_losses(call: Caller, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(CODEX.read_bytes())
    garbage, lost = tmp_path / CODEX.name, tmp_path / "lost.jsonl"
    garbage.write_bytes(b"\x00\xff\n")
    lost.symlink_to(tmp_path / "nowhere")

    done = call("import", tmp_path, "--json")

    assert done.status == 1
    assert done.document["skipped"] == {str(garbage): 1}
    assert list(done.document["errors"]) == [str(lost)]
    assert done.errors.splitlines() == [
        f"{lost}: it is a link to a file that is not there",
        f"{garbage}: 1 line could not be read",
    ]


@pytest.mark.parametrize("as_json", [True, False], ids=["json", "text"])
@pytest.mark.parametrize("written", [0, 1])
def test_a_database_that_fails_in_the_middle_is_a_loss_and_at_the_beginning_a_refusal(
    call: Caller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: int, as_json: bool
) -> None:
    for name in ("a.jsonl", "b.jsonl", "c.jsonl"):
        (tmp_path / name).write_bytes(CODEX.read_bytes().replace(b"019c8a59", name[0].encode() * 8))
    real_write, writes = ImportWriter.write, 0

    def write(self: ImportWriter, batches: Any, **options: Any) -> Any:
        nonlocal writes
        writes += 1
        if writes > written:
            raise OperationalError("database or disk is full")
        return real_write(self, batches, **options)

    with monkeypatch.context() as patch:
        patch.setattr(ImportWriter, "write", write)
        patch.setattr(pipeline, "SOURCES_PER_COMMIT", 1)
        done = call("import", tmp_path, *(["--json"] if as_json else []))

    said = "The disk that holds the database is full. Free some space; nothing was lost."
    assert AgentSession.objects.count() == written
    if not written:
        assert (done.status, done.text, done.errors) == (2, "", f"scrollback: {said}\n")
        return
    loss = f"{said} The import stopped here: run it again to go on"
    assert (done.status, done.errors) == (1, f"{tmp_path / 'b.jsonl'}: {loss}\n")
    if as_json:
        assert (done.document["sessions"], done.document["tool_calls"]) == (1, 365)
        assert done.document["errors"] == {str(tmp_path / "b.jsonl"): loss}
    else:
        assert done.text.startswith("1 session, 1 run, ")
    assert call("import", tmp_path).status == 0
    assert list(AgentSession.objects.values_list("tool_call_count", flat=True)) == [365] * 3


@pytest.mark.django_db(transaction=True)
def test_a_disk_that_fills_up_after_everything_was_imported_is_said_and_ends_it(
    call: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OperationalError("database or disk is full")

    monkeypatch.setattr(background, "_GIVE_UP_S", 1.0)
    monkeypatch.setattr(background, "derive", fail)
    done = call("import", CAST)
    assert done.status == 1
    assert done.errors.startswith(
        "terminals: The disk that holds the database is full. Free some space; nothing"
    )
    assert "Everything was imported" in done.errors
    assert "1 terminal from 1 new source" in done.text
