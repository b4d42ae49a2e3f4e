"""What was read of a source and has no entry in the audit log yet.

A pass over a source has one entry, written with its last batch; what a followed source grows by has one a minute.
Until then what it will say stands in the source itself, written with the rows that it tells of: an import or a watch
that is killed leaves nothing that goes without an entry.
"""

import json
import logging
import uuid
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Self

from django.db.models import QuerySet

from audit.actors import Actor
from audit.record import Draft, Target, append
from dashboard.lib.bulk import bulk_update
from dashboard.lib.db import write_transaction
from sessions_app.models import Source
from sessions_app.sealed_lines import UnreadableLines, hash_of_lines

logger = logging.getLogger(__name__)

COUNTED = ("sessions", "runs", "messages", "tool_calls", "terminals", "skipped_lines")


@dataclass
class Unrecorded:
    """What was written since the last entry: the first byte, and how much of what."""

    began_offset: int
    counts: Counter[str] = field(default_factory=Counter)

    @classmethod
    def load(cls, text: str) -> Self:
        stored = json.loads(text)
        return cls(stored["from"], Counter(stored["counts"]))

    def dump(self) -> str:
        return json.dumps({"from": self.began_offset, "counts": self.counts})

    def draft(self, source: Source, to: int, actor: Actor, *, sha256: str = "") -> Draft:
        """The entry. `sha256` is that of the file's bytes up to `to`; where they were not read in one go, that of the
        bytes that are kept is taken, and none where those are damaged.
        """
        details: dict[str, str | int] = {"format": source.format, "from": self.began_offset, "to": to}
        details["sha256"] = (self.began_offset == 0 and sha256) or _hash_of_kept(
            source, self.began_offset, to
        )
        details.update((name, self.counts[name]) for name in COUNTED)
        return Draft("source.imported", actor, Target("source", str(source.pk), source.path), details=details)


def standing(sources: Iterable[Source]) -> dict[uuid.UUID, Unrecorded]:
    """What is unrecorded of these; asked in the transaction that writes more."""
    ids = [source.pk for source in sources if not source._state.adding]
    found = (
        Source.objects.filter(pk__in=ids).exclude(unrecorded="").values_list("pk", "unrecorded")
        if ids
        else ()
    )
    return {source_id: Unrecorded.load(text) for source_id, text in found}


def save_unrecorded(texts: Iterable[tuple[str, uuid.UUID]]) -> None:
    bulk_update(Source, ("unrecorded",), texts)


def record_unrecorded(sources: QuerySet[Source], *, actor: Actor) -> None:
    """Append the entries of those that have something unrecorded, whoever read it. Raises DatabaseError."""
    if not sources.exclude(unrecorded="").exists():
        return
    with write_transaction():
        # Locked, as another process may be about to do the same.
        found = list(sources.exclude(unrecorded="").select_for_update().order_by("pk"))
        append(
            [Unrecorded.load(source.unrecorded).draft(source, source.read_offset, actor) for source in found]
        )
        save_unrecorded(("", source.pk) for source in found)


def _hash_of_kept(source: Source, begin: int, end: int) -> str:
    try:
        return hash_of_lines(source.pk, begin, end)
    except UnreadableLines as error:
        # What is wrong with it is for a verification to say; the entry must be written all the same.
        logger.warning("lines of %s: %s", source.path, error)
        return ""
