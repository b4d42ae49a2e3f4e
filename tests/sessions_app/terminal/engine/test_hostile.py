"""Output that was made to break terminals breaks neither the engine nor its limits."""

import random
import time
from collections.abc import Iterator

import pytest

from sessions_app.terminal.engine import ghostty
from sessions_app.terminal.engine.deriver import Deriver
from sessions_app.terminal.engine.ghostty import GhosttyEngine
from sessions_app.terminal.engine.model import Derived, Output
from sessions_app.terminal.window import allowed_size
from tests.sessions_app.terminal.engine.hostile import attack, hostile
from tests.sessions_app.terminal.engine.judge import Judge, Look, judging
from tests.sessions_app.terminal.engine.recordings import random_writes

# Nothing here reaches a database.
pytestmark = pytest.mark.once


@pytest.mark.usefixtures("installed_program")
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


LARGEST = allowed_size(2_000, 2_000)
# What concerns the whole screen, in a few bytes.
WHOLE = [
    b"\x1bc", b"\x1b#8", b"\x1b[2J", b"\x1b[J", b"\x1b[1J", b"\x1b[3J", b"\x1b[?2J", b"\x1b[H",
    b"\x1b[?1049h", b"\x1b[?1049l", b"\x1b[?1047h", b"\x1b[?1047l", b"\x1b[?47h", b"\x1b[?47l",
]  # fmt: skip
FLOODS = [
    b"\x1b#8", b"\x1bc", b"\x1b[2J", b"\x1b[J", b"\x1b[?2J", b"\x1b[?1049h\x1b[?1049l",
    b"\x1b[?47h\x1b[?47l", b"\x1bc\x1b#8", b"\x1b#8\x1b[2J", b"\x1b[2J\x1b[3J\x1b[H",
]  # fmt: skip


@pytest.mark.parametrize("unit", FLOODS, ids=repr)
def test_a_flood_of_what_concerns_the_whole_screen_is_derived_like_any_output(unit: bytes) -> None:
    """Done as often as it is asked for, a piece of it takes up to a minute and a half in the largest window."""
    deriver = Deriver(*LARGEST)
    began = time.process_time()
    deriver.take([Output(0, 0, b"before\r\n" + unit * (256 * 1024 // len(unit)))])
    assert time.process_time() - began < 2.5
    behind = [deriver.take([Output(1, 1, b"behind the flood\r\n" * 20_000)]), deriver.finish()]
    assert any(keyframe.data for derived in behind for keyframe in derived.keyframes)
    assert "behind the flood" in {line.text for derived in behind for line in derived.lines}


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    with judging() as made:
        yield made


def _random_floods(seed: int) -> Iterator[bytes]:
    """Ordinary and wild output, and in it what concerns the whole screen, over and over."""
    chance = random.Random(seed)
    for written in random_writes("wild" if seed % 2 else "edited", seed, 12, 20, 6):
        unit = b"".join(chance.choices(WHOLE, k=chance.randint(1, 4)))
        begun = chance.choice([b"", b"", b"text\r\n" * 9, b"\x1b]0;title", b"\x1bPq", b"\x1b[1;", b"\xe6"])
        yield written + begun + unit * chance.randint(1, 7) + chance.choice([b"x", b"\x1b[31m", b"\n"])


@pytest.mark.parametrize("seed", range(60))
def test_what_is_repeated_less_often_looks_and_goes_on_the_same(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ghostty, "LARGE_CELLS", 1)
    whole, single = GhosttyEngine(20, 6), GhosttyEngine(20, 6)
    for data in _random_floods(seed):
        whole.feed(data)
        # In single bytes nothing is seen to be repeated.
        for index in range(len(data)):
            single.feed(data[index : index + 1])
        assert whole.native.scrollback_rows == single.native.scrollback_rows
        assert whole.styled() == single.styled()
        assert whole.screen() == single.screen()
        assert whole.keyframe(100) == single.keyframe(100)


@pytest.mark.parametrize("seed", range(30))
def test_what_is_repeated_less_often_is_derived_the_same(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    items = [Output(0, number, data) for number, data in enumerate(_random_floods(seed))]

    def derived() -> tuple[Derived, Derived]:
        deriver = Deriver(20, 6)
        return deriver.take(items), deriver.finish()

    as_often = derived()
    monkeypatch.setattr(ghostty, "LARGE_CELLS", 1)
    assert derived() == as_often


@pytest.mark.parametrize("unit", FLOODS, ids=repr)
def test_xterm_shows_what_the_engine_shows_behind_a_flood(
    judge: Judge, unit: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ghostty, "LARGE_CELLS", 1)
    output = b"\x1b[31mbefore\r\n" * 9 + unit * 50 + b"x"
    engine = GhosttyEngine(20, 6)
    engine.feed(output)
    (expected,) = judge.replay(20, 6, [output, Look()])
    (restored,) = judge.replay(20, 6, [engine.keyframe(0), Look()])
    assert restored == expected


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
