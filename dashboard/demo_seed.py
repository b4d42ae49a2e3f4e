"""Fills the demo's database by the very actions that a person's clicks call."""

from pathlib import Path
from typing import Final

from django.db import connections

from audit.actors import Actor, command_line
from dashboard.serving import migrate_if_needed
from sessions_app.actions import people, saved_views, sessions
from sessions_app.actions.tokens import create_token
from sessions_app.actors import actor_of
from sessions_app.importers.pipeline import Importer
from sessions_app.models import AgentSession, Person, Role, Scope

OPERATOR: Final = "demo"
_NOTE: Final = "The subagents wrote the same component twice. Ask for one plan first next time."
_HOUSE_NOTE: Final = "It goes on for ever, so that there is something to watch. Nothing in the house is real."


def seed(histories: Path, begun: Path, password: str) -> str:
    """Import the histories; make people, tags, stars, notes, saved views, a token.

    Again, it only changes the password, and marks the session that has begun as it did the first one's.

    The id of the session that has begun in the file of that name, so that a terminal can be recorded into it.
    """
    migrate_if_needed(lambda line: None)
    actor = command_line()
    Importer(actor).import_paths([str(histories), str(begun)])
    session = AgentSession.objects.get(external_id=begun.stem)
    person = Person.objects.people().filter(username=OPERATOR).first()
    if person is not None:
        people.change_password(person.pk, password, actor=actor)
    else:
        person = _add_people(password, actor)
    _mark(session, person, "make-believe", _HOUSE_NOTE)
    # A server and a recorder are started next; nothing of this process may hold the database.
    connections.close_all()
    return str(session.pk)


def _add_people(password: str, actor: Actor) -> Person:
    person = people.create_person(
        OPERATOR, Role.OPERATOR, display_name="Demo", password=password, actor=actor
    )
    people.create_person("ada", Role.VIEWER, display_name="Ada", actor=actor)
    people.create_person("grace", Role.AUDITOR, display_name="Grace", actor=actor)
    create_token(person, "build box", [Scope.WRITE], actor=actor)
    saved_views.save_view("sessions", "Needs a look", "status=failed", person=person)
    saved_views.save_view("audit", "Who was let in", "q=action:sign_in.*", person=person)
    largest = AgentSession.objects.order_by("-message_count", "id").first()
    if largest is not None:
        _mark(largest, person, "showcase", _NOTE)
    return person


def _mark(session: AgentSession, person: Person, tag: str, note: str) -> None:
    acting = actor_of(person)
    sessions.tag_session(session.pk, tag, actor=acting)
    sessions.star_session(session.pk, person, actor=acting)
    sessions.add_note(session.pk, note, author=person, actor=acting)
