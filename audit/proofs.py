"""Proofs out of the stored tree: what reads little, however long the log is."""

from audit import tree
from audit.models import Entry, Subtree
from audit.record import TILE_HEIGHT
from audit.tree import Node, perfect_root

_TILE_HASHES = 1 << TILE_HEIGHT


def inclusion(idx: int, size: int) -> list[bytes]:
    """What leads from entry `idx` to the root of the log's first `size` entries. Raises ValueError."""
    return tree.inclusion_proof(stored_nodes(), idx, size)


def consistency(first: int, second: int) -> list[bytes]:
    """What shows that the log of `first` entries is the beginning of that of `second`. Raises ValueError."""
    return tree.consistency_proof(stored_nodes(), first, second)


def root_at(size: int) -> bytes:
    """The root over the first `size` entries, as they are stored. Raises ValueError."""
    return tree.range_root(stored_nodes(), 0, size)


def stored_nodes() -> Node:
    """The perfect subtrees of the log, read a tile of 256 hashes at a time and remembered."""
    tiles: dict[tuple[int, int], list[bytes]] = {}

    def node(height: int, index: int) -> bytes:
        level, within = divmod(height, TILE_HEIGHT)
        first = index << within
        place = level, first // _TILE_HASHES
        if place not in tiles:
            tiles[place] = _tile(*place)
        start = first % _TILE_HASHES
        hashes = tiles[place][start : start + (1 << within)]
        if len(hashes) != 1 << within:
            raise ValueError(f"the log does not reach to node {index} of height {height}")
        return perfect_root(hashes)

    return node


def _tile(level: int, number: int) -> list[bytes]:
    start, end = number * _TILE_HASHES, (number + 1) * _TILE_HASHES
    if level:
        rows = Subtree.objects.filter(level=level, number__gte=start, number__lt=end).order_by("number")
        return [bytes(found) for found in rows.values_list("hash", flat=True)]
    leaves = Entry.objects.filter(idx__gte=start, idx__lt=end).order_by("idx")
    return [bytes(found) for found in leaves.values_list("leaf", flat=True)]
