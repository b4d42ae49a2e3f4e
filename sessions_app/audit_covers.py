"""Whether sealed output is as its entries in the audit log say."""

import uuid
from collections.abc import Iterator
from itertools import batched
from typing import Any, Final

from audit.covers import Commitment
from dashboard.lib.compression import CorruptData
from sessions_app.models import TerminalSegment
from sessions_app.models.blob import sha256_of

# Of 256 kB each at most.
_SEGMENTS_AT_ONCE: Final = 16


def check_segments(found: Commitment) -> Iterator[str]:
    """Of one `terminal.sealed`, each segment that it names."""
    for some in batched(found.details.get("segments", []), _SEGMENTS_AT_ONCE):
        offsets = [segment["offset"] for segment in some]
        stored = TerminalSegment.objects.filter(terminal=uuid.UUID(found.target_id), offset__in=offsets)
        by_offset = {segment.offset: segment for segment in stored}
        for said in some:
            trouble = _trouble_of(said, by_offset.get(said["offset"]))
            place = f"of terminal {found.target_id} from byte {said['offset']:,} on"
            yield f"the output {place} {trouble}." if trouble else ""


def _trouble_of(said: dict[str, Any], stored: TerminalSegment | None) -> str:
    if stored is None:
        return "is gone"
    try:
        plain = stored.read()
    except CorruptData:
        return "cannot be unpacked any more"
    # Whatever `size` says, what is stored as it is comes back whole.
    if (len(plain), stored.size, sha256_of(plain)) != (said["size"], said["size"], said["sha256"]):
        return "was changed"
    # Entries of earlier versions do not name the first and the last moment.
    moments = said.get("first_us", stored.first_us), said.get("last_us", stored.last_us)
    times = sha256_of(bytes(stored.timing)), stored.first_us, stored.last_us
    if times != (said["timing_sha256"], *moments):
        return "has other times"
    return "is named otherwise" if stored.sha256 != said["sha256"] else ""
