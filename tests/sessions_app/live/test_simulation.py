"""A thousand connections over a bad network: no hole, no repetition, and in the end every byte."""

import random

import pytest

from tests.sessions_app.live.simulation import SimulatedTerminal, follow_badly, live

# Nothing here reaches a database.
pytestmark = pytest.mark.once

SEEDS = 25
ATTACHES = 40


@pytest.mark.parametrize("seed", range(SEEDS))
def test_forty_attaches_over_a_bad_network_show_every_byte_once(seed: int) -> None:
    chance = random.Random(seed)
    terminal = SimulatedTerminal()
    for _ in range(chance.randint(0, 30)):
        live(terminal, chance)
    viewer = follow_badly(terminal, chance, attaches=ATTACHES, trouble=chance.choice([0, 0.02, 0.3]))
    assert viewer.follower.expected == len(terminal.output)
    viewer.check()


def test_there_are_a_thousand_of_them() -> None:
    assert SEEDS * ATTACHES >= 1_000


def test_a_viewer_in_peace_is_never_skipped_ahead() -> None:
    chance = random.Random(1)
    terminal = SimulatedTerminal()
    viewer = follow_badly(terminal, chance, attaches=0)
    assert viewer.gaps == []
    assert viewer.shown == terminal.output


def test_the_viewers_had_screens_gaps_and_events_to_stumble_over() -> None:
    """Else the others would prove nothing."""
    chance = random.Random(2)
    terminal = SimulatedTerminal()
    viewer = follow_badly(terminal, chance, attaches=ATTACHES)
    assert viewer.gaps
    assert viewer.begun_at > 0
    assert len(terminal.events) > 20
