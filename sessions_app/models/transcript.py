"""What stands on a session's timeline: messages, tool calls, events.

Each row has a `seq` that no other row of the session has, whichever table it is in; together the three
tables hold every number from 1 to the session's `last_seq` once. A row that changes after it was given
its number (a tool call that ends, a message that grows) gets an Event that points to it, so whoever
follows the numbers learns of every change.
"""

from typing import TYPE_CHECKING, ClassVar, Final, Self

from django.db import models

from dashboard.lib.ids import new_id
from sessions_app.models.blob import Blob
from sessions_app.models.people import Person
from sessions_app.models.run import Run
from sessions_app.models.session import AgentSession
from sessions_app.models.source import Source

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser


class TimelineQuerySet[Row: models.Model](models.QuerySet[Row]):
    def visible_to(self, user: "Person | AnonymousUser") -> Self:
        if not (user.is_authenticated and user.is_active):
            return self.none()
        return self.filter(session__deleted_ms=None)

    def after(self, seq: int | None) -> Self:
        return self if seq is None else self.filter(seq__gt=seq)

    def before(self, seq: int | None) -> Self:
        return self if seq is None else self.filter(seq__lt=seq)


class TimelineRow(models.Model):
    """What the three have in common: the place on the timeline, and the place in the source's own bytes."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    session = models.ForeignKey(
        AgentSession, on_delete=models.CASCADE, related_name="%(class)ss", db_index=False
    )
    run = models.ForeignKey(
        Run, on_delete=models.CASCADE, null=True, related_name="%(class)ss", db_index=False
    )
    seq = models.BigIntegerField()
    at_ms = models.BigIntegerField()
    turn = models.IntegerField(default=0)
    # The line it was read from: `source_size` bytes at `source_offset`; null for what had no source.
    source = models.ForeignKey(Source, on_delete=models.SET_NULL, null=True, related_name="+", db_index=False)
    source_offset = models.BigIntegerField(null=True)
    source_size = models.BigIntegerField(null=True)
    source_line = models.BigIntegerField(null=True)

    class Meta:
        abstract = True


class MessageRole(models.TextChoices):
    USER = "user", "User"
    ASSISTANT = "assistant", "Assistant"
    SYSTEM = "system", "System"
    DEVELOPER = "developer", "Developer"
    TOOL = "tool", "Tool"


class MessageKind(models.TextChoices):
    """What a message is for a reader; `role` is what the source calls its author."""

    PROMPT = "prompt", "Prompt"
    REPLY = "reply", "Reply"
    # Written by the program, not by a person: environment, reminders, command echoes, hooks.
    CONTEXT = "context", "Context"
    COMMAND = "command", "Command"
    SUMMARY = "summary", "Summary of what was compacted"
    NOTICE = "notice", "Notice"
    ERROR = "error", "Error"


# What a person asked for: in words of their own, or by a command.
PROMPT_KINDS: Final = (MessageKind.PROMPT, MessageKind.COMMAND)


class Message(TimelineRow):
    role = models.CharField(max_length=16, choices=MessageRole)
    kind = models.CharField(max_length=16, choices=MessageKind)
    external_id = models.CharField(max_length=200, blank=True)
    model = models.CharField(max_length=120, blank=True)
    stop_reason = models.CharField(max_length=60, blank=True)
    # Hidden by the writing program itself (picoclaw's logical truncation); shown when asked for.
    is_hidden = models.BooleanField(default=False)
    text = models.TextField(blank=True)
    text_size = models.BigIntegerField(default=0)
    text_blob = models.ForeignKey(Blob, on_delete=models.PROTECT, null=True, related_name="+", db_index=False)
    reasoning = models.TextField(blank=True)
    reasoning_size = models.BigIntegerField(default=0)
    reasoning_blob = models.ForeignKey(
        Blob, on_delete=models.PROTECT, null=True, related_name="+", db_index=False
    )
    # [{"sha256", "media_type", "size", "name"}], the bytes in blobs.
    attachments = models.JSONField(default=list)
    input_tokens = models.BigIntegerField(default=0)
    output_tokens = models.BigIntegerField(default=0)
    cache_read_tokens = models.BigIntegerField(default=0)
    cache_write_tokens = models.BigIntegerField(default=0)

    objects: ClassVar[models.Manager["Message"]] = TimelineQuerySet["Message"].as_manager()

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["session", "seq"], name="message_seq"),
        ]
        indexes: ClassVar[list[models.Index]] = [models.Index(fields=["run", "seq"], name="message_run_seq")]

    def __str__(self) -> str:
        return f"{self.role} at {self.seq}"


class ToolKind(models.TextChoices):
    """What a tool does, so that pages can draw it; `name` is what the agent calls it."""

    SHELL = "shell", "Shell"
    READ = "read", "Read"
    EDIT = "edit", "Edit"
    WRITE = "write", "Write"
    SEARCH = "search", "Search"
    WEB = "web", "Web"
    AGENT = "agent", "Subagent"
    PLAN = "plan", "Plan"
    OTHER = "other", "Other"


class ToolCallStatus(models.TextChoices):
    RUNNING = "running", "Running"
    COMPLETED = "completed", "Completed"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"
    # The record goes on without ever giving a result.
    UNANSWERED = "unanswered", "No result recorded"


class ToolCall(TimelineRow):
    """`at_ms` is when it was called. Input and output hold the beginning of a long body; the blob the whole."""

    message = models.ForeignKey(
        Message, on_delete=models.SET_NULL, null=True, related_name="tool_calls", db_index=False
    )
    call_id = models.CharField(max_length=200)
    name = models.CharField(max_length=200)
    kind = models.CharField(max_length=16, choices=ToolKind, default=ToolKind.OTHER)
    # One line for the folded row: the command, the file, the question.
    title = models.CharField(max_length=300, blank=True)
    status = models.CharField(max_length=16, choices=ToolCallStatus, default=ToolCallStatus.RUNNING)
    ended_ms = models.BigIntegerField(null=True)
    exit_status = models.IntegerField(null=True)
    input = models.TextField(blank=True)
    input_size = models.BigIntegerField(default=0)
    input_blob = models.ForeignKey(
        Blob, on_delete=models.PROTECT, null=True, related_name="+", db_index=False
    )
    output = models.TextField(blank=True)
    output_size = models.BigIntegerField(default=0)
    output_blob = models.ForeignKey(
        Blob, on_delete=models.PROTECT, null=True, related_name="+", db_index=False
    )
    result_offset = models.BigIntegerField(null=True)
    result_size = models.BigIntegerField(null=True)
    result_line = models.BigIntegerField(null=True)
    # The run that this call started.
    child_run = models.ForeignKey(Run, on_delete=models.SET_NULL, null=True, related_name="+", db_index=False)

    objects: ClassVar[models.Manager["ToolCall"]] = TimelineQuerySet["ToolCall"].as_manager()

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["session", "seq"], name="toolcall_seq"),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["run", "seq"], name="toolcall_run_seq"),
            # From a subagent's run back to the call that started it.
            models.Index(
                fields=["session", "call_id"], name="toolcall_agent_call", condition=models.Q(kind="agent")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} at {self.seq}"

    @property
    def duration_ms(self) -> int | None:
        return None if self.ended_ms is None else max(0, self.ended_ms - self.at_ms)


class EventKind(models.TextChoices):
    """What happened, `noun.past_participle`. The first group changes rows that stand earlier on the timeline."""

    MESSAGE_EXTENDED = "message.extended", "Message extended"
    TOOL_CALL_ENDED = "tool_call.ended", "Tool call ended"
    RUN_STARTED = "run.started", "Run started"
    RUN_ENDED = "run.ended", "Run ended"
    SESSION_COMPACTED = "session.compacted", "Context compacted"
    SESSION_RESUMED = "session.resumed", "Session resumed"
    SESSION_TITLED = "session.titled", "Title changed"
    SESSION_ARCHIVED = "session.archived", "Archived"
    SESSION_UNARCHIVED = "session.unarchived", "Taken out of the archive"
    SESSION_DELETED = "session.deleted", "Moved to the trash"
    SESSION_RESTORED = "session.restored", "Restored from the trash"
    TURN_ABORTED = "turn.aborted", "Turn aborted"
    TURN_ENDED = "turn.ended", "Turn ended"
    TURN_ROLLED_BACK = "turn.rolled_back", "Turn rolled back"
    FILES_SNAPSHOT = "files.snapshotted", "Files snapshotted"
    MODEL_CHANGED = "model.changed", "Model changed"
    MODE_CHANGED = "mode.changed", "Mode changed"
    ERROR_REPORTED = "error.reported", "Error"
    HOOK_RAN = "hook.ran", "Hook ran"
    TASK_NOTIFIED = "task.notified", "Background task"
    TERMINAL_OPENED = "terminal.opened", "Terminal opened"
    TERMINAL_CLOSED = "terminal.closed", "Terminal closed"
    NOTED = "record.noted", "Note in the record"


class Event(TimelineRow):
    kind = models.CharField(max_length=40, choices=EventKind)
    # One sentence or name for the timeline.
    text = models.CharField(max_length=500, blank=True)
    # Details as JSON text; never what has a row of its own.
    document = models.TextField(blank=True)
    # The row that this event is about (message, tool call, run, terminal), if there is one.
    subject_id = models.UUIDField(null=True)

    objects: ClassVar[models.Manager["Event"]] = TimelineQuerySet["Event"].as_manager()

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["session", "seq"], name="event_seq"),
        ]
        indexes: ClassVar[list[models.Index]] = [models.Index(fields=["run", "seq"], name="event_run_seq")]

    def __str__(self) -> str:
        return f"{self.kind} at {self.seq}"
