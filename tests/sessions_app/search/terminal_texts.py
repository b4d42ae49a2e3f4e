"""Terminals with text, written as the deriving writes it."""

from collections.abc import Sequence

from dashboard.lib.text import storable
from sessions_app.models import SearchEntry, SearchKind, Terminal, TerminalText
from sessions_app.models.blob import pack
from sessions_app.search import index
from sessions_app.terminal.engine.model import Line
from sessions_app.terminal.lines import encode_lines


def shown(terminal: Terminal, *lines: Line | str) -> TerminalText:
    """One block of lines, in the word index too; lines given as text come one byte and one second apart."""
    numbered = [
        line if isinstance(line, Line) else Line(number, number * 1_000_000, line)
        for number, line in enumerate(lines, start=1)
    ]
    block = write_block(terminal, numbered)
    entry = index.entry_id(terminal.started_ms + block.first_us // 1000, block.pk)
    SearchEntry.objects.create(
        id=entry, kind=SearchKind.TERMINAL, object_id=block.pk, session=terminal.session
    )
    index.add([(entry, storable("\n".join(line.text for line in numbered)))])
    return block


def write_block(terminal: Terminal, lines: Sequence[Line]) -> TerminalText:
    plain = encode_lines(lines)
    codec, data = pack(plain)
    return TerminalText.objects.create(
        terminal=terminal,
        offset=lines[0].offset,
        end=lines[-1].offset,
        first_us=lines[0].time_us,
        last_us=lines[-1].time_us,
        size=len(plain),
        codec=codec,
        data=data,
    )
