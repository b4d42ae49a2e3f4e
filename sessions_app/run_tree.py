"""A session's runs as a tree with their places on a shared axis of time."""

import uuid
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from sessions_app.models import AgentSession, Run

MAX_RUNS: Final = 500


@dataclass(frozen=True)
class Branch:
    """A run at its depth; `at` and `size` are shares of the axis, as percentages."""

    run: Run
    depth: int
    at: str
    size: str


@dataclass(frozen=True)
class Tree:
    """The first MAX_RUNS runs from a place in the order of their start; `next` is where the others begin."""

    branches: list[Branch]
    start_ms: int
    length_ms: int
    next: uuid.UUID | None


def tree_of(session: AgentSession, first: Run | None = None) -> Tree:
    """The tree from `first` on. A run whose parent is on another page stands at the left."""
    runs = session.runs.defer("input", "output", "error").order_by("started_ms", "id")
    if first is not None:
        runs = runs.filter(started_ms__gte=first.started_ms).exclude(
            started_ms=first.started_ms, id__lt=first.pk
        )
    found = list(runs[: MAX_RUNS + 1])
    shown = found[:MAX_RUNS]
    start_ms, length_ms = axis_of(shown)
    branches = [Branch(run, depth, *place(run, start_ms, length_ms)) for run, depth in in_tree_order(shown)]
    return Tree(branches, start_ms, length_ms, found[MAX_RUNS].pk if len(found) > MAX_RUNS else None)


def axis_of(runs: Sequence[Run]) -> tuple[int, int]:
    """When the first of them starts, and how long until the last one ends."""
    if not runs:
        return 0, 1
    start_ms = min(run.started_ms for run in runs)
    return start_ms, max(1, max(run.ended_ms or run.last_activity_ms for run in runs) - start_ms)


def place(run: Run, start_ms: int, length_ms: int) -> tuple[str, str]:
    at, size = 100 * (run.started_ms - start_ms) / length_ms, 100 * run.duration_ms / length_ms
    at = min(max(at, 0.0), 100.0)
    return f"{at:.2f}%", f"{min(max(size, 0.0), 100.0 - at):.2f}%"


def in_tree_order(runs: Sequence[Run]) -> Iterator[tuple[Run, int]]:
    """Each run once with its depth, children after their parent; runs that are each other's parents too."""
    children: defaultdict[uuid.UUID | None, list[Run]] = defaultdict(list)
    here = {run.pk for run in runs}
    for run in runs:
        children[run.parent_id if run.parent_id in here else None].append(run)
    seen: set[uuid.UUID] = set()
    for root in [*children[None], *runs]:
        pending = [(root, 0)]
        while pending:
            run, depth = pending.pop()
            if run.pk in seen:
                continue
            seen.add(run.pk)
            yield run, depth
            pending += [(child, depth + 1) for child in reversed(children[run.pk])]
