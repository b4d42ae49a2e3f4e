"""Appending to the audit log: through the group-commit writer by many callers, strict actions, and the tree's share."""

import threading
import time
from collections.abc import Callable
from typing import Any, Final
from unittest import mock

from benchmarks.harness import Console, Options, p50_and_p99, say

ENTRIES: Final = 100_000
TARGETS: Final = {"sqlite": 10_000, "postgres": 5_000}
TARGET_STRICT_MS: Final = 5.0
TARGET_SIGNED_MS: Final = 1_000
_CALLERS: Final = 64
_BATCH: Final = 50
_SHARE_ENTRIES: Final = 5_000


def run(options: Options, console: Console) -> dict[str, Any]:
    console.use_here()
    from audit.models import Entry
    from audit.verification import verify

    (count,) = options.scaled(ENTRIES)
    stream = _stream(count)
    say(f"through the writer  {stream}")
    strict = _strict(options.requests(300))
    say(f"strict  {strict}")
    tree = _with_and_without_tree(min(count, _SHARE_ENTRIES))
    say(f"tree  {tree}")
    signed = _signed(options.requests(60))
    say(f"signed  {signed}")
    broken = [one.check for one in verify().broken if one.check != "signatures"]
    return {
        "entries": Entry.objects.count(),
        "stream": stream,
        "strict": strict,
        "tree": tree,
        "signed": signed,
        "broken": broken,
        "target": {
            "per_s": TARGETS[options.engine],
            "strict_added_p99_ms": TARGET_STRICT_MS,
            "signed_ms": TARGET_SIGNED_MS,
        },
    }


def _drafts(count: int) -> list[Any]:
    from audit.actors import Actor
    from audit.record import Draft, Target
    from dashboard.lib.ids import new_id

    actor, session = Actor("token", "7", "ci (sbk_1a2b)"), new_id()
    details = {"bytes": 812, "vantage": "sandbox", "observed_ms": 1_795_881_600_554}
    target = Target("file", "", "/home/ada/app.py")
    return [
        Draft("file.written", actor, target, session_id=session, details=details, id=new_id())
        for _ in range(count)
    ]


def _stream(count: int) -> dict[str, Any]:
    """Each caller waits for one batch before it sends the next, as an agent does."""
    from audit.stream import StreamWriter

    writer, waits, failed = StreamWriter(wait_s=60), list[float](), list[Exception]()
    each = max(1, count // (_CALLERS * _BATCH))

    def send() -> None:
        for _ in range(each):
            drafts = _drafts(_BATCH)
            began = time.perf_counter()
            try:
                writer.write(drafts)
            except Exception as error:
                failed.append(error)
                return
            waits.append((time.perf_counter() - began) * 1000)

    callers = [threading.Thread(target=send) for _ in range(_CALLERS)]
    began, processor = time.perf_counter(), time.process_time()
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    took_s = time.perf_counter() - began
    writer.stop()
    written = len(waits) * _BATCH
    return {
        "callers": _CALLERS,
        "batch": _BATCH,
        "written": written,
        "failed": len(failed),
        "per_s": round(written / took_s),
        "processor_us_per_entry": round((time.process_time() - processor) / max(1, written) * 1e6, 1),
        **p50_and_p99(waits),
    }


def _strict(samples: int) -> dict[str, Any]:
    """The same action with and without its entry, alternating: durable both."""
    from audit.actors import Actor
    from audit.record import record
    from dashboard.lib.db import write_transaction
    from dashboard.lib.ids import new_id
    from sessions_app.models import Tag

    actor, tag = Actor("person", "7", "ada"), Tag.objects.create(id=new_id(), name="measured")

    def act(number: int, *, is_recorded: bool) -> float:
        began = time.perf_counter()
        with write_transaction():
            Tag.objects.filter(pk=tag.pk).update(name=f"measured {number}")
            if is_recorded:
                record("session.tagged", actor=actor, details={"name": number})
        return (time.perf_counter() - began) * 1000

    pairs = [(act(n, is_recorded=False), act(n, is_recorded=True)) for n in range(samples)]
    without, with_entry = p50_and_p99([a for a, _ in pairs]), p50_and_p99([b for _, b in pairs])
    return {
        "without": without,
        "with_entry": with_entry,
        "added_p50_ms": round(with_entry["p50_ms"] - without["p50_ms"], 2),
        "added_p99_ms": round(with_entry["p99_ms"] - without["p99_ms"], 2),
    }


def _signed(samples: int) -> dict[str, Any]:
    """From a commit of another process, which nobody announces, until a signed head covers it."""
    from audit.models import Checkpoint, Entry
    from audit.record import append_apart
    from audit.signing import CheckpointWriter
    from dashboard.lib.db import write_transaction

    waits = []
    writer = CheckpointWriter(everybodys=True)
    writer.start()
    try:
        for number in range(samples):
            # At any moment between two looks of the writer.
            time.sleep(number % 7 / 10)
            with write_transaction():
                append_apart(_drafts(1))
            size, began = Entry.objects.count(), time.perf_counter()
            while not Checkpoint.objects.filter(size__gte=size).exists():
                time.sleep(0.005)
            waits.append((time.perf_counter() - began) * 1000)
    finally:
        writer.stop()
    return p50_and_p99(waits)


def _with_and_without_tree(count: int) -> dict[str, Any]:
    """Processor time of one transaction, undone each time; without the tree nothing is hashed beyond the leaf."""
    from audit.record import append_apart
    from audit.tree import Frontier

    def grow(frontier: Frontier, leaf: bytes) -> list[Any]:
        frontier.size += 1
        return []

    drafts = _drafts(count)
    with_tree, without = [], []
    for _ in range(3):
        with_tree.append(_undone(lambda: append_apart(drafts)))
        # The frontier that is stored has to be of the right length: it is undone with the rest.
        with mock.patch.object(Frontier, "append", grow):
            without.append(_undone(lambda: append_apart(drafts)))
    return {
        "entries": count,
        "with_ms": round(min(with_tree), 1),
        "without_ms": round(min(without), 1),
        "ratio": round(min(with_tree) / min(without), 3),
    }


def _undone(act: Callable[[], object]) -> float:
    from django.db import transaction

    with transaction.atomic():
        began = time.perf_counter()
        act()
        took_ms = (time.perf_counter() - began) * 1000
        transaction.set_rollback(True)
    return took_ms
