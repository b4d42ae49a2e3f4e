"""Lines of text in blocks, each with its words in the index.

A block of about BLOCK_BYTES is left as it is. What a live terminal brings is little at a time: it goes into the
last block while that is smaller than OPEN_BYTES, and once there are enough small blocks in a row, they are made
one. So there is a row for about BLOCK_BYTES of text and a few for the newest, and a line is written and indexed
a few times at most.
"""

import logging
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from dashboard.lib.bulk import bulk_insert, existing_keys
from dashboard.lib.errors import CorruptData
from dashboard.lib.ids import new_id
from sessions_app.models import SearchEntry, SearchKind, Terminal, TerminalText
from sessions_app.models.blob import pack
from sessions_app.search import index
from sessions_app.terminal.engine.model import Lines
from sessions_app.terminal.lines import BLOCK_BYTES, LinesError, blocks, decode_runs, encode_runs

logger = logging.getLogger(__name__)

OPEN_BYTES = 4 * 1024
# Of zstd: three quarters of the time of the usual level, for a twentieth more bytes.
_LEVEL: Final = 2
_MOST_SMALL = 64
# A screen that is thousands of columns wide may bring more at one offset; Postgres takes a megabyte of words. SQLite
# forgets a text only by what it was given of it, so blocks of 64 KB from before keep their limit.
_MOST_INDEXED_CHARS: Final = 200_000
_MOST_OF_LAST_OFFSET: Final = _MOST_INDEXED_CHARS - 65_536
_FORGOTTEN_AT_ONCE = 12

_COLUMNS = ("id", "terminal_id", "offset", "end", "first_us", "last_us", "size", "codec", "data")


class StaleText(Exception):
    """Another process has changed the blocks that were to be replaced."""


@dataclass(frozen=True, slots=True)
class _Block:
    """A block ready to be written: its row, its place in the index, and what the index gets of it."""

    row: tuple[Any, ...]
    entry: int
    words: index.Indexable


@dataclass(frozen=True, slots=True)
class _Stored:
    """A block that is to go, with the text by which the index knows it; None where that is damaged."""

    id: uuid.UUID
    entry: int
    text: str | None


@dataclass(frozen=True, slots=True)
class TextChange:
    """Blocks that go and blocks that come: worked out before the transaction, written inside it."""

    session_id: uuid.UUID | None
    replaced: tuple[_Stored, ...]
    added: tuple[_Block, ...]

    def write(self) -> None:
        """Last in its transaction, as the index asks for. Raises StaleText."""
        entries = _remove(self.replaced)
        rows = [block.row for block in self.added]
        places = _places(self.added)
        bulk_insert(TerminalText, _COLUMNS, rows)
        found = [
            (place, SearchKind.TERMINAL, row[0], self.session_id)
            for place, row in zip(places, rows, strict=True)
        ]
        bulk_insert(SearchEntry, ("id", "kind", "object_id", "session_id"), found)
        if entries:
            index.remove(entries)
        if places:
            index.add_indexable(
                [(place, block.words) for place, block in zip(places, self.added, strict=True)]
            )


def change_text(terminal: Terminal, runs: Sequence[Lines], *, at_end: bool) -> TextChange:
    """How these lines are kept after those that are there; with `at_end` no small blocks are left.

    A damaged block stays where it is, for whoever searches there to be told, and so does what lies before it.
    """
    whole = list(runs)
    stored = []
    for row in _to_replace(terminal.pk, runs, at_end=at_end):
        kept = _lines_if_sound(row)
        if kept is not None:
            whole = kept + whole
        elif not runs or row.offset < runs[0].offset:
            break
        else:
            # An offset names one block.
            logger.warning(
                "terminal %s: its text of byte %d is lost; scrollback terminals rebuild %s makes it again",
                terminal.pk, row.offset, terminal.pk,
            )  # fmt: skip
        stored.append(_stored(terminal, row, kept))
    added = tuple(_packed(terminal, block) for block in blocks(whole, BLOCK_BYTES))
    return TextChange(terminal.session_id, tuple(stored), added)


def forget_some_text(terminal: Terminal) -> bool:
    """Some blocks and their words, inside a transaction; whether there were any."""
    rows = list(TerminalText.objects.filter(terminal=terminal).order_by("offset")[:_FORGOTTEN_AT_ONCE])
    stored = [_stored(terminal, row, _lines_if_sound(row)) for row in rows]
    entries = _remove(stored)
    if entries:
        index.remove(entries)
    return bool(rows)


def _lines_if_sound(block: TerminalText) -> list[Lines] | None:
    try:
        return decode_runs(block.read())
    except (CorruptData, LinesError) as error:
        logger.info(
            "terminal %s: its text from byte %d on is damaged: %s", block.terminal_id, block.offset, error
        )
        return None


def _stored(terminal: Terminal, block: TerminalText, lines: list[Lines] | None) -> _Stored:
    text = None if lines is None else indexed_text(lines)
    return _Stored(block.pk, _entry_of(terminal, block.pk, block.first_us), text)


def _to_replace(terminal_id: uuid.UUID, runs: Sequence[Lines], *, at_end: bool) -> list[TerminalText]:
    """Blocks at the end that are written anew together with the lines, the last one first."""
    newest = TerminalText.objects.filter(terminal_id=terminal_id).order_by("-offset")
    small: list[tuple[uuid.UUID, int, int]] = []
    together = 0
    for pk, offset, size in newest.values_list("pk", "offset", "size")[:_MOST_SMALL]:
        # Of those that are small only because blocks were smaller, no more than makes two.
        is_enough = size >= BLOCK_BYTES // 2 or together >= 2 * BLOCK_BYTES
        if is_enough and not (runs and offset >= runs[0].offset):
            break
        small.append((pk, offset, size))
        together += size
    chosen = _how_many(small, runs, at_end=at_end)
    rows = TerminalText.objects.in_bulk([pk for pk, _, _ in small[:chosen]])
    return sorted(rows.values(), key=lambda row: row.offset, reverse=True)


def _how_many(small: Sequence[tuple[uuid.UUID, int, int]], runs: Sequence[Lines], *, at_end: bool) -> int:
    if at_end and len(small) + bool(runs) > 1:
        return len(small)
    if not small or not runs:
        return 0
    together = sum(size for _, _, size in small) + sum(len(run.text) for run in runs)
    if together >= BLOCK_BYTES or len(small) == _MOST_SMALL:
        return len(small)
    _, offset, size = small[0]
    # An offset names one block: what was to be read at the same one goes into it.
    return int(size < OPEN_BYTES or offset >= runs[0].offset)


def _packed(terminal: Terminal, runs: Sequence[Lines]) -> _Block:
    identity = new_id()
    plain = encode_runs(runs)
    codec, data = pack(plain, _LEVEL)
    first_us, last_us = runs[0].time_us, runs[-1].time_us
    row = (
        identity, terminal.pk, runs[0].offset, runs[-1].offset, first_us, last_us, len(plain), codec, data
    )  # fmt: skip
    entry = index.entry_id(terminal.started_ms + first_us // 1000, identity)
    return _Block(row, entry, index.indexable(indexed_text(runs)))


def indexed_text(runs: Sequence[Lines]) -> str:
    """What the search finds the lines of a block by."""
    # What is decoded so holds no surrogates, so there is no more to be done for a database than this.
    lines = b"\n".join([run.text for run in runs]).replace(b"\x00", b"\xe2\x90\x80")
    text = lines.decode("utf-8", "replace")
    if len(text) <= _MOST_INDEXED_CHARS:
        return text
    before = sum(len(run.text) + 1 for run in runs if run.offset != runs[-1].offset)
    return text[: max(_MOST_INDEXED_CHARS, before + _MOST_OF_LAST_OFFSET)]


def _places(blocks: Sequence[_Block]) -> list[int]:
    """Free places in the index: the next one where somebody else has the block's own."""
    taken = existing_keys(SearchEntry, [block.entry for block in blocks])
    places = []
    for block in blocks:
        place = block.entry
        while place in taken or (place != block.entry and existing_keys(SearchEntry, [place])):
            place += 1
        taken.add(place)
        places.append(place)
    return places


def _entry_of(terminal: Terminal, identity: uuid.UUID, first_us: int) -> int:
    wanted = index.entry_id(terminal.started_ms + first_us // 1000, identity)
    near = SearchEntry.objects.filter(pk__gte=wanted, pk__lt=wanted + index.MOST_MOVED)
    entry = near.filter(kind=SearchKind.TERMINAL, object_id=identity).values_list("pk", flat=True).first()
    return wanted if entry is None else entry


def _remove(stored: Sequence[_Stored]) -> list[tuple[int, str | None]]:
    """Delete the rows; what the index is to forget. Raises StaleText when one is not there any more."""
    if not stored:
        return []
    gone, _ = TerminalText.objects.filter(pk__in=[block.id for block in stored]).delete()
    if gone != len(stored):
        raise StaleText
    SearchEntry.objects.filter(pk__in=[block.entry for block in stored]).delete()
    return [(block.entry, block.text) for block in stored]
