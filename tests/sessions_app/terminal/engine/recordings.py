"""Recordings as an engine takes them: the samples, and streams made of what terminals are sent."""

import random
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from benchmarks.terminal_corpus import COLS, ROWS, stream
from sessions_app.terminal.asciicast import model as asciicast
from sessions_app.terminal.asciicast.reader import Reader
from sessions_app.terminal.asciicast.v1 import read_document
from sessions_app.terminal.engine.model import Output, Resize
from tests.samples import sample

type Item = Output | Resize


@dataclass(frozen=True)
class Recording:
    """Output and resizes in order; `cols` and `rows` are those of the beginning."""

    cols: int
    rows: int
    items: tuple[Item, ...]

    @property
    def size(self) -> int:
        return sum(len(item.data) for item in self.items if isinstance(item, Output))

    def cut_at(self, offsets: Iterable[int]) -> "Recording":
        """The same with no output that goes on over one of the offsets."""
        cuts = sorted(set(offsets))
        items: list[Item] = []
        for item in self.items:
            if isinstance(item, Resize):
                items.append(item)
                continue
            end = item.offset + len(item.data)
            places = cuts[bisect_right(cuts, item.offset) : bisect_left(cuts, end)]
            for first, last in zip([item.offset, *places], [*places, end], strict=True):
                data = item.data[first - item.offset : last - item.offset]
                items.append(Output(first, item.time_us, data))
        return Recording(self.cols, self.rows, tuple(items))


def sampled(*parts: str) -> Recording:
    """A sample in asciicast v1 (`.json`), v2 or v3."""
    document = sample(*parts).read_bytes()
    if parts[-1].endswith(".json"):
        header, items = read_document(document)
    else:
        reader = Reader()
        items = iter([*reader.read(document.splitlines(keepends=True))])
        header = reader.header
    assert header is not None
    return _recorded(header.cols, header.rows, items)


def generated(kind: str, size: int) -> Recording:
    """At least so many bytes of output of a kind of the benchmarks' recordings."""
    return _recorded(COLS, ROWS, stream(kind, size))


def _recorded(cols: int, rows: int, found: Iterable[asciicast.Item]) -> Recording:
    items: list[Item] = []
    offset = event = 0
    for item in found:
        if isinstance(item, asciicast.Output):
            items.append(Output(offset, item.time_us, item.data))
            offset += len(item.data)
        elif not isinstance(item, asciicast.Malformed):
            event += 1
            if isinstance(item, asciicast.Resize):
                items.append(Resize(event, offset, item.time_us, item.cols, item.rows))
    return Recording(cols, rows, tuple(items))


def written(cols: int, rows: int, writes: Sequence[bytes], *, every_us: int = 1_000) -> Recording:
    """Writes one after the other."""
    offsets = accumulate(map(len, writes), initial=0)
    items = [
        Output(offset, index * every_us, data)
        for index, (offset, data) in enumerate(zip(offsets, writes, strict=False))
    ]
    return Recording(cols, rows, tuple(items))


def true_colours(cols: int, rows: int, seed: int) -> bytes:
    """A picture of half blocks, each in two colours of its own, that scrolls by: some 40 bytes for each cell."""
    chance = random.Random(seed)
    row = b"\x1b[38;2;%d;%d;%d;48;2;%d;%d;%dm\xe2\x96\x80" * (cols - 1) + b"\x1b[0m\r\n"
    return row * rows % tuple(chance.choices(range(100, 256), k=6 * (cols - 1) * rows))


_WORDS = [b"hello world ", b"x", b"abc def ghi", b"0123456789" * 3, "é".encode(), "naïve ".encode()]
_WIDE = ["你好", "😀", "日本語テキスト", "e\u0301", "👩\u200d💻", "🇯🇵", "❤️", "☰", "🪄", "한국어", "→ ✓ │ ─"]
_STYLES = [
    *(b"0", b"1", b"2", b"3", b"4", b"7", b"9", b"31", b"42", b"38;5;200", b"48;2;1;2;3"),
    *(b"22", b"39", b"49", b"27", b"4:3", b"58;5;9", b"53", b"8", b"101", b"94"),
]
_LINK = b"\x1b]8;;http://example.org/\x1b\\link\x1b]8;;\x07"

type Piece = Callable[[random.Random, int, int], bytes]


def _one_of(*choices: bytes) -> Piece:
    return lambda chance, cols, rows: chance.choice(choices)


def _styled(chance: random.Random, cols: int, rows: int) -> bytes:
    return b"\x1b[%bm" % b";".join(chance.choices(_STYLES, k=chance.randint(1, 3)))


def _counted(finals: bytes, prefix: bytes = b"") -> Piece:
    return lambda chance, cols, rows: prefix + b"\x1b[%d%c" % (chance.randint(1, 5), chance.choice(finals))


def _erased(prefix: bytes) -> Piece:
    return lambda chance, cols, rows: prefix + b"\x1b[%d%c" % (chance.randrange(3), chance.choice(b"JK"))


def _placed(chance: random.Random, cols: int, rows: int) -> bytes:
    return b"\x1b[%d;%dH" % (chance.randint(1, rows), chance.randint(1, cols))


def _region(chance: random.Random, cols: int, rows: int) -> bytes:
    top = chance.randint(1, rows - 1)
    return b"\x1b[%d;%dr" % (top, chance.randint(top + 1, rows))


def _filled(chance: random.Random, cols: int, rows: int) -> bytes:
    return b"q" * chance.randint(1, cols)


def _word(chance: random.Random, cols: int, rows: int) -> bytes:
    """One that ends before the last column, wherever it is put: nothing scrolls, and nothing wraps."""
    word = b"0123456789"[: chance.randint(1, max(cols // 4, 1))]
    return b"\x1b[%d;%dH" % (chance.randint(1, rows), chance.randint(1, max(cols - len(word) - 1, 1))) + word


def _excursion(chance: random.Random, cols: int, rows: int) -> bytes:
    """Something is written elsewhere, in other colours, and the cursor comes back."""
    return (
        _placed(chance, cols, rows)
        + b"\x1b7"
        + _styled(chance, cols, rows)
        + _word(chance, cols, rows)
        + b"\x1b8"
    )


_words = _one_of(*_WORDS)
_line = _one_of(b"\r\n")
_wide = _one_of(*map(str.encode, _WIDE))
_modes = _one_of(*(b"\x1b[" + mode for mode in (b"?1h", b"?2004h", b"?1000h", b"?25l", b"?25h", b"?2004l")))
_controls = _one_of(
    b"\t", b"\b", b"\n", b"\r", b"\x1bD", b"\x1bM", b"\x1bE", b"\x1b=", b"\x1b>", b"\x1b]0;title\x07"
)
_printed: list[Piece] = [_words, _words, _words, _filled, _line, _line, _styled, _styled]
#: What is in a stream, by its kind.
MENUS: dict[str, list[Piece]] = {
    # Anything printed one after the other, as logs and compilers do.
    "printed": [*_printed, _wide, _wide, _modes, _one_of(b"\t", b"\x1bE", b"\x1b=", _LINK, b"\x1b[!p")],
    # Narrow characters on one screen, written and erased anywhere.
    "edited": [
        *(*_printed, _placed, _placed, _counted(b"ABCDEFG"), _erased(b"\b"), _counted(b"LMP@XS", b"\b")),
        *(_region, _one_of(b"\x1b[r"), _one_of(b"\x1b[4h", b"\x1b[4l"), _modes, _controls),
        *(_one_of(b"\x1bH", b"\x1b[0g", _LINK, b"\x1b[!p", b"\x1b[3g"), _excursion),
    ],
    # Cursors that are saved and put back; nothing scrolls.
    "saved": [
        *(
            _word,
            _word,
            _styled,
            _styled,
            _placed,
            _excursion,
            _one_of(b"\x1b7"),
            _one_of(b"\x1b7", b"\x1b8"),
        ),
    ],
    # Everything, in an order in which no program would send it.
    "wild": [
        *(*_printed, _wide, _placed, _counted(b"ABCDEFG"), _erased(b""), _counted(b"LMP@XST"), _region),
        *(_modes, _controls, _one_of(b"\x1b[?7l", b"\x1b[?7h", b"\x1b[?6h", b"\x1b[?6l")),
        _one_of(b"\x1b[?1049h", b"\x1b[?1049l", b"\x1b[?47h", b"\x1b[?47l", b"\x1bc"),
        _one_of(b"\x1b7", b"\x1b8", b"\x1b(0", b"\x1b(B", b"\x0e", b"\x0f", b"\x1b)0", _LINK, b"\x1b[!p"),
    ],
}


def random_writes(kind: str, seed: int, count: int, cols: int, rows: int) -> list[bytes]:
    """What terminals are sent, of one kind of MENUS."""
    chance = random.Random(seed)
    return [chance.choice(MENUS[kind])(chance, cols, rows) for _ in range(count)]


def random_resized(kind: str, seed: int, count: int, begin: bytes = b"") -> Recording:
    """The same behind `begin`, in a window that gets another size now and then."""
    chance = random.Random(seed)
    cols, rows = 20, 6
    first = Recording(cols, rows, ())
    items: list[Item] = [Output(0, 0, begin)] if begin else []
    offset = len(begin)
    for number in range(count):
        if chance.random() < 0.12:
            cols, rows = chance.randint(2, 40), chance.randint(1, 12)
            items.append(Resize(number + 1, offset, number, cols, rows))
        else:
            # A scroll region has two rows at least.
            data = chance.choice(MENUS[kind])(chance, cols, max(rows, 2))
            items.append(Output(offset, number, data))
            offset += len(data)
    return replace(first, items=tuple(items))
