"""Imports files and folders: each history once, whatever happens to one of them or to this process."""

import logging
import os
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

from django.conf import settings
from django.db import IntegrityError, InterfaceError, OperationalError

from audit.actors import Actor
from dashboard.lib.bulk import bulk_writing, refresh_statistics
from dashboard.lib.collecting import seldom_collecting
from dashboard.lib.db import explain
from dashboard.lib.interrupts import Interrupts, held_interrupts
from dashboard.lib.machine import machine_name
from sessions_app.actions.imports import Batch, ImportWriter
from sessions_app.actions.sources import (
    StaleSource,
    mark_source_back,
    mark_source_deleted,
    mark_source_rewritten,
    move_source,
    note_same_content,
    note_source_error,
    open_source,
)
from sessions_app.drafts import Format
from sessions_app.importers.finding import Found, find_files, stored_path
from sessions_app.importers.reading import (
    BATCH_BYTES,
    Job,
    SavedState,
    SourceError,
    SourceReader,
    SourceRewritten,
    companions_hash,
    fingerprint,
    holds_what_was_read,
    inode_of,
    job_for,
    read_companions,
    read_head,
)
from sessions_app.importers.reading_ahead import WORTHWHILE_BYTES, jobs_reader
from sessions_app.importers.registry import detect, format_named
from sessions_app.importers.report import Progress, Report
from sessions_app.models import AgentSession, Event, Message, Run, SearchEntry, Source, SourceState, ToolCall
from sessions_app.search.merging import merging_beside

# Sources whose batches are committed together, so that ten thousand small files do not cost as many syncs.
SOURCES_PER_COMMIT = 200


logger = logging.getLogger(__name__)
# How often a file is taken up again that another import was reading.
_MOST_ROUNDS = 3


class Importer:
    """Imports paths. One instance may be used again and again; it keeps no file open in between.

    While it follows, what a source grows by has no entry in the audit log before `record_growth`: whoever follows
    calls that now and then, and in the end. Raises NameUnusable when it is not known which machine this is.
    """

    def __init__(
        self,
        actor: Actor,
        *,
        following: bool = False,
        only_format: str | None = None,
        on_progress: Callable[[Progress], None] | None = None,
        on_recording: Callable[[], None] | None = None,
    ) -> None:
        """`on_recording` is called when there is a recording to read, before it is read."""
        self.actor = actor
        self.following = following
        self.only_format = only_format
        self.host = machine_name(settings.HOME)
        self._on_progress = on_progress
        self._on_recording = on_recording
        self._interrupts = Interrupts()
        # Of the import that is going on, or of the last one: when it fails, what is written by then.
        self.report = Report()
        # The file that was being written; "" before the first one and after the last.
        self.at = ""
        self._writer = ImportWriter(actor)
        self._pending: list[tuple[Source, Batch]] = []
        self._pending_bytes = 0
        self._moved: set[uuid.UUID] = set()
        # Paths, as stored, that another import was faster with.
        self._overtaken: set[str] = set()
        # Sources that are not where they were, by (format, hash and size of the beginning); None when only
        # single files are looked at, and not all sources are known.
        self._away: dict[tuple[str, str, int], list[Source]] | None = None

    def import_paths(self, paths: Sequence[str], *, are_named: bool = True) -> Report:
        """Import every history below these paths. Raises DatabaseError when the database itself fails.

        A file among them that is no history is an error, unless nobody named it. Ctrl C ends it between two batches.
        """
        with held_interrupts() as self._interrupts:
            return self._import_paths(paths, are_named=are_named)

    def record_growth(self, *, after_s: float = 0.0) -> None:
        """What followed sources grew by gets its entries, where it waits for so long. Raises DatabaseError."""
        self._writer.record_growth(after_s=after_s)

    def _import_paths(self, paths: Sequence[str], *, are_named: bool) -> Report:
        started = time.monotonic()
        self.report, self.at = Report(), ""
        try:
            found = find_files(paths)
            if not are_named:
                found.named.clear()
            self._import_found(found, self.report)
        finally:
            self.report.seconds = time.monotonic() - started
        return self.report

    def _import_found(self, found: Found, report: Report) -> None:
        report.errors.update(found.errors)
        known = self._known_sources(found)
        self._away = _by_beginning(known, found) if found.folders else None
        progress = Progress(
            files=len(found.files), bytes=sum(status.st_size for status in found.files.values())
        )
        size = _bytes_to_read(found, known)
        with _in_bulk(size), jobs_reader(size) as read:
            for job, batches in read(self._jobs(found, known, report, progress)):
                self.at = job.path
                size = found.files[job.path].st_size
                self._import(job, self._counted(batches, progress, size), report)
                progress.files_done += 1
            self._flush(report)
            self._read_again(found, report)
        self.at = ""
        self._tell(progress)
        self._mark_missing(found, known)

    def _counted(self, batches: Iterator[Batch], progress: Progress, size: int) -> Iterator[Batch]:
        """The batches, and how far they are; a file that was read in part, or is compressed, counts as all of it."""
        left = size
        try:
            for batch in batches:
                yield batch
                # It comes back for the next one when this one is written, or waits to be with others.
                done = min(batch.size, left)
                left -= done
                progress.bytes_done += done
                self._tell(progress)
        finally:
            progress.bytes_done += left

    def _tell(self, progress: Progress) -> None:
        """Called between two batches, and between two files."""
        self._interrupts.check()
        if self._on_progress is not None:
            self._on_progress(progress)

    def _known_sources(self, found: Found) -> dict[str, Source]:
        """The newest generation of each path that was imported before, in two queries whatever the number."""
        rows = Source.objects.filter(host=self.host)
        if not found.folders:
            rows = rows.filter(path__in=[stored_path(path) for path in found.files])
        newest: dict[str, Source] = {}
        for source in rows.order_by("generation").iterator():
            newest[source.path] = source
        return newest

    def _jobs(
        self, found: Found, known: dict[str, Source], report: Report, progress: Progress
    ) -> Iterator[Job]:
        """What there is to read, file by file. May be asked for a few jobs ahead of the writing."""
        for path, status in found.files.items():
            progress.path = path
            self._tell(progress)
            source = known.get(stored_path(path))
            try:
                job = self._job(path, status, source, found, report)
            except SourceError as error:
                self._note_error(report, path, source, error)
                job = None
            if job is not None:
                yield job
            else:
                progress.files_done += 1
                progress.bytes_done += status.st_size

    def _job(
        self, path: str, status: os.stat_result, source: Source | None, found: Found, report: Report
    ) -> Job | None:
        """None for a file that has nothing new, or is no history. Raises SourceError."""
        if source is not None and self._is_unchanged(path, source, status):
            report.unchanged += 1
            return None
        head = read_head(path)
        known = self._format_of(path, head, source, found)
        if known is None:
            if path in found.named:
                report.errors[path] = "it is not a history in a format that is known here"
            else:
                report.ignored += 1
            return None
        source = source or self._moved_here(path, known, head) or self._new_source(path, known)
        if known.is_document and holds_what_was_read(source, path):
            # It was touched, moved or written again. What was read of it says when it was first seen.
            self._keep(source, status)
            report.unchanged += 1
            return None
        if known.is_recording and self._on_recording is not None:
            self._on_recording()
        return job_for(source, known, path, following=self.following)

    def _keep(self, source: Source, status: os.stat_result) -> None:
        note_same_content(
            source.pk, size=status.st_size, modified_ns=status.st_mtime_ns, inode=inode_of(status)
        )
        if source.state != SourceState.LIVE:
            mark_source_back(source, actor=self.actor)

    def _note_error(self, report: Report, path: str, source: Source | None, error: SourceError) -> None:
        report.errors[path] = str(error)
        if source is not None and not source._state.adding:
            note_source_error(source.pk, str(error))

    def _is_unchanged(self, path: str, source: Source, status: os.stat_result) -> bool:
        if self.only_format not in (None, source.format):
            # It is not what was asked for; that is found out, and told, where its format is.
            return False
        if (source.size, source.modified_ns) != (status.st_size, status.st_mtime_ns):
            return False
        if source.state != SourceState.LIVE or (source.tail and not self.following):
            return False
        known = format_named(source.format)
        if known is None:
            return True
        saved = SavedState.load(source.parser_state)
        return saved.companions == companions_hash(read_companions(known, path)) and not saved.has_come()

    def _format_of(self, path: str, head: bytes, source: Source | None, found: Found) -> Format | None:
        """A file that no format recognises is read as the one that was asked for, if the file was named itself.

        Raises SourceError for a named file of another format: once it is read as the wrong one, it stays that.
        """
        recognised = (format_named(source.format) if source is not None else None) or detect(path, head)
        only = format_named(self.only_format) if self.only_format is not None else recognised
        if recognised is None:
            return only if path in found.named else None
        if only is not None and only.name != recognised.name:
            if path in found.named:
                raise SourceError(f"it is a history of {recognised.name}, not of {only.name}")
            return None
        return recognised

    def _new_source(self, path: str, known: Format) -> Source:
        return open_source(self.host, stored_path(path), known.name)

    def _moved_here(self, path: str, known: Format, head: bytes) -> Source | None:
        """A source whose own path is gone and whose beginning this file has: archived or compressed."""
        if not head:
            return None
        for twin in self._sources_beginning(known.name, *fingerprint(head)):
            if _is_gone(twin.path):
                move_source(twin, stored_path(path), actor=self.actor)
                self._moved.add(twin.pk)
                return twin
        return None

    def _sources_beginning(self, format_name: str, sha256: str, size: int) -> Iterable[Source]:
        if self._away is not None:
            return self._away.get((format_name, sha256, size), ())
        beginning = Source.objects.filter(
            host=self.host, format=format_name, head_sha256=sha256, head_size=size, read_offset__gt=0
        )
        return beginning.exclude(state=SourceState.TRUNCATED)

    def _import(self, job: Job, batches: Iterator[Batch], report: Report) -> None:
        try:
            try:
                self._take(job.source, batches, report)
            except SourceRewritten:
                self._flush(report)
                self.record_growth()
                mark_source_rewritten(job.source, actor=self.actor)
                source = open_source(
                    self.host, job.source.path, job.format, generation=job.source.generation + 1
                )
                again = Job(source, job.format, job.path, b"", self.following)
                self._take(source, SourceReader(again).batches(), report)
        except SourceError as error:
            self._note_error(report, job.path, job.source, error)

    def _read_again(self, found: Found, report: Report) -> None:
        """Files that another import was reading at the same moment: go on from where that one has come."""
        for _ in range(_MOST_ROUNDS):
            if not self._overtaken:
                return
            paths, self._overtaken = self._overtaken, set()
            again = Found(
                files={path: found.files[path] for path in found.files if stored_path(path) in paths}
            )
            known = self._known_sources(again)
            for job in self._jobs(again, known, report, Progress()):
                self._import(job, SourceReader(job).batches(), report)
            self._flush(report)
        for path in self._overtaken:
            report.errors[path] = "another import is reading this file"
        self._overtaken = set()

    def _take(self, source: Source, batches: Iterator[Batch], report: Report) -> None:
        is_silent, line_count = True, source.line_count
        for batch in batches:
            is_silent = False
            if batch.progress.line_count > line_count:
                report.lines[source.path] += batch.progress.line_count - line_count
                line_count = batch.progress.line_count
            if batch.draft.skipped:
                report.skipped[source.path] += len(batch.draft.skipped)
            self._pending.append((source, batch))
            self._pending_bytes += batch.weight
            # A source has at most one batch in a commit: the next one starts from this one's cursor.
            if (
                not batch.closes_pass
                or self._pending_bytes >= BATCH_BYTES
                or len(self._pending) >= SOURCES_PER_COMMIT
            ):
                self._flush(report)
        if is_silent:
            report.unchanged += 1
            if source.state != SourceState.LIVE:
                mark_source_back(source, actor=self.actor)

    def _flush(self, report: Report) -> None:
        batches, self._pending, self._pending_bytes = self._pending, [], 0
        if not batches:
            return
        try:
            report.counts.add(self._writer.write(batches, is_followed=self.following))
        except (OperationalError, InterfaceError):
            self.at = batches[0][0].path
            raise
        except Exception:
            # One of them spoils the others: write each alone and name the one that fails.
            for source, batch in batches:
                self._write_alone(source, batch, report)

    def _write_alone(self, source: Source, batch: Batch, report: Report) -> None:
        try:
            report.counts.add(self._writer.write([(source, batch)], is_followed=self.following))
        except (OperationalError, InterfaceError):
            self.at = source.path
            raise
        except StaleSource:
            self._overtaken.add(source.path)
        except IntegrityError as error:
            if Source.objects.filter(host=source.host, path=source.path).exists():
                self._overtaken.add(source.path)
            else:
                report.errors[source.path] = f"the database refused it: {explain(error)}"
        except Exception as error:
            logger.warning("a history could not be written", exc_info=True)
            report.errors[source.path] = f"it could not be written ({type(error).__name__}: {explain(error)})"

    def _mark_missing(self, found: Found, known: dict[str, Source]) -> None:
        """Sources below the folders that were looked through, whose file is no longer there."""
        seen = {stored_path(path) for path in found.files}
        unseen = tuple(stored_path(path) for path in found.errors)
        for path, source in known.items():
            if source.state != SourceState.LIVE or path in seen or source.pk in self._moved:
                continue
            # What could not be looked at is not gone.
            if path.startswith(unseen) or not _is_below(path, found.folders):
                continue
            if _is_gone(path):
                self.record_growth()
                mark_source_deleted(source, actor=self.actor)


@contextmanager
def _in_bulk(size: int) -> Iterator[None]:
    """What makes writing of about `size` bytes faster, and is not worth its trouble for less."""
    with ExitStack() as stack:
        if size > BATCH_BYTES:
            stack.enter_context(bulk_writing())
        if size >= WORTHWHILE_BYTES:
            stack.enter_context(merging_beside())
            stack.enter_context(seldom_collecting())
        yield
    if size > BATCH_BYTES:
        refresh_statistics([AgentSession, Run, Message, ToolCall, Event, SearchEntry])


def _is_below(path: str, folders: Sequence[str]) -> bool:
    return any(path.startswith(folder.rstrip(os.sep) + os.sep) for folder in folders)


def _is_gone(path: str) -> bool:
    """True only when the system says so; a folder that may not be entered says nothing."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def _bytes_to_read(found: Found, known: dict[str, Source]) -> int:
    """About how many; compressed files count as what they are on disk."""
    return sum(
        max(0, status.st_size - known[name].read_offset)
        if (name := stored_path(path)) in known
        else status.st_size
        for path, status in found.files.items()
    )


def _by_beginning(known: dict[str, Source], found: Found) -> dict[tuple[str, str, int], list[Source]]:
    away: dict[tuple[str, str, int], list[Source]] = {}
    seen = {stored_path(path) for path in found.files}
    for path, source in known.items():
        if path not in seen and source.read_offset and source.state != SourceState.TRUNCATED:
            away.setdefault((source.format, source.head_sha256, source.head_size), []).append(source)
    return away
