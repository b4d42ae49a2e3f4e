"""list, show, search and stats: what is in the database, told on a terminal or as JSON."""

import uuid

import pytest

from dashboard.lib.clock import now_ms
from dashboard.lib.formatting import relative_time
from sessions_app.search import index
from sessions_app.terminal.engine.model import Line
from tests.dashboard.commands.calling import Caller
from tests.factories import (
    START_MS,
    make_message,
    make_project,
    make_run,
    make_session,
    make_source,
    make_tag,
    make_terminal,
    make_tool_call,
    make_usage,
)
from tests.sessions_app.search.terminal_texts import shown

pytestmark = pytest.mark.django_db

ID = uuid.UUID("01990d0f-9d71-7bfc-9fb4-157fce49f601")
EVIL = "\x1b]0;owned\x07\x1b[2J\u202eevil\nsecond"


def make_words(text: str) -> None:
    """One session with one message that a search finds."""
    from sessions_app.models import SearchEntry, SearchKind

    session = make_session(with_main_run=True, title="Kitchen", last_activity_ms=START_MS + 1000)
    message = make_message(session, text, at_ms=START_MS + 1000)
    entry = index.entry_id(message.at_ms, message.pk)
    SearchEntry.objects.create(pk=entry, session=session, kind=SearchKind.MESSAGE, object_id=message.pk)
    index.add([(entry, text)])


def test_sessions_are_listed_newest_first_without_archived_ones(call: Caller) -> None:
    make_session(title="old", last_activity_ms=START_MS)
    make_session(title="new", last_activity_ms=START_MS + 5)
    make_session(title="put away", last_activity_ms=START_MS + 9, archived_ms=START_MS)
    make_session(title="thrown away", last_activity_ms=START_MS + 9, deleted_ms=START_MS)

    assert [line.split()[-1] for line in call("list").text.splitlines()] == ["new", "old"]
    assert call("list", "--all").text.count("\n") == 3


def test_a_list_is_narrowed_by_status_agent_and_project(call: Caller) -> None:
    kitchen = make_project(path="/srv/kitchen")
    wanted = make_session(project=kitchen, agent="codex", status="failed")
    make_session(project=kitchen, agent="codex", status="idle")
    make_session(project=kitchen, agent="claude-code", status="failed")
    make_session(agent="codex", status="failed")

    found = call("list", "--status", "failed", "--agent", "codex", "--project", "KITCH", "--json").document

    assert [session["id"] for session in found["sessions"]] == [str(wanted.pk)]
    assert found["has_more"] is False


def test_a_list_says_that_there_is_more(call: Caller) -> None:
    session = make_session(last_activity_ms=START_MS + 1)
    make_tag(session, "showcase")
    make_session()

    ended = call("list", "--limit", "1", "--json")
    assert [found["tags"] for found in ended.document["sessions"]] == [["showcase"]]
    assert ended.document["has_more"] is True
    assert "older ones" in call("list", "--limit", "1").errors


def test_terminals_are_listed_with_their_state(call: Caller) -> None:
    make_terminal(title="make test", output=b"x" * 2000)
    make_terminal(title="done", state="ended", exit_status=3, started_ms=START_MS - 1)

    lines = call("list", "--terminals").text.splitlines()
    assert lines[0].endswith("make test")
    assert " 2.0 kB " in lines[0]
    assert " exit 3 " in lines[1]
    assert len(call("list", "--terminals", "--status", "live", "--json").document["terminals"]) == 1


@pytest.mark.parametrize("arguments", [["--status", "live"], ["--terminals", "--status", "failed"]])
def test_a_status_that_cannot_be_is_refused(call: Caller, arguments: list[str]) -> None:
    ended = call("list", *arguments)

    assert (ended.status, ended.raw) == (2, b"")
    assert "--status is one of" in ended.errors


def test_an_empty_list_says_so_beside_the_output(call: Caller) -> None:
    assert call("list").raw == b""
    assert call("list").errors.startswith("There are no sessions yet: `scrollback import")
    assert call("list", "--terminals").errors.startswith("There are no terminals yet: `scrollback record")
    assert call("list", "--agent", "codex").errors == "No session is like that.\n"
    assert call("list", "--json").document == {"sessions": [], "has_more": False}


def test_show_tells_the_facts_and_the_end_of_the_transcript(call: Caller) -> None:
    session = make_session(id=ID, with_main_run=True, title="Fix the login form", status_evidence="a reply")
    for number in range(30):
        make_message(session, f"message {number}")
    make_tool_call(session, output="README.md\n" + "x" * 5000)

    ended = call("show", "ce49f601", "--rows", "3")

    lines = ended.text.splitlines()
    assert lines[0] == "Fix the login form"
    assert f"  session     {ID}" in lines
    assert "  status      Completed — a reply" in lines
    assert "message 28" in ended.text
    assert "message 27" not in ended.text
    assert "Bash (completed)  ls" in ended.text
    assert "… 3,010 more characters" in ended.text


def test_show_tells_what_the_tokens_cost(call: Caller) -> None:
    session = make_session(id=ID, with_main_run=True)
    run = session.runs.get()
    assert "  cost  " not in call("show", str(ID)).text
    make_usage(run, "gpt-9", input_tokens=7)
    assert "  cost        no price is known for gpt-9\n" in call("show", str(ID)).text

    make_usage(run, "claude-sonnet-4-5", output_tokens=80_000)

    (line,) = [line for line in call("show", str(ID)).text.splitlines() if line.startswith("  cost")]
    assert line.startswith("  cost        ≥ $1.20 at list prices of 20")
    assert line.endswith("; no price is known for gpt-9")
    document = call("show", str(ID), "--json").document
    expected = {"usd": "1.2", "is_complete": False, "unknown_models": ["gpt-9"]}
    assert document["session"]["cost"] == document["runs"][0]["cost"] == expected
    assert call("list", "--json").document["sessions"][0]["cost"] == expected


def test_show_says_which_messages_the_agent_hides(call: Caller) -> None:
    session = make_session(id=ID, with_main_run=True)
    make_message(session, "Old.", is_hidden=True)
    make_message(session, "New.")

    heads = [line.split("  ")[-1] for line in call("show", str(ID)).text.splitlines() if "  #" in line]

    assert heads == ["user, hidden by the agent", "user"]


def test_show_as_json_has_whole_rows_runs_and_terminals(call: Caller) -> None:
    session = make_session(id=ID, with_main_run=True)
    make_run(session, parent=session.runs.get())
    make_message(session, "long " * 3000)
    make_terminal(session)

    document = call("show", str(ID), "--json").document

    assert document["session"]["id"] == str(ID)
    assert [run["kind"] for run in document["runs"]] == ["main", "subagent"]
    assert len(document["terminals"]) == 1
    assert document["rows"][0]["text"] == "long " * 3000


def test_show_tells_a_terminals_facts(call: Caller) -> None:
    terminal = make_terminal(output=b"hello", id=ID)

    assert f"  terminal    {ID}" in call("show", "make test").text
    assert call("show", str(terminal.pk), "--json").document["terminal"]["size"] == 5


def test_a_start_that_nobody_recorded_is_told_as_the_files_time(call: Caller) -> None:
    terminal = make_terminal(id=ID, is_start_known=False)

    assert (
        "  started     not recorded; time of the file: 2026-03-01 12:00:00 UTC" in call("show", str(ID)).text
    )
    assert f"  file {relative_time(START_MS, now_ms=now_ms())}" in call("list", "--terminals").text
    assert call("show", str(terminal.pk), "--json").document["terminal"]["is_start_known"] is False


def test_several_of_a_name_are_listed_and_refused(call: Caller) -> None:
    make_session(id=ID, title="Twin")
    other = make_session(title="Twin")

    ended = call("show", "Twin", "--json")

    assert (ended.status, ended.raw) == (2, b"")
    assert str(ID) in ended.errors
    assert str(other.pk) in ended.errors


@pytest.mark.parametrize(
    "command", [["list"], ["list", "--terminals"], ["show", str(ID)], ["search", "evil"]]
)
def test_nothing_that_an_agent_wrote_acts_on_the_terminal(call: Caller, command: list[str]) -> None:
    make_words(f"evil {EVIL}")
    session = make_session(
        id=ID, with_main_run=True, title=EVIL, first_prompt=EVIL, cwd=EVIL, branch=EVIL, model=EVIL,
        status_evidence=EVIL, agent_version="\x1b[2J", project=make_project(path=f"/srv/{EVIL}", name=EVIL),
    )  # fmt: skip
    make_message(session, EVIL)
    make_tool_call(session, name="\x1b[2J", title=EVIL, output=EVIL)
    make_terminal(title=EVIL, command=EVIL, last_line=EVIL)

    shown = call(*command).text

    assert "evil" in shown
    assert not set(shown) & {"\x1b", "\x07", "\u202e"}


def test_search_finds_the_place_and_marks_what_was_looked_for(call: Caller) -> None:
    make_words("the marmalade is in the cupboard")

    ended = call("search", "marmalade")
    assert "#1  2026-03-01 12:00:01 UTC  User  · Kitchen\n" in ended.text
    assert "    the marmalade is in the cupboard\n" in ended.text
    document = call("search", "marmalade", "kind:message", "--json").document
    assert [piece for piece in document["hits"][0]["excerpt"] if piece["is_match"]] == [
        {"text": "marmalade", "is_match": True}
    ]
    assert document["is_partial"] is False


def test_search_finds_the_moment_of_a_line_in_a_terminal(call: Caller) -> None:
    terminal = make_terminal(title=EVIL)
    shown(terminal, Line(40, 2_500_001, "marmalade \u202e spread"))

    ended = call("search", "marmalade")
    assert f"{terminal.pk.hex[-8:]}  00:00:02.501  2026-03-01 12:00:02 UTC" in ended.text
    assert not set(ended.text) & {"\x1b", "\x07", "\u202e"}
    (hit,) = call("search", "marmalade", "kind:terminal", "--json").document["hits"]
    assert hit["moment"] == {"offset": 40, "at_us": 2_500_001, "others": 0}
    assert (hit["object"], hit["session"]) == (str(terminal.pk), None)


def test_search_goes_on_from_a_cursor(call: Caller) -> None:
    make_words("marmalade one")
    make_words("marmalade two")

    first = call("search", "marmalade", "--limit", "1", "--json").document
    second = call("search", "marmalade", "--limit", "1", "--cursor", first["next"], "--json").document

    hits = [answer["hits"][0]["session"] for answer in (first, second)]
    assert len(set(hits)) == 2


@pytest.mark.parametrize("query", ["kind:nonsense word", "after:yesterday word"])
def test_a_query_that_cannot_be_read_is_refused(call: Caller, query: str) -> None:
    ended = call("search", query)

    assert ended.status == 2
    assert ended.errors.startswith("scrollback: ")


def test_a_search_in_vain_prints_nothing_on_standard_output(call: Caller) -> None:
    assert call("search", "nowhere").raw == b""
    assert call("search", "nowhere", "--json").document == {
        "hits": [],
        "next": None,
        "is_partial": False,
        "more_in": [],
    }


def test_stats_count_rows_and_bytes_of_each_kind(call: Caller) -> None:
    session = make_session(with_main_run=True, title="Big")
    make_message(session, "y" * 50_000)
    make_source(session, b'{"a": 1}\n' * 1000)
    make_terminal(output=b"z" * 700)

    document = call("stats", "--json").document

    kinds = document["kinds"]
    assert kinds["messages"]["rows"] == 1
    assert kinds["raw_lines"]["content_bytes"] == 9_000
    assert kinds["blobs"]["content_bytes"] == 50_000
    assert kinds["terminals"]["content_bytes"] == 700
    assert all(kind["disk_bytes"] for kind in kinds.values())
    assert sum(kind["disk_bytes"] for kind in kinds.values()) < document["database_bytes"]
    assert document["biggest_sessions"] == [{"id": str(session.pk), "heading": "Big", "source_bytes": 9_000}]
    assert document["is_partial"] is False
    assert "messages                 1" in call("stats").text


def test_stats_stop_when_the_time_is_up(call: Caller) -> None:
    ended = call("stats", "--seconds", "0", "--json")

    assert ended.status == 0
    assert ended.document["is_partial"] is True
    assert ended.document["kinds"]["messages"]["rows"] is None
