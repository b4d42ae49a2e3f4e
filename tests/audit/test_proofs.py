"""Proofs out of the stored tree."""

import pytest
from django.db import transaction

from audit import proofs
from audit.actors import SYSTEM
from audit.models import Entry
from audit.record import Draft, append
from audit.tree import root_of, verify_consistency, verify_inclusion

pytestmark = pytest.mark.django_db


def test_any_entry_and_any_earlier_head_can_be_proved() -> None:
    size = 1_000
    with transaction.atomic():
        append([Draft("sign_in.succeeded", SYSTEM, details={"n": n}) for n in range(size)])
    leaves = [bytes(leaf) for leaf in Entry.objects.order_by("idx").values_list("leaf", flat=True)]
    root = root_of(leaves)
    assert proofs.root_at(size) == root
    for idx in (0, 1, 255, 256, 511, 600, 998, 999):
        proof = proofs.inclusion(idx, size)
        assert verify_inclusion(leaves[idx], idx, size, proof, root)
        assert not verify_inclusion(leaves[idx - 1], idx, size, proof, root)
    for first in (0, 1, 2, 255, 256, 257, 512, 767, 999, 1_000):
        older = root_of(leaves[:first])
        assert verify_consistency(first, older, size, root, proofs.consistency(first, size))


def test_what_is_not_there_cannot_be_proved() -> None:
    with pytest.raises(ValueError, match="not in a tree"):
        proofs.inclusion(0, 0)
