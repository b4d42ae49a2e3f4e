"""What is called ordinary looks the same whether it goes straight to the library or the long way."""

import random
from collections.abc import Iterator
from itertools import count
from types import SimpleNamespace

import pytest

from sessions_app.terminal.engine import ghostty, ordinary
from sessions_app.terminal.engine.deriver import Deriver
from sessions_app.terminal.engine.ghostty import GhosttyEngine
from sessions_app.terminal.engine.model import Output, Resize

# Nothing here reaches a database.
pytestmark = pytest.mark.once

_COLS, _ROWS = 24, 6
# Text that fills rows, and all that may or may not move the cursor, with erasing in every other place.
_TOKENS = (
    *(b"word ", b"x", b"lines\r\n", b"\r", b"\n", b"\t", b"\b", b"\x1b[K", b"\x1b[K", b"\x1b[K", b"\x1b[1K"),
    *(b"0123456789012345678901", b"01234567890123456789012", b"012345678901234567890123"),
    *(b"\x1b[31m", b"\x1b[0m", b"\x1b[38;2;1;2;3m", b"\x1b[4:3m", b"\x1b[>4;2m", b"\x1b[?25l"),
    *(b"\x1b[?7l", b"\x1b[?7h"),
    *("é".encode(), "→".encode(), "漢字".encode(), "🚀".encode(), "e\u0301".encode(), "☰".encode(), "🪄".encode()),
    *(b"\x1b[H", b"\x1b[2;1H", b"\x1b[3H", b"\x1b[;4H", b"\x1b[2;9f", b"\x1b[2;12H", b"\x1b[4;024H", b"\x1b[3;30H"),
    *(b"\x1b[G", b"\x1b[7G", b"\x1b[15G", b"\x1b[24`", b"\x1b[2E", b"\x1b[F", b"\x1b[1;2;3H", b"\x1b[5C"),
    *(b"\x1b[2I", b"\x1b[6n", b"\x1b[c"),
    *(b"\x1b[3a", b"\x1b[20b", b"\x1b7", b"\x1b8", b"\x1b[s", b"\x1b[u", b"\x1b[A", b"\x1b[B", b"\x1b[3D"),
    *(b"\x1b[2d", b"\x1b#8"),
    *(b"\x1b[J", b"\x1b[L", b"\x1b[2P", b"\x1b[3@", b"\x1b[4X", b"\x1b[2;5r", b"\x1b[4h", b"\x1b[4l", b"\x1bM"),
    *(b"\x1bD", b"\x1bE", b"\x1b(0", b"\x1b(B", b"\x1b]0;title\x07", b"\x1b=", b"\xff", b"\xe2\x82", b"\xc0\x80"),
    *(b"\xed\xa0\x80", b"\x1b]0;a\rb\x07", b"\x1bPq\r\x1b\\", b"\x1b[?45h", b"\x1b[?45l", b"\x1b[?1049;1h"),
    *(b"\x1b[?2027h", "👩\u200d🚀".encode(), b"\x1b[?40h\x1b[?3h", b"\x1b[?3l"),
    *(b"\x1b[?01049l", b"\x1b[?69h", b"\x1b[1;5s", b"\x1b[0000000000000000000000000023C"),
)  # fmt: skip
_PECULIAR = (
    *(b"\x1b[2J", b"\x1b[3J", b"\x1b[H\x1b[J", b"\x1b[H\x1b[0J", b"\x1bc", b"\x1b[?1049h", b"\x1b[?25;47l"),
    b"\x1b[?6h",
    *(b"\x1b]8;;http://host\x07", b"\x1b[!p", b"\x1b[1000b", b"\x1b[0K", "🪄".encode(), "☰".encode()),
    *(b"\x1b[?01049l", b"\x1b[?;1048l", b"\x1b[?1049r", b"\x1b[?2026;47h", b"\x1b[?45h", b"\x1b[?1045h", b"\x1b[?3h"),
    b"\x1b[?2027h",
    *(b"\x1b[?69h", b"\x1b]0;t\r\x07", b"\x1bPq\r\x1b\\", b"\x1bP\x9b23C", b"\x1b(\x9b3C"),
    b"\x1bPq\x07\r\x1b\\\x1b[K",
    b"\x1b_q\x07\x9b3C\x1b\\",
    b"\x1b[Hx\x1b]0;t\x07\x1b[K",
    *(b"\x1b[3\rC", b"\x1b\x1b[C", b"\xff", b"\xc3(", b"\xe2\x82(", b"\xf0\x9f\x9a(", b"\xed\xa0\x80"),
    b"\xf4\x90\x80\x80",
    # Erasing where the cursor may be behind the last column.
    *(b"\r" + b"x" * _COLS + b"\x1b[K", b"\x1b[2;7H" + b"x" * (_COLS - 6) + b"\x1b[31m\x1b[K", b"\x1b8\x1b[K"),
    *(b"\x1b[10C" + b"x" * 14 + b"\x1b[K", b"\tx\x1b[K", b"\x1b[3;20Hfive5\x1b[K"),
    *("\r漢字漢字漢字漢字漢字漢字\x1b[K".encode(), b"\x1b[4`" + b"x" * 21 + b"\x1b[K"),
)  # fmt: skip
_ORDINARY = (
    b"plain text\r\nand more of it\r\n",
    b"\x1b[01;31m\x1b[Kerror: \x1b[m\x1b[Kthe queue is full, so says it\r\n",
    b"\r" + b"x" * (_COLS - 1) + b"\x1b[K",
    b"\x1b[5;1H\x1b[35m 61\x1b[0m \x1b[1m 0.1\x1b[0m retry\x1b[K\x1b[6;1H\x1b[7mbar\x1b[27m\x1b[K",
    "\r→ é … größer 🚀 漢字\x1b[K".encode(),
    b"\x1b[?2026h\x1b[3A\x1b[2;9f\x1b[1mdone\x1b[22m\x1b[?2026l\x1b[?25h",
)


@pytest.fixture(autouse=True)
def pays_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ordinary, "PAYING_BYTES", 0)


@pytest.mark.skipif(ordinary.for_width(_COLS) is None, reason="needs the wheel of google-re2")
class TestWithRe2:
    @pytest.mark.parametrize("output", _PECULIAR)
    def test_what_is_peculiar_is_found_wherever_it_stands(self, output: bytes) -> None:
        engine = GhosttyEngine(_COLS, _ROWS)
        for before in (b"", b"text\r\n\x1b[32mgreen ", b"\x1b[2;3H"):
            for behind in (b"", b" and\r\nmore\x1b[K"):
                assert not engine.is_ordinary(before + output + behind)

    @pytest.mark.parametrize("output", _ORDINARY)
    def test_what_programs_print_is_ordinary(self, output: bytes) -> None:
        engine = GhosttyEngine(_COLS, _ROWS)
        assert engine.is_ordinary(output)
        assert engine.is_ordinary(output * 500)

    def test_what_stands_before_the_first_move_is_counted_from_the_cursor(self) -> None:
        engine = GhosttyEngine(_COLS, _ROWS)
        engine.feed(b"\r" + b"x" * 20)
        assert engine.is_ordinary(b"\x1b[31m123\x1b[0m\x1b[K\r\n")
        assert not engine.is_ordinary(b"\x1b[31m1234\x1b[0m\x1b[K\r\n")
        engine.feed(b"1234")
        assert not engine.is_ordinary(b"\x1b[K")
        assert engine.is_ordinary(b"\r\n\x1b[K")

    @pytest.mark.parametrize("seed", range(150))
    def test_it_looks_the_same_the_long_way(self, seed: int) -> None:
        chance = random.Random(seed)
        short, long = GhosttyEngine(_COLS, _ROWS, 50), GhosttyEngine(_COLS, _ROWS, 50)
        met = reverse_wraps = 0
        for output in _cut_anywhere(_streams(chance), chance):
            is_ordinary = short.is_ordinary(output)
            met += is_ordinary
            reverse_wraps += b"\x1b[?45h" in output
            short.feed(output, is_ordinary=is_ordinary)
            long.feed(output)
            assert short.screen() == long.screen(), output
            assert short.native.wraps_next == long.native.wraps_next, output
        assert short.keyframe(50) == long.keyframe(50)
        # After that nothing is.
        assert met or reverse_wraps

    def test_a_width_is_paid_for_by_output(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(ordinary, "PAYING_BYTES", 100)
        engine = GhosttyEngine(_COLS, _ROWS)
        assert [engine.is_ordinary(b"\x1b[1m" + b"x" * 40) for _ in range(3)] == [False, False, True]
        engine.resize(_COLS + 1, _ROWS)
        assert not engine.is_ordinary(b"\x1b[1m" + b"x" * 40)

    def test_another_mode_or_width_is_noticed(self) -> None:
        engine = GhosttyEngine(_COLS, _ROWS)
        full = b"\r" + b"x" * (_COLS // 2) + b"\x1b[K"
        assert engine.is_ordinary(full)
        engine.feed(b"\x1b[?45h")
        assert not engine.is_ordinary(full)
        engine.feed(b"\x1b[?45l")
        assert engine.is_ordinary(full)
        engine.resize(_COLS // 2, _ROWS)
        assert not engine.is_ordinary(full)

    def test_a_mode_that_comes_in_parts_does_not_stay(self) -> None:
        engine = GhosttyEngine(_COLS, _ROWS)
        engine.feed(b"\x1b[?" + b"0" * 40 + b"20")
        engine.feed(b"27h and text")
        assert not engine.native.mode(2027)

    def test_what_takes_too_long_is_asked_less_often(self, monkeypatch: pytest.MonkeyPatch) -> None:
        clock_ns = count(0, 1_000_000)
        monkeypatch.setattr(ghostty, "time", SimpleNamespace(perf_counter_ns=lambda: next(clock_ns)))
        engine = GhosttyEngine(_COLS, _ROWS)
        output = b"\x1b[1m" + b"x" * 10_000
        answers = [engine.is_ordinary(output) for _ in range(100)]
        # A millisecond each, of which four times as much as may be counts: 10 ms at first, and a quarter from then on.
        assert sum(answers[:33]) == 33
        assert 15 <= sum(answers[40:]) <= 20

    def test_a_very_wide_or_large_window_has_nothing_ordinary(self) -> None:
        assert GhosttyEngine(240, 20).is_ordinary(_ORDINARY[0])
        assert not GhosttyEngine(241, 20).is_ordinary(_ORDINARY[0])
        assert not GhosttyEngine(200, 200).is_ordinary(_ORDINARY[0])


def test_the_same_is_derived_without_re2(monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(1)
    lines = (b" ".join(chance.choices(_ORDINARY, k=3)) + b"\x1b[2J" * (n % 900 == 0) for n in range(5_000))
    data = b"\r\n".join(lines)
    answers: list[bool] = []
    is_ordinary = GhosttyEngine.is_ordinary

    def asked(engine: GhosttyEngine, output: bytes) -> bool:
        answers.append(is_ordinary(engine, output))
        return answers[-1]

    monkeypatch.setattr(GhosttyEngine, "is_ordinary", asked)
    with_re2 = _derived(data)
    assert set(answers) == ({True, False} if ordinary.for_width(_COLS) else {False})
    monkeypatch.setattr(ordinary, "HAS_RE2", False)
    assert _derived(data) == with_re2


def _derived(data: bytes) -> object:
    deriver = Deriver(_COLS, _ROWS)
    items: list[Output | Resize] = [
        Output(start, start * 10, data[start : start + 5_000]) for start in range(0, len(data), 5_000)
    ]
    items.insert(3, Resize(1, items[3].offset, items[3].time_us, 40, 10))
    taken = deriver.take(items)
    end = deriver.finish()
    deriver.close()
    return taken, end


def _cut_anywhere(outputs: Iterator[bytes], chance: random.Random) -> Iterator[bytes]:
    """The same, in the middle of sequences and characters too."""
    held = b""
    for output in outputs:
        place = chance.randint(0, len(output)) if chance.random() < 0.5 else len(output)
        yield held + output[:place]
        held = output[place:]
    yield held


def _streams(chance: random.Random) -> Iterator[bytes]:
    """Output of few tokens, of which the rare ones would make most of it peculiar."""
    for _ in range(40):
        tokens = chance.choices(_TOKENS, k=chance.randint(1, 12))
        if chance.random() < 0.7:
            tokens = [token for token in tokens if token not in _PECULIAR and token.isascii()]
        yield b"".join(tokens)
