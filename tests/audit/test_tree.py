"""The tree against published vectors, against another implementation, and against everything that is nearly a proof."""

import random
from collections.abc import Sequence
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymerkle import InmemoryTree

from audit.tree import (
    EMPTY_ROOT,
    Frontier,
    Node,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    range_root,
    root_of,
    verify_consistency,
    verify_inclusion,
)
from tests.endurance.sizes import full_or

# Seconds of hashing without a database.
pytestmark = pytest.mark.once

# The eight leaves that implementations of Certificate Transparency are tested with, and the roots over the first
# 0, 1, … 8 of them.
LEAVES = [
    bytes.fromhex(leaf)
    for leaf in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
# Leaf, size, and what leads to the root.
INCLUSIONS = [
    (0, 1, []),
    (
        0,
        8,
        [
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        5,
        8,
        [
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (2, 3, ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
    (
        1,
        5,
        [
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    ),
]
CONSISTENCIES = [
    (1, 1, []),
    (
        1,
        8,
        [
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        6,
        8,
        [
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (
        2,
        5,
        [
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    ),
]


def nodes(leaves: Sequence[bytes]) -> Node:
    """The perfect subtrees over these leaf hashes, each worked out from its leaves."""
    known: dict[tuple[int, int], bytes] = {}

    def node(height: int, index: int) -> bytes:
        place = height, index
        if place not in known:
            known[place] = root_of(leaves[index << height : (index + 1) << height])
        return known[place]

    return node


def numbered(size: int) -> list[bytes]:
    return [leaf_hash(str(number).encode()) for number in range(size)]


def from_hex(proof: Sequence[str]) -> list[bytes]:
    return [bytes.fromhex(found) for found in proof]


@pytest.mark.parametrize("size", range(9))
def test_roots_are_the_published_ones(size: int) -> None:
    assert root_of([leaf_hash(leaf) for leaf in LEAVES[:size]]).hex() == ROOTS[size]


@pytest.mark.parametrize(("index", "size", "proof"), INCLUSIONS)
def test_inclusion_proofs_are_the_published_ones(index: int, size: int, proof: list[str]) -> None:
    leaves = [leaf_hash(leaf) for leaf in LEAVES]
    assert inclusion_proof(nodes(leaves), index, size) == from_hex(proof)
    assert verify_inclusion(leaves[index], index, size, from_hex(proof), bytes.fromhex(ROOTS[size]))


@pytest.mark.parametrize(("first", "second", "proof"), CONSISTENCIES)
def test_consistency_proofs_are_the_published_ones(first: int, second: int, proof: list[str]) -> None:
    leaves = [leaf_hash(leaf) for leaf in LEAVES]
    assert consistency_proof(nodes(leaves), first, second) == from_hex(proof)
    roots = bytes.fromhex(ROOTS[first]), bytes.fromhex(ROOTS[second])
    assert verify_consistency(first, roots[0], second, roots[1], from_hex(proof))


@settings(max_examples=150)
@given(st.data())
def test_every_entry_can_be_proved_in_a_tree_of_any_size(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 3_000))
    index = data.draw(st.integers(0, size - 1))
    leaves = numbered(size)
    root, proof = root_of(leaves), inclusion_proof(nodes(leaves), index, size)
    assert verify_inclusion(leaves[index], index, size, proof, root)
    other = data.draw(st.integers(0, size - 1))
    assert verify_inclusion(leaves[index], other, size, proof, root) == (other == index)


@settings(max_examples=150)
@given(st.data())
def test_every_tree_is_the_beginning_of_a_larger_one(data: st.DataObject) -> None:
    second = data.draw(st.integers(0, 3_000))
    first = data.draw(st.integers(0, second))
    leaves = numbered(second)
    roots = root_of(leaves[:first]), root_of(leaves)
    proof = consistency_proof(nodes(leaves), first, second)
    assert verify_consistency(first, roots[0], second, roots[1], proof)
    changed = data.draw(st.integers(0, max(0, first - 1)))
    if first:
        leaves[changed] = leaf_hash(b"another")
        assert not verify_consistency(first, root_of(leaves[:first]), second, roots[1], proof)


@given(st.lists(st.binary(max_size=40), max_size=80))
def test_a_frontier_that_was_written_down_goes_on_as_before(entries: list[bytes]) -> None:
    kept = Frontier()
    for entry in entries:
        kept = Frontier.decode(kept.size, kept.encode())
        kept.append(leaf_hash(entry))
    assert kept.root() == root_of(leaf_hash(entry) for entry in entries)


@pytest.mark.parametrize(("size", "length"), [(1, 0), (0, 32), (3, 32), (-1, 0), (2, 33)])
def test_a_frontier_of_another_size_is_refused(size: int, length: int) -> None:
    with pytest.raises(ValueError, match="does not belong"):
        Frontier.decode(size, bytes(length))


def oracle_root(tree: InmemoryTree, size: int) -> bytes:
    root: bytes = tree.get_root(size)
    return root


def test_roots_are_those_of_pymerkle() -> None:
    """At 0 to 600 and 2,000; asked for more, also at 70,000, which is more than 256 tiles."""
    last = full_or(70_000, 2_000)
    theirs, ours = InmemoryTree(algorithm="sha256"), Frontier()
    assert ours.root() == EMPTY_ROOT == sha256().digest() == oracle_root(theirs, 0)
    for number in range(last):
        theirs.append_entry(str(number).encode())
        ours.append(leaf_hash(str(number).encode()))
        if number < 600:
            assert ours.root() == oracle_root(theirs, number + 1), f"at {number + 1}"
    assert ours.root() == oracle_root(theirs, last)
    leaves = numbered(last)
    assert range_root(nodes(leaves), 0, last) == ours.root()


def flipped(random_: random.Random, value: bytes) -> bytes:
    bit = random_.randrange(len(value) * 8)
    changed = bytearray(value)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def mutated(random_: random.Random, proof: list[bytes]) -> list[bytes]:
    """Nearly this proof: a bit flipped, cut off, one too many, two exchanged, one of them longer or shorter."""
    changed = list(proof)
    ways = ["more", "first"] + (["flip", "less", "swap", "long", "short"] if proof else [])
    way = random_.choice(ways)
    at = random_.randrange(len(proof)) if proof else 0
    if way == "flip":
        changed[at] = flipped(random_, changed[at])
    elif way == "less":
        del changed[at]
    elif way == "swap":
        other = random_.randrange(len(proof))
        changed[at], changed[other] = changed[other], changed[at]
    elif way == "long":
        changed[at] += b"\0"
    elif way == "short":
        changed[at] = changed[at][:-1]
    elif way == "more":
        changed.append(random_.choice([bytes(32), *proof]))
    else:
        changed.insert(0, random_.randbytes(32))
    return changed


def test_of_10_000_proofs_that_are_nearly_right_none_is_accepted() -> None:
    random_ = random.Random(6962)
    leaves = numbered(700)
    node = nodes(leaves)
    roots = [root_of(leaves[:size]) for size in range(len(leaves) + 1)]
    for number in range(5_000):
        size = random_.randrange(1, len(leaves))
        index = random_.randrange(size)
        whole = inclusion_proof(node, index, size)
        place, other, root, proof = index, size, roots[size], whole
        while (place, other, root, proof) == (index, size, roots[size], whole):
            if number % 4 == 0:
                place = random_.randrange(-1, size + 1)
            elif number % 4 == 1:
                # A checkpoint names both.
                other = random_.randrange(len(leaves))
                root = roots[other]
            else:
                proof = mutated(random_, whole)
        assert not verify_inclusion(leaves[index], place, other, proof, root), (
            index,
            size,
            place,
            other,
            proof,
        )
    for number in range(5_000):
        second = random_.randrange(2, len(leaves))
        first = random_.randrange(1, second)
        whole = consistency_proof(node, first, second)
        heads = (first, roots[first], second, roots[second])
        changed, proof = heads, whole
        # Of a tree with itself nothing is to be shown.
        while (changed, proof) == (heads, whole) or (changed[0] == changed[2] and not proof):
            other = random_.randrange(1, len(leaves))
            if number % 4 == 0:
                changed = (other, roots[other], second, roots[second])
            elif number % 4 == 1:
                changed = (first, roots[first], other, roots[other])
            else:
                proof = mutated(random_, whole)
        assert not verify_consistency(*changed, proof), (heads, changed, proof)
