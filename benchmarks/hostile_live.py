"""Hostile output as a recorder sends it: appended over HTTP, masked and derived by the server while it grows.

Only for a process in which Django is set up (Console.use_here).
"""

import hashlib
import http.client
import json
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import pairwise
from typing import Any

from audit.actors import SYSTEM
from benchmarks import visiting
from benchmarks.harness import MB, Console, say
from benchmarks.processes import Failed, PeakMemory
from benchmarks.terminal_corpus import COLS, ROWS
from benchmarks.terminal_hostile import hostile
from dashboard.lib.clock import now_ms
from dashboard.lib.ids import new_id
from sessions_app.actions.terminals import NewTerminal, open_terminal
from sessions_app.actions.terminals.reading import read_stretches
from sessions_app.models import Terminal
from sessions_app.terminal.asciicast.model import Event, Output
from sessions_app.terminal.batch import CONTENT_TYPE, Batch, Position, encode_batch

# Bytes that no UTF-8 begins with take six in a body, of which a megabyte is the most.
_BATCH_BYTES = 100_000
_BATCH_EVENTS = 500
_TIMEOUT_S = 120.0
# A piece in which the engine stumbled is tried again in parts.
_DERIVED_WITHIN_S = 120.0


def in_live(console: Console, size: int) -> dict[str, Any]:
    """At least `size` bytes of it. Raises Failed when some were refused, changed or not derived."""
    terminal = _opened(size)
    started = time.monotonic()
    with visiting.serving(console) as server, PeakMemory(server.process_id) as memory:
        token = (console.home / "agent.token").read_text().strip()
        with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=_TIMEOUT_S)) as kept:
            sent = _send(kept, terminal.pk, token, hostile(size))
        sent_s = time.monotonic() - started
        _wait_until_derived(terminal)
        derived_s = time.monotonic() - started
        warnings = [line for line in server.output.splitlines() if "the engine stumbles" in line]
    if warnings:
        raise Failed(f"the server had to warn: {warnings[:3]}")
    figures = {
        "mb": round(terminal.size / MB, 1),
        "sent_s": round(sent_s, 1),
        "derived_s": round(derived_s, 1),
        "bytes_kept": is_kept(terminal, sent),
        "keyframes": terminal.keyframes.count(),
        "keyframes_apart_mb": apart_mb(terminal),
        # Of the server and its engine.
        "server_first_mb": round(memory.first_bytes / MB),
        "server_peak_mb": round(memory.peak_bytes / MB),
    }
    say(f"live  {figures}")
    return figures


def is_kept(terminal: Terminal, digest: bytes) -> bool:
    """Raises Failed when what is stored is not that of which this is the SHA-256."""
    stored = hashlib.sha256()
    for stretch in read_stretches(terminal.pk, 0, terminal.size):
        stored.update(stretch.data)
    if stored.digest() != digest:
        raise Failed(f"what is stored is not what was written ({terminal.masked_count} secrets were masked)")
    return True


def digest_of(events: Iterable[Event]) -> bytes:
    """SHA-256 of the output among them."""
    written = hashlib.sha256()
    for event in events:
        if isinstance(event, Output):
            written.update(event.data)
    return written.digest()


def apart_mb(terminal: Terminal) -> float:
    """The longest output without a keyframe."""
    offsets = [0, *terminal.keyframes.order_by("offset").values_list("offset", flat=True), terminal.size]
    return round(max(after - before for before, after in pairwise(offsets)) / MB, 2)


def _opened(size: int) -> Terminal:
    title = f"{size / MB:g} MB of hostile output, live"
    new = NewTerminal(new_id(), now_ms(), COLS, ROWS, title, ["make"], "/srv", "box")
    return open_terminal(new, actor=SYSTEM)[0]


def _send(
    kept: http.client.HTTPConnection, terminal_id: uuid.UUID, token: str, events: Iterable[Event]
) -> bytes:
    """Each batch as soon as the last one is answered, masked by nobody before; the digest of the output."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": CONTENT_TYPE}
    written = hashlib.sha256()
    position = Position()
    for batch in _batches(events):
        for event in batch:
            if isinstance(event, Output):
                written.update(event.data)
        left = batch
        # Of what takes long to mask only the beginning is taken at once.
        while left:
            kept.request(
                "POST", f"/api/v1/terminals/{terminal_id}/output", encode_batch(position, left), headers
            )
            response = kept.getresponse()
            answer = response.read()
            if response.status != http.client.OK:
                raise Failed(f"an append gave {response.status}: {answer[:200]!r}")
            told = json.loads(answer)
            committed = Position(told["offset"], told["events"])
            if committed == position:
                raise Failed(f"nothing was taken of what follows {position}")
            left = list(Batch(position, left).remaining(committed))
            position = committed
    return written.digest()


def _batches(events: Iterable[Event]) -> Iterator[list[Event]]:
    batch: list[Event] = []
    held = 0
    for event in events:
        size = len(event.data) if isinstance(event, Output) else 0
        if batch and (held + size > _BATCH_BYTES or len(batch) == _BATCH_EVENTS):
            yield batch
            batch, held = [], 0
        batch.append(event)
        held += size
    if batch:
        yield batch


def _wait_until_derived(terminal: Terminal) -> None:
    deadline = time.monotonic() + _DERIVED_WITHIN_S
    while Terminal.objects.underived().filter(pk=terminal.pk).exists():
        if time.monotonic() > deadline:
            raise Failed(f"the server did not derive everything within {_DERIVED_WITHIN_S:g} s")
        time.sleep(0.05)
    terminal.refresh_from_db()
