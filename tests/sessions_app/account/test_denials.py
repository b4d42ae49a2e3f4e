"""Refusals are written down, and cannot flood the log."""

from audit.actors import Actor
from sessions_app.actions.denials import MOST_IN_WINDOW, WINDOW_S, DenialLimit

ADA = Actor("person", "7", "ada")
GRACE = Actor("person", "8", "grace")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_first_of_a_minute_is_written_and_the_next_says_how_many_were_not() -> None:
    clock = Clock()
    limit = DenialLimit(clock)
    assert [limit.take(ADA, "POST", "/a") for _ in range(4)] == [0, None, None, None]
    assert limit.take(GRACE, "POST", "/a") == 0
    assert limit.take(ADA, "POST", "/b") == 3
    clock.now = WINDOW_S
    assert limit.take(ADA, "POST", "/a") == 0


def test_changing_the_path_does_not_flood_the_log() -> None:
    limit = DenialLimit(Clock())
    taken = [limit.take(ADA, "POST", f"/{number}") for number in range(MOST_IN_WINDOW + 5)]
    assert taken == [0] * MOST_IN_WINDOW + [None] * 5
