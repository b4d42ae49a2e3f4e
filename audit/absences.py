"""Which payloads may be absent: those that an entry said would go, and no legal hold kept. Pure."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence

from audit.segments import HOLD_PLACED, HOLD_RELEASED, PAYLOAD_PRUNED, Statement
from audit.verdicts import Finding

type _Range = tuple[int, int]


def uncovered(absent: Iterable[int], statements: Sequence[Statement]) -> Finding | None:
    """The first absent payload that nothing explains.

    `payload.pruned` and `hold.placed` name `first_idx` and `last_idx` in their details; `hold.released`
    names in `hold` the entry that placed it. A hold counts for prunings that come after it.
    """
    allowed = _merged(_prunable(statements))
    starts = [first for first, _ in allowed]
    for idx in absent:
        place = bisect_right(starts, idx) - 1
        if place < 0 or allowed[place][1] < idx:
            text = f"The payload of entry {idx:,} is gone, and no entry says that it was pruned."
            if any(_is_pruning_of(idx, found) for found in statements):
                text = f"The payload of entry {idx:,} was pruned although a legal hold kept it."
            return Finding("payloads", idx, idx, text)
    return None


def pruned_by(idx: int, statements: Sequence[Statement]) -> int | None:
    """The first entry that let the payload of this one go; None where none could."""
    for place, found in enumerate(statements):
        if _is_pruning_of(idx, found) and uncovered([idx], statements[: place + 1]) is None:
            return found.idx
    return None


def _prunable(statements: Sequence[Statement]) -> Iterable[_Range]:
    holds: dict[int, _Range] = {}
    for found in statements:
        if found.action == HOLD_PLACED and (held := _range(found, HOLD_PLACED)):
            holds[found.idx] = held
        elif found.action == HOLD_RELEASED:
            hold = found.details.get("hold")
            if type(hold) is int:
                holds.pop(hold, None)
        elif pruned := _range(found, PAYLOAD_PRUNED):
            # Nothing that came after it can have been meant.
            pieces = [(pruned[0], min(pruned[1], found.idx - 1))]
            for held in holds.values():
                pieces = [piece for whole in pieces for piece in _without(whole, held)]
            yield from pieces


def _range(found: Statement, action: str) -> _Range | None:
    first, last = found.details.get("first_idx"), found.details.get("last_idx")
    if found.action != action or type(first) is not int or type(last) is not int:
        return None
    return first, last


def _is_pruning_of(idx: int, found: Statement) -> bool:
    pruned = _range(found, PAYLOAD_PRUNED)
    return pruned is not None and pruned[0] <= idx <= pruned[1] and idx < found.idx


def _without(whole: _Range, gone: _Range) -> Iterable[_Range]:
    (first, last), (start, end) = whole, gone
    if first <= min(last, start - 1):
        yield first, min(last, start - 1)
    if max(first, end + 1) <= last:
        yield max(first, end + 1), last


def _merged(pieces: Iterable[_Range]) -> list[_Range]:
    merged: list[_Range] = []
    for first, last in sorted(pieces):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = merged[-1][0], max(merged[-1][1], last)
        elif first <= last:
            merged.append((first, last))
    return merged
