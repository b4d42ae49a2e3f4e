"""What people do to sessions: put away, bring back, name, tag, star, note.

Each function says whether it changed something: what stands already is left alone, without an entry.
"""

import uuid
from typing import Any

from django.db.models import F

from audit.actors import Actor
from audit.record import Target, record
from dashboard.lib.clock import now_ms
from dashboard.lib.db import write_transaction
from dashboard.lib.errors import Refused
from dashboard.lib.ids import new_id
from dashboard.lib.nudges import nudge
from dashboard.lib.text import one_line, storable
from sessions_app.actions.findable import make_findable
from sessions_app.actions.timeline import take_places
from sessions_app.actions.titles import keep_titles
from sessions_app.models import (
    AgentSession,
    Event,
    EventKind,
    Note,
    Person,
    ReadMark,
    SearchKind,
    SessionTag,
    Star,
    Tag,
)

MAX_TITLE_CHARS = 300
MAX_TAG_CHARS = 40
MAX_TAGS = 20
MAX_NOTE_CHARS = 10_000


def archive_session(session_id: uuid.UUID, *, actor: Actor) -> bool:
    """Hide from the default lists. Nothing of it goes."""
    return _move(
        session_id, actor, EventKind.SESSION_ARCHIVED, where={"archived_ms": None}, archived_ms=now_ms()
    )


def unarchive_session(session_id: uuid.UUID, *, actor: Actor) -> bool:
    return _move(
        session_id,
        actor,
        EventKind.SESSION_UNARCHIVED,
        where={"archived_ms__isnull": False},
        archived_ms=None,
    )


def delete_session(session_id: uuid.UUID, *, actor: Actor) -> bool:
    """Move to the trash, where nobody sees it and from where it can be restored whole."""
    return _move(session_id, actor, EventKind.SESSION_DELETED, deleted_ms=now_ms())


def restore_session(session_id: uuid.UUID, *, actor: Actor) -> bool:
    """Bring back from the trash."""
    return _move(session_id, actor, EventKind.SESSION_RESTORED, is_deleted=True, deleted_ms=None)


def rename_session(session_id: uuid.UUID, title: str, *, actor: Actor) -> bool:
    """Give a title; an empty one gives the first prompt its place back."""
    title = one_line(storable(title), MAX_TITLE_CHARS)
    with write_transaction():
        session = _lock(session_id)
        if session is None or session.title == title:
            return False
        before = session.title
        AgentSession.objects.filter(pk=session_id).update(
            title=title, is_renamed=bool(title), updated_ms=now_ms()
        )
        _append(session_id, EventKind.SESSION_TITLED, title)
        session.title = title
        make_findable(SearchKind.SESSION, session_id, session_id, session.started_ms, title)
        record(
            "session.renamed",
            actor=actor,
            target=target_of(session),
            session_id=session_id,
            details={"from": before, "to": title},
        )
        keep_titles({session_id: (title, session.first_prompt)})
    nudge()
    return True


def tag_session(session_id: uuid.UUID, name: str, *, actor: Actor) -> bool:
    """Put a tag on. Raises Refused for a name that is none, or when there are enough."""
    name = clean_tag(name)
    with write_transaction():
        session = _lock(session_id)
        if session is None or SessionTag.objects.filter(session=session, tag__name=name).exists():
            return False
        if SessionTag.objects.filter(session=session).count() >= MAX_TAGS:
            raise Refused(f"A session can have {MAX_TAGS} tags. Remove one first.")
        tag, _ = Tag.objects.get_or_create(name=name)
        SessionTag.objects.create(session=session, tag=tag)
        _touch_and_record(session, "session.tagged", actor, {"tag": name})
    nudge()
    return True


def untag_session(session_id: uuid.UUID, name: str, *, actor: Actor) -> bool:
    with write_transaction():
        session = _lock(session_id)
        if session is None:
            return False
        removed, _ = SessionTag.objects.filter(session=session, tag__name=name).delete()
        if not removed:
            return False
        Tag.objects.filter(name=name, sessiontag=None).delete()
        _touch_and_record(session, "session.untagged", actor, {"tag": name})
    nudge()
    return True


def clean_tag(name: str) -> str:
    """A tag in lower case, its words joined by dashes. Raises Refused when nothing is left, or too much."""
    cleaned = "-".join(one_line(storable(name), 200).lower().replace(",", " ").replace("#", " ").split())
    if not cleaned or len(cleaned) > MAX_TAG_CHARS:
        raise Refused(f"A tag is one to {MAX_TAG_CHARS} characters.")
    return cleaned


def star_session(session_id: uuid.UUID, person: Person, *, actor: Actor) -> bool:
    """Put it among the person's own stars."""
    with write_transaction():
        session = _lock(session_id)
        if session is None or Star.objects.filter(person=person, session=session).exists():
            return False
        Star.objects.create(person=person, session=session)
        record("session.starred", actor=actor, target=target_of(session), session_id=session_id)
    return True


def unstar_session(session_id: uuid.UUID, person: Person, *, actor: Actor) -> bool:
    with write_transaction():
        session = _lock(session_id)
        if session is None or not Star.objects.filter(person=person, session=session).delete()[0]:
            return False
        record("session.unstarred", actor=actor, target=target_of(session), session_id=session_id)
    return True


def add_note(
    session_id: uuid.UUID, text: str, *, author: Person, actor: Actor, seq: int | None = None
) -> Note | None:
    """A remark on the session, or on one place of it; None when the session is not there.

    Raises Refused when there is nothing in it, or too much.
    """
    text = storable(text).strip()
    if not text or len(text) > MAX_NOTE_CHARS:
        raise Refused(f"A note is one to {MAX_NOTE_CHARS:,} characters.")
    with write_transaction():
        session = _lock(session_id)
        if session is None:
            return None
        note = Note.objects.create(session=session, author=author, seq=seq, text=text)
        _touch_and_record(session, "note.added", actor, {"note": str(note.pk)})
    nudge()
    return note


def delete_note(session_id: uuid.UUID, note_id: uuid.UUID, *, author: Person, actor: Actor) -> bool:
    """Take one's own note away; it can be brought back."""
    return _set_note(session_id, note_id, author, actor, "note.deleted", was=None, becomes=now_ms())


def restore_note(session_id: uuid.UUID, note_id: uuid.UUID, *, author: Person, actor: Actor) -> bool:
    return _set_note(session_id, note_id, author, actor, "note.restored", was=1, becomes=None)


def _set_note(
    session_id: uuid.UUID,
    note_id: uuid.UUID,
    author: Person,
    actor: Actor,
    action: str,
    *,
    was: int | None,
    becomes: int | None,
) -> bool:
    with write_transaction():
        session = _lock(session_id)
        notes = Note.objects.filter(
            pk=note_id, session=session, author=author, deleted_ms__isnull=was is None
        )
        if session is None or not notes.update(deleted_ms=becomes):
            return False
        _touch_and_record(session, action, actor, {"note": str(note_id)})
    nudge()
    return True


def target_of(session: AgentSession) -> Target:
    return Target("session", str(session.pk), session.heading)


def _move(
    session_id: uuid.UUID,
    actor: Actor,
    kind: EventKind,
    *,
    where: dict[str, Any] | None = None,
    is_deleted: bool = False,
    **changes: Any,
) -> bool:
    """Change the session's place if it stands where it is thought to stand."""
    with write_transaction():
        sessions = AgentSession.objects.filter(
            pk=session_id, deleted_ms__isnull=not is_deleted, **(where or {})
        )
        if not sessions.update(**changes, updated_ms=now_ms()):
            return False
        _append(session_id, kind)
        session = AgentSession.objects.get(pk=session_id)
        record(str(kind), actor=actor, target=target_of(session), session_id=session_id)
    nudge()
    return True


def _lock(session_id: uuid.UUID) -> AgentSession | None:
    """The session, held until the commit; None when it is not there or in the trash."""
    return AgentSession.objects.select_for_update().filter(pk=session_id, deleted_ms=None).first()


def _append(session_id: uuid.UUID, kind: EventKind, text: str = "") -> None:
    """An event of the session itself. Housekeeping is no activity: it neither moves the session up the list
    nor makes it unread for those who had seen all of it.
    """
    seq = take_places(session_id, 1)
    Event.objects.create(
        id=new_id(), session_id=session_id, seq=seq, at_ms=now_ms(), kind=kind, text=text[:500]
    )
    ReadMark.objects.filter(session_id=session_id, seq=seq - 1).update(seq=F("seq") + 1)


def _touch_and_record(session: AgentSession, action: str, actor: Actor, details: dict[str, Any]) -> None:
    AgentSession.objects.filter(pk=session.pk).update(updated_ms=now_ms())
    record(action, actor=actor, target=target_of(session), session_id=session.pk, details=details)
