"""The offline bundle: entries as they were hashed, what is needed to recompute the signed root, and the verifier.

A ZIP that can be written to anything, a piece at a time, in bounded memory. The same log, head and selection make
the same bytes. `docs/audit-bundle.md` describes the files; `offline/verify.py` reads them.
"""

import base64
import io
import json
import struct
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import batched
from pathlib import Path
from typing import IO, Any, Final, cast

from django.db.models import Q

from audit.models import Checkpoint, Entry, Payload, Pruning, Subtree
from audit.notes import NoteError, TreeHead, Verifier
from audit.segments import HOLD_PLACED, HOLD_RELEASED, KEY_REPLACED
from audit.selection import Selection, in_order
from dashboard.lib.db import any_text

FORMAT: Final = "scrollback-audit-bundle/1"
VERIFIER: Final = Path(__file__).parent / "offline" / "verify.py"
_TILE: Final = 256
# Text: nearly all that a higher level would gain, at a third of its time.
_COMPRESSION_LEVEL: Final = 1
_PAYLOADS_AT_ONCE: Final = 64
_PIECE_BYTES: Final = 64 * 1024


@dataclass(frozen=True)
class Bundle:
    """One export: the log as `checkpoint` has it, and of that what is selected."""

    checkpoint: Checkpoint
    selection: Selection
    with_payloads: bool = True

    @property
    def head(self) -> TreeHead:
        # Its signature is for those who get the bundle; here only its text is looked at.
        return TreeHead.of_note(self.checkpoint.note)

    def entry_count(self) -> int:
        if self.selection.is_whole:
            return self.checkpoint.size
        return self.selection.entries().filter(idx__lt=self.checkpoint.size).count()

    def pieces(self) -> Iterator[bytes]:
        """The ZIP. Raises DatabaseError."""
        drain = _Drain()
        # Members are dated 1980, where ZIP begins: a real time would make two bundles of the same log differ.
        with zipfile.ZipFile(
            cast("IO[bytes]", drain), "w", zipfile.ZIP_DEFLATED, compresslevel=_COMPRESSION_LEVEL
        ) as archive:
            for name, content in self._files():
                with archive.open(_member(name), "w", force_zip64=not isinstance(content, bytes)) as member:
                    for piece in [content] if isinstance(content, bytes) else content:
                        member.write(piece)
                        if len(drain.waiting) >= _PIECE_BYTES:
                            yield drain.taken()
        yield drain.taken()

    def _files(self) -> Iterator[tuple[str, bytes | Iterator[bytes]]]:
        yield "README.txt", self._readme().encode()
        yield "verify.py", VERIFIER.read_bytes()
        yield "bundle.json", (json.dumps(self._about(), indent=2, sort_keys=True) + "\n").encode()
        yield "checkpoint", self.checkpoint.note.encode()
        yield "keys.txt", "".join(f"{key}\n" for key in self._keys()).encode()
        yield "entries.jsonl", self._entries()
        if replaced := self._replacements():
            yield "replaced.jsonl", replaced
        if self.with_payloads:
            yield "payloads.jsonl", self._payloads()
            # After the payloads: what goes while they are written is named too.
            if removed := self._removed_since():
                yield "removed.jsonl", removed
        yield from self._leaf_tiles()
        yield from self._higher_tiles()

    def _about(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "origin": self.head.origin,
            "size": self.checkpoint.size,
            "root": self.head.root.hex(),
            "entries": self.entry_count(),
            "filter": self.selection.conditions(),
            "payloads": self.with_payloads,
        }

    def _keys(self) -> list[str]:
        """The key of this checkpoint, then older ones, as a head that somebody kept may be signed by one of those."""
        older = Checkpoint.objects.filter(size__lte=self.checkpoint.size).order_by("-size")
        with any_text():
            # Distinct in the order of their first appearance; there are as many as the key was replaced.
            found = dict.fromkeys(older.values_list("key", flat=True).iterator())
        # A row that somebody has inserted cannot be removed, and its key need not be one.
        keys = [self._key(text) for text in [self.checkpoint.key, *found]]
        return list(dict.fromkeys(key for key in keys if key is not None))

    def _key(self, text: str) -> str | None:
        """As it is written, if this is a key of this log."""
        try:
            key = Verifier.parse(text)
        except NoteError:
            return None
        return str(key) if key.name == self.head.origin else None

    def _entries(self) -> Iterator[bytes]:
        for rows in in_order(self.selection.entries(), self.checkpoint.size, "body"):
            yield "".join(f"{body}\n" for (body,) in rows).encode()

    def _replacements(self) -> bytes:
        """Entries about keys that the filter leaves out: who knows an older key could not check the signature else."""
        if self.selection.is_whole:
            return b""
        found = Entry.objects.filter(action=KEY_REPLACED, idx__lt=self.checkpoint.size).order_by("idx")
        left_out = found.exclude(idx__in=self.selection.entries().filter(action=KEY_REPLACED).values("idx"))
        return "".join(f"{body}\n" for body in left_out.values_list("body", flat=True)).encode()

    def _payloads(self) -> Iterator[bytes]:
        """As many at a time as memory should hold: one may be megabytes."""
        chosen = None if self.selection.is_whole else self.selection.entries().values("idx")
        last = -1
        while True:
            found = Payload.objects.filter(idx__gt=last, idx__lt=self.checkpoint.size).order_by("idx")
            if chosen is not None:
                found = found.filter(idx__in=chosen)
            rows = list(found[:_PAYLOADS_AT_ONCE])
            for row in rows:
                data = base64.b64encode(bytes(row.data)).decode()
                line = {"data": data, "idx": row.idx, "salt": bytes(row.salt).hex()}
                yield (json.dumps(line, separators=(",", ":")) + "\n").encode()
            if len(rows) < _PAYLOADS_AT_ONCE:
                return
            last = rows[-1].idx

    def _removed_since(self) -> bytes:
        """Entries that the checkpoint does not cover: those that say why payloads are gone, and of holds until then."""
        size = self.checkpoint.size
        later = list(Pruning.objects.filter(idx__gte=size, first_idx__lt=size).values_list("idx", flat=True))
        if not later:
            return b""
        holds = Q(idx__gte=size, idx__lt=max(later), action__in=(HOLD_PLACED, HOLD_RELEASED))
        found = Entry.objects.filter(Q(idx__in=later) | holds).order_by("idx")
        return "".join(f"{body}\n" for body in found.values_list("body", flat=True)).encode()

    def _leaf_tiles(self) -> Iterator[tuple[str, bytes]]:
        """The hashes of all entries, and for the whole log the entries again, as C2SP tlog-tiles wants them."""
        columns = ("leaf", "body") if self.selection.is_whole else ("leaf",)
        number = 0
        for rows in in_order(Entry.objects.all(), self.checkpoint.size, *columns, rows=16 * _TILE):
            for tile in batched(rows, _TILE):
                yield tile_path(0, number, len(tile)), b"".join(bytes(row[0]) for row in tile)
                if self.selection.is_whole:
                    yield tile_path("entries", number, len(tile)), entry_bundle(row[1] for row in tile)
                number += 1

    def _higher_tiles(self) -> Iterator[tuple[str, bytes]]:
        level = 1
        while hashes := self.checkpoint.size >> (8 * level):
            found = Subtree.objects.filter(level=level, number__lt=hashes).order_by("number")
            rows = found.values_list("hash", flat=True).iterator()
            for number, tile in enumerate(batched(rows, _TILE)):
                yield tile_path(level, number, len(tile)), b"".join(bytes(found) for found in tile)
            level += 1

    def _readme(self) -> str:
        conditions = json.dumps(self.selection.conditions(), sort_keys=True)
        chosen = "" if self.selection.is_whole else f", chosen by {conditions}"
        return README.format(
            origin=self.head.origin, size=self.checkpoint.size, entries=self.entry_count(), chosen=chosen
        )


README: Final = """\
The audit log {origin}, as it was at {size} entries: {entries} of them{chosen}.

Check it with any Python from 3.8 on, no network and nothing installed:

    python3 verify.py THIS.zip --key KEY --head HEAD

KEY is the log's public key and HEAD a signed head, both as you noted them earlier. Without them you learn only that
this bundle fits itself: whoever made it up could have made up its key too.

entries.jsonl   each entry exactly as it was hashed, one a line
payloads.jsonl  what lies apart from its entry, with the salt that its commitment was made with
replaced.jsonl  only when entries about the key were left out by the filter: those, as they were hashed
removed.jsonl   only when payloads were removed after the checkpoint: the later entries that say why, and of legal holds
checkpoint      size and root of the tree, signed (c2sp.org/tlog-checkpoint)
keys.txt        the public key, and those that were used before
tile/           the tree (c2sp.org/tlog-tiles); the hashes of entries that were left out are in tile/0
bundle.json     what this bundle holds, for programs
verify.py       the program that checks all this; read it, it is short
"""


def entry_bundle(bodies: Iterable[str]) -> bytes:
    """Entries with their lengths (c2sp.org/tlog-tiles)."""
    texts = [body.encode() for body in bodies]
    return b"".join(struct.pack(">H", len(text)) + text for text in texts)


def tile_path(kind: int | str, number: int, width: int) -> str:
    """The name of a tile: `tile/0/x001/x234/067`, with `.p/WIDTH` when it is not whole."""
    name = f"{number % 1000:03d}"
    while number >= 1000:
        number //= 1000
        name = f"x{number % 1000:03d}/{name}"
    return f"tile/{kind}/{name}" + ("" if width == _TILE else f".p/{width}")


def _member(name: str) -> zipfile.ZipInfo | str:
    """Hashes cannot be made smaller: a member of its own is stored as it is, a name alone is compressed."""
    is_hashes = name.startswith("tile/") and not name.startswith("tile/entries/")
    return zipfile.ZipInfo(name) if is_hashes else name


class _Drain(io.RawIOBase):
    """What zipfile writes into, to be taken out again as it comes; it cannot go back, like a socket."""

    def __init__(self) -> None:
        self.waiting = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        self.waiting += data
        return len(data)

    def taken(self) -> bytes:
        found = bytes(self.waiting)
        self.waiting.clear()
        return found
