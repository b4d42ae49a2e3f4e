import re

import pytest

from audit.actors import SYSTEM
from sessions_app.exporters.markdown import transcript
from sessions_app.importers.pipeline import Importer
from sessions_app.models import AgentSession, EventKind, MessageKind
from tests.factories import make_event, make_message, make_run, make_session, make_tool_call
from tests.samples import sample

pytestmark = pytest.mark.django_db

CLAUDE = "claude-code/projects/sample-project/fe5e1c67-53e7-4862-81ae-d0e013e3270b.jsonl"


def document_of(session: AgentSession) -> str:
    session.refresh_from_db()
    return "".join(transcript(session))


def test_the_transcript_says_who_said_what() -> None:
    session = make_session(with_main_run=True, title="Fix the login form")
    make_message(session, "Please look.")
    reply = make_message(session, "I **will**.", role="assistant", reasoning="Let me see\nfirst.")
    make_tool_call(session, message=reply, output="README.md\n")
    make_event(session, EventKind.TURN_ABORTED, text="by the operator")

    document = document_of(session)

    assert document.startswith("# Fix the login form\n")
    order = [document.index(part) for part in ("## User", "Please look.", "## Assistant", "I **will**.")]
    assert order == sorted(order)
    assert "> **Thinking**\n>\n> Let me see\n> first.\n" in document
    assert (
        '### Bash · ls\n\n*2026-03-01 12:00:03 UTC, completed, 340 ms*\n\n```json\n{\n  "command": "ls"\n}\n```'
        in document
    )
    assert "Result:\n\n```\nREADME.md\n```" in document
    assert "Turn aborted: by the operator" in document


def test_nothing_inside_a_result_ends_its_fence() -> None:
    session = make_session(with_main_run=True)
    make_tool_call(session, output="````\n# not a heading\n```\n")

    document = document_of(session)

    assert "Result:\n\n`````\n````\n# not a heading\n```\n`````\n" in document


def test_what_programs_wrote_is_fenced_and_controls_are_shown() -> None:
    session = make_session(with_main_run=True)
    make_message(session, "# Rules\n\x1b]0;owned\x07\u202eevil", kind=MessageKind.CONTEXT)

    document = document_of(session)

    assert "```\n# Rules\n␛]0;owned␇\u2039U+202E\u203aevil\n```" in document
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202e]", document)


def test_subagents_follow_the_main_agent_each_with_its_own_rows() -> None:
    session = make_session(with_main_run=True)
    main = session.runs.get()
    make_message(session, "main asks", run=main)
    child = make_run(session, parent=main, title="Look for tests")
    make_message(session, "child answers", run=child, role="assistant")
    make_message(session, "main goes on", run=main)

    document = document_of(session)

    main_part, _, child_part = document.partition("# Subagent · general-purpose · Look for tests")
    assert "main asks" in main_part
    assert "main goes on" in main_part
    assert "child answers" in child_part
    assert "child answers" not in main_part


def test_a_real_session_is_told_whole() -> None:
    Importer(SYSTEM).import_paths([str(sample(CLAUDE))])
    session = AgentSession.objects.get()

    document = document_of(session)

    assert document.count("\n# Subagent · ") == 5
    assert len(re.findall("^### ", document, re.MULTILINE)) >= session.tool_call_count
    assert "51.9k output" in document


def test_a_message_that_the_agent_hides_is_said_to_be_hidden() -> None:
    session = make_session(with_main_run=True)
    make_message(session, "Old.", is_hidden=True)
    make_message(session, "New.")

    hidden, shown = document_of(session).split("## User")[1:]

    assert "UTC, hidden by the agent*\n\nOld." in hidden
    assert "hidden by the agent" not in shown
