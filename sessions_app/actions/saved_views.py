"""Saved views: what a person does with their own."""

import uuid

from audit.record import Target, record
from dashboard.lib.db import write_transaction
from dashboard.lib.errors import BadRequest, Conflict, Refused
from sessions_app.actors import actor_of
from sessions_app.models import Person, SavedView

MAX_VIEWS = 100
MAX_QUERY_CHARS = 1_000


def rename_saved_view(view_id: uuid.UUID, name: str, *, person: Person) -> bool:
    """False when it was named so. Raises Refused for a blank name, Conflict for one that is taken."""
    name = " ".join(name.split())[:80]
    if not name:
        raise Refused("A view needs a name.")
    with write_transaction():
        view = SavedView.objects.select_for_update().get(pk=view_id, person=person)
        if view.name == name:
            return False
        if SavedView.objects.filter(person=person, page=view.page, name=name).exists():
            raise Conflict(f"You have a view named {name!r} already.")
        before = view.name
        SavedView.objects.filter(pk=view.pk).update(name=name)
        target = Target("saved_view", str(view.pk), name)
        record("saved_view.renamed", actor=actor_of(person), target=target, details={"from": before})
    return True


def delete_saved_view(view_id: uuid.UUID, *, person: Person) -> str:
    """Delete it; returns its name."""
    with write_transaction():
        view = SavedView.objects.select_for_update().get(pk=view_id, person=person)
        target = Target("saved_view", str(view.pk), view.name)
        SavedView.objects.filter(pk=view.pk).delete()
        details = {"page": view.page, "query": view.query}
        record("saved_view.deleted", actor=actor_of(person), target=target, details=details)
    return view.name


def save_view(page: str, name: str, query: str, *, person: Person) -> SavedView:
    """Keep a list's filters under a name; the same name again takes the new filters.

    Raises Refused for a blank name, or when there are too many, and BadRequest for filters that do not fit: cut, they
    would find something else.
    """
    name = " ".join(name.split())[:80]
    if not name:
        raise Refused("A view needs a name.")
    if len(query) > MAX_QUERY_CHARS:
        raise BadRequest(
            f"These filters have {len(query):,} characters in the page's address, where letters beyond A to Z count "
            f"several times, and a view keeps {MAX_QUERY_CHARS:,}: nothing was saved. A bookmark holds them all."
        )
    with write_transaction():
        views = SavedView.objects.filter(person=person)
        if views.count() >= MAX_VIEWS:
            raise Refused(f"There are {MAX_VIEWS} saved views already: delete some under Settings.")
        view, _ = views.update_or_create(person=person, page=page, name=name, defaults={"query": query})
        target = Target("saved_view", str(view.pk), name)
        record(
            "saved_view.saved",
            actor=actor_of(person),
            target=target,
            details={"page": page, "query": view.query},
        )
    return view
