"""Output that was made to harm: whoever stores, replays or draws it must neither hang nor crash nor grow.

Deterministic for a size, apart from recordings beside the checkout, which are damaged too where they are there.
"""

import random
from collections.abc import Iterator
from itertools import count, cycle, islice
from pathlib import Path

from benchmarks.harness import MB, ROOT
from benchmarks.terminal_corpus import COLS, MIXED, ROWS, Cast, stream
from sessions_app.terminal.asciicast.model import Event, Exit, Header, Output, Resize
from sessions_app.terminal.asciicast.writer import Writer

SAMPLES = ROOT.parent / "shared" / "samples" / "recorded"
_HUGE = (10**5, 10**7, 2**31 - 1, 2**63, 10**40)
# Finals of control sequences whose parameter is a count.
_COUNTED = b"STLMbZI@PXABCDEFGdHJKmr"
#: What keeps xterm.js busy for hours, or makes it remember without end, in few bytes.
FREEZING = {
    **{f"CSI 2147483647 {chr(final)}": b"\x1b[2147483647%c" % final for final in b"STLMbZI@PX"},
    "REP after a character": b"x\x1b[2147483647b",
    "scroll region and scroll": b"\x1b[2;10r\x1b[2147483647S\x1b[r",
    "10,000 parameters": b"\x1b[" + b"1;" * 10_000 + b"m",
    "1,000 scrolls of 10,000": b"\x1b[10000S" * 1_000,
    "OSC of 4 MB": b"\x1b]2;" + b"t" * 4_000_000 + b"\x07",
    "DCS of 4 MB": b"\x1bPq" + b"~" * 4_000_000 + b"\x1b\\",
    "100,000 links": b"".join(
        b"\x1b]8;;http://h/%d\x1b\\a\x1b]8;;\x1b\\" % number for number in range(100_000)
    ),
    "100 KB of combining marks": b"a" + "\u0301".encode() * 50_000,
    "synchronized output left open": b"\x1b[?2026h" + b"hidden\r\n" * 1_000,
}
_QUESTIONS = (
    b"\x1b[c\x1b[>c\x1b[=c\x1b[5n\x1b[6n\x1b[?6n\x1b[?2026$p\x1bP$qm\x1b\\\x1b[21t\x1b[18t\x1b[>q\x05\x1b[?u"
    b"\x1b]52;c;?\x07\x1b]10;?\x07\x1b]4;1;?\x07\x1bP+q544e\x1b\\"
)
_TRICKS = (
    b"\x1b]0;\xe2\x80\xaetitle\x07\x1b]52;c;cm0gLXJmIC8=\x07\x1b]9;notify\x07\x1b]777;notify;a;b\x07"
    b"\x1b]8;;javascript:alert(1)\x1b\\click\x1b]8;;\x1b\\\x1b]1337;File=inline=1:AAAA\x07\x1b_Gf=32,s=9999,v=9999;AAAA\x1b\\"
    b"\x1b[?1000h\x1b[?1002h\x1b[?1003h\x1b[?1006h\x1b[?1004h\x1b[?2004h\x1b[200~\x1b[8;9999;9999t\x1b[3;0;0t\x1b[2t"
)
_MEAN_WRITE = 8_000
# Columns and rows, each for so many writes; after the first of them, so that also little output has the largest.
_WINDOWS = ((65_535, 65_535), (1, 1), (2, 500), (500, 2), (COLS, ROWS))
_WINDOW_WRITES = 400
_FIRST_WINDOW_WRITES = 10

type Writes = Iterator[bytes]


def hostile(size: int) -> Iterator[Event]:
    """At least `size` bytes of it, in windows of any size."""
    random_ = random.Random(size)
    windows = cycle(_WINDOWS)
    written = time_us = 0
    for number, data in enumerate(_turns(random_)):
        time_us += random_.choice((0, 1, 500, 20_000, 3_000_000))
        if number % _WINDOW_WRITES == _FIRST_WINDOW_WRITES:
            yield Resize(time_us, *next(windows))
        yield Output(time_us, data)
        written += len(data)
        if written >= size:
            break
    yield Exit(time_us, 0)


def write_hostile_cast(path: Path, size: int) -> Cast:
    """The same as an asciicast v3."""
    title = f"hostile output of {size / MB:g} MB"
    writer = Writer(Header(version=3, cols=COLS, rows=ROWS, title=title, timestamp_ms=1_795_132_800_000))
    written = last_us = 0
    with path.open("wb", buffering=1024 * 1024) as file:
        file.write(writer.header_line())
        for event in hostile(size):
            file.write(writer.write(event))
            last_us = event.time_us
            if isinstance(event, Output):
                written += len(event.data)
        file.write(writer.finish())
    return Cast(path, title, written, last_us)


def _turns(random_: random.Random) -> Writes:
    makers = (
        _random_bytes, _sequences, _damaged, _random_sequences, _endless_strings, _marks, _links, _switches,
        _damaged_samples,
    )  # fmt: skip
    writers = [maker(random_) for maker in makers]
    for writer in cycle(writers):
        taken = 0
        for data in writer:
            yield data
            taken += len(data)
            if taken > 200_000:
                break


def _cut(random_: random.Random, data: bytes) -> Writes:
    """In writes of any length, also inside sequences and characters."""
    position = 0
    while position < len(data):
        length = int(random_.expovariate(1 / _MEAN_WRITE)) + 1
        yield data[position : position + length]
        position += length


def _random_bytes(random_: random.Random) -> Writes:
    while True:
        yield random_.randbytes(int(random_.expovariate(1 / _MEAN_WRITE)) + 1)


def _sequences(random_: random.Random) -> Writes:
    """Each of the known ones, those of megabytes now and then."""
    small = [data for data in FREEZING.values() if len(data) < 100_000]
    for number in count():
        yield from _cut(random_, random_.choice([*small, _QUESTIONS, _TRICKS]))
        if number % 500 == 499:
            yield from _cut(random_, random_.choice(list(FREEZING.values())))


def _random_sequences(random_: random.Random) -> Writes:
    """Control sequences of any shape, with counts that nobody means."""
    while True:
        parts = []
        for _ in range(200):
            prefix = random_.choice((b"", b"", b"?", b">", b"=", b"!", b"<"))
            numbers = b";".join(
                b"%d" % random_.choice((*_HUGE, random_.randrange(300), 0))
                for _ in range(random_.randrange(6))
            )
            middle = random_.choice((b"", b"", b"", b"$", b" ", b'"', b"'"))
            parts.append(b"\x1b[%b%b%b%c" % (prefix, numbers, middle, random_.choice(_COUNTED)))
            parts.append(
                random_.choice(
                    (b"text", b"\r\n", b"\x1b7", b"\x1b8", b"\x0e", b"\x1b(0", b"\xc2\x9b5S", b"\t" * 50)
                )
            )
        yield from _cut(random_, b"".join(parts))


def _endless_strings(random_: random.Random) -> Writes:
    """Strings that go on for hundreds of kilobytes; some are never ended, but by what follows."""
    while True:
        start = random_.choice(
            (
                b"\x1b]0;",
                b"\x1b]8;;http://",
                b"\x1b]52;c;",
                b"\x1bPq",
                b"\x1b_G",
                b"\x1b^",
                b"\x1bX",
                b"\x1b]",
            )
        )
        end = random_.choice((b"\x07", b"\x1b\\", b"\x18", b""))
        yield from _cut(
            random_, start + random_.randbytes(1_000).hex().encode() * random_.randrange(1, 150) + end
        )


def _marks(random_: random.Random) -> Writes:
    """Letters under thousands of marks, joined pictures, characters of no width, of two columns and of none."""
    pool = [
        "\u0301",
        "\u20e3",
        "\u200d",
        "\ufe0f",
        "\U0001f468",
        "\U0001f3fb",
        "漢",
        "\u202e",
        "\u0f00",
        "\U000e0001",
        "\ufeff",
    ]
    while True:
        yield from _cut(random_, ("e" + random_.choice(pool) * random_.randrange(1, 20_000)).encode())
        yield "".join(random_.choices(pool, k=2_000)).encode("utf-8")


def _links(random_: random.Random) -> Writes:
    for number in count():
        target = b"x" * (100_000 if number % 1_000 == 999 else number % 50)
        yield b"\x1b]8;id=%d;https://h/%d%b\x1b\\l" % (number, number, target)


def _switches(random_: random.Random) -> Writes:
    """Everything is cleared, and the other screen put up, without end."""
    pool = (
        b"\x1b[2J\x1b[3J\x1b[H", b"\x1bc", b"\x1b[?1049h", b"\x1b[?1049l", b"\x1b[?47h", b"\x1b[?1047l", b"\x1b[!p",
        b"\x1b#8", b"\x1b[?2026h", b"\x1b[?2026l", b"\x1b[5;2r", b"\x1b[?6h", b"\x1b[?7l", b"\x1b[?3h",
        b"\x1b[?69h\x1b[3;9s", b"x" * 300,
    )  # fmt: skip
    while True:
        yield b"".join(random_.choices(pool, k=300))


def _damaged(random_: random.Random) -> Writes:
    """Ordinary output with bytes changed, left out and repeated."""
    ordinary = (event.data for event in stream(MIXED, 10**9) if isinstance(event, Output))
    for data in ordinary:
        yield _damage(random_, data)


def _damaged_samples(random_: random.Random) -> Writes:
    recordings = [path.read_bytes() for path in sorted(SAMPLES.glob("*.cast"))] or [
        b"\x1b[1mno samples here\x1b[m"
    ]
    while True:
        # Its text with the escapes of JSON undone as far as they matter.
        data = random_.choice(recordings).replace(b"\\u001b", b"\x1b").replace(b"\\r\\n", b"\r\n")
        start = random_.randrange(len(data))
        yield from (
            _damage(random_, part) for part in islice(_cut(random_, data[start : start + 50_000]), 20)
        )


def _damage(random_: random.Random, data: bytes) -> bytes:
    damaged = bytearray(data)
    for _ in range(1 + len(data) // 200):
        if not damaged:
            break
        at = random_.randrange(len(damaged))
        length, action = random_.randrange(64), random_.randrange(4)
        if action == 0:
            damaged[at] = random_.randrange(256)
        elif action == 1:
            del damaged[at : at + length // 8]
        else:
            damaged[at:at] = b"\x1b" if action == 2 else damaged[at : at + length]
    return bytes(damaged) or b"\x00"
