"""Where a session's records came from: the files that were imported, with their own lines kept."""

from typing import ClassVar, Self

from django.apps import apps
from django.db import models

from dashboard.lib.clock import now_ms
from dashboard.lib.ids import new_id
from sessions_app.models.blob import Codec, unpack
from sessions_app.models.session import AgentSession

UNSEALED = models.Q(sealed_size__lt=models.F("read_offset"))


class SourceState(models.TextChoices):
    """How the file stands to what was read of it."""

    LIVE = "live", "Live"
    # The file is now shorter than what was read of it, or its beginning changed: it was read anew as
    # another generation, and this one keeps what the file said before.
    TRUNCATED = "truncated", "Rewritten at source"
    DELETED = "deleted", "Deleted at source"


class SourceQuerySet(models.QuerySet["Source"]):
    def of_nothing(self) -> Self:
        """Those of which neither a session nor a terminal was made, in the trash or not: nobody hid what is in them."""
        terminal = apps.get_model("sessions_app", "Terminal")
        # As one set: a terminal's source has no index of its own.
        recorded = terminal.objects.exclude(source=None).values("source")
        return self.filter(sessions=None).exclude(pk__in=recorded)

    def at_or_below(self, host: str, path: str) -> Self:
        """The file of this path, or what lies in the folder of this path."""
        below = path.rstrip("/") + "/"
        return self.filter(models.Q(path=path) | models.Q(path__startswith=below), host=host)


class Source(models.Model):
    """One file (one generation of it) or one stream that the API received."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    host = models.CharField(max_length=255)
    path = models.CharField(max_length=2048)
    # Raised when the file at this path was replaced by different content.
    generation = models.IntegerField(default=1)
    format = models.CharField(max_length=40)
    size = models.BigIntegerField(default=0)
    modified_ns = models.BigIntegerField(default=0)
    inode = models.CharField(max_length=60, blank=True)
    # SHA-256 of the file's first `sha256_size` bytes; each chunk has a hash of its own as well.
    sha256 = models.CharField(max_length=64, blank=True)
    sha256_size = models.BigIntegerField(default=0)
    # SHA-256 of the first bytes (up to 4 KB), to notice that another file took the path.
    head_sha256 = models.CharField(max_length=64, blank=True)
    head_size = models.IntegerField(default=0)

    # Complete lines up to this byte have been read; importing goes on here.
    read_offset = models.BigIntegerField(default=0)
    line_count = models.BigIntegerField(default=0)
    # The kept bytes up to here are covered by entries of the audit log (actions/sealing.py).
    sealed_size = models.BigIntegerField(default=0)
    # What was read and has no entry in the audit log yet (actions/unrecorded.py); empty for nothing.
    unrecorded = models.TextField(default="", blank=True)
    skipped_line_count = models.BigIntegerField(default=0)
    unknown_line_count = models.BigIntegerField(default=0)
    # An unterminated last line that cannot be read yet; it is read when its end has been written.
    tail = models.BinaryField(default=b"")
    state = models.CharField(max_length=16, choices=SourceState, default=SourceState.LIVE)
    # What the format's parser remembers between two appends (JSON text, bounded).
    parser_state = models.TextField(default="{}")
    error = models.CharField(max_length=500, blank=True)
    created_ms = models.BigIntegerField(default=now_ms)
    read_ms = models.BigIntegerField(null=True)
    deleted_ms = models.BigIntegerField(null=True)

    sessions = models.ManyToManyField(AgentSession, through="SessionSource", related_name="sources")

    objects = SourceQuerySet.as_manager()

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["host", "path", "generation"], name="source_path_generation"),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["created_ms", "id"], name="source_recent"),
            models.Index(fields=["read_ms"], name="source_unsealed", condition=UNSEALED),
            models.Index(fields=["host"], name="source_unrecorded", condition=~models.Q(unrecorded="")),
        ]

    def __str__(self) -> str:
        return self.path


class SessionSource(models.Model):
    """This source holds records of this session (a file may hold several, a session have several files)."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    session = models.ForeignKey(AgentSession, on_delete=models.CASCADE)
    source = models.ForeignKey(Source, on_delete=models.CASCADE)

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["session", "source"], name="session_source"),
        ]

    def __str__(self) -> str:
        return f"{self.session_id} from {self.source_id}"


class SourceChunk(models.Model):
    """Lines of a source, exactly as they were, compressed. Chunks follow each other without a gap.

    They are whole lines but for one that was read before its newline came, or is too long to be read: it goes on in
    the next chunks, whose `first_line` is its number. `line_count` are the lines that begin in the chunk.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="chunks", db_index=False)
    offset = models.BigIntegerField()
    size = models.IntegerField()
    first_line = models.BigIntegerField()
    line_count = models.IntegerField()
    sha256 = models.CharField(max_length=64)
    codec = models.CharField(max_length=8, choices=Codec)
    data = models.BinaryField()

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["source", "offset"], name="source_chunk_offset"),
        ]

    def __str__(self) -> str:
        return f"{self.source_id} at {self.offset}"

    def read(self) -> bytes:
        return unpack(bytes(self.data), self.codec, self.size)


class SkippedLine(models.Model):
    """A line that could not be read, or whose kind is not known. Its bytes are in the source's chunks."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="skipped_lines", db_index=False)
    line = models.BigIntegerField()
    offset = models.BigIntegerField()
    size = models.BigIntegerField()
    reason = models.CharField(max_length=300)

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["source", "line"], name="skipped_line"),
        ]

    def __str__(self) -> str:
        return f"line {self.line}: {self.reason}"
