"""Putting checked ranges together, from the first entry on, into the tree of the whole log. No Django.

A walk can go on later from where it was: it keeps what is needed of the entries before, which is a few hashes.
"""

from array import array
from collections.abc import Iterator
from typing import Final

from audit.segments import TILE, Segment, Statement
from audit.tree import HASH_BYTES, Frontier, node_hash
from audit.verdicts import Finding, Findings

TILE_HEIGHT: Final = 8


class Walk:
    """`size` entries were checked; the first `whole` of them, a multiple of 256, need not be looked at again."""

    def __init__(self) -> None:
        self.size = 0
        self.whole = 0
        self.findings = Findings()
        self.absent = array("q")
        self.statements: list[Statement] = []
        #: The size of the newest checkpoint that named the tree as it is.
        self.signed = 0
        #: Of each key, the smallest and the largest size that it signed: judged by whatever key is known in the end.
        self.signed_by: dict[str, tuple[int, int]] = {}
        #: The roots of the last range, by the sizes that were asked for.
        self.roots: dict[int, bytes] = {}
        self._nodes: list[tuple[int, bytes]] = []
        self._tail: list[bytes] = []
        # Of the last range, which is looked at again when the walk goes on.
        self._tail_absent: list[int] = []
        self._tail_statements: list[Statement] = []

    def take(self, segment: Segment) -> list[tuple[int, int, bytes]]:
        """Add the range that follows; the subtrees of 256, 65,536, … entries that it completes, as they should be."""
        if segment.start != self.whole:
            raise ValueError(f"a range from {segment.start} does not follow {self.whole} entries")
        self.findings.add(segment.findings)
        before = [found for _, found in self._nodes]
        self.roots = {
            size: Frontier(size, [*before, *hashes]).root() for size, hashes in segment.frontiers.items()
        }
        whole = segment.frontiers[segment.end]
        self.size = segment.end
        if (segment.end - segment.start) % TILE:
            self._tail, self._tail_absent, self._tail_statements = whole, segment.absent, segment.statements
            return []
        self._tail, self._tail_absent, self._tail_statements = [], [], []
        self.absent.extend(segment.absent)
        self.statements += segment.statements
        self.whole = segment.end
        tiles = [(1, number, found) for number, found in enumerate(segment.tiles, segment.start // TILE)]
        return [*tiles, *self._add((segment.end - segment.start).bit_length() - 1, whole[0])]

    def _add(self, height: int, found: bytes) -> Iterator[tuple[int, int, bytes]]:
        while self._nodes and self._nodes[-1][0] == height:
            found, height = node_hash(self._nodes.pop()[1], found), height + 1
            if height % TILE_HEIGHT == 0 and height > TILE_HEIGHT:
                yield height // TILE_HEIGHT, (self.whole >> height) - 1, found
        self._nodes.append((height, found))

    def frontier(self) -> Frontier:
        return Frontier(self.size, [*(found for _, found in self._nodes), *self._tail])

    def all_absent(self) -> Iterator[int]:
        """Entries whose payload is not there, in order."""
        yield from self.absent
        yield from self._tail_absent

    def all_statements(self) -> list[Statement]:
        return [*self.statements, *self._tail_statements]


def where_they_differ(size: int, stored: bytes, found: Frontier) -> Finding | None:
    """Between the frontier that the log keeps and the one that follows from its entries; None when they agree."""
    if stored == found.encode():
        return None
    start = 0
    for place, height in enumerate(h for h in reversed(range(size.bit_length())) if size >> h & 1):
        span = slice(place * HASH_BYTES, (place + 1) * HASH_BYTES)
        if stored[span] != found.hashes[place]:
            last = start + (1 << height) - 1
            text = f"The head that the log keeps is not that of its entries {start:,} to {last:,}."
            return Finding("frontier", start, last, text)
        start += 1 << height
    return Finding("frontier", size, size, "The head that the log keeps is longer than it should be.")
