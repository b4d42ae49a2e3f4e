"""A terminal: one recorded PTY. Its bytes are an append-only string; the byte offset is the cursor."""

from typing import ClassVar, Self

from django.db import models

from dashboard.lib.clock import now_ms
from dashboard.lib.ids import first_id, new_id
from sessions_app.models.blob import Codec, unpack
from sessions_app.models.people import Viewer
from sessions_app.models.run import Run
from sessions_app.models.session import AgentSession
from sessions_app.models.source import Source
from sessions_app.terminal.window import allowed_size


class TerminalState(models.TextChoices):
    LIVE = "live", "Live"
    ENDED = "ended", "Ended"
    # The recorder went away without saying how the program ended; it may still come back.
    LOST = "lost", "Recorder lost"


class TerminalQuerySet(models.QuerySet["Terminal"]):
    def visible_to(self, user: Viewer) -> Self:
        if not (user.is_authenticated and user.is_active):
            return self.none()
        return self.filter(models.Q(session=None) | models.Q(session__deleted_ms=None), deleted_ms=None)

    def live(self) -> Self:
        return self.filter(state=TerminalState.LIVE)

    def newest_first(self) -> Self:
        return self.order_by("-started_ms", "-id")

    def underived(self) -> Self:
        """Those with output, events or an end that no keyframe or text was made of yet."""
        return self.filter(_IS_UNDERIVED)


# Without any parameter, or SQLite would not see that the index of these holds what is asked for.
_IS_UNDERIVED = (
    models.Q(derived_size__lt=models.F("size"))
    | models.Q(derived_event__lt=models.F("event_count"))
    | models.Q(ended_ms__isnull=False, derived_end=False)
)


class Terminal(models.Model):
    """`size` bytes of output in chunks and segments, `event_count` events beside them."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    session = models.ForeignKey(AgentSession, on_delete=models.CASCADE, null=True, related_name="terminals")
    run = models.ForeignKey(
        Run, on_delete=models.SET_NULL, null=True, related_name="terminals", db_index=False
    )
    source = models.ForeignKey(
        Source, on_delete=models.SET_NULL, null=True, related_name="terminals", db_index=False
    )
    title = models.CharField(max_length=300, blank=True)
    # The argument vector as JSON text.
    command = models.TextField(blank=True)
    cwd = models.CharField(max_length=1024, blank=True)
    host = models.CharField(max_length=255, blank=True)
    environment = models.JSONField(default=dict)
    # The size at the start and now; what lies between is in the events.
    first_cols = models.IntegerField(default=80)
    first_rows = models.IntegerField(default=24)
    cols = models.IntegerField(default=80)
    rows = models.IntegerField(default=24)

    state = models.CharField(max_length=16, choices=TerminalState, default=TerminalState.LIVE)
    exit_status = models.IntegerField(null=True)
    has_input = models.BooleanField(default=False)
    started_ms = models.BigIntegerField()
    # False for a recording that does not say when it began: `started_ms` is then the time of its file.
    is_start_known = models.BooleanField(default=True)
    ended_ms = models.BigIntegerField(null=True)
    updated_ms = models.BigIntegerField(default=now_ms)
    deleted_ms = models.BigIntegerField(null=True)
    # Time of the newest output or event, in microseconds since `started_ms`.
    duration_us = models.BigIntegerField(default=0)
    size = models.BigIntegerField(default=0)
    event_count = models.BigIntegerField(default=0)
    # Of these, how many came from somebody else than the recorder, who does not count them.
    added_event_count = models.BigIntegerField(default=0)
    # Bytes below this offset are in segments, the others in chunks.
    sealed_size = models.BigIntegerField(default=0)
    last_line = models.CharField(max_length=300, blank=True)
    # Keyframes and text are made of the bytes before this offset and the events up to this number, by this
    # version of the engine, which is said where others began it; what another one made is made again on demand.
    # The offset is -1 while they are being removed for that.
    derived_size = models.BigIntegerField(default=0)
    derived_event = models.BigIntegerField(default=0)
    derived_by = models.CharField(max_length=60, blank=True)
    # How often all of it was removed to be made anew: no screen of one making is taken for that of another.
    derivation = models.IntegerField(default=0)
    # The last lines and the last screen were made too, once it had ended.
    derived_end = models.BooleanField(default=False)
    # How many secrets were masked before anything was stored.
    masked_count = models.IntegerField(default=0)
    # The same by rule.
    masked_by = models.JSONField(default=dict)

    objects: ClassVar[models.Manager["Terminal"]] = TerminalQuerySet.as_manager()

    class Meta:
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["started_ms", "id"], name="terminal_recent"),
            models.Index(fields=["state", "started_ms", "id"], name="terminal_state_recent"),
            models.Index(fields=["updated_ms"], name="terminal_updated"),
            # Those that are waiting for their keyframes and text: seldom more than the live ones.
            models.Index(
                fields=["started_ms", "id"],
                name="terminal_underived",
                condition=_IS_UNDERIVED,
            ),
        ]

    def __str__(self) -> str:
        return self.title or "terminal"

    @property
    def first_size(self) -> tuple[int, int]:
        """Columns and rows at the start, as they are drawn."""
        return allowed_size(self.first_cols, self.first_rows)

    @property
    def recorded_event_count(self) -> int:
        """Events as the recorder counts them."""
        return self.event_count - self.added_event_count

    @property
    def duration_ms(self) -> int:
        return self.duration_us // 1000

    @property
    def status(self) -> str:
        """The state as a status of the interface: a program that failed did not just end."""
        if self.state == TerminalState.ENDED:
            return "failed" if self.exit_status else "ended"
        return "stalled" if self.state == TerminalState.LOST else "live"

    @property
    def status_word(self) -> str:
        if self.state == TerminalState.ENDED and self.exit_status:
            return f"Exit {self.exit_status}"
        return TerminalState(self.state).label

    @property
    def status_evidence(self) -> str:
        """How the status is known."""
        if self.state == TerminalState.ENDED:
            return "The record says how the program ended."
        if self.state == TerminalState.LOST:
            return "Its recorder went away without saying how the program ended."
        return "Its recorder has not said that the program ended."


class TerminalStretch(models.Model):
    """Consecutive output bytes. `timing` codes when each write came (sessions_app/terminal/timing.py)."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    offset = models.BigIntegerField()
    size = models.IntegerField()
    first_us = models.BigIntegerField()
    last_us = models.BigIntegerField()
    timing = models.BinaryField()
    data = models.BinaryField()

    class Meta:
        abstract = True


class TerminalChunkQuerySet(models.QuerySet["TerminalChunk"]):
    def committed_before(self, at_ms: int) -> Self:
        return self.filter(pk__lt=first_id(at_ms))

    def committed_from(self, at_ms: int) -> Self:
        return self.filter(pk__gte=first_id(at_ms))

    def oldest_first(self) -> Self:
        """In the order of their ids, which begin with the time by the clock: it needs no index of its own."""
        return self.order_by("pk")


class TerminalChunk(TerminalStretch):
    """Live output as it was committed, uncompressed; replaced by a segment once there is enough."""

    terminal = models.ForeignKey(Terminal, on_delete=models.CASCADE, related_name="chunks", db_index=False)

    objects: ClassVar[models.Manager["TerminalChunk"]] = TerminalChunkQuerySet.as_manager()

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["terminal", "offset"], name="terminal_chunk_offset"),
        ]

    def __str__(self) -> str:
        return f"{self.terminal_id} chunk at {self.offset}"

    def read(self) -> bytes:
        return bytes(self.data)


class TerminalSegment(TerminalStretch):
    """Sealed output: immutable, compressed, hashed over its plain bytes."""

    terminal = models.ForeignKey(Terminal, on_delete=models.CASCADE, related_name="segments", db_index=False)
    codec = models.CharField(max_length=8, choices=Codec)
    sha256 = models.CharField(max_length=64)

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["terminal", "offset"], name="terminal_segment_offset"),
        ]
        # A moment is looked up by its time; of several that began with it the last is meant.
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["terminal", "first_us", "offset"], name="terminal_segment_time"),
        ]

    def __str__(self) -> str:
        return f"{self.terminal_id} segment at {self.offset}"

    def read(self) -> bytes:
        return unpack(bytes(self.data), self.codec, self.size)


class TerminalEventKind(models.TextChoices):
    RESIZE = "resize", "Resize"
    INPUT = "input", "Input"
    MARKER = "marker", "Marker"
    EXIT = "exit", "Exit"


class TerminalEvent(models.Model):
    """Something between two output bytes: it happened after `offset` bytes, at `at_us`."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    terminal = models.ForeignKey(Terminal, on_delete=models.CASCADE, related_name="events", db_index=False)
    # Gapless from 1 within the terminal, in the order recorded.
    number = models.BigIntegerField()
    offset = models.BigIntegerField()
    at_us = models.BigIntegerField()
    kind = models.CharField(max_length=8, choices=TerminalEventKind)
    # "COLSxROWS" of a resize, the label of a marker, the status of an exit (empty when unknown).
    text = models.CharField(max_length=1000, blank=True)
    # The bytes of an input event.
    data = models.BinaryField(default=b"")

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["terminal", "number"], name="terminal_event_number"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.number} of {self.terminal_id}"
