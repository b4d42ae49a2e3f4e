"""Events that cross from one process to another through shared memory."""

import subprocess
import sys
from itertools import count

import pytest

from sessions_app.client.ring import EventRing
from sessions_app.terminal.asciicast.model import Event, Exit, Input, Marker, Output, Resize
from tests.sessions_app.client.recorder import ROOT

MB = 1 << 20
EVENTS: list[Event] = [
    Output(0, b"\x00\xff some output \n"),
    Output(1, b""),
    Input(2, b"\x1b[A"),
    Resize(3, 2_000, 1),
    Marker(4, "\u017c\udc80 label"),
    Exit(1 << 40, -7),
    Exit(6, None),
]


@pytest.fixture
def ring() -> EventRing:
    return EventRing(MB, MB)


def taken(ring: EventRing) -> list[Event]:
    ring.look()
    found = []
    while (event := ring.take()) is not None:
        found.append(event)
        ring.let_go()
    return found


def test_events_come_out_as_they_went_in(ring: EventRing) -> None:
    assert all(ring.put(event) for event in EVENTS)
    assert taken(ring) == EVENTS
    assert ring.is_empty
    assert taken(ring) == []


def test_an_event_stays_until_it_is_let_go_of(ring: EventRing) -> None:
    ring.put(EVENTS[0])
    ring.look()
    assert ring.take() == ring.take() == EVENTS[0]
    assert not ring.is_empty


def test_a_full_ring_refuses_and_keeps_what_it_has(ring: EventRing) -> None:
    block = bytes(range(256)) * 64
    numbers = count()
    held: list[Event] = []
    while ring.put(event := Output(next(numbers), block)):
        assert ring.has_room(len(block)) or len(held) * len(block) > MB - 4 * len(block)
        held.append(event)
    assert not ring.has_room(len(block))
    assert len(held) >= 60
    assert taken(ring) == held
    assert ring.has_room(len(block))


@pytest.mark.parametrize("size", [1, 15, 16, 4_095, 16_384, 81_000])
def test_nothing_is_lost_at_the_end_of_the_memory(ring: EventRing, size: int) -> None:
    """Never empty, so that it does not begin again: every place of the end is met."""
    numbers = count()
    expected: list[Event] = []
    found: list[Event] = []
    while next(numbers) * size < 4 * MB and len(expected) < 200_000:
        event = Output(len(expected), b"%d" % len(expected) + b"x" * size)
        assert ring.put(event)
        expected.append(event)
        ring.look()
        if len(expected) - len(found) > 3:
            first = ring.take()
            assert first is not None
            found.append(first)
            ring.let_go()
    assert found + taken(ring) == expected


def test_memory_that_a_flood_took_is_given_back() -> None:
    """In a process of its own, as it is measured."""
    program = """
import re
from pathlib import Path
from sessions_app.client.ring import EventRing
from sessions_app.terminal.asciicast.model import Output

def shared_kb():
    return int(re.search(r"RssShmem:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

ring = EventRing(32 << 20, 2 << 20)
block = bytes(16_000)
while ring.put(Output(0, block)):
    pass
full = shared_kb()
ring.look()
while ring.take():
    ring.let_go()
empty = shared_kb()
for _ in range(10_000):
    assert ring.put(Output(0, block))
    ring.look()
    ring.take()
    ring.let_go()
print(full, empty, shared_kb())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, cwd=ROOT)
    full, empty, steady = (int(word) for word in done.stdout.split())
    assert full > 30_000
    assert empty < 4_000
    assert steady < 4_000


def test_another_process_sees_what_was_put() -> None:
    program = """
import os
from sessions_app.client.ring import EventRing
from sessions_app.terminal.asciicast.model import Output

ring = EventRing(1 << 20, 1 << 20)
heard, call = os.pipe()
taken, done = os.pipe()
if os.fork() == 0:
    os.close(call)
    total = 0
    while os.read(heard, 65536):
        ring.look()
        while event := ring.take():
            assert event.data == b"%d" % event.time_us * 1000
            total += 1
            ring.let_go()
    os.write(done, b"%d %d" % (total, ring.has_ended))
    os._exit(0)
os.close(done)
for number in range(5_000):
    while not ring.put(Output(number, b"%d" % number * 1000)):
        os.write(call, b".")
    os.write(call, b".")
ring.end()
os.close(call)
print(os.read(taken, 100).decode())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, cwd=ROOT)
    assert done.stdout == b"5000 1\n"
