"""The API says of each thing what its page shows."""

import json
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from sessions_app import filters, touched_files
from sessions_app.actions.people import disable_person
from sessions_app.actions.read_marks import mark_all_read
from sessions_app.actions.tokens import create_token, ensure_agent_token, revoke_token
from sessions_app.actors import actor_of
from sessions_app.models import (
    AgentSession,
    ApiToken,
    MessageKind,
    MessageRole,
    Role,
    SavedView,
    Scope,
    SourceState,
    ToolCall,
    ToolCallStatus,
    ToolKind,
)
from sessions_app.models.blob import sha256_of
from sessions_app.token_text import parse_token
from tests.factories import (
    START_MS,
    make_message,
    make_person,
    make_project,
    make_read_mark,
    make_run,
    make_saved_view,
    make_session,
    make_source,
    make_star,
    make_tag,
    make_tool_call,
    signed_in,
)
from tests.sessions_app.api.client import Api, problem_of

pytestmark = pytest.mark.django_db


def queries_of(api: Api, path: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert api.get(path).status_code == 200
    return len(captured)


def marks(item: dict[str, Any]) -> tuple[bool, bool]:
    return item["is_unread"], item["is_starred"]


def marks_in_list(client: Client) -> dict[str, tuple[bool, bool]]:
    """{title: (unread, starred)} as the page of sessions shows them."""
    page = client.get("/sessions/")
    found = {entry.session.title: (entry.is_unread, entry.is_starred) for entry in page.context["entries"]}
    assert page.content.decode().count("data-unread") == sum(unread for unread, _ in found.values())
    return found


def test_what_is_unread_and_starred_is_as_on_the_page_of_the_tokens_owner() -> None:
    api, other = Api(), Api()
    make_read_mark(api.person, make_session(title="seen", last_seq=4), 4)
    make_read_mark(api.person, make_session(title="went on", last_seq=5), 4)
    make_star(api.person, make_session(title="starred"))
    make_star(other.person, make_session(title="another's star"))

    def said(asking: Api, **query: str) -> dict[str, tuple[bool, bool]]:
        items = asking.read("sessions", "list_sessions", **query)["items"]
        for item in items:
            assert marks(asking.read(f"sessions/{item['id']}", "show_session")) == marks(item)
            named = asking.read("sessions/named", "show_named_session", name=item["title"])
            assert marks(named) == marks(item)
        return {item["title"]: marks(item) for item in items}

    mine = said(api)
    assert mine == {
        "seen": (False, False),
        "went on": (True, False),
        "starred": (True, True),
        "another's star": (True, False),
    }
    assert mine == marks_in_list(signed_in(api.person))
    assert said(api, unread="1") == {title: both for title, both in mine.items() if both[0]}
    assert said(api, starred="1") == {title: both for title, both in mine.items() if both[1]}
    theirs = said(other)
    assert theirs == marks_in_list(signed_in(other.person))
    assert (theirs["seen"], theirs["another's star"]) == ((True, False), (True, True))
    mark_all_read(api.person)
    assert [title for title, both in said(api).items() if both[0]] == []


def test_to_who_keeps_no_marks_nothing_is_unread() -> None:
    make_session()
    auditor = signed_in(make_person(Role.AUDITOR))
    of_recorders = Api(make_person(is_system=True), [Scope.WRITE])
    for client in (auditor, of_recorders.client):
        (item,) = client.get("/api/v1/sessions").json()["items"]
        assert marks(item) == (False, False)
        assert client.get("/api/v1/sessions?unread=1").json()["items"] == []
    assert list(marks_in_list(auditor).values()) == [(False, False)]
    assert auditor.get("/sessions/?unread=1").context["entries"] == []


def test_a_source_has_the_hash_that_its_tab_shows() -> None:
    session = make_session()
    lines = b'{"type":"user"}\n'
    make_source(session, lines, sha256=sha256_of(lines), sha256_size=len(lines))
    make_source(None, lines, sha256=sha256_of(lines), sha256_size=len(lines))
    api = Api()
    (item,) = api.read(f"sessions/{session.pk}/sources", "list_sources_of_session")["items"]
    page = signed_in(api.person).get(f"/sessions/{session.pk}/raw/").content.decode()
    assert f"SHA-256 of the first {item['sha256_size']} bytes: {item['sha256']}" in page
    (alone,) = api.read("sources", "list_sources")["items"]
    assert (alone["sha256"], alone["sha256_size"], alone["deleted_ms"]) == (
        sha256_of(lines),
        len(lines),
        None,
    )


def test_a_source_that_is_gone_says_since_when_as_the_head_of_its_session() -> None:
    session = make_session()
    make_source(session, state=SourceState.DELETED, deleted_ms=START_MS + 7)
    api = Api()
    (item,) = api.read(f"sessions/{session.pk}/sources", "list_sources_of_session")["items"]
    (loss,) = signed_in(api.person).get(f"/sessions/{session.pk}/raw/").context["losses"]
    assert (item["state"], item["deleted_ms"]) == ("deleted", loss.at_ms) == ("deleted", START_MS + 7)


def edit(session: AgentSession, path: str, **fields: Any) -> ToolCall:
    return make_tool_call(
        session, "Edit", kind=ToolKind.EDIT, input=json.dumps({"file_path": path}), **fields
    )


def test_the_files_of_a_session_are_those_of_its_tab(monkeypatch: pytest.MonkeyPatch) -> None:
    session = make_session(with_main_run=True)
    child = make_run(session, parent=session.runs.get())
    edit(session, "/old.py")
    edit(session, "/a.py", status=ToolCallStatus.FAILED)
    last = {"/b.py": edit(session, "/b.py", run=child), "/a.py": edit(session, "/a.py")}
    make_tool_call(session, input='{"file_path": "/not-an-edit"}')
    patch = "*** Begin Patch\n*** Add File: /long.py\n" + "+x\n" * 5_000
    last["/long.py"] = make_tool_call(session, "apply_patch", kind=ToolKind.EDIT, input=patch)
    monkeypatch.setattr(touched_files, "MAX_CALLS", 4)
    api = Api()

    answer = api.read(f"sessions/{session.pk}/files", "show_files")
    assert answer["items"] == [
        {
            "path": path,
            "edit_count": edits,
            "failed_edit_count": failed,
            "last": {
                "call": str(last[path].pk),
                "run": str(last[path].run_id),
                "seq": last[path].seq,
                "at_ms": last[path].at_ms,
            },
        }
        for path, edits, failed in (("/long.py", 1, 0), ("/a.py", 2, 1), ("/b.py", 1, 0))
    ]
    page = signed_in(api.person).get(f"/sessions/{session.pk}/files/")
    for item in answer["items"]:
        place = f"?run={item['last']['run']}&amp;at={item['last']['seq']}#seq-{item['last']['seq']}"
        assert f'title="{item["path"]}" href="/sessions/{session.pk}/{place}"' in page.content.decode()
    touched = page.context["touched"]
    assert [item["path"] for item in answer["items"]] == [file.path for file in touched.files]
    assert (answer["call_count"], answer["cut_call_count"], answer["is_partial"]) == (4, 1, True)
    assert (touched.calls, touched.cut, touched.more) == (4, 1, True)


def test_files_cost_the_same_queries_however_many_edits() -> None:
    session = make_session(with_main_run=True)
    api, counts = Api(), []
    api.get("sessions")
    for _ in range(2):
        for number in range(4):
            edit(session, f"/{number}.py")
        counts.append(queries_of(api, f"sessions/{session.pk}/files"))
    assert counts[0] == counts[1]


def test_saved_views_are_ones_own_and_lead_where_the_page_leads() -> None:
    api, other = Api(), Api()
    make_saved_view(api.person, name="Failed", query="status=failed")
    make_saved_view(api.person, name="All")
    make_saved_view(api.person, page="audit", name="Tokens", query="q=action%3Atoken.*")
    make_saved_view(other.person, name="Not mine")
    SavedView.objects.filter(name="All").update(query="")

    first = api.read("views", "list_views", limit=2)
    items = [*first["items"], *api.read("views", "list_views", limit=2, cursor=first["next"])["items"]]
    assert [item["name"] for item in items] == ["Tokens", "All", "Failed"]
    page = signed_in(api.person).get("/settings/views/").content.decode()
    for item in items:
        address = f"/{item['page']}/" + (f"?{item['query']}" if item["query"] else "")
        assert f'href="{address}">{item["name"]}</a>' in page
    assert [item["name"] for item in other.read("views", "list_views")["items"]] == ["Not mine"]


def facets_on_page(client: Client, **query: str) -> dict[str, list[tuple[str, str, str, bool]]]:
    return {
        facet.name: [(value.value, value.label, value.count_text, value.is_active) for value in facet.values]
        for facet in client.get("/sessions/facets/", query).context["facets"]
    }


@pytest.mark.parametrize(
    "query", [{}, {"agent": "codex"}, {"starred": "1"}, {"unread": "1", "tag": "later"}, {"show": "all"}]
)
def test_facets_have_the_numbers_of_the_page(query: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filters, "COUNT_LIMIT", 2)
    api = Api()
    project = make_project(name="shop")
    for number, agent in enumerate(("codex", "codex", "codex", "claude-code")):
        session = make_session(agent=agent, project=project if number else None, last_seq=1)
        make_tag(session, "later" if number else "never")
    make_star(api.person, session)
    make_read_mark(api.person, session, 1)
    make_session(agent="codex", archived_ms=START_MS)
    make_session(agent="codex", deleted_ms=START_MS)

    answer = api.read("sessions/facets", "show_session_facets", **query)
    said = {
        facet["name"]: [
            (value["value"], value["label"], f"{value['count']}{'+' * value['has_more']}", value["is_active"])
            for value in facet["values"]
        ]
        for facet in answer["items"]
    }
    assert said == facets_on_page(signed_in(api.person), **query)
    if not query:
        assert said == {
            "status": [("completed", "Completed", "2+", False)],
            "agent": [("claude-code", "claude-code", "1", False), ("codex", "codex", "2+", False)],
            "project": [(str(project.pk), "shop", "2+", False)],
            "tag": [("later", "later", "2+", False), ("never", "never", "1", False)],
        }
    for facet in answer["items"]:
        for value in facet["values"]:
            left = api.read("sessions", "list_sessions", **{**query, facet["name"]: value["value"]})["items"]
            assert (min(len(left), 2), len(left) > 2) == (value["count"], value["has_more"])


def test_facets_cost_the_same_queries_however_many_sessions() -> None:
    api, counts = Api(), []
    api.get("sessions")
    project = make_project()
    for _ in range(2):
        for _ in range(3):
            make_tag(make_session(project=project), "later")
        counts.append(queries_of(api, "sessions/facets"))
    assert counts[0] == counts[1]


@pytest.mark.parametrize(
    "query", [{"limit": "1"}, {"cursor": "x"}, {"show": "trash"}, {"status": "sleeping"}]
)
def test_facets_take_the_filters_of_the_list_alone(query: dict[str, str]) -> None:
    assert problem_of(Api().get("sessions/facets", **query)) == (400, "/problems/bad-request")


def test_people_are_told_to_who_administers_them_as_on_the_page() -> None:
    api = Api(scopes=[Scope.ADMIN])
    ensure_agent_token()
    viewer = make_person(Role.VIEWER, username="ben", display_name="Ben")
    for _ in range(2):
        token, _ = create_token(viewer, "ci", [Scope.READ], actor=actor_of(viewer))
    revoke_token(token, actor=actor_of(viewer))
    disable_person(make_person(Role.AUDITOR).pk, actor=actor_of(api.person))
    client = signed_in(api.person)

    first = api.read("people", "list_people", limit=2)
    items = [*first["items"], *api.read("people", "list_people", limit=2, cursor=first["next"])["items"]]
    shown = client.get("/settings/people/").context["people"]
    assert {item["id"]: item for item in items} == {
        str(person.pk): {
            "id": str(person.pk),
            "username": person.username,
            "display_name": person.display_name,
            "role": person.role,
            "is_active": person.is_active,
            "token_count": person.token_count,
            "created_ms": person.created_ms,
            "last_login_ms": person.last_login_ms,
        }
        for person in shown
    }
    assert [(item["role"], item["is_active"], item["token_count"]) for item in items] == [
        ("auditor", False, 0),
        ("viewer", True, 1),
        ("operator", True, 1),
    ]
    assert problem_of(Api(api.person, [Scope.READ]).get("people")) == (403, "/problems/forbidden")
    assert problem_of(Api(viewer, [Scope.READ]).get("people")) == (403, "/problems/forbidden")


def test_tokens_are_told_as_on_the_page_and_never_their_secret() -> None:
    api, other = Api(scopes=[Scope.ADMIN]), Api(make_person(Role.VIEWER))
    ensure_agent_token()
    expired, text = create_token(api.person, "old", [Scope.READ], actor=actor_of(api.person))
    ApiToken.objects.filter(pk=expired.pk).update(expires_ms=1)
    revoked, _ = create_token(api.person, "gone", [Scope.READ], actor=actor_of(api.person))
    revoke_token(revoked, actor=actor_of(api.person))
    orphan = Api(make_person(Role.VIEWER))
    disable_person(orphan.person.pk, actor=actor_of(api.person))

    def said(asking: Api) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = asking.read("tokens", "list_tokens")["items"]
        return items

    everybodys = said(api)
    page = signed_in(api.person).get("/settings/tokens/")
    shown = page.context["tokens"]
    assert [item["id"] for item in everybodys] == [str(token.pk) for token in shown]
    words = {
        "": "Good",
        "revoked token": "Revoked",
        "expired token": "Expired",
        "disabled owner": "Owner disabled",
    }
    drawn = page.content.decode().split("data-row data-id=")[1:]
    for item, row in zip(everybodys, drawn, strict=True):
        assert f"sbk_{item['prefix']}_…" in row
        assert f">{item['name']}<" in row
        assert words[item["why_unusable"]] in row
    assert {item["why_unusable"] for item in everybodys} == set(words)
    assert {item["owner"] for item in everybodys} >= {"local:recorder", other.person.username}

    # A token never may more than its scopes: without `admin` it is told of its owner's alone.
    reading = Api(api.person, [Scope.READ])
    mine = {str(token.pk) for token in api.person.tokens.all()}
    assert {item["id"] for item in said(reading)} == mine
    assert {item["id"] for item in said(other)} == {str(other.token.pk)}
    whole = reading.get("tokens").content.decode()
    for known in ApiToken.objects.all():
        assert known.secret_sha256 not in whole
    for each in (text, reading.text):
        parts = parse_token(each)
        assert parts is not None
        assert parts.secret not in whole


@pytest.mark.parametrize("path", ["people", "tokens", "views"])
def test_lists_of_the_settings_cost_the_same_queries_however_long(path: str) -> None:
    api, counts = Api(scopes=[Scope.ADMIN]), []
    api.get("sessions")
    for _ in range(2):
        for _ in range(3):
            person = make_person(Role.VIEWER)
            create_token(person, "ci", [Scope.READ], actor=actor_of(person))
            make_saved_view(api.person)
        counts.append(queries_of(api, path))
    assert counts[0] == counts[1]


def test_prompts_are_those_of_the_outline() -> None:
    session = make_session(with_main_run=True)
    main = session.runs.get()
    child = make_run(session, parent=main)
    asked = [make_message(session, f"Step {number}") for number in range(3)]
    make_message(session, "Done.", role=MessageRole.ASSISTANT)
    asked.append(make_message(session, "/compact", kind=MessageKind.COMMAND))
    of_child = make_message(session, "é" * 9_000, run=child)
    api, path = Api(), f"sessions/{session.pk}/prompts"

    first = api.read(path, "list_prompts", limit=3)
    items = [*first["items"], *api.read(path, "list_prompts", limit=3, cursor=first["next"])["items"]]
    assert [item["seq"] for item in items] == [row.seq for row in (of_child, *reversed(asked))]
    assert (items[0]["text"]["size"], items[0]["run"]) == (18_000, str(child.pk))
    assert [(item["kind"], item["text"]["text"]) for item in items[1:3]] == [
        ("command", "/compact"),
        ("prompt", "Step 2"),
    ]
    browser = signed_in(api.person)
    for run in (main, child):
        outline = browser.get(f"/sessions/{session.pk}/outline/?run={run.pk}").context["prompts"]
        said = api.read(path, "list_prompts", run=run.pk)["items"]
        assert [item["seq"] for item in said] == [row.seq for row in reversed(outline)]
    assert api.read(path, "list_prompts", run=make_run(make_session()).pk)["items"] == []


def test_prompts_cost_the_same_queries_however_many() -> None:
    session = make_session(with_main_run=True)
    api, counts = Api(), []
    api.get("sessions")
    for _ in range(2):
        for number in range(3):
            make_message(session, f"Step {number}")
        counts.append(queries_of(api, f"sessions/{session.pk}/prompts"))
    assert counts[0] == counts[1]
