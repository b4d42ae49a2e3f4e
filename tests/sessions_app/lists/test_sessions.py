import re
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.db.models import F
from django.test import Client
from django.test.utils import CaptureQueriesContext

from audit.actors import SYSTEM
from sessions_app import filters, nav_counts
from sessions_app.actions.read_marks import mark_read
from sessions_app.actions.sessions import (
    archive_session,
    delete_session,
    rename_session,
    star_session,
    tag_session,
)
from sessions_app.actions.titles import keep_titles
from sessions_app.actors import actor_of
from sessions_app.models import AgentSession, Person, Project, Role, SavedView, Tag
from sessions_app.session_list import PAGE_ROWS
from tests.factories import (
    START_MS,
    make_person,
    make_project,
    make_read_mark,
    make_replies,
    make_run,
    make_session,
    make_star,
    make_tag,
    make_usage,
    signed_in,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> Person:
    return make_person()


@pytest.fixture
def client(ada: Person) -> Client:
    return signed_in(ada)


def shown(client: Client, query: str = "") -> list[str]:
    response = client.get(f"/sessions/{query}")
    assert response.status_code == 200
    return [entry.session.title for entry in response.context["entries"]]


def named(title: str, **fields: Any) -> AgentSession:
    return make_session(title=title, **fields)


def test_newest_activity_comes_first(client: Client) -> None:
    named("old", last_activity_ms=START_MS)
    named("new", last_activity_ms=START_MS + 2)
    named("between", last_activity_ms=START_MS + 1)

    assert shown(client) == ["new", "between", "old"]


def test_pages_lead_on_and_back(client: Client) -> None:
    for number in range(PAGE_ROWS + 3):
        named(f"{number:03}", last_activity_ms=START_MS + number)
    first = client.get("/sessions/").context
    second = client.get(f"/sessions/{first['pager']['older']}").context

    assert len(first["entries"]) == PAGE_ROWS
    assert first["pager"]["newer"] == ""
    assert [entry.session.title for entry in second["entries"]] == ["002", "001", "000"]
    assert second["pager"]["older"] == ""
    back = client.get(f"/sessions/{second['pager']['newer']}").context
    assert [entry.session.pk for entry in back["entries"]] == [entry.session.pk for entry in first["entries"]]


def test_a_row_that_was_drawn_before_shows_what_changed_since(client: Client, ada: Person) -> None:
    session = named("before", project=make_project(name="the-project"))
    actor = actor_of(ada)

    def row(reader: Client = client) -> str:
        return reader.get("/sessions/").content.decode().partition("<tbody>")[2].partition("</tbody>")[0]

    drawings = [row()]
    changes: list[Callable[[], object]] = [
        lambda: rename_session(session.pk, "after", actor=actor),
        lambda: tag_session(session.pk, "urgent", actor=actor),
        lambda: star_session(session.pk, ada, actor=actor),
        lambda: mark_read(session.pk, 99, ada),
        lambda: AgentSession.objects.filter(pk=session.pk).update(message_count=77),
        lambda: Project.objects.update(name="moved"),
    ]
    for change in changes:
        change()
        drawings.append(row())
    assert len(set(drawings)) == len(drawings)
    assert all(text in drawings[-1] for text in ("after", "urgent", "Starred", "77", "moved"))
    other = row(signed_in(make_person(Role.VIEWER)))
    assert "Starred" not in other
    assert 'name="session"' not in other, "who may change nothing has nothing to select"


def test_a_page_costs_the_same_queries_however_many_rows(client: Client) -> None:
    def cost() -> int:
        # The counts of the rail are kept for a second, which a slow machine may take over a page.
        nav_counts._remembered.clear()
        with CaptureQueriesContext(connection) as queries:
            assert client.get("/sessions/").status_code == 200
        return len(queries)

    named("one", project=make_project()).tags.add(Tag.objects.create(name="first"))
    # The first request of a login writes when it was seen.
    cost()
    # Costs are asked for where there is a row that was not drawn before.
    named("two")
    few = cost()
    for number in range(30):
        session = named(str(number), project=make_project())
        make_usage(make_run(session), output_tokens=number)
        session.tags.add(Tag.objects.create(name=f"tag-{number}"))

    assert cost() == few


def cost_cell(client: Client) -> str:
    (cell,) = re.findall(
        r'data-unit="tokens".*?</td>\s*<td class="number" data-priority="3">(.*?)</td>', shown_page(client)
    )
    return str(cell)


def shown_page(client: Client) -> str:
    return client.get("/sessions/").content.decode()


def test_a_row_tells_the_cost_as_far_as_prices_are_known(client: Client) -> None:
    run = make_run(named("one"))

    def used(model: str, tokens: int) -> None:
        make_usage(run, model, input_tokens=tokens)
        newer()

    def newer() -> None:
        """As an import does; test_usage.py holds that it always does."""
        AgentSession.objects.update(updated_ms=F("updated_ms") + 1)

    assert cost_cell(client) == "\N{EN DASH}"

    used("gpt-9", 5)
    assert cost_cell(client) == '<span title="No price is known for gpt-9">\N{EN DASH}</span>'
    used("claude-sonnet-4-5", 400_123)
    assert cost_cell(client) == '<span title="$1.200369. No price is known for gpt-9">≥ $1.20</span>'
    run.usage.filter(model="gpt-9").delete()
    newer()
    assert cost_cell(client) == '<span title="$1.200369">$1.20</span>'


def test_lists_never_load_bodies(client: Client) -> None:
    named("one", summary="a long summary")
    with CaptureQueriesContext(connection) as queries:
        client.get("/sessions/")

    assert not any('"summary"' in query["sql"] for query in queries)


def test_filters_narrow(client: Client, ada: Person) -> None:
    project = make_project()
    named("codex failed", agent="codex", status="failed", project=project)
    named("codex idle", agent="codex", status="idle")
    named("claude", agent="claude-code", status="idle")
    tagged = named("tagged", agent="goose")
    tagged.tags.add(Tag.objects.create(name="later"))
    make_star(person=ada, session=tagged)

    assert sorted(shown(client, "?agent=codex")) == ["codex failed", "codex idle"]
    assert shown(client, "?agent=codex&status=failed") == ["codex failed"]
    assert shown(client, f"?project={project.pk}") == ["codex failed"]
    assert shown(client, "?tag=later") == ["tagged"]
    assert shown(client, "?starred=1") == ["tagged"]
    assert len(shown(client, "?agent=")) == 4


def test_archived_and_deleted_sessions_are_apart(client: Client) -> None:
    named("listed")
    named("archived", archived_ms=START_MS)
    named("deleted", deleted_ms=START_MS)

    assert shown(client) == ["listed"]
    assert shown(client, "?show=archived") == ["archived"]
    assert shown(client, "?show=trash") == ["deleted"]
    assert sorted(shown(client, "?show=all")) == ["archived", "listed"]


@pytest.mark.parametrize(
    ("show", "words"), [("trash", "The trash is empty"), ("archived", "Nothing is archived")]
)
def test_an_empty_shelf_says_that_it_is_empty(client: Client, show: str, words: str) -> None:
    make_session()
    assert words in client.get("/sessions/", {"show": show}).content.decode()
    filtered = client.get("/sessions/", {"show": show, "agent": "codex"}).content.decode()
    assert "No session matches" in filtered


def test_the_trash_is_shown_to_operators_only() -> None:
    named("deleted", deleted_ms=START_MS)
    for role in (Role.VIEWER, Role.AUDITOR):
        assert shown(signed_in(make_person(role)), "?show=trash") == []


def test_unread_is_what_moved_since_the_person_looked(client: Client, ada: Person) -> None:
    never = named("never opened")
    make_read_mark(person=ada, session=named("seen", last_seq=4), seq=4)
    make_read_mark(person=ada, session=named("went on", last_seq=5), seq=4)

    assert sorted(shown(client, "?unread=1")) == ["never opened", "went on"]
    client.post("/sessions/read/")
    assert shown(client, "?unread=1") == []
    AgentSession.objects.filter(pk=never.pk).update(arrived_ms=2**42, last_activity_ms=2**42, last_seq=1)
    assert shown(client, "?unread=1") == ["never opened"]
    assert len(shown(signed_in(make_person()), "?unread=1")) == 3


def test_that_all_was_read_is_taken_back(client: Client, ada: Person) -> None:
    named("never opened")
    marked = client.post("/sessions/read/", follow=True).content.decode()
    undo = marked.partition('hx-post="')[2].partition('"')[0]
    assert undo == f"/sessions/read/{ada.read_before_ms}/undo/"
    client.post("/sessions/read/")
    assert client.post(undo, headers={"HX-Request": "true"})["HX-Refresh"] == "true"
    assert shown(client, "?unread=1") == ["never opened"]
    assert client.post(f"/sessions/read/{2**62}/undo/").status_code == 400
    assert shown(client, "?unread=1") == ["never opened"], "nothing becomes read by it"


def test_a_history_that_arrives_after_all_was_read_is_unread_however_old_it_is(
    client: Client, ada: Person
) -> None:
    named("there before")
    client.post("/sessions/read/")
    ada.refresh_from_db()
    arrived_ms = ada.read_before_ms + 1
    late = named("of last year", arrived_ms=arrived_ms, updated_ms=arrived_ms)

    assert shown(client, "?unread=1") == ["of last year"]
    page = client.get("/sessions/").content.decode()
    assert page.count("data-unread") == 1
    make_read_mark(person=ada, session=late, seq=late.last_seq)
    assert shown(client, "?unread=1") == []


def test_of_very_many_such_histories_the_last_active_are_listed(
    client: Client, monkeypatch: pytest.MonkeyPatch, ada: Person
) -> None:
    client.post("/sessions/read/")
    ada.refresh_from_db()
    arrived_ms = ada.read_before_ms + 1
    for number in (1, 3, 2):
        named(
            f"old {number}",
            last_activity_ms=START_MS + number,
            arrived_ms=arrived_ms,
            updated_ms=arrived_ms + 5 - number,
        )

    assert shown(client, "?unread=1") == ["old 3", "old 2", "old 1"]
    monkeypatch.setattr("sessions_app.models.session.MOST_LATE", 2)
    assert shown(client, "?unread=1") == ["old 3", "old 2"]
    for number in (1, 2):
        named(f"new {number}", last_activity_ms=arrived_ms + number, arrived_ms=arrived_ms + number)
    assert shown(client, "?unread=1") == ["new 2", "new 1", "old 3", "old 2"]
    named("new 3", last_activity_ms=arrived_ms + 3, arrived_ms=arrived_ms + 3)
    assert shown(client, "?unread=1") == ["new 3", "new 2", "new 1", "old 3", "old 2"]
    assert shown(client, "?unread=1&status=failed") == []


def test_titles_are_searched(client: Client) -> None:
    session = named("Rework the importer")
    named("Something else")
    keep_titles({session.pk: (session.title, session.first_prompt)})

    assert shown(client, "?q=importer") == ["Rework the importer"]
    assert shown(client, "?q=nowhere") == []


@pytest.mark.parametrize(
    "query", ["?status=dead", "?nonsense=1", "?project=7", "?show=everything", "?q=a%00b"]
)
def test_a_filter_that_cannot_be_read_is_refused_with_a_page(client: Client, query: str) -> None:
    response = client.get(f"/sessions/{query}")

    assert response.status_code == 400
    assert "text/html" in response["Content-Type"]


def test_hostile_titles_stay_text(client: Client) -> None:
    named('<script>alert(1)</script>"><img src=x onerror=alert(1)>')

    page = client.get("/sessions/").content.decode()
    assert "<script>alert(1)" not in page
    assert "<img src=x" not in page


def test_facets_count_what_their_links_would_show(client: Client) -> None:
    for status in ("idle", "idle", "failed"):
        named("codex", agent="codex", status=status)
    named("claude", status="idle")

    facets = {facet.name: facet for facet in client.get("/sessions/facets/?agent=codex").context["facets"]}
    assert {value.value: value.count for value in facets["status"].values} == {"idle": 2, "failed": 1}
    assert {value.value: value.count for value in facets["agent"].values} == {"codex": 3, "claude-code": 1}
    (active,) = [value for value in facets["agent"].values if value.is_active]
    assert active.query == ""


def test_tags_are_a_facet_too(client: Client) -> None:
    one, two, _ = named("one"), named("two"), named("three")
    for session, tag in ((one, "later"), (two, "later"), (two, "risky")):
        make_tag(session, tag)

    facets = {facet.name: facet for facet in client.get("/sessions/facets/?tag=risky").context["facets"]}
    found = {value.value: (value.count, value.query) for value in facets["tag"].values}
    assert found == {"later": (2, "?tag=later"), "risky": (1, "")}


def test_of_very_many_the_newest_are_counted_and_what_waits_is_found_wherever_it_is(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filters, "MOST_NAMED", 3)
    old, new = make_project(path="/home/ada/old"), make_project(path="/home/ada/new")
    for number, (project, status) in enumerate(
        [(old, "waiting"), (new, "idle"), (new, "idle"), (old, "idle")]
    ):
        session = named(
            str(number), project=project, status=status, agent="codex", last_activity_ms=START_MS + number
        )
        make_tag(session, "later")

    def counted(query: str) -> dict[str, dict[str, str]]:
        facets = client.get(f"/sessions/facets/{query}").context["facets"]
        return {facet.name: {value.label: value.count_text for value in facet.values} for facet in facets}

    assert counted("?agent=codex") == {
        "status": {"Waiting for you": "1", "Idle": "3"},
        "agent": {"codex": "4"},
        "project": {"new": "2+", "old": "1+"},
        "tag": {"later": "3+"},
    }
    # A tag stands in no index beside a status: all that have it are counted.
    assert counted("?tag=later")["status"] == {"Waiting for you": "1", "Idle": "3"}
    assert counted("?agent=codex&status=idle")["project"] == {"new": "2", "old": "1"}


def test_an_empty_console_says_what_to_run(client: Client) -> None:
    assert "scrollback watch" in client.get("/sessions/").content.decode()


def test_a_filter_without_a_match_offers_to_clear_it(client: Client) -> None:
    named("one")
    page = client.get("/sessions/?status=failed").content.decode()
    assert "Clear filters" in page
    assert "scrollback watch" not in page


def test_ticked_sessions_are_changed_together(client: Client) -> None:
    sessions = [named(str(number)) for number in range(3)]
    ids = [str(session.pk) for session in sessions[:2]]

    response = client.post(
        "/sessions/change/", {"do": "archive", "session": ids, "query": "?agent=claude-code"}
    )
    assert response["Location"] == "/sessions/?agent=claude-code"
    assert shown(client) == ["2"]
    client.post("/sessions/change/", {"do": "unarchive", "session": ids})
    client.post("/sessions/change/", {"do": "tag", "tag": "Later", "session": ids})
    assert sorted(shown(client, "?tag=later")) == ["0", "1"]
    client.post("/sessions/change/", {"do": "delete", "session": ids})
    assert shown(client) == ["2"]
    client.post("/sessions/change/", {"do": "restore", "session": ids})
    assert len(shown(client)) == 3


@pytest.mark.parametrize(
    ("data", "filters"),
    [
        ({"do": "archive"}, ""),
        ({"do": "delete"}, ""),
        ({"do": "tag", "tag": "later"}, "?tag=later"),
    ],
)
def test_a_change_of_many_is_taken_back_by_its_toast(
    client: Client, data: dict[str, str], filters: str
) -> None:
    sessions = [named(str(number)) for number in range(3)]
    ids = [str(session.pk) for session in sessions[:2]]
    before = shown(client, filters)
    # What stood already is not taken back.
    client.post("/sessions/change/", {**data, "session": ids[:1]})
    first = shown(client, filters)
    page = client.post("/sessions/change/", {**data, "session": ids}, follow=True).content.decode()
    assert "1 session " in page
    assert shown(client, filters) != first

    (undo,) = re.findall(r'hx-post="(/sessions/change/[^"]+/undo/)"', page)
    assert client.post(undo, headers={"HX-Request": "true"})["HX-Refresh"] == "true"

    assert shown(client, filters) == first != before
    # Once; and its own toast does not offer to go in circles.
    refused = client.post(undo)
    assert (refused.status_code, "can no longer be undone" in refused.content.decode()) == (422, True)


def test_an_older_change_of_many_is_not_taken_for_the_newest(client: Client) -> None:
    first, second = named("first"), named("second")
    pages = [
        client.post("/sessions/change/", {"do": "archive", "session": str(session.pk)}, follow=True)
        for session in (first, second)
    ]
    undo = re.findall(r"/sessions/change/[^\"]+/undo/", pages[0].content.decode())[0]

    assert client.post(undo).status_code == 422
    assert AgentSession.objects.filter(archived_ms=None).count() == 0


@pytest.mark.parametrize(
    "data",
    [
        {"do": "untag"},
        {"do": "archive"},
        {"do": "archive", "session": "7"},
        {"do": "erase", "session": str(uuid.uuid4())},
        {},
    ],
)
def test_a_change_that_cannot_be_read_is_refused(client: Client, data: dict[str, str]) -> None:
    assert client.post("/sessions/change/", data).status_code == 400


@pytest.mark.parametrize("role", [Role.VIEWER, Role.AUDITOR])
def test_changes_are_refused_to_those_who_may_only_read(role: Role) -> None:
    session = named("one")
    response = signed_in(make_person(role)).post(
        "/sessions/change/", {"do": "delete", "session": str(session.pk)}
    )

    assert response.status_code == 403
    assert AgentSession.objects.get().deleted_ms is None


def test_the_way_back_never_leaves_the_list(client: Client) -> None:
    session = named("one")
    data = {"do": "archive", "session": str(session.pk), "query": "//elsewhere.example/"}

    assert client.post("/sessions/change/", data)["Location"] == "/sessions/"


def test_filters_in_force_are_kept_under_a_name(client: Client, ada: Person) -> None:
    client.post("/sessions/views/", {"name": "Codex", "query": "?agent=codex"})

    view = SavedView.objects.get(person=ada)
    assert (view.name, view.query) == ("Codex", "agent=codex")
    assert "/sessions/?agent=codex" in client.get("/sessions/").content.decode()
    assert client.post("/sessions/views/", {"name": " ", "query": ""}).status_code == 422


def shown_again(client: Client, sessions: list[AgentSession], show: str = "") -> list[str]:
    """The titles of those of these rows that a list on that shelf still has."""
    query = {"show": show, "ids": ",".join(str(session.pk) for session in sessions)}
    page = client.get("/sessions/shown/", query).content.decode()
    assert page.count("<tr") == page.count("data-row")
    return [session.title for session in sessions if f'data-id="{session.pk}"' in page]


def test_rows_that_are_shown_come_again_but_for_those_that_left_the_shelf(client: Client) -> None:
    rows = [named("stays"), named("archived"), named("trashed"), named("fails", status="failed")]
    assert shown_again(client, rows) == ["stays", "archived", "trashed", "fails"]

    archive_session(rows[1].pk, actor=SYSTEM)
    delete_session(rows[2].pk, actor=SYSTEM)

    assert shown_again(client, rows) == ["stays", "fails"]
    assert shown_again(client, rows, "all") == ["stays", "archived", "fails"]
    assert shown_again(client, rows, "archived") == ["archived"]
    assert shown_again(client, rows, "trash") == ["trashed"]
    assert shown_again(signed_in(make_person(Role.VIEWER)), rows, "trash") == []
    assert client.get("/sessions/shown/", {"ids": str(uuid.uuid4())}).content.strip() == b""


@pytest.mark.parametrize("query", ["ids=x", "show=nowhere", "ids=" + ",".join([str(uuid.uuid4())] * 101)])
def test_which_rows_are_shown_must_be_said_in_order(client: Client, query: str) -> None:
    assert client.get(f"/sessions/shown/?{query}").status_code == 400


def test_what_is_in_the_trash_is_looked_at_and_brought_back_from_there(client: Client) -> None:
    session = named("one", first_prompt="Fix it, please", deleted_ms=START_MS)
    restore = f'action="/sessions/{session.pk}/restore/"'

    for address in (f"/sessions/{session.pk}/", f"/sessions/{session.pk}/peek/"):
        page = client.get(address)
        assert page.status_code == 200
        assert restore in page.content.decode()
    assert "This session is in the trash" in client.get(f"/sessions/{session.pk}/").content.decode()
    client.post(f"/sessions/{session.pk}/restore/")
    assert "in the trash" not in client.get(f"/sessions/{session.pk}/").content.decode()
    assert restore not in client.get(f"/sessions/{session.pk}/peek/").content.decode()


@pytest.mark.parametrize("role", [Role.VIEWER, Role.AUDITOR])
def test_who_cannot_bring_back_what_is_in_the_trash_does_not_see_it(role: Role) -> None:
    session = named("one", deleted_ms=START_MS)
    reader = signed_in(make_person(role))
    for part in ("", "peek/"):
        assert reader.get(f"/sessions/{session.pk}/{part}").status_code == 404


def test_a_peek_shows_the_session_beside_the_list(client: Client) -> None:
    session = named("one", first_prompt="Fix it, please", with_main_run=True)
    make_replies(session, ["**Done.**\n\n- one\n- two " + "x" * 900])
    peek = client.get(f"/sessions/{session.pk}/peek/").content.decode()
    assert "Fix it, please" in peek
    assert "<strong>Done.</strong>" in peek
    assert "<li>one</li>" in peek
    assert "x" * 600 not in peek
