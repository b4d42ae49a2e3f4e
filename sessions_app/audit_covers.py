"""Whether sealed output, sealed rows and sealed lines are as their entries in the audit log say."""

import uuid
from collections.abc import Iterator, Sequence
from itertools import batched
from typing import Final

from audit.columns import details_of
from audit.covers import Commitment
from audit.models import Entry
from dashboard.lib.errors import CorruptData
from sessions_app.audit_details import Form, LinesSealed, OutputSealed, RowsSealed, SealedSegment, read
from sessions_app.models import TerminalChunk, TerminalSegment
from sessions_app.models.blob import sha256_of
from sessions_app.sealed_lines import trouble_of_lines
from sessions_app.sealed_rows import FORM, trouble_of_rows

# Of 256 kB each at most.
_SEGMENTS_AT_ONCE: Final = 16


def check_segments(found: Commitment) -> Iterator[str]:
    """Of one `terminal.sealed`, each segment that it names."""
    terminal_id = found.target
    for some in batched(read(found, OutputSealed).segments, _SEGMENTS_AT_ONCE):
        offsets = [segment.offset for segment in some]
        stored = TerminalSegment.objects.filter(terminal=terminal_id, offset__in=offsets)
        by_offset = {segment.offset: segment for segment in stored}
        for said in some:
            trouble = _trouble_of(said, by_offset.get(said.offset))
            place = f"of terminal {terminal_id} from byte {said.offset:,} on"
            yield f"the output {place} {trouble}." if trouble else ""
        added = _added(terminal_id, some)
        if added:
            yield f"terminal {terminal_id} {added}."


def _added(terminal_id: uuid.UUID, some: Sequence[SealedSegment]) -> str:
    """What no entry names would be read in the place of what was sealed."""
    start, end = some[0].offset, some[-1].offset + some[-1].size
    between = {"terminal": terminal_id, "offset__lt": end, **({"offset__gte": start} if start else {})}
    named = [segment.offset for segment in some]
    places = [
        *TerminalSegment.objects.filter(**between)
        .exclude(offset__in=named)
        .values_list("offset", flat=True)[:1],
        *TerminalChunk.objects.filter(**between).values_list("offset", flat=True)[:1],
    ]
    return f"has other output from byte {places[0]:,} on beside what was sealed there" if places else ""


def _trouble_of(said: SealedSegment, stored: TerminalSegment | None) -> str:
    if stored is None:
        return "is gone"
    try:
        plain = stored.read()
    except CorruptData:
        return "was changed, and cannot be unpacked any more"
    if (stored.size, sha256_of(plain)) != (said.size, said.sha256):
        return "was changed"
    first_us = stored.first_us if said.first_us is None else said.first_us
    last_us = stored.last_us if said.last_us is None else said.last_us
    times = sha256_of(bytes(stored.timing)), stored.first_us, stored.last_us
    if times != (said.timing_sha256, first_us, last_us):
        return "has other times"
    return "is named otherwise" if stored.sha256 != said.sha256 else ""


def check_rows(found: Commitment) -> Iterator[str]:
    """Of one `session.sealed`, each piece that no later `session.unsealed` has taken the seal off."""
    session_id, end = found.target, _unsealed_from(found)
    if read(found, Form).form != FORM:
        yield f"rows of session {session_id} are sealed in a form that this version does not know."
        return
    for said in read(found, RowsSealed).pieces:
        if end is not None and said.last_seq >= end:
            return
        trouble = trouble_of_rows(session_id, said.first_seq, said.last_seq, said.rows, said.sha256)
        if trouble:
            # It may have been changed, with its entry, while this looked.
            end = _unsealed_from(found)
            if end is not None and said.last_seq >= end:
                return
        yield f"in session {session_id}, {trouble}." if trouble else ""


def _unsealed_from(found: Commitment) -> int | None:
    """The first row that later entries have taken the seal off. One that names no row is found where it stands."""
    later = Entry.objects.filter(
        session_id=found.session_id, idx__gt=found.idx, action="session.unsealed", target_id=found.target_id
    )
    said = [details_of(body).get("first_seq") for body in later.values_list("body", flat=True)]
    return min((first for first in said if type(first) is int), default=None)


def check_lines(found: Commitment) -> Iterator[str]:
    """Of one `source.sealed`, each piece."""
    source_id = found.target
    for said in read(found, LinesSealed).pieces:
        trouble = trouble_of_lines(source_id, said.offset, said.size, said.sha256)
        yield f"in source {source_id}, {trouble}." if trouble else ""
