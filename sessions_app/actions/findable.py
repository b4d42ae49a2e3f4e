"""Single texts put into the search index, beside what an import writes in bulk."""

import uuid

from dashboard.lib.text import storable
from sessions_app.models import SearchEntry, SearchKind
from sessions_app.search import index


def make_findable(
    kind: SearchKind, object_id: uuid.UUID, session_id: uuid.UUID, at_ms: int, text: str
) -> None:
    """Let a search find this text of the object too, inside the caller's transaction."""
    if not text.strip():
        return
    entry = index.entry_id(at_ms, object_id)
    while SearchEntry.objects.filter(pk=entry).exists():
        entry += 1
    SearchEntry.objects.create(id=entry, kind=kind, object_id=object_id, session_id=session_id)
    index.add([(entry, storable(text))])
