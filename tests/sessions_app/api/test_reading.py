"""What the API says is what stands in the database."""

import json

import pytest

from sessions_app.models import AgentSession, Scope, SkippedLine, Source, Status
from tests.factories import (
    START_MS,
    make_blob,
    make_event,
    make_message,
    make_note,
    make_person,
    make_project,
    make_read_mark,
    make_run,
    make_session,
    make_source,
    make_star,
    make_tag,
    make_terminal,
    make_tool_call,
    make_usage,
)
from tests.sessions_app.api.client import Api, problem_of

pytestmark = pytest.mark.django_db


def test_sessions_are_listed_with_what_their_page_shows() -> None:
    session = make_session(
        project=make_project(name="shop"), with_main_run=True, input_tokens=5, total_tokens=12
    )
    make_message(session)
    make_tag(session, "login")
    (item,) = Api().read("sessions", "list_sessions")["items"]
    assert item["id"] == str(session.pk)
    assert item["project"]["name"] == "shop"
    assert item["tags"] == ["login"]
    assert item["tokens"] == {"input": 5, "output": 0, "cache_read": 0, "cache_write": 0, "total": 12}
    assert (item["message_count"], item["run_count"], item["last_seq"]) == (1, 1, 1)


def test_sessions_and_runs_tell_what_they_cost() -> None:
    session = make_session()
    run = make_run(session)
    api = Api()
    nothing: dict[str, object] = {"usd": None, "is_complete": False, "unknown_models": []}
    assert api.read(f"sessions/{session.pk}", "show_session")["cost"] == nothing
    make_usage(run, "claude-sonnet-4-5", input_tokens=12_345)
    whole = {"usd": "0.037035", "is_complete": True, "unknown_models": []}
    assert api.read(f"runs/{run.pk}", "show_run")["cost"] == whole

    make_usage(run, "gpt-9", input_tokens=1)

    partly = {"usd": "0.037035", "is_complete": False, "unknown_models": ["gpt-9"]}
    assert api.read(f"sessions/{session.pk}", "show_session")["cost"] == partly
    assert api.read("sessions", "list_sessions")["items"][0]["cost"] == partly
    assert api.read("runs", "list_runs")["items"][0]["cost"] == partly
    assert api.read(f"sessions/{session.pk}/runs", "list_runs_of_session")["items"][0]["cost"] == partly


def test_pages_of_sessions_join_without_gap_or_repeat() -> None:
    made = [str(make_session(started_ms=START_MS + n // 3).pk) for n in range(11)]
    api = Api()
    found: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = api.read("sessions", "list_sessions", limit=4, **cursor)
        found += [item["id"] for item in page["items"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert sorted(found) == sorted(made)
    assert len(found) == 11


def test_sessions_are_filtered_as_on_the_page() -> None:
    failed = make_session(status=Status.FAILED, agent="codex")
    other = make_session(project=make_project())
    archived = make_session(archived_ms=START_MS)
    make_tag(other, "login")
    api = Api()
    make_star(api.person, failed)

    def ids(**query: str) -> set[str]:
        return {item["id"] for item in api.read("sessions", "list_sessions", **query)["items"]}

    assert ids(status="failed") == {str(failed.pk)} == ids(agent="codex") == ids(starred="1")
    assert ids(tag="login") == {str(other.pk)} == ids(project=str(other.project_id))
    assert ids() == {str(failed.pk), str(other.pk)}
    assert ids(show="archived") == {str(archived.pk)}
    assert len(ids(show="all")) == 3


def test_deleted_sessions_are_nowhere() -> None:
    session = make_session(with_main_run=True, deleted_ms=START_MS)
    run = session.runs.get()
    terminal = make_terminal(session)
    api = Api()
    assert api.read("sessions")["items"] == api.read("runs")["items"] == api.read("terminals")["items"] == []
    paths = [
        f"sessions/{session.pk}{rest}"
        for rest in ("", "/timeline", "/runs", "/sources", "/files", "/prompts")
    ]
    paths += [f"runs/{run.pk}", f"terminals/{terminal.pk}", f"terminals/{terminal.pk}/output"]
    for path in paths:
        assert problem_of(api.get(path)) == (404, "/problems/not-found"), path


def test_the_timeline_is_read_forwards_backwards_and_by_run() -> None:
    session = make_session(with_main_run=True)
    main = session.runs.get()
    child = make_run(session, parent=main)
    for number in range(4):
        message = make_message(session, f"message {number}")
        make_tool_call(session, message=message)
        make_event(session)
    make_message(session, "of the child", run=child)
    api, path = Api(), f"sessions/{session.pk}/timeline"

    def places(**query: object) -> tuple[list[int], int | None]:
        page = api.read(path, "show_timeline", **query)
        assert page["last_seq"] == 13
        return [item["seq"] for item in page["items"]], page["next"]

    assert places(limit=5) == ([1, 2, 3, 4, 5], 5)
    assert places(limit=5, after=5) == ([6, 7, 8, 9, 10], 10)
    assert places(limit=5, after=10) == ([11, 12, 13], None)
    assert places(limit=5, before=14) == ([9, 10, 11, 12, 13], 9)
    assert places(limit=5, before=9) == ([4, 5, 6, 7, 8], 4)
    assert places(limit=5, before=4) == ([1, 2, 3], None)
    assert places(run=child.pk) == ([13], None)
    assert places(after=13) == ([], None)
    assert problem_of(api.get(path, after=1, before=2)) == (400, "/problems/bad-request")
    kinds = [item["type"] for item in api.read(path, limit=3)["items"]]
    assert kinds == ["message", "tool_call", "event"]


def test_a_long_text_is_cut_and_its_whole_is_a_blob() -> None:
    session = make_session(with_main_run=True)
    make_message(session, "é" * 9_000)
    api = Api()
    (item,) = api.read(f"sessions/{session.pk}/timeline", "show_timeline")["items"]
    assert len(item["text"]["text"]) < 9_000
    assert item["text"]["size"] == 18_000
    answer = api.get(f"blobs/{item['text']['blob']}")
    assert answer.content.decode() == "é" * 9_000
    assert answer["Content-Type"] == "application/octet-stream"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Content-Disposition"].startswith("attachment")


def test_attachments_name_their_blobs() -> None:
    session = make_session(with_main_run=True)
    blob = make_blob(b"\x89PNG")
    attachment = {"sha256": blob.sha256, "media_type": "image/png", "size": 4, "name": "screen.png"}
    make_message(session, attachments=[attachment])
    (item,) = Api().read(f"sessions/{session.pk}/timeline", "show_timeline")["items"]
    assert item["attachments"] == [attachment]


def test_a_run_is_listed_without_and_shown_with_what_it_was_asked() -> None:
    session = make_session()
    run = make_run(session, input="Look at it", input_size=10, output="Done", output_size=4, error="none")
    api = Api()
    (item,) = api.read(f"sessions/{session.pk}/runs", "list_runs_of_session")["items"]
    assert "input" not in item
    assert api.read("runs", "list_runs", session=session.pk)["items"] == [item]
    assert api.read("runs", "list_runs", kind="subagent")["items"] == []
    shown = api.read(f"runs/{run.pk}", "show_run")
    assert shown["input"] == {"text": "Look at it", "size": 10, "blob": None}
    assert shown["error"] == "none"


def test_sources_are_listed() -> None:
    session = make_session()
    source = make_source(session)
    (item,) = Api().read(f"sessions/{session.pk}/sources", "list_sources_of_session")["items"]
    assert item["path"] == source.path
    assert item["state"] == "live"


def test_the_output_of_a_terminal_is_read_by_offset() -> None:
    terminal = make_terminal(make_session(), b"0123456789")
    api = Api()
    assert api.read("terminals", "list_terminals", state="live")["items"][0]["size"] == 10
    assert api.read("terminals", "list_terminals", state="ended")["items"] == []
    assert api.read(f"terminals/{terminal.pk}", "show_terminal")["command"] == '["make", "test"]'
    path = f"terminals/{terminal.pk}/output"
    read = b""
    while len(read) < 10:
        answer = api.get(path, offset=len(read), limit=4)
        read += answer.content
        assert answer["Scrollback-Next-Offset"] == str(len(read))
        assert answer["Scrollback-Size"] == "10"
    assert read == b"0123456789"
    assert api.get(path, offset=2**62).content == b""


def test_projects_and_tags_are_listed() -> None:
    project = make_project()
    make_tag(make_session(project=project), "login")
    api = Api()
    assert api.read("projects", "list_projects")["items"][0]["path"] == project.path
    assert api.read("tags", "list_tags")["items"][0]["name"] == "login"


def test_a_search_without_words_finds_nothing_and_a_broken_one_is_refused() -> None:
    api = Api()
    assert api.read("search", "search", q="")["items"] == []
    assert problem_of(api.get("search", q="kind:nonsense word")) == (400, "/problems/bad-request")
    assert problem_of(api.get("search")) == (400, "/problems/bad-request")


@pytest.mark.parametrize(
    "path, query",
    [
        ("sessions", {"colour": "red"}),
        ("sessions", {"limit": "0"}),
        ("sessions", {"limit": "many"}),
        ("sessions", {"limit": "201"}),
        ("sessions", {"cursor": "nonsense"}),
        ("sessions", {"cursor": "WyJhIl0"}),
        ("sessions", {"cursor": ""}),
        ("runs", {"cursor": "nonsense"}),
        ("terminals", {"cursor": "nonsense"}),
        ("search", {"q": "needle", "cursor": "nonsense"}),
        ("search", {"q": "needle", "cursor": "WyJhIl0"}),
        ("search", {"q": "needle", "cursor": "WyI1Il0"}),
        ("sessions", {"status": "sleeping"}),
        ("sessions", {"project": "shop"}),
        ("sessions", {"q": "a\x00b"}),
        ("sessions", {"q": "x" * 301}),
        ("sessions", {"show": "trash"}),
        ("sessions", {"limit": ["1", "2"]}),
        ("sessions", {"access_token": "sbk_x"}),
        ("terminals", {"session": "1"}),
        ("openapi.json", {"pretty": "1"}),
    ],
)
def test_a_query_that_means_nothing_is_refused(path: str, query: dict[str, str]) -> None:
    assert problem_of(Api().get(path, **query)) == (400, "/problems/bad-request")


@pytest.mark.parametrize("path", ["", "nothing", "sessions/", "sessions/1", "blobs/zz", f"blobs/{'0' * 64}"])
def test_an_address_that_is_not_there_is_a_problem_document(path: str) -> None:
    assert problem_of(Api().get(path)) == (404, "/problems/not-found")


def test_a_head_request_has_the_headers_only() -> None:
    make_session()
    api = Api()
    whole = api.get("sessions")
    head = api.client.head("/api/v1/sessions")
    assert head.status_code == 200
    assert head.content == b""
    assert head["Content-Type"] == whole["Content-Type"]


def test_the_description_lists_every_path_and_is_open_to_readers_only() -> None:
    api = Api()
    description = api.read("openapi.json", "show_openapi")
    assert description["openapi"] == "3.1.0"
    assert "/sessions/{session_id}/timeline" in description["paths"]
    person = make_person("auditor")
    assert problem_of(Api(person, [Scope.AUDIT]).get("openapi.json")) == (403, "/problems/forbidden")


def test_a_list_costs_the_same_number_of_queries_however_long(django_assert_num_queries: object) -> None:
    api = Api()
    api.get("sessions")
    counts = []
    for _ in range(2):
        for number in range(5):
            session = make_session(project=make_project(), with_main_run=True)
            make_usage(session.runs.get(), output_tokens=number)
            make_tag(session, f"tag {number}")
            make_star(api.person, session)
            make_read_mark(api.person, session, 1)
        counts.append(queries_of(api))
    assert counts[0] == counts[1]
    assert AgentSession.objects.count() == 10


def queries_of(api: Api) -> int:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as captured:
        json.loads(api.get("sessions").content)
    return len(captured)


def test_the_lines_of_a_source_are_given_as_they_were_written() -> None:
    session = make_session()
    source = make_source(session, b'{"a": 1}\n\xff broken\n{"c": 3}\n')
    SkippedLine.objects.create(source=source, line=2, offset=9, size=9, reason="not valid JSON")
    Source.objects.filter(pk=source.pk).update(tail=b'{"half')
    api, path = Api(), f"sessions/{session.pk}/sources/{source.pk}/lines"

    page = api.read(path, "list_lines", limit=2)
    assert [(item["number"], item["offset"], item["reason"]) for item in page["items"]] == [
        (1, 0, ""),
        (2, 9, "not valid JSON"),
    ]
    assert (page["next"], page["unfinished_size"]) == (3, 6)
    assert [item["text"] for item in api.read(path, "list_lines", line=3)["items"]] == ['{"c": 3}']
    assert api.get(f"{path}/2").content == b"\xff broken\n"
    assert problem_of(api.get(f"{path}/4"))[0] == 404
    assert problem_of(api.get(f"sessions/{make_session().pk}/sources/{source.pk}/lines"))[0] == 404


def test_files_that_gave_no_session_are_listed_with_their_lines() -> None:
    source = make_source(None, b"\xff broken\n", skipped_line_count=1)
    SkippedLine.objects.create(source=source, line=1, offset=0, size=9, reason="not valid JSON")
    # What is in the trash stays there, whether a session or a terminal was made of the file.
    of_session, of_terminal = make_source(make_session(deleted_ms=START_MS)), make_source(None)
    make_terminal(None, source=of_terminal, deleted_ms=START_MS)
    api = Api()

    (item,) = api.read("sources", "list_sources")["items"]
    assert (item["id"], item["path"], item["skipped_line_count"]) == (str(source.pk), source.path, 1)
    (line,) = api.read(f"sources/{source.pk}/lines", "list_lines_of_source")["items"]
    assert (line["number"], line["reason"]) == (1, "not valid JSON")
    assert api.get(f"sources/{source.pk}/lines/1").content == b"\xff broken\n"
    assert problem_of(api.get(f"sources/{source.pk}/lines/2"))[0] == 404
    for other in (of_session, of_terminal):
        assert problem_of(api.get(f"sources/{other.pk}/lines"))[0] == 404
        assert problem_of(api.get(f"sources/{other.pk}/lines/1"))[0] == 404


def test_notes_are_given_and_deleted_ones_are_not() -> None:
    session = make_session()
    author = make_person()
    note = make_note(author, session, "look again")
    make_note(author, session, "gone", deleted_ms=START_MS)
    (item,) = Api().read(f"sessions/{session.pk}/notes", "list_notes")["items"]
    assert (item["id"], item["text"], item["author"]) == (str(note.pk), "look again", author.username)


def test_the_audit_log_is_read_with_its_own_scope() -> None:
    api = Api(scopes=(Scope.AUDIT,))
    (created,) = api.read("audit/entries", "list_entries", action="token.created")["items"]
    entry = api.read(f"audit/entries/{created['idx']}", "show_entry")
    assert json.loads(entry["body"])["action"] == "token.created"
    indexes = [item["idx"] for item in api.read("audit/entries", "list_entries")["items"]]
    assert indexes == sorted(indexes, reverse=True)
    assert created["idx"] in indexes
    assert problem_of(Api().get("audit/entries"))[0] == 403


def test_a_session_is_read_by_what_it_is_called() -> None:
    session = make_session(title="Fix the login form")
    make_session(title="Twin")
    make_session(title="Twin")
    api = Api()

    for name in (str(session.pk), session.pk.hex[-8:], "Fix the login form"):
        assert api.read("sessions/named", "show_named_session", name=name)["id"] == str(session.pk)
    assert problem_of(api.get("sessions/named", name="nothing")) == (422, "/problems/refused")
    assert problem_of(api.get("sessions/named", name="Twin")) == (422, "/problems/refused")
    assert problem_of(api.get("sessions/named")) == (400, "/problems/bad-request")
