"""What is known of a session or recording when several files, or persons, have a say in it."""

import json
import shutil
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps

from audit.actors import SYSTEM
from sessions_app.actions.sessions import rename_session
from sessions_app.models import (
    AgentSession,
    Message,
    Terminal,
    ToolCall,
)
from sessions_app.search.find import find
from sessions_app.search.query import parse
from sessions_app.search.titles import Titled
from tests.factories import make_person, make_source, make_terminal
from tests.samples import sample
from tests.sessions_app.importers.claude_records import SESSION, assistant, call, result, user
from tests.sessions_app.importers.driving import lines
from tests.sessions_app.importers.importing import assert_places_are_gapless, fork_of, run_import

pytestmark = pytest.mark.django_db


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


def test_what_a_call_answered_after_it_was_written_is_found(tmp_path: Path) -> None:
    file = tmp_path / f"{SESSION}.jsonl"
    asked = [user("u1", 0, "Go"), assistant("a1", 1, call("t1", "Bash", command="survey"))]
    file.write_bytes(lines(asked))
    run_import(file)
    file.write_bytes(lines([*asked, result("r1", 2, "t1", "aquamarine")]))
    run_import(file)

    ada = make_person()
    for query in ("aquamarine", "survey aquamarine", "survey"):
        (hit,) = find(parse(query), ada).hits
        assert hit.object_id == ToolCall.objects.get().pk


def test_a_title_that_a_person_gave_outlives_what_the_source_says_later(claude_file: Path) -> None:
    run_import(claude_file)
    session = AgentSession.objects.get()
    rename_session(session.pk, "The orchestra", actor=SYSTEM)
    title = {"type": "custom-title", "customTitle": "From the source", "sessionId": session.external_id}
    with claude_file.open("a") as handle:
        handle.write(json.dumps(title) + "\n")

    run_import(claude_file)

    assert AgentSession.objects.get().title == "The orchestra"
    assert Titled.by(["orchestra"]).named == [session.pk]
    assert Titled.by(["From", "the", "source"]).named == []
    assert_places_are_gapless()


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
