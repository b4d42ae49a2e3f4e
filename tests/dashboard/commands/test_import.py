from pathlib import Path

import pytest

from sessions_app.models import AgentSession
from tests.dashboard.commands.calling import Caller
from tests.samples import sample

pytestmark = pytest.mark.django_db
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
