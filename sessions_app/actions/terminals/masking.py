"""Secrets out of what comes in without having been masked by a recorder, before it is stored.

A recorder masks where it runs. What others send is masked here: each addition is read behind the end of what
is stored, and stored whole, so nothing that was acknowledged is ever held back. A token that is cut between
two additions is masked in both; of a beginning that says too little to be recognised (`gh`) no more is stored
than that.
"""

from collections import Counter
from collections.abc import Iterable, Mapping

from audit.actors import Actor
from audit.record import Draft
from sessions_app.actions.terminals.detecting import server_detector
from sessions_app.actions.terminals.opening import target_of
from sessions_app.actions.terminals.reading import read_bytes
from sessions_app.models import Terminal, TerminalEvent, TerminalEventKind
from sessions_app.terminal.asciicast.model import Event, Input
from sessions_app.terminal.masking.events import EventMasker

#: A private key may have begun so far before the end.
TAIL_BYTES = 4_096
_TAIL_INPUTS = 200


def mask_events(terminal: Terminal, events: Iterable[Event]) -> tuple[list[Event], Counter[str]]:
    """Events that follow what the terminal holds, masked, and how many secrets by which rule."""
    detector = server_detector()
    new = list(events)
    if detector is None:
        return new, Counter()
    masker = EventMasker(detector, width=terminal.cols, whole=True)
    if terminal.size:
        masker.output.resume(read_bytes(terminal.pk, max(0, terminal.size - TAIL_BYTES), terminal.size))
    if any(isinstance(event, Input) for event in new):
        masker.input.resume(_typed_before(terminal))
    masked = [given for event in new for given in masker.take(event)]
    return [*masked, *masker.release()], masker.counts


def count_masked(terminal: Terminal, counts: Mapping[str, int]) -> None:
    """Add to what was masked in the terminal; inside the transaction that stores it."""
    if counts:
        set_masked(terminal, Counter(terminal.masked_by) + Counter(counts))


def set_masked(terminal: Terminal, counts: Mapping[str, int]) -> None:
    """Note what the recorder says that it has masked so far."""
    if dict(counts) != terminal.masked_by:
        terminal.masked_by = dict(counts)
        terminal.masked_count = min(sum(counts.values()), (1 << 31) - 1)
        terminal.save(update_fields=["masked_by", "masked_count"])


def masked_drafts(terminal: Terminal, counts: Mapping[str, int], *, actor: Actor) -> list[Draft]:
    """The entry of the log, if any: of which kinds and how many, never what."""
    if not counts:
        return []
    details = {"rules": dict(sorted(counts.items())), "secrets": sum(counts.values())}
    return [
        Draft("secret.masked", actor, target_of(terminal), session_id=terminal.session_id, details=details)
    ]


def _typed_before(terminal: Terminal) -> bytes:
    typed = TerminalEvent.objects.filter(terminal=terminal, kind=TerminalEventKind.INPUT).order_by("-number")
    pieces = [bytes(data) for data in typed.values_list("data", flat=True)[:_TAIL_INPUTS]]
    return b"".join(reversed(pieces))[-TAIL_BYTES:]
