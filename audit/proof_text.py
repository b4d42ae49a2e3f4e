"""One entry's place in the tree, as text that is checked without this console (c2sp.org/tlog-proof)."""

import base64
from dataclasses import dataclass

from audit.models import Checkpoint
from audit.proofs import inclusion
from audit.strip import Head
from audit.tree import verify_inclusion


@dataclass(frozen=True, slots=True)
class Proof:
    """`text` leads from the entry's leaf to the root that `head` is signed for; `holds` is what came of trying."""

    head: Head
    steps: int
    text: str
    holds: bool


def proof_of(idx: int, leaf: bytes) -> Proof | None:
    """With the newest checkpoint; None while none covers the entry. Raises ValueError for a damaged tree."""
    checkpoint = Checkpoint.objects.newest()
    if checkpoint is None or checkpoint.size <= idx:
        return None
    head = Head.of(checkpoint)
    hashes = inclusion(idx, head.size)
    lines = [
        "c2sp.org/tlog-proof@v1",
        f"index {idx}",
        *(base64.b64encode(step).decode() for step in hashes),
    ]
    text = "\n".join(lines) + "\n\n" + head.note
    holds = verify_inclusion(leaf, idx, head.size, hashes, bytes.fromhex(head.root))
    return Proof(head, len(hashes), text, holds)
