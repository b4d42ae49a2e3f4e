"""The Merkle tree of RFC 6962 (hashes as in RFC 9162, 2.1): roots, and proofs of inclusion and consistency.

Pure. A tree of `size` leaves is named by its root; `node(height, index)` is the root of the perfect subtree over
the leaves from `index << height` to `(index + 1) << height`. All hashes are the 32 bytes of SHA-256.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final, Self

HASH_BYTES: Final = 32
EMPTY_ROOT: Final = sha256(b"").digest()

type Node = Callable[[int, int], bytes]


def leaf_hash(data: bytes) -> bytes:
    return sha256(b"\0" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\1" + left + right).digest()


@dataclass(slots=True)
class Frontier:
    """All that is needed to append to a tree: its size, and the roots of its perfect subtrees, largest first."""

    size: int = 0
    hashes: list[bytes] = field(default_factory=list)

    def append(self, leaf: bytes) -> list[tuple[int, int, bytes]]:
        """Add a leaf's hash; the perfect subtrees that it completed, as (height, index, hash), smallest first."""
        completed = []
        height, index, found = 0, self.size, leaf
        while index & 1:
            found = node_hash(self.hashes.pop(), found)
            height, index = height + 1, index >> 1
            completed.append((height, index, found))
        self.hashes.append(found)
        self.size += 1
        return completed

    def root(self) -> bytes:
        return _folded(self.hashes)

    def encode(self) -> bytes:
        return b"".join(self.hashes)

    @classmethod
    def decode(cls, size: int, data: bytes) -> Self:
        """Raises ValueError when these cannot be the subtrees of a tree of this size."""
        if size < 0 or len(data) != size.bit_count() * HASH_BYTES:
            raise ValueError(f"a frontier of {len(data)} bytes does not belong to {size} entries")
        return cls(size, [data[start : start + HASH_BYTES] for start in range(0, len(data), HASH_BYTES)])


def root_of(leaves: Iterable[bytes]) -> bytes:
    """The root over these leaf hashes."""
    frontier = Frontier()
    for leaf in leaves:
        frontier.append(leaf)
    return frontier.root()


def perfect_root(hashes: Sequence[bytes]) -> bytes:
    """The root over 2^n hashes; a loop by levels is the fastest that Python can do."""
    level = list(hashes)
    if not level or len(level) & (len(level) - 1):
        raise ValueError(f"{len(level)} hashes make no perfect tree")
    while len(level) > 1:
        level = [
            sha256(b"\1" + left + right).digest() for left, right in zip(level[::2], level[1::2], strict=True)
        ]
    return level[0]


def inclusion_proof(node: Node, index: int, size: int) -> list[bytes]:
    """What leads from leaf `index` to the root of a tree of `size`, from the leaf upwards."""
    if not 0 <= index < size:
        raise ValueError(f"entry {index} is not in a tree of {size}")
    return _path(node, index, 0, size)


def consistency_proof(node: Node, first: int, second: int) -> list[bytes]:
    """What shows that the tree of `first` leaves is the beginning of the tree of `second`."""
    if not 0 <= first <= second:
        raise ValueError(f"a tree of {first} is not the beginning of one of {second}")
    if first in {0, second}:
        return []
    return _subproof(node, first, 0, second, is_whole=True)


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """RFC 9162, 2.1.3.2."""
    if not 0 <= index < size or not _are_hashes([leaf, root, *proof]):
        return False
    place, last, found = index, size - 1, leaf
    for sibling in proof:
        if not last:
            return False
        if place & 1 or place == last:
            found = node_hash(sibling, found)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        place, last = place >> 1, last >> 1
    return not last and found == root


def verify_consistency(
    first: int, first_root: bytes, second: int, second_root: bytes, proof: Sequence[bytes]
) -> bool:
    """RFC 9162, 2.1.4.2; an empty tree is the beginning of every other."""
    if not 0 <= first <= second or not _are_hashes([first_root, second_root, *proof]):
        return False
    if first == second:
        return not proof and first_root == second_root
    if not first:
        return not proof and first_root == EMPTY_ROOT
    hashes = list(proof)
    if not first & (first - 1):
        hashes.insert(0, first_root)
    if not hashes:
        return False
    place, last = first - 1, second - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    older = newer = hashes[0]
    for sibling in hashes[1:]:
        if not last:
            return False
        if place & 1 or place == last:
            older, newer = node_hash(sibling, older), node_hash(sibling, newer)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            newer = node_hash(newer, sibling)
        place, last = place >> 1, last >> 1
    return not last and older == first_root and newer == second_root


def _are_hashes(values: Iterable[bytes]) -> bool:
    return all(len(value) == HASH_BYTES for value in values)


def _folded(hashes: Sequence[bytes]) -> bytes:
    """The root over perfect subtrees, the largest first."""
    if not hashes:
        return EMPTY_ROOT
    *rest, found = hashes
    for left in reversed(rest):
        found = node_hash(left, found)
    return found


def range_root(node: Node, start: int, end: int) -> bytes:
    """The root over the leaves from `start` to `end`, where `start` is a multiple of the subtree's size."""
    hashes = []
    while start < end:
        height = (end - start).bit_length() - 1
        hashes.append(node(height, start >> height))
        start += 1 << height
    return _folded(hashes)


def _split(size: int) -> int:
    """The largest power of two below `size`."""
    return 1 << ((size - 1).bit_length() - 1)


def _path(node: Node, index: int, start: int, end: int) -> list[bytes]:
    if end - start == 1:
        return []
    middle = start + _split(end - start)
    if index < middle:
        return [*_path(node, index, start, middle), range_root(node, middle, end)]
    return [*_path(node, index, middle, end), range_root(node, start, middle)]


def _subproof(node: Node, first: int, start: int, end: int, *, is_whole: bool) -> list[bytes]:
    if first == end:
        return [] if is_whole else [range_root(node, start, end)]
    middle = start + _split(end - start)
    if first <= middle:
        return [*_subproof(node, first, start, middle, is_whole=is_whole), range_root(node, middle, end)]
    return [*_subproof(node, first, middle, end, is_whole=False), range_root(node, start, middle)]
