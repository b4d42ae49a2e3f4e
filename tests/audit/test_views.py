"""The log's list: what is found, in which order, and what is recorded of the looking."""

import json
import shlex
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client
from django.utils.html import escape
from pytest_django import DjangoAssertNumQueries

from audit import walk
from audit.actors import SYSTEM, Actor
from audit.matching import condition
from audit.models import Entry
from audit.query import parse
from audit.record import Draft, Target, record
from audit.selection import Selection
from audit.signing import write_checkpoint
from sessions_app.models import AgentSession, Role, SavedView
from tests.audit.attacks import drop_triggers
from tests.audit.logs import put
from tests.factories import make_person, make_project, make_session, signed_in

pytestmark = pytest.mark.django_db

MINUTE_MS = 60_000
TIMES = dict.fromkeys(("started_ms", "last_activity_ms", "updated_ms"), 1)


def write(count: int = 1, action: str = "session.archived", actor: str = "ada", **values: Any) -> None:
    drafts = [
        Draft(
            action,
            Actor("person", "1", actor),
            **{"target": Target("session", "2", f"<b>{number}</b>"), **values},
        )
        for number in range(count)
    ]
    put(drafts)


@pytest.fixture
def client() -> Client:
    return signed_in(make_person(Role.AUDITOR, username="otto"))


def shown(client: Client, query: str = "", **more: str) -> list[int]:
    answer = client.get("/audit/", {"q": query, **more})
    assert answer.status_code == 200, answer.content
    return [row.entry.idx for row in answer.context["rows"] if row.entry.action != "log.read"]


def choices(client: Client, facet: str, query: str = "") -> dict[str, int]:
    found = client.get("/audit/facets/", {"q": query}).context["found"].facets
    return {choice.value: choice.count for each in found if each.name == facet for choice in each.choices}


def test_entries_are_listed_newest_first_in_pages(client: Client) -> None:
    write(120)
    first = client.get("/audit/").context
    assert [row.entry.idx for row in first["rows"]] == list(range(120, 70, -1)), "120 is this very look"
    second = client.get(f"/audit/{first['pager']['older']}").context
    assert [row.entry.idx for row in second["rows"]] == list(range(70, 20, -1))
    third = client.get(f"/audit/{second['pager']['older']}").context
    assert [row.entry.idx for row in third["rows"]] == list(range(20, -1, -1))
    assert third["pager"]["older"] == ""
    back = client.get(f"/audit/{third['pager']['newer']}").context
    assert [row.entry.idx for row in back["rows"]] == list(range(70, 20, -1))


def test_every_qualifier_narrows(client: Client) -> None:
    project = make_project(name="atlas")
    session = make_session(project=project, with_main_run=True)
    run = session.runs.get()
    write(2)
    write(1, "session.deleted")
    write(1, actor="bob")
    write(1, "request.denied", decision="deny", details={"word": "Rosebud 100%"})
    write(1, session_id=session.pk, run_id=run.pk)
    write(1, target=Target("token", "t-9", "the CI token"))

    for query, expected in {
        "action:session.deleted": [2],
        "action:session.*": [6, 5, 3, 2, 1, 0],
        "action:session.deleted action:request.denied": [4, 2],
        "-action:session.archived": [4, 2],
        "actor:bob": [3],
        "actor:b*": [3],
        "-actor:ada": [3],
        "decision:deny": [4],
        f"session:{session.pk}": [5],
        f"run:{run.pk}": [5],
        "project:atlas": [5],
        "-project:atlas action:session.*": [6, 3, 2, 1, 0],
        "target:t-9": [6],
        "target:token": [6],
        "target:ci": [6],
        "rosebud": [4],
        '"ROSEBUD 100%"': [4],
        "-rosebud decision:deny": [],
        "idx:2-4": [4, 3, 2],
        "idx:1 idx:3": [3, 1],
        "before:2001-01-01": [],
        "after:2001-01-01": [6, 5, 4, 3, 2, 1, 0],
    }.items():
        assert shown(client, query) == expected, query


def test_words_are_looked_for_as_they_were_written_and_not_as_json_escapes_them(client: Client) -> None:
    write(1, details={"said": 'he said "no" to C:\\New\\logs'})
    write(1, details={"said": "one\ntwo\tthree"})
    write(1, target=Target("session", "2", 'a "b" c'))
    for query, expected in {
        '"said ""no"" to"': [0],
        '"C:\\New"': [0],
        '"one\ntwo"': [1],
        '"two\tthree"': [1],
        '"a ""b"" c"': [2],
        '-"""no""" action:session.archived': [2, 1],
        '"C:\\\\New"': [],
    }.items():
        assert shown(client, query) == expected, query
    chosen = Selection(query=parse('"said ""no"" to"')).entries()
    assert list(chosen.filter(action="session.archived").values_list("idx", flat=True)) == [0]


def test_times_bound_even_where_the_clock_was_set_back(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    moments = {0: 50, 1: 10, 2: 40, 3: 20}
    for _, minute in moments.items():
        monkeypatch.setattr("audit.record.now_ms", lambda minute=minute: minute * MINUTE_MS)
        write()
    monkeypatch.undo()

    assert shown(client, "before:1970-01-01T00:30") == [3, 1]
    assert shown(client, "after:1970-01-01T00:30 before:1970-01-02") == [2, 0]
    monkeypatch.setattr("audit.record.now_ms", lambda: 5 * MINUTE_MS)
    write()
    newest = Entry.objects.order_by("-idx").values_list("idx", flat=True)[0]
    assert newest in shown(client, "before:1970-01-01T00:30"), "a moment that was looked up before"


@pytest.mark.parametrize("query", ["actr:ada", "before:soon", 'actor:"ada'])
def test_a_filter_that_cannot_be_read_is_an_error_and_stays_in_the_box(client: Client, query: str) -> None:
    write()
    answer = client.get("/audit/", {"q": query})
    assert answer.status_code == 400
    assert "cannot be read" in answer.content.decode()
    assert answer.context["text"] == query
    assert not Entry.objects.filter(action="log.read").exists(), "nothing was read"
    assert client.get("/audit/export/csv/", {"q": query}).status_code == 400
    assert client.get("/audit/facets/", {"q": query}).status_code == 400


def test_an_unknown_parameter_is_refused(client: Client) -> None:
    assert client.get("/audit/?actor=ada").status_code == 400
    lost = client.get("/audit/?older_than=x")
    assert lost.status_code == 200
    assert "place in the list could not be read; this is the beginning" in lost.content.decode()
    assert [row.entry.action for row in lost.context["rows"]] == ["log.read"]
    assert "could not be read" not in client.get("/audit/?older_than=1").content.decode()


def test_chips_take_away_one_part_each(client: Client) -> None:
    write()
    chips = client.get("/audit/", {"q": "actor:ada -action:sign_in.*"}).context["chips"]
    assert [(chip["name"], chip["value"]) for chip in chips] == [
        ("Actor", "ada"),
        ("Not Action", "sign_in.*"),
    ]
    assert chips[0]["remove"] == "?q=-action%3Asign_in.%2A"


def test_facets_count_what_their_links_show(client: Client) -> None:
    project = make_project(name="atlas")
    session = make_session(project=project)
    write(3)
    write(2, "session.deleted", actor="bob", session_id=session.pk)
    write(1, "request.denied", decision="deny")

    assert choices(client, "action") == {
        "session.*": 5, "request.*": 1, "request.denied": 1, "session.archived": 3, "session.deleted": 2,
        # This very look.
        "log.*": 1, "log.read": 1,
    }  # fmt: skip
    assert choices(client, "actor") == {"ada": 4, "bob": 2, "otto": 1}
    assert choices(client, "actor", "action:session.deleted actor:ada") == {"bob": 2, "ada": 0}
    assert choices(client, "decision") == {"deny": 1}
    assert choices(client, "project") == {"atlas": 2}
    assert choices(client, "session") == {str(session.pk): 2}


def test_a_project_counts_every_session_that_its_link_finds(client: Client) -> None:
    atlas = make_project(name="atlas")
    sessions = [
        AgentSession(project=atlas, agent="claude-code", title=str(n), external_id=str(n), **TIMES)
        for n in range(2_500)
    ]
    AgentSession.objects.bulk_create(sessions)
    put([Draft("source.imported", SYSTEM, session_id=session.pk) for session in sessions])
    trashed = make_session(project=make_project(name="gone"), deleted_ms=1)
    write(2, session_id=trashed.pk)

    assert choices(client, "project") == {"atlas": 2_500, "gone": 2}
    assert shown(client, "project:gone") == [2_501, 2_500]
    assert Entry.objects.filter(condition(parse("project:atlas"))).count() == 2_500


def test_values_that_are_left_out_of_a_facet_are_told(client: Client) -> None:
    for number in range(45):
        write(2 if number < 40 else 1, actor=f"person {number:02}")
    answer = client.get("/audit/facets/")
    (actors,) = [facet for facet in answer.context["found"].facets if facet.name == "actor"]
    # The last one is who looks.
    assert (len(actors.choices), actors.more) == (40, 6)
    assert answer.content.decode().count("and 6 more") == 1
    chosen = client.get("/audit/facets/", {"q": 'actor:"person 44"'}).context["found"].facets
    (actors,) = [facet for facet in chosen if facet.name == "actor"]
    assert [(choice.value, choice.count) for choice in actors.choices if choice.is_chosen] == [
        ("person 44", 1)
    ]


def test_what_was_chosen_by_its_beginning_is_counted(client: Client) -> None:
    write(3, actor="ada")
    write(1, actor="adam")
    write(1, "session.deleted", actor="bob")
    assert choices(client, "actor", "actor:ad*")["ad*"] == 4
    assert choices(client, "action", "action:session.d*")["session.d*"] == 1


@pytest.mark.parametrize("name", ["nightly * (sbk_1a2b)", "night*", '*"quoted"'])
def test_a_name_with_a_star_is_chosen_as_it_is(client: Client, name: str) -> None:
    write(2, actor=name)
    write(1, actor="nightly and more (sbk_1a2b)")
    found = client.get("/audit/facets/").context["found"].facets
    actors = {choice.value: choice for facet in found if facet.name == "actor" for choice in facet.choices}
    query = actors[name].query
    assert shown(client, query) == [1, 0]
    (chosen,) = [
        choice
        for facet in client.get("/audit/facets/", {"q": query}).context["found"].facets
        for choice in facet.choices
        if choice.is_chosen
    ]
    assert (chosen.value, chosen.count, chosen.query) == (name, 2, "")


def test_reading_is_recorded_once_for_each_person_and_filter(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    write()
    for query in ("", "actor:ada", "", "actor:ada"):
        client.get("/audit/", {"q": query})
    client.get("/audit/facets/")
    client.get("/audit/news/?newer_than=0")
    client.get("/audit/0/peek/")
    reads = Entry.objects.filter(action="log.read").order_by("idx")
    assert [entry.target_label for entry in reads] == ["everything", "actor:ada"]
    assert {entry.actor_label for entry in reads} == {"otto"}

    signed_in(make_person(Role.AUDITOR)).get("/audit/")
    assert reads.all().count() == 3
    later = Entry.objects.latest("idx").at_ms + 11 * MINUTE_MS
    monkeypatch.setattr("audit.reading.now_ms", lambda: later)
    client.get("/audit/")
    assert reads.all().count() == 4


@pytest.mark.parametrize("body", ["x", "[]", '{"details": []}', '{"details": {"filter": ["everything"]}}'])
def test_a_reading_that_was_tampered_with_stands_for_none(client: Client, body: str) -> None:
    write()
    client.get("/audit/")
    drop_triggers()
    reads = Entry.objects.filter(action="log.read")
    assert reads.update(body=body) == 1
    assert client.get("/audit/0/").status_code == 200
    assert reads.count() == 2


@pytest.mark.parametrize("path", ["facets/", "news/"])
def test_a_filter_that_the_list_was_not_read_with_is_recorded_with_what_it_tells(
    client: Client, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    write()
    found = Entry.objects.filter(action="log.read").order_by("idx").values_list("target_label", flat=True)

    def ask(query: str) -> None:
        extra = {"newer_than": "0"} if path == "news/" else {}
        assert client.get(f"/audit/{path}", {"q": query, **extra}).status_code == 200

    client.get("/audit/", {"q": "actor:bob"})
    for query in ("actor:bob", "actor:eve", "actor:eve", "actor:bob"):
        ask(query)
    assert list(found.all()) == ["actor:bob", "actor:eve"]
    later = Entry.objects.latest("idx").at_ms + 11 * MINUTE_MS
    monkeypatch.setattr("audit.reading.now_ms", lambda: later)
    ask("actor:bob")
    assert list(found.all()) == ["actor:bob", "actor:eve", "actor:bob"]


def test_counts_without_a_filter(client: Client) -> None:
    """How many entries are new is no secret of any entry; which actors and actions there are is one."""
    write()
    client.get("/audit/news/?newer_than=0")
    assert not Entry.objects.filter(action="log.read").exists()
    client.get("/audit/facets/")
    assert [entry.target_label for entry in Entry.objects.filter(action="log.read")] == ["everything"]


@pytest.mark.parametrize("path", ["facets/", "news/?newer_than=0&q=actor:ada", "0/proof/", "0/", "0/peek/"])
def test_what_cannot_be_recorded_is_not_shown(
    client: Client, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    write()
    write_checkpoint()
    assert client.get(f"/audit/{path}").status_code == 200

    def refused(*_: Any, **__: Any) -> None:
        raise RuntimeError("nothing can be recorded")

    monkeypatch.setattr("audit.reading.record", refused)
    later = Entry.objects.latest("idx").at_ms + 11 * MINUTE_MS
    monkeypatch.setattr("audit.reading.now_ms", lambda: later)
    with pytest.raises(RuntimeError, match="nothing can be recorded"):
        client.get(f"/audit/{path}")


@pytest.mark.parametrize("path", ["", "peek/", "proof/"])
def test_an_entry_opened_by_its_address_alone_is_recorded(client: Client, path: str) -> None:
    write()
    write_checkpoint()
    for _ in range(2):
        assert client.get(f"/audit/0/{path}").status_code == 200
    assert [entry.target_label for entry in Entry.objects.filter(action="log.read")] == ["idx:0"]


@pytest.mark.parametrize("query", ["actor:nobody", "idx:0", "-action:session.archived", "before:2001-01-01"])
def test_a_list_that_does_not_hold_an_entry_opens_it_to_nobody(client: Client, query: str) -> None:
    write(3)
    assert 2 not in shown(client, query)
    client.get("/audit/2/")
    client.get("/audit/2/peek/")
    labels = [entry.target_label for entry in Entry.objects.filter(action="log.read").order_by("idx")]
    assert labels == [query, "idx:2"]


@pytest.mark.parametrize("query", ["", "actor:ada", "idx:0-9", "action:session.* -actor:bob", '"number two"'])
def test_a_list_that_holds_an_entry_is_enough_to_open_it(client: Client, query: str) -> None:
    write(2)
    write(1, details={"name": "Number Two"})
    assert 2 in shown(client, query)
    client.get("/audit/2/")
    assert Entry.objects.filter(action="log.read").count() == 1


def test_reads_are_recorded_though_the_clock_was_set_back(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    write()
    client.get("/audit/")
    read_ms = Entry.objects.latest("idx").at_ms
    monkeypatch.setattr("audit.record.now_ms", lambda: read_ms - 60 * MINUTE_MS)
    monkeypatch.setattr("audit.reading.now_ms", lambda: read_ms - 60 * MINUTE_MS)
    for _ in range(2):
        client.get("/audit/")
        client.get("/audit/0/")
    reads = Entry.objects.filter(action="log.read").order_by("idx").values_list("at_ms", flat=True)
    assert list(reads) == [read_ms, read_ms - 60 * MINUTE_MS]


def test_news_are_counted_by_the_same_filter(client: Client) -> None:
    write(3)
    newest = client.get("/audit/").context["newest"]
    write(2)
    write(1, actor="bob")
    for query, count in {"": 3, "actor:bob": 1, "actor:eve": 0}.items():
        answer = client.get("/audit/news/", {"q": query, "newer_than": newest})
        assert json.loads(answer.content) == {"count": count}


def test_a_look_that_takes_too_long_says_how_far_it_came(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walk, "_FIRST_SPAN", 10)
    monkeypatch.setattr(walk, "LOOK_S", 0.0)
    write(30)
    write(1, actor="bob")
    write(100)
    page = client.get("/audit/", {"q": "actor:bob"}).context
    assert (len(page["rows"]), page["looked"]) == (0, 122)
    steps = 0
    while not page["rows"]:
        page = client.get(f"/audit/{page['pager']['older']}").context
        steps += 1
    assert [row.entry.idx for row in page["rows"]] == [30]
    assert steps > 1


def test_a_page_costs_the_same_however_long_the_log_is(
    client: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    write(500)
    client.get("/audit/")
    with django_assert_max_num_queries(30):
        client.get("/audit/")


def test_a_view_that_does_not_fit_is_refused_and_not_cut(client: Client) -> None:
    fits = "?" + urlencode({"q": "x" * 998})
    assert client.post("/audit/views/", {"name": "fits", "query": fits}).status_code == 302
    answer = client.post("/audit/views/", {"name": "long", "query": "?" + urlencode({"q": "ж" * 167})})
    assert answer.status_code == 400
    assert "1,004 characters" in answer.content.decode()
    assert [view.query for view in SavedView.objects.all()] == [fits[1:]]


def test_a_view_is_saved_for_the_person_alone(client: Client) -> None:
    write()
    answer = client.post("/audit/views/", {"name": "Ada's", "query": "?q=actor%3Aada"})
    assert answer["Location"] == "/audit/?q=actor%3Aada"
    assert SavedView.objects.get().query == "q=actor%3Aada"
    assert [saved.name for saved in client.get("/audit/").context["saved"]] == ["Ada's"]
    assert signed_in(make_person()).get("/audit/").context["saved"] == []


def test_text_of_entries_is_never_markup(client: Client) -> None:
    record(
        "session.archived", actor=Actor("person", "1", "<i>eve"), target=Target("session", "2", "<b>0</b>")
    )
    page = client.get("/audit/").content.decode()
    assert "&lt;i&gt;eve" in page
    assert "<b>0</b>" not in page


def test_viewers_do_not_see_the_log() -> None:
    write(1)
    viewer = signed_in(make_person(Role.VIEWER))
    for path in ("", "0/", "facets/", "head/", "export/csv/"):
        assert viewer.get(f"/audit/{path}").status_code == 404
    assert not Entry.objects.filter(action__startswith="log.").exists()


@pytest.mark.parametrize(
    ("query", "command"),
    [
        ("", "audit export audit.zip"),
        ("decision:deny actor:ada", "audit export audit.zip --query='decision:deny actor:ada'"),
        ("-actor:ada", "audit export audit.zip --query=-actor:ada"),
        ('it\'s $HOME "a b"', """audit export audit.zip --query='it'"'"'s $HOME "a b"'"""),
    ],
)
def test_the_menu_of_exports_has_the_command_for_a_bundle_of_the_same(
    client: Client, query: str, command: str
) -> None:
    write()
    page = client.get("/audit/", {"q": query})
    assert page.context["bundle_command"] == command
    assert f"{escape(command)}</code>" in page.content.decode()
    *_, option = shlex.split(command)
    assert option == (f"--query={query}" if query else "audit.zip")
