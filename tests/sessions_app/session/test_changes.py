"""What people do to a session: once, recorded, and undone."""

import json
import threading
import uuid
from collections.abc import Callable

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from audit.actors import Actor
from audit.models import Entry
from dashboard.lib.errors import Refused
from sessions_app.actions import sessions as actions
from sessions_app.actions.read_marks import mark_read, take_back_read
from sessions_app.actors import actor_of
from sessions_app.models import AgentSession, Event, Note, Person, ReadMark, Star, Tag
from tests.factories import make_message, make_note, make_person, make_read_mark, make_session, make_star

HTMX = {"HX-Request": "true"}
ADA = Actor("person", "1", "ada")


def events_of(session: AgentSession) -> list[str]:
    return list(Event.objects.filter(session=session).order_by("seq").values_list("kind", flat=True))


def entries() -> list[str]:
    return list(Entry.objects.order_by("idx").values_list("action", flat=True))


@pytest.mark.django_db
@pytest.mark.parametrize(
    "there, back, column, kinds",
    [
        (
            actions.archive_session,
            actions.unarchive_session,
            "archived_ms",
            ["session.archived", "session.unarchived"],
        ),
        (
            actions.delete_session,
            actions.restore_session,
            "deleted_ms",
            ["session.deleted", "session.restored"],
        ),
    ],
)
def test_putting_away_and_bringing_back_each_happen_once(
    there: Callable[..., bool], back: Callable[..., bool], column: str, kinds: list[str]
) -> None:
    session = make_session()
    assert [there(session.pk, actor=ADA), there(session.pk, actor=ADA)] == [True, False]
    session.refresh_from_db()
    assert getattr(session, column) is not None
    assert [back(session.pk, actor=ADA), back(session.pk, actor=ADA)] == [True, False]
    session.refresh_from_db()
    assert getattr(session, column) is None
    assert events_of(session) == kinds
    assert entries() == kinds
    assert session.last_seq == 2


@pytest.mark.django_db
def test_housekeeping_is_no_activity() -> None:
    person, absent = make_person(), make_person()
    session = make_session()
    make_message(session)
    session.refresh_from_db()
    mark_read(session.pk, session.last_seq, person)
    before = session.last_activity_ms
    actions.archive_session(session.pk, actor=ADA)
    actions.rename_session(session.pk, "Another name", actor=ADA)
    session.refresh_from_db()
    assert session.last_activity_ms == before
    assert session not in AgentSession.objects.unread_by(person)
    assert session in AgentSession.objects.unread_by(absent)


@pytest.mark.django_db
def test_a_new_title_is_one_clean_line() -> None:
    session = make_session(title="Old")
    assert actions.rename_session(session.pk, "  New\x00\n title " + "x" * 400, actor=ADA)
    session.refresh_from_db()
    assert session.title.startswith("New\u2400 title xxx")
    assert len(session.title) == 300
    assert not actions.rename_session(session.pk, session.title, actor=ADA)
    assert json.loads(Entry.objects.get().body)["details"]["from"] == "Old"
    assert actions.rename_session(session.pk, "", actor=ADA)


@pytest.mark.django_db
def test_tags_are_words_shared_by_all() -> None:
    one, two = make_session(), make_session()
    assert actions.tag_session(one.pk, " Needs  Review, ", actor=ADA)
    assert not actions.tag_session(one.pk, "needs-review", actor=ADA)
    assert actions.tag_session(two.pk, "#needs-review", actor=ADA)
    assert Tag.objects.get().name == "needs-review"
    assert actions.untag_session(one.pk, "needs-review", actor=ADA)
    assert not actions.untag_session(one.pk, "needs-review", actor=ADA)
    assert Tag.objects.exists()
    actions.untag_session(two.pk, "needs-review", actor=ADA)
    assert not Tag.objects.exists()
    assert entries() == ["session.tagged", "session.tagged", "session.untagged", "session.untagged"]


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["", "  ", ",", "x" * 41])
def test_what_is_no_tag_is_refused(name: str) -> None:
    with pytest.raises(Refused):
        actions.tag_session(make_session().pk, name, actor=ADA)


@pytest.mark.django_db
def test_tags_have_a_limit() -> None:
    session = make_session()
    for number in range(actions.MAX_TAGS):
        actions.tag_session(session.pk, f"tag-{number}", actor=ADA)
    with pytest.raises(Refused):
        actions.tag_session(session.pk, "one-more", actor=ADA)


@pytest.mark.django_db
def test_stars_are_ones_own() -> None:
    ada, ben = make_person(), make_person()
    session = make_session()
    make_star(ben, session)
    assert actions.star_session(session.pk, ada, actor=actor_of(ada))
    assert not actions.star_session(session.pk, ada, actor=actor_of(ada))
    assert actions.unstar_session(session.pk, ada, actor=actor_of(ada))
    assert not actions.unstar_session(session.pk, ada, actor=actor_of(ada))
    assert Star.objects.get().person == ben


@pytest.mark.django_db
def test_reading_goes_forward_and_never_beyond_what_there_is() -> None:
    person, session = make_person(), make_session()
    for _ in range(3):
        make_message(session)
    assert mark_read(session.pk, 2, person) == 0
    assert mark_read(session.pk, 1, person) is None
    assert mark_read(session.pk, 99, person) == 2
    assert ReadMark.objects.get().seq == 3
    assert entries() == []


@pytest.mark.django_db
def test_what_was_marked_as_read_is_taken_back_and_nothing_else() -> None:
    ada, ben, session = make_person(), make_person(), make_session(status="failed")
    for _ in range(3):
        make_message(session)
    make_read_mark(ben, session, 3)
    before = mark_read(session.pk, 3, ada)
    assert before == 0
    take_back_read(session.pk, before, ada)
    assert ReadMark.objects.get().person == ben
    mark_read(session.pk, 1, ada)
    before = mark_read(session.pk, 3, ada)
    assert before == 1
    take_back_read(session.pk, before, ada)
    take_back_read(session.pk, 2, ada)
    assert ReadMark.objects.get(person=ada).seq == 1, "taking back reads nothing"
    assert ReadMark.objects.get(person=ben).seq == 3


@pytest.mark.django_db
def test_an_empty_session_is_taken_back_too() -> None:
    person, session = make_person(), make_session(status="failed")
    before = mark_read(session.pk, 0, person)
    assert before == 0
    take_back_read(session.pk, before, person)
    assert not ReadMark.objects.exists()


@pytest.mark.django_db
def test_notes_are_deleted_by_their_author_only() -> None:
    ada, ben = make_person(), make_person()
    session = make_session()
    note = actions.add_note(session.pk, " Look here. ", author=ada, actor=actor_of(ada), seq=3)
    assert note is not None
    assert (note.text, note.seq) == ("Look here.", 3)
    assert not actions.delete_note(session.pk, note.pk, author=ben, actor=actor_of(ben))
    assert actions.delete_note(session.pk, note.pk, author=ada, actor=actor_of(ada))
    assert not actions.delete_note(session.pk, note.pk, author=ada, actor=actor_of(ada))
    assert actions.restore_note(session.pk, note.pk, author=ada, actor=actor_of(ada))
    assert Note.objects.get().deleted_ms is None
    assert entries() == ["note.added", "note.deleted", "note.restored"]
    for text in ("", "  ", "x" * 10_001):
        with pytest.raises(Refused):
            actions.add_note(session.pk, text, author=ada, actor=actor_of(ada))


@pytest.mark.django_db
def test_nothing_is_done_to_what_is_in_the_trash() -> None:
    person = make_person()
    session = make_session(deleted_ms=1)
    assert not actions.archive_session(session.pk, actor=ADA)
    assert not actions.rename_session(session.pk, "x", actor=ADA)
    assert not actions.tag_session(session.pk, "x", actor=ADA)
    assert not actions.untag_session(session.pk, "x", actor=ADA)
    assert not actions.star_session(session.pk, person, actor=ADA)
    assert mark_read(session.pk, 1, person) is None
    assert actions.add_note(session.pk, "x", author=person, actor=ADA) is None
    assert entries() == []


@pytest.mark.django_db(transaction=True)
def test_of_many_who_archive_at_once_one_does() -> None:
    session = make_session()
    done: list[bool] = []

    def archive() -> None:
        try:
            done.append(actions.archive_session(session.pk, actor=ADA))
        finally:
            connection.close()

    threads = [threading.Thread(target=archive) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == [False] * 5 + [True]
    assert events_of(session) == ["session.archived"]


@pytest.mark.django_db
def test_archiving_answers_with_the_header_and_a_way_back(operator: Client, session: AgentSession) -> None:
    response = operator.post(reverse("session-archive", args=[session.pk]), headers=HTMX)
    page = response.content.decode()
    assert 'id="session-header" hx-swap-oob="true"' in page
    assert "Unarchive" in page
    toast = json.loads(response["HX-Trigger"])["scrollback:toast"]["html"]
    undo = reverse("session-unarchive", args=[session.pk]) + "?undo=1"
    assert undo in toast
    assert operator.post(undo, headers=HTMX)["HX-Refresh"] == "true"
    session.refresh_from_db()
    assert session.archived_ms is None


@pytest.mark.django_db
def test_without_script_a_change_leads_back_to_the_page(operator: Client, session: AgentSession) -> None:
    response = operator.post(reverse("session-archive", args=[session.pk]), follow=True)
    assert response.redirect_chain == [(reverse("session", args=[session.pk]), 302)]
    page = response.content.decode()
    assert "Archived" in page
    assert f'action="{reverse("session-unarchive", args=[session.pk])}?undo=1"' in page


@pytest.mark.django_db
def test_a_deleted_session_comes_back_from_its_toast(operator: Client, session: AgentSession) -> None:
    response = operator.post(reverse("session-delete", args=[session.pk]), headers=HTMX)
    assert response["HX-Redirect"] == "/sessions/"
    restored = operator.post(reverse("session-restore", args=[session.pk]), headers=HTMX)
    assert restored["HX-Redirect"] == reverse("session", args=[session.pk])
    session.refresh_from_db()
    assert session.deleted_ms is None


@pytest.mark.django_db
def test_the_page_itself_changes_nothing_by_being_read(operator: Client, session: AgentSession) -> None:
    make_message(session)
    operator.get(reverse("session", args=[session.pk]))
    assert not ReadMark.objects.exists()
    operator.post(reverse("session-read", args=[session.pk]), {"seq": "1"})
    assert ReadMark.objects.get().seq == 1
    assert operator.post(reverse("session-read", args=[session.pk]), {"seq": "x"}).status_code == 400


@pytest.mark.django_db
def test_mark_seen_answers_with_a_way_back_and_the_numbers_that_follow(
    operator: Client, session: AgentSession
) -> None:
    AgentSession.objects.filter(pk=session.pk).update(status="failed")
    assert operator.get("/").context["nav_counts"]["needs_me"] == 1
    values = {"seq": "0", "next": "/"}
    response = operator.post(reverse("session-read", args=[session.pk]), values, headers=HTMX)
    assert response.status_code == 204
    told = json.loads(response["HX-Trigger"])
    assert told["scrollback:counts"]["needs_me"] == 0
    assert "scrollback:own" in told
    undo = reverse("session-read-undo", args=[session.pk, 0])
    assert f'hx-post="{undo}"' in told["scrollback:toast"]["html"]
    assert operator.post(undo, headers=HTMX)["HX-Refresh"] == "true"
    assert operator.get("/").context["nav_counts"]["needs_me"] == 1
    assert operator.post(undo)["Location"] == "/"
    beyond = reverse("session-read-undo", args=[session.pk, 2**70])
    assert operator.post(beyond)["Location"] == "/"
    assert operator.post(reverse("session-read-undo", args=[uuid.uuid4(), 0])).status_code == 404


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("goal", "leads_to"),
    [("/", "/"), ("/?a=b", "/?a=b"), ("//elsewhere/", "/"), ("https://elsewhere/", "/"), ("", "/")],
)
def test_without_script_mark_seen_leads_back_to_a_page_of_the_console(
    operator: Client, session: AgentSession, goal: str, leads_to: str
) -> None:
    AgentSession.objects.filter(pk=session.pk).update(status="failed")
    assert "Mark seen" in operator.get("/").content.decode()
    response = operator.post(reverse("session-read", args=[session.pk]), {"seq": "0", "next": goal})
    assert (response.status_code, response["Location"]) == (302, leads_to)
    page = operator.get("/").content.decode()
    assert f"Marked as seen: {session.title}" in page
    assert f'action="{reverse("session-read-undo", args=[session.pk, 0])}"' in page
    assert "Mark seen" not in page


@pytest.mark.django_db
def test_viewers_keep_their_own_stars_and_marks(viewer: Client, session: AgentSession) -> None:
    assert viewer.post(reverse("session-star", args=[session.pk]), headers=HTMX).status_code == 200
    assert viewer.post(reverse("session-read", args=[session.pk]), {"seq": "0"}).status_code == 204
    assert Star.objects.count() == 1


@pytest.mark.django_db
def test_notes_are_written_and_deleted_on_their_tab(
    operator: Client, session: AgentSession, person: Person
) -> None:
    notes = reverse("session-notes", args=[session.pk])
    foreign = make_note(make_person(), session, "Not ada's.")
    page = operator.post(
        reverse("session-note-add", args=[session.pk]), {"text": "<b>Mine</b>"}, follow=True
    ).content.decode()
    assert "&lt;b&gt;Mine&lt;/b&gt;" in page
    own = Note.objects.get(author=person)
    assert reverse("session-note-delete", args=[session.pk, own.pk]) in page
    assert reverse("session-note-delete", args=[session.pk, foreign.pk]) not in page
    assert operator.post(reverse("session-note-delete", args=[session.pk, foreign.pk])).status_code == 404
    operator.post(reverse("session-note-delete", args=[session.pk, own.pk]))
    assert "Mine" not in operator.get(notes).content.decode().partition("<main")[2].partition("</main>")[0]
