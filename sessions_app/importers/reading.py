"""Reads one source from where reading stands: whole lines in, batches out."""

import hashlib
import io
import json
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, Any

import zstandard

from dashboard.lib.errors import CorruptData
from sessions_app.actions.imports import Batch, make_batch
from sessions_app.actions.sources import CHUNK_BYTES, RawLines, SourceProgress, ending_of, is_as_kept
from sessions_app.drafts import (
    AwaitsFiles,
    Draft,
    Format,
    LinesAtOnce,
    Parser,
    Place,
    SkipLine,
    SourceFacts,
    UnknownLine,
)
from sessions_app.importers.json_lines import MAX_LINE_BYTES
from sessions_app.importers.registry import HEAD_BYTES, format_named
from sessions_app.models import Source

logger = logging.getLogger(__name__)

BATCH_BYTES = 8 * 1024 * 1024
BLOCK_BYTES = 1024 * 1024
FINGERPRINT_BYTES = 4096
# A companion (sidecar) larger than this is not one.
MAX_COMPANION_BYTES = 1024 * 1024
# A document is parsed whole; a larger one is refused with a clear word.
MAX_DOCUMENT_BYTES = 256 * 1024 * 1024

CUT = "the compressed file ends too early; what could be read of it is there"


class SourceError(Exception):
    """This file cannot be imported; the message says why. Others go on."""


class SourceRewritten(Exception):
    """The file does not continue what was read of it."""


def open_stream(path: str) -> IO[bytes]:
    """The file's plain bytes; `.zst` is decompressed on the way. Offsets are always those of plain bytes."""
    handle = open(path, "rb")  # noqa: SIM115  the caller closes it
    if not path.endswith(".zst"):
        return handle
    return io.BufferedReader(_Decompressed(handle), BLOCK_BYTES)


class _Decompressed(io.RawIOBase):
    """The plain bytes of a zstd file, frame after frame. `is_cut` once its end came inside a frame."""

    def __init__(self, handle: IO[bytes]) -> None:
        self._handle = handle
        self._frame = zstandard.ZstdDecompressor().decompressobj()
        self._waiting = b""
        self._inside = False
        self.is_cut = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._waiting:
            packed = self._handle.read(64 * 1024)
            if not packed:
                self.is_cut = self._inside
                return 0
            self._take(packed)
        size = min(len(buffer), len(self._waiting))
        buffer[:size], self._waiting = self._waiting[:size], self._waiting[size:]
        return size

    def _take(self, packed: bytes) -> None:
        while packed:
            self._waiting += self._frame.decompress(packed)
            self._inside = not self._frame.eof
            packed = self._frame.unused_data if self._frame.eof else b""
            if self._frame.eof:
                self._frame = zstandard.ZstdDecompressor().decompressobj()

    def close(self) -> None:
        self._handle.close()
        super().close()


def is_cut(stream: IO[bytes]) -> bool:
    """Did this stream's end come too early? Known once it has been read to its end."""
    raw = getattr(stream, "raw", None)
    return isinstance(raw, _Decompressed) and raw.is_cut


def skip_to(stream: IO[bytes], offset: int, hashed: "hashlib._Hash | None" = None) -> None:
    """Go on reading at this byte; a compressed stream gets there by reading, and only forwards, as does one of which
    the bytes before it are to be hashed.
    """
    if stream.seekable() and hashed is None:
        stream.seek(offset)
        return
    while offset > 0 and (passed := stream.read(min(offset, BLOCK_BYTES))):
        offset -= len(passed)
        if hashed is not None:
            hashed.update(passed)


def read_at(path: str, offset: int, size: int) -> bytes:
    with open_stream(path) as stream:
        skip_to(stream, offset)
        return stream.read(size)


def holds_what_was_read(source: Source, path: str) -> bool:
    """Whether the plain bytes of the file are those that were read of it, from first to last. Raises SourceError."""
    if not source.sha256_size or source.sha256_size != source.read_offset:
        return False
    hashed, left = hashlib.sha256(), source.read_offset
    try:
        with open_stream(path) as stream:
            while block := stream.read(BLOCK_BYTES):
                left -= len(block)
                if left < 0:
                    return False
                hashed.update(block)
            return left == 0 and not is_cut(stream) and hashed.hexdigest() == source.sha256
    except (OSError, zstandard.ZstdError) as error:
        raise SourceError(reason_of(error)) from error


def inode_of(status: os.stat_result) -> str:
    """Which file it is, whatever its name."""
    return f"{status.st_dev}:{status.st_ino}"


def read_head(path: str) -> bytes:
    """The first bytes, for recognising the format. Raises SourceError."""
    try:
        with open_stream(path) as stream:
            head = stream.read(HEAD_BYTES)
            if not head and is_cut(stream):
                raise SourceError(CUT)
            return head
    except (OSError, zstandard.ZstdError) as error:
        raise SourceError(reason_of(error)) from error


def reason_of(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error) or type(error).__name__


def fingerprint(head: bytes) -> tuple[str, int]:
    """(SHA-256, length) of the file's beginning."""
    beginning = head[:FINGERPRINT_BYTES]
    return hashlib.sha256(beginning).hexdigest(), len(beginning)


@dataclass
class SavedState:
    """What is kept in Source.parser_state: the parser's own memory and what it was made from."""

    version: int
    companions: str
    parser: dict[str, Any]
    # Files beside the source that its lines name and that were not there.
    awaited: list[str] = field(default_factory=list)
    # The cursor stands inside a line that was given up as too long.
    is_cut: bool = False

    @classmethod
    def load(cls, text: str) -> "SavedState":
        stored = json.loads(text or "{}")
        return cls(
            stored.get("version", 0),
            stored.get("companions", ""),
            stored.get("parser", {}),
            stored.get("awaited", []),
            stored.get("is_cut", False),
        )

    def dump(self) -> str:
        return json.dumps(vars(self))

    def has_come(self) -> bool:
        """Whether one of the files that were awaited is there now."""
        return any(map(os.path.lexists, self.awaited))


def read_companions(known: Format, path: str) -> dict[str, bytes]:
    companions = {}
    for companion in known.companions(path):
        try:
            if os.path.getsize(companion) <= MAX_COMPANION_BYTES:
                with open(companion, "rb") as handle:
                    companions[os.path.basename(companion)] = handle.read()
        except OSError:
            # It may come later, or never: the file itself is what counts.
            continue
    return companions


def companions_hash(companions: dict[str, bytes]) -> str:
    if not companions:
        return ""
    joined = b"\0".join(name.encode() + b"\0" + companions[name] for name in sorted(companions))
    return hashlib.sha256(joined).hexdigest()


@dataclass(frozen=True)
class Job:
    """One pass over one source, from its cursor on. May be sent to another process."""

    source: Source
    format: str
    # Where the file is; the source may know it by another spelling (finding.stored_path).
    path: str
    # The last bytes that were read of it; b"" when nothing was.
    ending: bytes
    following: bool


def job_for(source: Source, known: Format, path: str, *, following: bool) -> Job:
    """Raises SourceError."""
    try:
        ending = ending_of(source, FINGERPRINT_BYTES)
    except CorruptData as error:
        raise SourceError(f"what is kept of its last lines is damaged: {error}") from error
    return Job(source, known.name, path, ending, following)


class SourceReader:
    """Does a job: reads up to the end of the complete lines, without the database."""

    def __init__(self, job: Job) -> None:
        known = format_named(job.format)
        if known is None:
            raise SourceError(f"the format {job.format} is not known here")
        source = self.source = job.source
        self.format = known
        self.following = job.following
        self.ending = job.ending
        # As of the last batch, or of the last pass before the first one.
        self._saved = saved = SavedState.load(source.parser_state)
        self.path = job.path
        self.companions = read_companions(known, self.path)
        self.companions_hash = companions_hash(self.companions)
        self.companions_changed = self.companions_hash != saved.companions
        # The cursor stands inside a line that is counted already: taken without its newline, or too long.
        self._in_line = job.ending != b"" and not job.ending.endswith(b"\n")
        self._is_cut = saved.is_cut

    def batches(self) -> Iterator[Batch]:
        """Batches in order; the last one closes the pass. Nothing when there is nothing new.

        Raises SourceError, or SourceRewritten when the file does not continue what was read.
        """
        if self.format.is_document and self.source.read_offset:
            # It cannot go on: who makes a job of it has seen that it is another document.
            raise SourceRewritten
        try:
            status = os.stat(self.path)
            head = read_at(self.path, 0, FINGERPRINT_BYTES)
            self._check_continues(head)
            with open_stream(self.path) as stream:
                yield from self._read(stream, head, status)
                if is_cut(stream):
                    raise SourceError(CUT)
        except (SourceError, SourceRewritten):
            raise
        except (OSError, zstandard.ZstdError) as error:
            raise SourceError(reason_of(error)) from error
        except Exception as error:
            logger.warning("a history could not be read", exc_info=True)
            raise SourceError(f"its reader stumbled over it ({type(error).__name__}: {error})") from error

    def _read(self, stream: IO[bytes], head: bytes, status: os.stat_result) -> Iterator[Batch]:
        facts = SourceFacts(
            path=self.path, companions=self.companions, modified_ms=status.st_mtime_ns // 1_000_000
        )
        self.parser = self.format.parser(facts, self._saved.parser)
        self.progress = SourceProgress(
            read_offset=self.source.read_offset,
            line_count=self.source.line_count,
            size=status.st_size,
            modified_ns=status.st_mtime_ns,
            inode=inode_of(status),
            parser_state=self.source.parser_state,
            pass_offset=self.source.read_offset,
        )
        self.progress.head_sha256, self.progress.head_size = fingerprint(head)
        # Of the whole file, once: of one that was read up to here by an import that died, too.
        self.hash = None if self.source.sha256_size else hashlib.sha256()
        skip_to(stream, self.source.read_offset, self.hash)
        yield from self._document(stream) if self.format.is_document else self._lines(stream)

    def _check_continues(self, head: bytes) -> None:
        """The bytes before the cursor are the ones that were read: the beginning, and the last chunk's end."""
        source = self.source
        if source.read_offset == 0:
            return
        if hashlib.sha256(head[: source.head_size]).hexdigest() != source.head_sha256:
            raise SourceRewritten
        start = source.read_offset - len(self.ending)
        if not is_as_kept(self.ending, read_at(self.path, start, len(self.ending))):
            raise SourceRewritten

    def _document(self, stream: IO[bytes]) -> Iterator[Batch]:
        content = stream.read(MAX_DOCUMENT_BYTES + 1)
        if len(content) > MAX_DOCUMENT_BYTES:
            raise SourceError(
                f"it is larger than {MAX_DOCUMENT_BYTES >> 20} MB, the limit for a single document"
            )
        if not content:
            return
        raw, lines = RawLines(0), content.count(b"\n") + 1
        raw.add(content, 1, lines)
        self._feed(self.parser, content, Place(0, len(content), 1))
        self._advance(content, lines)
        yield self._batch(raw, closes_pass=True)

    def _lines(self, stream: IO[bytes]) -> Iterator[Batch]:
        raw = self._raw_lines()
        held: Batch | None = None
        rest = b""
        while block := stream.read(BLOCK_BYTES):
            rest = self._take(rest + block if rest else block, raw)
            if raw.size >= BATCH_BYTES:
                if held is not None:
                    yield held
                held = self._batch(raw)
                raw = self._raw_lines()
        self._take_tail(rest, raw)
        if (
            raw.pieces
            or self.progress.tail != bytes(self.source.tail)
            or (held is None and (self.companions_changed or self._saved.has_come()))
        ):
            if held is not None:
                yield held
            held = self._batch(raw)
        # A batch takes only so much of what stands beside the lines.
        while held is not None and self._saved.has_come():
            yield held
            held = self._batch(self._raw_lines())
        if held is not None:
            held.closes_pass = held.progress.is_complete = True
            if not self.following or self.progress.pass_offset == 0:
                # A recording without an exit ends where its file ends; should the file grow, so does the terminal.
                for terminal in held.draft.terminals.values():
                    terminal.ended = True
            held.progress.sha256 = self.hash.hexdigest() if self.hash else ""
            held.progress.sha256_size = held.progress.read_offset if self.hash else 0
            yield held

    @property
    def _line(self) -> int:
        """The number of the line that the next byte is of."""
        return self.progress.line_count + (0 if self._in_line else 1)

    def _raw_lines(self) -> RawLines:
        return RawLines(self.progress.read_offset)

    def _take(self, content: bytes, raw: RawLines) -> bytes:
        """Feed the complete lines of `content`; returns what follows the last newline."""
        if self._in_line:
            content = self._end_line(content, raw)
        end = content.rfind(b"\n") + 1
        if end == 0:
            if len(content) <= MAX_LINE_BYTES:
                return content
            if not self._is_cut:
                self.parser.draft.skip(
                    Place(self.progress.read_offset, len(content), self._line), "line too long"
                )
            self._is_cut = True
            self._keep_part(content, raw)
            return b""
        start = 0
        while start < end:
            stop = end if end - start <= CHUNK_BYTES else content.rfind(b"\n", start, start + CHUNK_BYTES) + 1
            if stop == 0:
                stop = content.find(b"\n", start) + 1
            piece = content[start:stop]
            raw.add(piece, self._line, self._feed_lines(piece))
            start = stop
        return content[end:]

    def _end_line(self, content: bytes, raw: RawLines) -> bytes:
        """Take the rest of the line that the cursor is in; returns what follows it.

        The end of a whole record is a newline, as a rule. Anything else is read for what it is.
        """
        end = content.find(b"\n") + 1
        if end == 0:
            if not self._is_cut:
                return content
            end = len(content)
        rest = content[:end]
        if not self._is_cut and not rest.isspace():
            place = Place(self.progress.read_offset, end, self._line)
            self._feed(self.parser, rest.removesuffix(b"\n"), place)
        self._keep_part(rest, raw)
        return content[end:]

    def _keep_part(self, part: bytes, raw: RawLines) -> None:
        """Move the cursor over a part of one line, which counts as a line when it begins one."""
        begins = 0 if self._in_line else 1
        raw.add(part, self._line, begins)
        self._advance(part, begins)
        self._in_line = not part.endswith(b"\n")
        self._is_cut = self._is_cut and self._in_line

    def _feed_lines(self, piece: bytes) -> int:
        """Feed a piece of whole lines; returns their number."""
        parser, offset, number = self.parser, self.progress.read_offset, self.progress.line_count
        if isinstance(parser, LinesAtOnce):
            count = piece.count(b"\n")
            if parser.feed_lines(piece, count):
                self._advance(piece, count)
                return count
        lines = piece.split(b"\n")
        lines.pop()
        for line in lines:
            number += 1
            size = len(line) + 1
            if line and not line.isspace():
                self._feed(parser, line, Place(offset, size, number))
            offset += size
        self._advance(piece, len(lines))
        return len(lines)

    @staticmethod
    def _feed(parser: Parser, line: bytes, place: Place) -> None:
        try:
            parser.feed(line, place)
        except UnknownLine as unknown:
            parser.draft.remark(place, str(unknown))
        except SkipLine as skipped:
            parser.draft.skip(place, str(skipped))
        except Exception as error:
            # Whatever a line does to its parser, it costs this line: kept, counted, and shown with the reason.
            logger.warning("a line of a history could not be read", exc_info=True)
            parser.draft.skip(place, f"the reader stumbled over it ({type(error).__name__})")

    def _take_tail(self, rest: bytes, raw: RawLines) -> None:
        """A last line without newline: taken when it is complete all the same, kept aside otherwise."""
        if not rest.strip():
            return
        place = Place(self.progress.read_offset, len(rest), self._line)
        if self.following or (_is_begun(rest) and not _is_complete(rest)):
            self.progress.tail = rest
            return
        self._feed(self.parser, rest, place)
        self._keep_part(rest, raw)

    def _advance(self, content: bytes, lines: int) -> None:
        if self.hash is not None:
            self.hash.update(content)
        self.progress.read_offset += len(content)
        self.progress.line_count += lines

    def _batch(self, raw: RawLines, *, closes_pass: bool = False) -> Batch:
        self.parser.close_batch(following=self.following)
        draft, self.parser.draft = self.parser.draft, Draft()
        awaited = self.parser.awaited() if isinstance(self.parser, AwaitsFiles) else []
        self._saved = SavedState(
            self.format.version, self.companions_hash, self.parser.state(), awaited, self._is_cut
        )
        self.progress.parser_state = self._saved.dump()
        progress = SourceProgress(**vars(self.progress))
        progress.is_complete = closes_pass
        if closes_pass and self.hash is not None:
            progress.sha256, progress.sha256_size = self.hash.hexdigest(), progress.read_offset
        return make_batch(draft, raw, progress, closes_pass=closes_pass)


def _is_begun(line: bytes) -> bool:
    """Whether more bytes may make a record or a comment of it; garbage stays what it is, and is told at once."""
    return line.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in {b"{", b"[", b"#"}


def _is_complete(line: bytes) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True
