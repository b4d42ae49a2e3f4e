"""The spool: what was recorded and is not yet known to be on the server.

A recording is an asciicast v3 file `<id>.cast`, playable as it is, and a sidecar `<id>.json` that says what
the file cannot: for whom it is meant and how much the server has acknowledged. The keeper holds a lock on
the file while it writes; the system takes the lock away when it is killed, and then anybody may
finish its work.
"""

import contextlib
import fcntl
import json
import os
import shlex
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO, Self

from sessions_app.terminal.asciicast.events import event_text, make_event
from sessions_app.terminal.asciicast.header import format_header
from sessions_app.terminal.asciicast.model import Event, Exit, Header, Input, Output
from sessions_app.terminal.asciicast.text import decode, json_string_ascii, without_surrogates
from sessions_app.terminal.batch import START, Position, is_masked_counts
from sessions_app.terminal.masking.detector import Detector
from sessions_app.terminal.masking.events import mask_text

#: A comment to players, which tells the uploader what the recorder has masked.
_MASKED = b"# masked "
_MAX_WORDS = 1_000
_MAX_TEXT = 4_000


@dataclass(frozen=True, slots=True)
class Metadata:
    """What the server is told about a terminal. `session` is the id of the agent session it belongs to."""

    id: str
    command: list[str]
    cwd: str
    host: str
    cols: int
    rows: int
    started_ms: int
    title: str | None = None
    session: str | None = None
    input_recorded: bool = False
    env: dict[str, str] = field(default_factory=dict)

    def masked(self, detector: Detector) -> "Metadata":
        """The same without the secrets in it."""

        def mask(text: str) -> str:
            return mask_text(detector, text)[0]

        return replace(
            self,
            command=[mask(word) for word in self.command],
            cwd=mask(self.cwd),
            title=mask(self.title) if self.title else None,
            env={name: mask(value) for name, value in self.env.items()},
        )

    def header(self) -> Header:
        """First line of the recording."""
        return Header(
            version=3,
            cols=self.cols,
            rows=self.rows,
            timestamp_ms=self.started_ms,
            command=shlex.join(self.command),
            title=self.title,
            env=self.env,
            term_type=self.env.get("TERM"),
        )


@dataclass(frozen=True, slots=True)
class SpoolState:
    """Content of the sidecar."""

    metadata: Metadata
    server: str | None = None
    acknowledged: Position = START
    complete: bool = False


@dataclass(frozen=True, slots=True)
class Spool:
    """The two files of one recording."""

    recording: Path

    @classmethod
    def of(cls, directory: Path, terminal_id: str) -> Self:
        """Files of a terminal in the data directory, there or not."""
        return cls(directory / "spool" / f"{terminal_id}.cast")

    @property
    def sidecar(self) -> Path:
        """Path of the JSON file."""
        return self.recording.with_suffix(".json")

    @property
    def markers(self) -> Path:
        """Path of the pipe for markers, while the program runs."""
        return self.recording.with_suffix(".markers")

    def load(self) -> SpoolState:
        """State as it was saved last. Raises OSError and ValueError."""
        members = json.loads(self.sidecar.read_bytes())
        try:
            metadata, acknowledged = Metadata(**members["metadata"]), Position(**members["acknowledged"])
            uuid.UUID(metadata.id)
            return SpoolState(metadata, members["server"], acknowledged, members["complete"] is True)
        except (KeyError, TypeError) as error:
            raise ValueError(f"{self.sidecar} is not the sidecar of a recording") from error

    def save(self, state: SpoolState) -> None:
        """Replace the sidecar; a reader sees the old one or the new one."""
        unfinished = self.sidecar.with_suffix(f".json.{os.getpid()}")
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(json.dumps(asdict(state)).encode("ascii"))
            unfinished.replace(self.sidecar)
        except OSError:
            unfinished.unlink(missing_ok=True)
            raise

    def update(self, state: SpoolState) -> None:
        """Replace the sidecar of a recording that is there; one that another has removed gets none. Raises OSError."""
        self.save(state)
        try:
            self.recording.stat()
        except FileNotFoundError:
            # Looked at behind the saving: who removes the recording later than that removes the sidecar too.
            self.sidecar.unlink(missing_ok=True)

    def remove(self) -> None:
        """Delete both files; the recording first, since a sidecar alone is no spool."""
        self.recording.unlink(missing_ok=True)
        self.sidecar.unlink(missing_ok=True)
        self.markers.unlink(missing_ok=True)


def spools(directory: Path) -> list[Spool]:
    """All recordings of the data directory, oldest first."""
    return [Spool(path) for path in sorted((directory / "spool").glob("*.cast")) if path.is_file()]


def waiting(directory: Path) -> list[SpoolState]:
    """Recordings that have ended and that the server does not have in full."""
    found = []
    for spool in spools(directory):
        try:
            with spool.recording.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            state = spool.load()
            if not state.complete:
                found.append(state)
        except (OSError, ValueError):
            # It is being recorded, was sent a moment ago, or cannot be read.
            continue
    return found


class SpoolWriter:
    """Appends events with one write(2) each, so that a kill loses none that was written.

    Bytes are spelled for each event by itself: a character cut between two writes is two lone surrogates in
    the file, where keeping it back would lose it in a crash.
    """

    def __init__(self, descriptor: int, *, size: int = 0, written_us: int = 0) -> None:
        """`descriptor` is the locked file, which ends after `size` bytes with an event at `written_us`."""
        self._descriptor = descriptor
        self._size = size
        self._written_us = written_us

    @classmethod
    def create(cls, spool: Spool, metadata: Metadata, server: str | None) -> Self:
        """Create the files and lock the recording. Raises OSError, and then leaves none of them."""
        for directory in (spool.recording.parent.parent, spool.recording.parent):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with contextlib.ExitStack() as undoing:
            undoing.callback(spool.remove)
            spool.save(SpoolState(metadata, server))
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND
            writer = cls(os.open(spool.recording, flags, 0o600))
            undoing.callback(writer.close)
            fcntl.flock(writer._descriptor, fcntl.LOCK_EX)
            writer.write_header(metadata.header())
            undoing.pop_all()
        return writer

    @property
    def descriptor(self) -> int:
        """The file; its lock is held as long as any process has a copy of this open."""
        return self._descriptor

    @property
    def written_us(self) -> int:
        """When the last event was that is in the file."""
        return self._written_us

    def write_header(self, header: Header) -> None:
        """Write the first line. Raises OSError, and the file is then empty."""
        self._append(format_header(header) + b"\n")

    def write(self, event: Event) -> None:
        """Append `event`. Raises OSError, and the file then ends with the event before it."""
        self._append(_format_event(event, self._written_us))
        self._written_us = max(event.time_us, self._written_us)

    def note_masked(self, counts: Mapping[str, int]) -> None:
        """Say that secrets are masked in what follows, and how many have been by which rule. Raises OSError."""
        self._append(_MASKED + json.dumps(dict(counts)).encode("ascii") + b"\n")

    def close(self) -> None:
        """Close the file and let go of its lock."""
        os.close(self._descriptor)

    def _append(self, line: bytes) -> None:
        written = 0
        try:
            while written < len(line):
                written += os.write(self._descriptor, line[written:])
        except OSError:
            os.ftruncate(self._descriptor, self._size)
            raise
        self._size += written


@dataclass(frozen=True, slots=True)
class Place:
    """A point between two lines of a recording: the byte where the next line starts, the time and position
    of the event before it, whether that was the exit, and how many secrets were masked by which rule (None
    when none are looked for)."""

    byte: int = 0
    time_us: int = 0
    position: Position = START
    exited: bool = False
    masked: Mapping[str, int] | None = None


class SpoolReader:
    """Reads complete lines of a recording that may still be growing, forwards from any position.

    `place` is where the next event is read; it may be set back to one it had before.
    """

    def __init__(self, spool: Spool) -> None:
        """Raises OSError."""
        self._file: BinaryIO = spool.recording.open("rb")
        self.place = Place()
        self._ends = False
        self.rewind()

    def rewind(self) -> None:
        """Back to the first event."""
        self._file.seek(0)
        header = self._file.readline()
        self.place = Place(len(header) if header.endswith(b"\n") else 0)

    def seek(self, position: Position) -> None:
        """To the first event that `position` does not hold whole, or to the end."""
        if not position.covers(self.place.position):
            self.rewind()
        while True:
            before = self.place
            if self.read() is None:
                return
            if not position.covers(self.place.position):
                self.place = before
                return

    def read(self) -> Event | None:
        """The next event, None when there is no complete line (yet)."""
        if not self.place.byte and not self.place.exited:
            self.rewind()
        self._file.seek(self.place.byte)
        while self.place.byte and (line := self._file.readline()).endswith(b"\n"):
            event = self._parse(line)
            before, byte = self.place, self.place.byte + len(line)
            if event is not None:
                exited = before.exited or isinstance(event, Exit)
                self.place = Place(byte, event.time_us, before.position.after(event), exited, before.masked)
                return event
            counts = _masked_counts(line)
            # None yet is a number too: it says that secrets are looked for.
            self.place = replace(before, byte=byte, masked=before.masked if counts is None else counts)
        if self._ends and not self.place.exited:
            end = Exit(self.place.time_us, None)
            self.place = replace(self.place, position=self.place.position.after(end), exited=True)
            return end
        return None

    def end_here(self) -> None:
        """The end cannot be written down: an exit without a status follows the last line that is there."""
        self._ends = True

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _parse(self, line: bytes) -> Event | None:
        """Event of a line that `_format_event` wrote; a line that a broken disk spoilt is left out."""
        try:
            interval, code, data = json.loads(line)
            return make_event(self.place.time_us + round(interval * 1_000_000), code, data)
        except (ValueError, TypeError, OverflowError):
            return None


class EndUnwritten(OSError):
    """Nobody writes the recording any more, and the end that it lacks cannot be written down, as on a full disk."""


def finish_interrupted(spool: Spool, place: Place | None = None) -> bool:
    """Give a recording whose keeper was killed its missing end; False while somebody holds its lock.

    Looks for the end from `place` on. A line that the kill cut off is removed. How the program ended is not known, so
    the exit has no status. Raises EndUnwritten, and OSError and ValueError where the spool cannot be read.
    """
    descriptor, refused = _open_to_end(spool)
    try:
        # A shared lock suffices to know that nobody writes; a file system over a network gives no other to a reader.
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if refused else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        last = _last_place(spool, place)
        if last.exited:
            return True
        header = None if last.byte else spool.load().metadata.header()
        try:
            if refused:
                raise refused
            os.ftruncate(descriptor, last.byte)
            writer = SpoolWriter(descriptor, size=last.byte, written_us=last.time_us)
            if header:
                writer.write_header(header)
            writer.write(Exit(last.time_us, None))
        except OSError as error:
            raise EndUnwritten(error.errno, error.strerror) from error
    finally:
        os.close(descriptor)
    return True


def _open_to_end(spool: Spool) -> tuple[int, OSError | None]:
    """The file, and why it is open for reading only: its disk, or its permissions, may allow no more."""
    try:
        return os.open(spool.recording, os.O_RDWR | os.O_APPEND), None
    except OSError as error:
        return os.open(spool.recording, os.O_RDONLY), error


def _last_place(spool: Spool, place: Place | None) -> Place:
    """Behind the last whole line, looked for from `place` on."""
    reader = SpoolReader(spool)
    try:
        reader.place = place or reader.place
        while reader.read() is not None:
            pass
        return reader.place
    finally:
        reader.close()


def _masked_counts(line: bytes) -> Mapping[str, int] | None:
    if not line.startswith(_MASKED):
        return None
    try:
        counts = json.loads(line.removeprefix(_MASKED))
    except ValueError:
        return None
    return counts if is_masked_counts(counts) else None


def _format_event(event: Event, written_us: int) -> bytes:
    interval_us = max(0, event.time_us - written_us)
    if isinstance(event, (Output, Input)):
        code, text = "o" if isinstance(event, Output) else "i", decode(event.data)
    else:
        code, text = event_text(event)
    seconds, microseconds = divmod(interval_us, 1_000_000)
    return b'[%d.%06d, "%s", %s]\n' % (seconds, microseconds, code.encode("ascii"), json_string_ascii(text))


def to_json(metadata: Metadata) -> dict[str, Any]:
    """The document that registers a terminal, which names itself in the address.

    Made to be accepted: text that is no Unicode becomes readable, and what is longer than anybody reads is
    cut, since a recording must not be refused over the description of it.
    """
    document = {name: _presentable(value) for name, value in asdict(metadata).items() if name != "id"}
    if len(metadata.command) > _MAX_WORDS:
        document["command"] = [*document["command"][: _MAX_WORDS - 1], "\u2026"]
    return document


def _presentable(value: Any) -> Any:
    if isinstance(value, str):
        return without_surrogates(value[:_MAX_TEXT])
    if isinstance(value, list):
        return [_presentable(member) for member in value]
    if isinstance(value, dict):
        return {name: _presentable(member) for name, member in value.items()}
    return value
