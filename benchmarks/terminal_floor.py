"""What the parts of an import cost that are somebody else's code, each called alone with as little around it as can be.

An import can be no faster than these together, on however many cores. In processor milliseconds for each MB of output.
"""

import json
import time
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from benchmarks.harness import MB, Console, Options, say
from benchmarks.terminal_corpus import COLS, KINDS, ROWS, stream
from sessions_app.terminal.asciicast import model as asciicast
from sessions_app.terminal.asciicast.model import Event

SIZE_MB = 32
SLICE_BYTES = 16 * 1024
SEGMENT_BYTES = 256 * 1024
# Of 256 KB each, as blocks of text are, and as many in a transaction as a piece of output has at most.
TEXT_BYTES = 256 * 1024
TEXT_LEVEL = 2
BLOCKS_AT_ONCE = 32


def run(options: Options, console: Console) -> dict[str, Any]:
    console.use_here()
    (megabytes,) = options.scaled(SIZE_MB)
    return {"cpu_ms_per_mb": {kind: _measure(kind, megabytes) for kind in KINDS}}


def _measure(kind: str, megabytes: int) -> dict[str, float]:
    events = list(stream(kind, megabytes * MB))
    output = b"".join(event.data for event in events if isinstance(event, asciicast.Output))
    figures = _engine(events)
    text = _text(events)
    figures["zstd_output"] = _cost(_compress, _pieces(output, SEGMENT_BYTES))
    figures["zstd_lines_of_the_file"] = _cost(_compress, _pieces(_lines(events), SEGMENT_BYTES))
    figures["zstd_text"] = _cost(lambda pieces: _compress(pieces, TEXT_LEVEL), _pieces(text, TEXT_BYTES))
    figures["sha256_twice"] = 2 * _cost(_hash, _pieces(output, SEGMENT_BYTES))
    figures["json"] = _cost(_decode, [_lines(events)])
    figures["words"] = _cost(_index, _pieces(text, TEXT_BYTES))
    rounded = {name: round(1000 * seconds / megabytes, 2) for name, seconds in figures.items()}
    rounded["together"] = round(sum(rounded.values()), 2)
    say(f"{kind}  {rounded}")
    return rounded


def _engine(events: list[Event]) -> dict[str, float]:
    """The library given the output in slices, and asked for the rows that left the screen."""
    from sessions_app.terminal.engine.native_vt import NativeVt

    native = NativeVt(COLS, ROWS, 1_000 * COLS * 16)
    native.mark_top()
    held = b""
    writing = reading = 0.0
    for event in events:
        if isinstance(event, asciicast.Resize):
            native.resize(event.cols, event.rows)
        elif isinstance(event, asciicast.Output):
            held += event.data
        if len(held) < SLICE_BYTES:
            continue
        began = time.thread_time()
        native.write(held)
        written = time.thread_time()
        above, first = native.scrollback_rows, native.marked_row() or 0
        if not native.is_alternate and first < above:
            native.plain_rows(first, above, unwrap=True)
        native.mark_top()
        writing += written - began
        reading += time.thread_time() - written
        held = b""
    native.close()
    return {"engine_write": writing, "engine_rows_as_text": reading}


def _text(events: list[Event]) -> bytes:
    """What an import keeps as text: each line once."""
    from sessions_app.terminal.engine.deriver import Deriver
    from sessions_app.terminal.engine.model import Output, Resize

    items: list[Output | Resize] = []
    offset = 0
    for event in events:
        if isinstance(event, asciicast.Output):
            items.append(Output(offset, event.time_us, event.data))
            offset += len(event.data)
        elif isinstance(event, asciicast.Resize):
            items.append(Resize(len(items) + 1, offset, event.time_us, event.cols, event.rows))
    deriver = Deriver(COLS, ROWS)
    runs = [*deriver.take(items).runs, *deriver.finish().runs]
    deriver.close()
    return b"\n".join(run.text for run in runs)


def _cost(action: Callable[[list[bytes]], object], pieces: list[bytes]) -> float:
    began = time.process_time()
    action(pieces)
    return time.process_time() - began


def _compress(pieces: Iterable[bytes], level: int = 3) -> None:
    from dashboard.lib.compression import compress

    for piece in pieces:
        compress(piece, level)


def _hash(pieces: Iterable[bytes]) -> None:
    from sessions_app.models.blob import sha256_of

    for piece in pieces:
        sha256_of(piece)


def _decode(pieces: list[bytes]) -> None:
    msgspec.json.Decoder(tuple[float, str, str]).decode_lines(pieces[0])


def _index(pieces: list[bytes]) -> None:
    """Into the word index of the engine; of Postgres only what is done in this process is counted."""
    from dashboard.lib.db import write_transaction
    from sessions_app.search import index

    entries = enumerate(piece.decode("utf-8", "replace") for piece in pieces)
    rows = [(number, index.indexable(text)) for number, text in entries]
    for start in range(0, len(rows), BLOCKS_AT_ONCE):
        with write_transaction():
            index.add_indexable(rows[start : start + BLOCKS_AT_ONCE])
    with write_transaction():
        index.clear()


def _pieces(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


def _lines(events: list[Event]) -> bytes:
    return b"".join(
        b'[0.001234,"o",%b]\n'
        % json.dumps(event.data.decode("utf-8", "replace"), ensure_ascii=False).encode()
        for event in events
        if isinstance(event, asciicast.Output)
    )
