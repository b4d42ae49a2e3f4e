"""Output that was made to break terminals breaks neither the engine nor its limits."""

import time

import pytest

from sessions_app.terminal.engine.deriver import Deriver
from sessions_app.terminal.engine.ghostty import GhosttyEngine
from sessions_app.terminal.engine.model import Output
from tests.sessions_app.terminal.engine.hostile import attack, hostile

# Nothing here reaches a database.
pytestmark = pytest.mark.once


@pytest.mark.parametrize("seed", [1, 3])
def test_hostile_output_is_derived_within_its_limits(seed: int) -> None:
    figures = attack(3, seed)
    assert figures["slowest_s"] < 5
    assert figures["memory_bytes"] < 300_000_000
    assert figures["keyframe_bytes"] < 0.5 * figures["megabytes"] * 1_000_000
    assert figures["keyframes"] < 30 * figures["megabytes"] + 60


@pytest.mark.parametrize(
    "output",
    [
        b"\x1b[2147483647S\x1b[2147483647T\x1b[2147483647L\x1b[2147483647M",
        b"x\x1b[2147483647b" * 20_000,
        b"x\x1b[9999b" * 20_000,
        b"\x1b[2147483647@\x1b[2147483647P\x1b[2147483647X\x1b[2147483647I\x1b[2147483647Z" * 100,
        b"\x1b]8;;http://" + b"a" * 2_000 + b"/\x07" + b"x" * 1_000_000,
        b"".join(b"\x1b]8;id=%d;http://a/\x07x" % number for number in range(50_000)),
        b"a" + "\u0301".encode() * 500_000,
        b"\x1b]0;" + b"x" * 3_000_000,
        b"\x1bP" + b"1;" * 1_000_000,
        b"\x1b[" + b"1;" * 1_000_000 + b"m",
        b"\x1b_Ga=T,f=24,s=9999,v=9999;" + b"AAAA" * 500_000 + b"\x1b\\",
        b"\x1b[?1049h\x1b[?1049l" * 50_000,
        b"\x1b[2J\x1b[3J\x1b[H" * 100_000,
        b"\n" * 1_000_000,
        b"\x1bM" * 300_000,
        b"\x1b[K" * 300_000,
        (b"q" * 79 + b"\x1b[K") * 12_000,
        b"J?" * 500_000,
        b"\x1b[!p" * 50_000,
        "🇯🪄".encode() * 100_000,
    ],
    ids=lambda output: repr(output[:12]),
)
def test_no_sequence_takes_long(output: bytes) -> None:
    deriver = Deriver(120, 40)
    began = time.process_time()
    deriver.take([Output(0, 0, output)])
    deriver.finish()
    # A hundredth of it is usual; what is quadratic takes minutes.
    assert time.process_time() - began < 5


def test_a_character_that_is_repeated_too_often_fills_the_screen_as_asked() -> None:
    for count in (1, 99, 100, 480, 500, 5_000, 65_535, 2_147_483_647):
        asked, written = GhosttyEngine(20, 5), GhosttyEngine(20, 5)
        asked.feed(b"\x1b[31mabcx\x1b[%db" % count)
        written.feed(b"\x1b[31mabcx" + b"x" * min(count, 65_535))
        assert asked.screen() == written.screen()
        assert asked.keyframe(0) == written.keyframe(0)


def test_hostile_output_in_single_bytes_is_taken() -> None:
    engine = GhosttyEngine(80, 24)
    for data in hostile(9, 1):
        for index in range(min(len(data), 100_000)):
            engine.feed(data[index : index + 1])
    engine.screen()
    engine.styled()
