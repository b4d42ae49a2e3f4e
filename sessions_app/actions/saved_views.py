"""Saved views: what a person does with their own."""

import uuid

from audit.record import Target, record
from dashboard.lib.db import write_transaction
from dashboard.lib.errors import Conflict, Refused
from sessions_app.actors import actor_of
from sessions_app.models import Person, SavedView


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
