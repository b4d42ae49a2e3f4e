"""Output that was made to break terminals, and what the engine does with it.

`python -m tests.sessions_app.terminal.engine.hostile 100` sends 100 MB of it through an engine process and prints
one line of JSON.
"""

import json
import random
import sys
import time
from collections.abc import Callable, Iterator

import psutil  # type: ignore[import-untyped]  # its types are a package of their own

from sessions_app.terminal.engine.model import Output, Resize
from sessions_app.terminal.engine.process import EngineProcess

PIECE_BYTES = 256 * 1024
_HUGE = [b"", b"0", b"1", b"65535", b"2147483647", b"4294967296", b"99999999999999999999", b"-1"]
_FINALS = bytes(range(0x40, 0x7F))
_STARTS = [
    b"\x1b[",
    b"\x1b[?",
    b"\x1b[>",
    b"\x1b]",
    b"\x1bP",
    b"\x1b_",
    b"\x1b^",
    b"\x1bX",
    b"\x1b",
    b"\x9b",
    b"\x9d",
]
_MODES = [1, 3, 5, 6, 7, 12, 25, 40, 45, 47, 66, 69, 80, 1000, 1006, 1047, 1048, 1049, 2004, 2026, 2027, 2031]


def hostile(seed: int, size: int) -> Iterator[bytes]:
    """Pieces of about PIECE_BYTES, `size` bytes in all at least."""
    chance = random.Random(seed)
    held, total = bytearray(), 0
    while total < size:
        held += chance.choice(_KINDS)(chance)
        if len(held) >= PIECE_BYTES:
            yield bytes(held)
            total += len(held)
            held.clear()


def _noise(chance: random.Random) -> bytes:
    return chance.randbytes(chance.randint(1, 2_000))


def _sequences(chance: random.Random) -> bytes:
    def sequence() -> bytes:
        parameters = b";".join(
            chance.choices(_HUGE, k=chance.randint(0, 40 if chance.random() < 0.05 else 3))
        )
        final = bytes([chance.choice(_FINALS)])
        return chance.choice(_STARTS) + parameters + chance.choice([b"", b"", b" ", b"$", b"!"]) + final

    return b"".join(sequence() + b"text" * chance.randint(0, 3) for _ in range(chance.randint(1, 60)))


def _switches(chance: random.Random) -> bytes:
    return b"".join(
        b"\x1b[?%d%cx" % (chance.choice(_MODES), chance.choice(b"hl")) for _ in range(chance.randint(1, 60))
    )


def _clears(chance: random.Random) -> bytes:
    return b"\x1b[2J\x1b[3J\x1b[H\x1bcx" * chance.randint(1, 300)


def _endless(chance: random.Random) -> bytes:
    start = chance.choice(
        [b"\x1b]0;", b"\x1b]8;;", b"\x1bP", b"\x1b_G", b"\x1b[", b"\x1b]52;c;", b"\x1b]4;1;"]
    )
    return (
        start
        + chance.choice([b"9", b"x", b";"]) * chance.choice([10, 1_000, 200_000])
        + chance.choice([b"", b"\x07"])
    )


def _marks(chance: random.Random) -> bytes:
    mark = chance.choice(["\u0301", "\u200d", "\ufe0f", "\u20e3", "\U000e0061", "\u0600", "🇯"]).encode()
    return b"a" + mark * chance.choice([1, 100, 20_000])


def _links(chance: random.Random) -> bytes:
    return b"".join(
        b"\x1b]8;id=%d;http://%s/\x1b\\x" % (number, b"a" * chance.choice([3, 2_000]))
        for number in range(chance.choice([3, 300]))
    )


def _styles(chance: random.Random) -> bytes:
    return b"".join(
        b"\x1b[38;2;%d;%d;%d;48;5;%dm\xe2\x96\x80" % (*chance.randbytes(3), chance.randrange(300))
        for _ in range(chance.choice([10, 2_000]))
    )


def _lines(chance: random.Random) -> bytes:
    return chance.choice(
        [b"\n", b"\r\n", b"\x1bD", b"\x1bM", b"\x0b", "你".encode(), b"\t", b"\x1b[L"]
    ) * chance.choice([10, 30_000])


_KINDS: list[Callable[[random.Random], bytes]] = [
    *(_noise, _sequences, _switches, _clears, _endless, _marks, _links, _styles, _lines)
]


def attack(megabytes: int, seed: int = 1, deadline_s: float = 10.0) -> dict[str, float]:
    """Send hostile output through an engine process; what came of it. Raises EngineError when it fails."""
    engine = EngineProcess(deadline_s=deadline_s)
    chance = random.Random(seed)
    figures = {
        "megabytes": 0.0,
        "keyframes": 0,
        "keyframe_bytes": 0,
        "text_bytes": 0,
        "slowest_s": 0.0,
        "memory_bytes": 0.0,
    }
    offset = 0
    # The one that screens of other tests came from may still be there.
    others = set(psutil.Process().children())
    try:
        engine.derive("hostile", None, 80, 24, [], finish=False)
        (child,) = [
            one
            for one in set(psutil.Process().children()) - others
            if "sessions_app.terminal.engine.child" in one.cmdline()
        ]
        for event, data in enumerate(hostile(seed, megabytes * 1_000_000), start=1):
            size = (chance.randint(1, 300), chance.randint(1, 100))
            items: list[Output | Resize] = [
                Resize(event, offset, offset, *size),
                Output(offset, offset, data),
            ]
            began = time.monotonic()
            derived = engine.derive("hostile", None, 1, 1, items, finish=False)
            figures["slowest_s"] = max(figures["slowest_s"], time.monotonic() - began)
            offset += len(data)
            if derived.offset != offset:
                raise AssertionError(f"at {derived.offset} after {offset} bytes")
            figures["keyframes"] += len(derived.keyframes)
            figures["keyframe_bytes"] += sum(len(keyframe.data) for keyframe in derived.keyframes)
            figures["text_bytes"] += sum(len(run.text) for run in derived.runs)
            figures["memory_bytes"] = max(figures["memory_bytes"], child.memory_info().rss)
        engine.derive("hostile", None, 1, 1, [], finish=True)
    finally:
        engine.stop()
    return figures | {"megabytes": offset / 1_000_000}


if __name__ == "__main__":
    print(json.dumps(attack(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1)))
