"""Replies that grew after their first record are found by what they said since, which no index had."""

import uuid
from collections.abc import Iterable, Iterator
from itertools import batched
from typing import Any

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

from dashboard.lib.bulk import bulk_insert, existing_keys
from dashboard.lib.errors import CorruptData
from sessions_app.models.blob import unpack
from sessions_app.search import index
from sessions_app.search.words import MAX_INDEXED_CHARS

MESSAGES_AT_ONCE = 200
CHARS_AT_ONCE = 2_000_000
# Where the entry is likely to go: behind the one of the message as it began.
PLACES_AT_ONCE = 4

# The entry's place, the message, its session, its text.
type Found = tuple[int, uuid.UUID, uuid.UUID, str]


def index_grown(apps: StateApps, _: BaseDatabaseSchemaEditor | None = None) -> None:
    """One more entry for each message with an event that says it grew: what an entry has cannot be looked at.

    Only the events are walked through whole, and the ids begin with the time, so the index grows at its end.
    """
    event: Any = apps.get_model("sessions_app", "Event")
    grown = event.objects.filter(kind="message.extended").exclude(subject_id=None).order_by("subject_id")
    named = grown.values_list("subject_id", flat=True).distinct()
    for ids in batched(named.iterator(MESSAGES_AT_ONCE), MESSAGES_AT_ONCE):
        for portion in _in_portions(_found(apps, ids)):
            _add(apps, portion)


def _found(apps: StateApps, ids: Iterable[uuid.UUID]) -> Iterator[Found]:
    message: Any = apps.get_model("sessions_app", "Message")
    rows = message.objects.filter(pk__in=ids).order_by("pk")
    for pk, at_ms, session_id, text, text_blob, reasoning, reasoning_blob in rows.values_list(
        "pk", "at_ms", "session_id", "text", "text_blob_id", "reasoning", "reasoning_blob_id"
    ):
        said = _whole(apps, text, text_blob)
        if reasoning:
            said = f"{said}\n{_whole(apps, reasoning, reasoning_blob)}"
        if said.strip():
            yield index.entry_id(at_ms, pk), pk, session_id, said[:MAX_INDEXED_CHARS]


def _whole(apps: StateApps, text: str, blob_id: str | None) -> str:
    if blob_id is None:
        return text
    blob = apps.get_model("sessions_app", "Blob").objects.get(pk=blob_id)
    try:
        return unpack(bytes(blob.data), blob.codec, blob.size).decode()
    except (CorruptData, UnicodeDecodeError):
        # Its beginning is what can be read of it anywhere; whoever opens it is told so.
        return text


def _in_portions(found: Iterable[Found]) -> Iterator[list[Found]]:
    portion: list[Found] = []
    chars = 0
    for each in found:
        portion.append(each)
        chars += len(each[3])
        if chars >= CHARS_AT_ONCE:
            yield portion
            portion, chars = [], 0
    if portion:
        yield portion


def _add(apps: StateApps, portion: list[Found]) -> None:
    model = apps.get_model("sessions_app", "SearchEntry")
    taken = existing_keys(model, [found[0] + step for found in portion for step in range(PLACES_AT_ONCE)])
    entries, words = [], []
    for wanted, pk, session_id, text in portion:
        entry = wanted
        while entry in taken or (entry >= wanted + PLACES_AT_ONCE and existing_keys(model, [entry])):
            entry += 1
        taken.add(entry)
        entries.append((entry, "message", pk.hex, session_id.hex))
        words.append((entry, index.indexable(text)))
    bulk_insert(model, ("id", "kind", "object_id", "session_id"), entries)
    index.add_indexable(words)


class Migration(migrations.Migration):
    dependencies = [
        ("sessions_app", "0016_title_words"),
    ]

    operations = [
        migrations.RunPython(index_grown, migrations.RunPython.noop),
    ]
