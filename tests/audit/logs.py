"""A log with something of everything in it, for tests that look at it afterwards."""

import random
from collections.abc import Sequence
from itertools import groupby

from django.db import transaction

from audit import catalog
from audit.actors import SYSTEM, Actor
from audit.models import Entry, Payload
from audit.record import Attachment, Draft, Target, append, append_apart
from audit.segments import PAYLOAD_PRUNED
from audit.signing import write_checkpoint
from dashboard.lib.ids import new_id

LABELS = ("ada", 'O"Brien \\ Söhne', "\x07bell\ttab", "日本語 🙂", "\x7f\u2028", "")


def draft(random_: random.Random, number: int) -> Draft:
    actor = Actor("person", str(number % 7), random_.choice(LABELS))
    target = Target("session", str(number), random_.choice(LABELS)) if random_.random() < 0.5 else None
    return Draft(
        random_.choice(["sign_in.succeeded", "session.renamed", "note.added"]),
        actor,
        target,
        session_id=new_id() if random_.random() < 0.5 else None,
        run_id=new_id() if random_.random() < 0.2 else None,
        decision=random_.choice(["", "allow", "deny"]),
        details={"n": number, "why": random_.choice(LABELS), "like the end": ',"id":"x","idx":1'},
        attachment=Attachment(random_.randbytes(40)) if random_.random() < 0.1 else None,
    )


def put(drafts: Sequence[Draft]) -> list[Entry]:
    """Append each in the way that its action is written, in this order."""
    found: list[Entry] = []
    for is_strict, some in groupby(drafts, lambda one: catalog.action(one.action).is_strict):
        found += (append if is_strict else append_apart)(list(some))
    return found


def grow(random_: random.Random, size: int, *, checkpoints: int = 5) -> None:
    """Append as many, with about so many checkpoints, the last of them over all."""
    cuts = sorted({*random_.sample(range(1, size), min(checkpoints, size - 1)), size})
    done = 0
    for cut in cuts:
        with transaction.atomic():
            append([draft(random_, number) for number in range(done, cut)])
        write_checkpoint()
        done = cut


def prune(first: int, last: int) -> int:
    """The payloads of these entries go as they may; returns the entry that says so."""
    from audit.models import Pruning

    with transaction.atomic():
        details = {"first_idx": first, "last_idx": last, "why": "older than a year"}
        (entry,) = append([Draft(PAYLOAD_PRUNED, SYSTEM, details=details)])
        Pruning.objects.create(idx=entry.idx, first_idx=first, last_idx=last)
        Payload.objects.filter(idx__gte=first, idx__lte=last).delete()
    return entry.idx
