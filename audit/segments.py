"""Checking a range of the log by itself, so that ranges can be checked side by side. No Django.

A range begins at a multiple of its size, a power of two: all in it hang from one node of the tree. The last one of a
log, of fewer than 256 entries, may be of any size. An entry that is missing leaves a hole of zeros in the tree, so
that what follows keeps its place and is still checked.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from audit.columns import Row, difference, parsed
from audit.notes import NoteError, TreeHead, Verifier
from audit.rows import Batch, Rows
from audit.tree import HASH_BYTES, leaf_hash
from audit.verdicts import Finding

#: A tile of the stored tree.
TILE: Final = 256
LARGEST: Final = 16_384
_HOLE: Final = bytes(HASH_BYTES)
#: What a verification has to know of what the log itself says.
KEY_REPLACED: Final = "key.replaced"
PAYLOAD_PRUNED: Final = "payload.pruned"
HOLD_PLACED: Final = "hold.placed"
HOLD_RELEASED: Final = "hold.released"
HEEDED: Final = frozenset({KEY_REPLACED, PAYLOAD_PRUNED, HOLD_PLACED, HOLD_RELEASED})


@dataclass(frozen=True, slots=True)
class SignedHead:
    """A stored checkpoint: what it says if its own key has signed it, else what is wrong with it."""

    size: int
    note: str
    key: str
    head: TreeHead | None
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Statement:
    """An entry that says something about keys or payloads."""

    idx: int
    action: str
    details: dict[str, Any]


@dataclass(slots=True)
class Segment:
    """What a range holds. `levels[h]` are its perfect subtrees of height h, in order."""

    start: int
    end: int
    findings: list[Finding] = field(default_factory=list)
    tiles: list[bytes] = field(default_factory=list)
    # The perfect subtrees, largest first, of its entries before each of these sizes of the log.
    frontiers: dict[int, list[bytes]] = field(default_factory=dict)
    checkpoints: list[SignedHead] = field(default_factory=list)
    absent: list[int] = field(default_factory=list)
    statements: list[Statement] = field(default_factory=list)


def ranges(start: int, end: int) -> Iterator[tuple[int, int]]:
    """What to check one by one from `start`, a multiple of 256, up to `end`."""
    while start < end:
        size = LARGEST
        while start % size or (size > end - start and size > TILE):
            size //= 2
        size = min(size, end - start)
        yield start, start + size
        start += size


def check(rows: Rows, start: int, end: int, sizes: Iterable[int] = ()) -> Segment:
    """All that can be said of these entries alone; `sizes` are those of heads to compare with."""
    segment = Segment(start, end)
    leaves: list[bytes] = []
    commitments: dict[int, Any] = {}
    for batch in rows.entries(start, end):
        hashes = _sequence(segment, batch, start + len(leaves), leaves)
        if list(batch.leaves) != hashes:
            segment.findings += _wrong_leaf(batch, hashes)
        for row in batch.odd:
            _look_closely(segment, row, commitments)
        segment.statements += _statements(batch)
    if len(leaves) < end - start:
        segment.findings.append(_gap(start + len(leaves), end - 1))
        leaves += [_HOLE] * (end - start - len(leaves))
    levels = _levels(leaves)
    if len(levels) > 8:
        segment.tiles = levels[8]
    segment.checkpoints = [_opened(*row) for row in rows.checkpoints(start, end)]
    for size in {end, *sizes, *(found.size for found in segment.checkpoints)}:
        if start < size <= end:
            segment.frontiers[size] = _frontier(levels, size - start)
    _payloads(segment, rows, commitments)
    return segment


def _sequence(segment: Segment, batch: Batch, expected: int, leaves: list[bytes]) -> list[bytes]:
    """Put each leaf in its place, from `expected` on; returns what the rows' own leaves should be."""
    sha256 = hashlib.sha256
    hashes = [
        sha256(b"\0" + body).digest() if type(body) is bytes else _odd_leaf(body) for body in batch.bodies
    ]
    if list(batch.idx) == list(range(expected, expected + len(hashes))):
        leaves += hashes
        return hashes
    for idx, found in zip(batch.idx, hashes, strict=True):
        place = idx - segment.start
        if place < len(leaves):
            segment.findings.append(Finding("sequence", idx, idx, f"Entry {idx:,} is there twice."))
            continue
        if place > len(leaves):
            segment.findings.append(_gap(segment.start + len(leaves), idx - 1))
            leaves += [_HOLE] * (place - len(leaves))
        leaves.append(found)
    return hashes


def _odd_leaf(body: Any) -> bytes:
    return leaf_hash(bytes(body)) if isinstance(body, memoryview) else leaf_hash(str(body).encode())


def _gap(first: int, last: int) -> Finding:
    text = f"Entry {first:,} is missing." if first == last else f"Entries {first:,} to {last:,} are missing."
    return Finding("sequence", first, last, text)


def _wrong_leaf(batch: Batch, hashes: Sequence[bytes]) -> Iterator[Finding]:
    for idx, leaf, expected in zip(batch.idx, batch.leaves, hashes, strict=True):
        if leaf != expected:
            text = f"The text of entry {idx:,} is not the one that was hashed when it was written."
            yield Finding("leaves", idx, idx, text)
            return


def _look_closely(segment: Segment, row: Row, commitments: dict[int, Any]) -> None:
    document = parsed(row[13])
    name = difference(row, document)
    if name:
        text = f"The column {name} of entry {row[0]:,} says something else than its canonical text."
        if name == "body":
            text = f"The text of entry {row[0]:,} is not that of an entry."
        segment.findings.append(Finding("columns", row[0], row[0], text))
    if document is not None and "payload" in document:
        payload = document["payload"]
        commitments[row[0]] = payload.get("commitment") if isinstance(payload, dict) else None


def _statements(batch: Batch) -> Iterator[Statement]:
    for idx, action, body in zip(batch.idx, batch.actions, batch.bodies, strict=True):
        if action in HEEDED:
            details = (parsed(body) or {}).get("details")
            if isinstance(details, dict):
                yield Statement(idx, action, details)


def _payloads(segment: Segment, rows: Rows, commitments: dict[int, Any]) -> None:
    there = set()
    for payload in rows.payloads(segment.start, segment.end):
        idx = payload.idx
        there.add(idx)
        if idx not in commitments:
            text = f"There is a payload of entry {idx:,}, which has none."
        elif hashlib.sha256(payload.salt + payload.data).hexdigest() != commitments[idx]:
            text = f"The payload of entry {idx:,} is not the one that the entry commits to."
        else:
            continue
        segment.findings.append(Finding("payloads", idx, idx, text))
    segment.absent = sorted(commitments.keys() - there)


def _opened(size: int, note: str, key: str) -> SignedHead:
    try:
        head = TreeHead.parse(Verifier.parse(key).open(note))
    except (NoteError, UnicodeEncodeError, AttributeError) as error:
        return SignedHead(size, note, key, None, str(error))
    return SignedHead(size, note, key, head)


def _levels(leaves: list[bytes]) -> list[list[bytes]]:
    """The perfect subtrees of each height."""
    sha256 = hashlib.sha256
    levels, level = [leaves], leaves
    while len(level) > 1:
        level = [
            sha256(b"\1" + left + right).digest()
            for left, right in zip(level[::2], level[1::2], strict=False)
        ]
        levels.append(level)
    return levels


def _frontier(levels: list[list[bytes]], count: int) -> list[bytes]:
    """Of the first `count` leaves, largest first."""
    found = []
    for height in reversed(range(count.bit_length())):
        if count >> height & 1:
            found.append(levels[height][(count >> height) - 1])
    return found
