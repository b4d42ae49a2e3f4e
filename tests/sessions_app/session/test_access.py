"""Who may open what of a session, and who may change it."""

import uuid
from collections.abc import Iterator

import pytest
from django.test import Client
from django.urls import resolve, reverse

from audit.models import Entry
from sessions_app.actions.sessions import delete_session
from sessions_app.models import AgentSession, Person
from tests.factories import make_message, make_note, make_run, make_session, make_source, make_tool_call

pytestmark = pytest.mark.django_db


@pytest.fixture
def pages(session: AgentSession, person: Person) -> list[str]:
    """Every address that reads something of the session."""
    run = session.runs.get()
    child = make_run(session, parent=run, input="Look.", output="Found.")
    call = make_tool_call(session)
    message = make_message(session, attachments=[attachment()])
    source = make_source(session)
    session_args = [session.pk]
    named = [
        "session",
        "session-outline",
        "session-clock",
        "session-runs",
        "session-terminals",
        "session-files",
        "session-notes",
    ]
    return [
        *(reverse(name, args=session_args) for name in [*named, "session-raw"]),
        reverse("session-rows", args=session_args) + "?after=0",
        reverse("session-call", args=[session.pk, call.pk]),
        reverse("session-call-piece", args=[session.pk, call.pk, "output"]),
        reverse("session-message", args=[session.pk, message.pk]),
        reverse("session-message-piece", args=[session.pk, message.pk, "reasoning"]),
        reverse("session-attachment", args=[session.pk, message.pk, 0]),
        reverse("session-raw-lines", args=[session.pk, source.pk]),
        reverse("session-raw-line", args=[session.pk, source.pk, 1]),
        reverse("session-raw-bytes", args=[session.pk, source.pk, 1]),
        reverse("run", args=[child.pk]),
        reverse("run-peek", args=[child.pk]),
        reverse("run-body", args=[child.pk, "output"]),
    ]


def attachment() -> dict[str, object]:
    from tests.factories import make_blob

    blob = make_blob(b"\x89PNG\r\n\x1a\n")
    return {"sha256": blob.pk, "media_type": "image/png", "size": blob.size, "name": "shot.png"}


# The tabs of a session that is in the trash tell who may bring it back where it is.
SAY_WHERE_IT_IS = {
    "session", "session-runs", "session-terminals", "session-files", "session-notes",
    "session-raw", "session-raw-lines", "session-raw-line",
}  # fmt: skip

OPERATORS_ONLY = ["archive", "unarchive", "delete", "restore", "rename", "tag", "untag", "note-add"]


def changes(session: AgentSession, person: Person) -> Iterator[str]:
    """Every address that changes something that is not the person's own."""
    yield from (reverse(f"session-{name}", args=[session.pk]) for name in OPERATORS_ONLY)
    note = make_note(person, session)
    yield reverse("session-note-delete", args=[session.pk, note.pk])
    yield reverse("session-note-restore", args=[session.pk, note.pk])


def test_everybody_who_is_signed_in_reads_everything(
    pages: list[str], operator: Client, viewer: Client, auditor: Client
) -> None:
    for page in pages:
        for client in (operator, viewer, auditor):
            assert client.get(page).status_code == 200, page


def test_a_stranger_is_sent_to_sign_in(pages: list[str], stranger: Client) -> None:
    for page in pages:
        response = stranger.get(page)
        assert response.status_code == 302, page
        assert response["Location"].startswith("/sign-in/"), page


def test_what_is_in_the_trash_is_not_there(
    pages: list[str], session: AgentSession, operator: Client, viewer: Client, person: Person
) -> None:
    from sessions_app.actors import actor_of

    delete_session(session.pk, actor=actor_of(person))
    for page in pages:
        assert viewer.get(page).status_code == 404, page
        answer = operator.get(page)
        name = resolve(page.partition("?")[0]).url_name
        if name in SAY_WHERE_IT_IS:
            assert "This session is in the trash" in answer.content.decode(), page
            assert "session-tabs" not in answer.content.decode(), page
        else:
            assert answer.status_code == 404, page


def test_nothing_of_another_session_is_served_under_this_ones_address(
    session: AgentSession, operator: Client
) -> None:
    other = make_session(with_main_run=True)
    call, message, source = make_tool_call(other), make_message(other), make_source(other)
    run = other.runs.get()
    for address in (
        reverse("session-call", args=[session.pk, call.pk]),
        reverse("session-message", args=[session.pk, message.pk]),
        reverse("session-raw-lines", args=[session.pk, source.pk]),
        reverse("session", args=[session.pk]) + f"?run={run.pk}",
        reverse("session-runs", args=[session.pk]) + f"?from={run.pk}",
        reverse("session", args=[uuid.uuid4()]),
        reverse("run", args=[uuid.uuid4()]),
    ):
        assert operator.get(address).status_code == 404, address


def test_viewers_and_auditors_change_nothing_and_it_is_written_down(
    session: AgentSession, person: Person, viewer: Client, auditor: Client
) -> None:
    before = AgentSession.objects.values().get(pk=session.pk)
    for address in changes(session, person):
        for client in (viewer, auditor):
            assert client.post(address, {"title": "x", "name": "x", "text": "x"}).status_code == 403, address
    assert AgentSession.objects.values().get(pk=session.pk) == before
    refusals = Entry.objects.filter(action="request.denied")
    assert refusals.count() == 2 * (len(OPERATORS_ONLY) + 2)
    assert not Entry.objects.filter(action__startswith="session.").exists()


def test_a_stranger_changes_nothing(session: AgentSession, person: Person, stranger: Client) -> None:
    own = [reverse(f"session-{name}", args=[session.pk]) for name in ("star", "unstar", "read")]
    for address in [*changes(session, person), *own]:
        assert stranger.post(address).status_code == 302, address
    assert not Entry.objects.exists()


def test_a_change_needs_a_post(session: AgentSession, person: Person, operator: Client) -> None:
    for address in changes(session, person):
        assert operator.get(address).status_code == 405, address


def test_a_viewer_meets_no_button_that_changes_the_session(session: AgentSession, viewer: Client) -> None:
    page = viewer.get(reverse("session", args=[session.pk])).content.decode()
    for name in OPERATORS_ONLY:
        assert reverse(f"session-{name}", args=[session.pk]) not in page
    assert reverse("session-star", args=[session.pk]) in page
