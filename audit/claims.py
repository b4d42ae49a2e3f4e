"""What the database claims about the log, read in one moment: what a verification holds against its entries."""

from dataclasses import dataclass
from typing import Final, Self

from django.db.models import Count, Max, Min

from audit.growing import TILE_HEIGHT
from audit.models import Checkpoint, Entry, Log, Payload, Subtree
from audit.segments import LARGEST
from audit.verdicts import Finding
from dashboard.lib.clock import now_ms
from dashboard.lib.db import read_snapshot

# So many missing entries are looked through; beyond, what is there ends where the first one is missing.
_HOLES: Final = 64 * LARGEST


@dataclass(frozen=True, slots=True)
class Claims:
    """`size` is how many entries can be checked: those that the log claims and that are there."""

    at_ms: int
    log: Log | None
    size: int
    findings: tuple[Finding, ...]

    @property
    def origin(self) -> str:
        return self.log.origin if self.log else ""

    @classmethod
    def read(cls) -> Self:
        at_ms = now_ms()
        with read_snapshot():
            log = Log.objects.filter(pk=Log.THE_ONE).first()
            size, findings = _extent(log)
            for found in (_late_checkpoint(size), _extra_subtree(size), _extra_payload(size)):
                if found is not None:
                    findings.append(found)
        return cls(at_ms, log, size, tuple(findings))


def _extent(log: Log | None) -> tuple[int, list[Finding]]:
    there = Entry.objects.aggregate(first=Min("idx"), last=Max("idx"), count=Count("idx"))
    reach = 0 if there["last"] is None else there["last"] + 1
    found = []
    if there["first"] is not None and there["first"] < 0:
        found.append(Finding("sequence", there["first"], -1, f"There is an entry {there['first']:,}."))
    if reach - there["count"] > _HOLES:
        reach = _first_hole()
        found.append(
            Finding("sequence", reach, there["last"], f"Entry {reach:,} is missing, and many after it.")
        )
    if log is None:
        if reach:
            found.append(
                Finding("sequence", 0, reach - 1, "The row that says how far the log reaches is gone.")
            )
        return reach, found
    if log.size > reach:
        text = f"The log has {log.size:,} entries, and those from {reach:,} on are missing."
        found.append(Finding("sequence", reach, log.size - 1, text))
    elif log.size < reach:
        text = f"The log has {log.size:,} entries, and there are more: up to {reach - 1:,}."
        found.append(Finding("sequence", log.size, reach - 1, text))
    return max(0, min(log.size, reach)), found


def _first_hole() -> int:
    entries = Entry.objects.filter(idx__gte=0).order_by("idx").values_list("idx", flat=True)
    place = 0
    for place, idx in enumerate(entries.iterator()):
        if idx != place:
            return place
    return place + 1


def _late_checkpoint(size: int) -> Finding | None:
    last = Checkpoint.objects.order_by("-size").values_list("size", flat=True).first()
    if last is None or last <= size:
        bad = Checkpoint.objects.filter(size__lte=0).exists()
        return Finding("signatures", 0, 0, "There is a checkpoint of no entries.") if bad else None
    text = f"{last:,} entries were signed, and {size:,} are there: the newest were removed."
    return Finding("signatures", size, last - 1, text)


def _extra_subtree(size: int) -> Finding | None:
    levels = Subtree.objects.values("level").annotate(first=Min("number"), last=Max("number"))
    for row in levels.order_by("level"):
        height = row["level"] * TILE_HEIGHT
        if row["level"] < 1 or row["first"] < 0 or row["last"] >= size >> height:
            text = f"A subtree of {1 << max(0, height):,} entries is kept for more entries than there are."
            return Finding("subtrees", size, size, text)
    return None


def _extra_payload(size: int) -> Finding | None:
    idx = (
        Payload.objects.exclude(idx__gte=0, idx__lt=size)
        .order_by("idx")
        .values_list("idx", flat=True)
        .first()
    )
    return (
        None
        if idx is None
        else Finding("payloads", idx, idx, f"There is a payload of entry {idx:,}, which is not there.")
    )
