"""How a session's clock is drawn: straight, but for long pauses, each of which is a break of the same narrow width."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

# Of the whole bar: wide enough to be seen and met with a finger, and a dozen of them leave three quarters to the work.
BREAK_SHARE: Final = 0.02
MOST_BREAKS: Final = 12
# Of the time worked. A pause that takes hardly more room than a break is drawn as it is.
LEAST_SHARE: Final = 0.03


@dataclass(frozen=True)
class Scale:
    """`knots` are (milliseconds since the session's start, place in drawn units), ascending, straight between two.

    In the time that was worked a drawn unit is a millisecond. `breaks` are those pauses that are drawn short.
    """

    knots: list[tuple[int, int]]
    breaks: list[tuple[int, int]]

    @property
    def length_ms(self) -> int:
        return self.knots[-1][0]

    def share(self, at_ms: int) -> float:
        """Where this moment stands, from 0 to 1; those outside of the session stand at its ends."""
        at_ms = min(max(at_ms, 0), self.length_ms)
        (before_ms, before), (after_ms, after) = next(
            pair for pair in pairwise(self.knots) if at_ms <= pair[1][0]
        )
        place = before + (after - before) * (at_ms - before_ms) / (after_ms - before_ms)
        return place / self.knots[-1][1]


def scale_of(length_ms: int, pauses: Iterable[tuple[int, int]]) -> Scale:
    """The scale of so many milliseconds (at least 1); the pauses are in milliseconds since the start."""
    breaks = _drawn_short(length_ms, sorted(pauses))
    worked_ms = length_ms - sum(after - before for before, after in breaks)
    width = round(worked_ms * BREAK_SHARE / (1 - BREAK_SHARE * len(breaks)))
    knots = [(0, 0)]
    for before, after in breaks:
        place = knots[-1][1] + before - knots[-1][0]
        knots += [(before, place), (after, place + width)]
    knots.append((length_ms, knots[-1][1] + length_ms - knots[-1][0]))
    # A pause at the very start or end leaves a piece without any length.
    kept = [knot for number, knot in enumerate(knots) if number == 0 or knot[0] > knots[number - 1][0]]
    return Scale(kept, breaks)


def percent(share: float) -> str:
    """For --at and --size."""
    return f"{100 * share:.2f}%"


def _drawn_short(length_ms: int, pauses: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The longest of them that are worth it, in their order."""
    lengths = sorted(after - before for before, after in pauses)
    worked_ms = length_ms - sum(lengths)
    least_ms = 0
    for length in lengths:
        if length > worked_ms * LEAST_SHARE:
            break
        worked_ms += length
        least_ms = length
    # Where nothing at all lies between the pauses there is nothing that they could make room for.
    if not worked_ms:
        return []
    worth = [pause for pause in pauses if pause[1] - pause[0] > least_ms]
    longest = sorted(worth, key=lambda pause: pause[0] - pause[1])[:MOST_BREAKS]
    return sorted(longest)
