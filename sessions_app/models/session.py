"""A session: one conversation with an agent, whatever wrote it down."""

from typing import ClassVar, Self

from django.db import models
from django.db.models import Exists, F, OuterRef, Q

from dashboard.lib.clock import now_ms
from dashboard.lib.ids import new_id
from sessions_app.models.people import Person, Viewer
from sessions_app.models.project import Project

LISTED = Q(deleted_ms=None, archived_ms=None)
ARCHIVED = Q(deleted_ms=None, archived_ms__isnull=False)
TRASHED = Q(deleted_ms__isnull=False)
UNSEALED = Q(sealed_seq__lt=F("last_seq"))


class Status(models.TextChoices):
    """Where a session or run stands. Each is inferred from a record, named in `status_evidence`."""

    RUNNING = "running", "Running"
    WAITING = "waiting", "Waiting for you"
    FAILED = "failed", "Failed"
    # The last turn is complete; the agent waits for a prompt, nobody waits for the operator.
    IDLE = "idle", "Idle"
    # The record breaks off inside a turn and nothing is following it.
    UNFINISHED = "unfinished", "Unfinished"
    COMPLETED = "completed", "Completed"
    CANCELLED = "cancelled", "Cancelled"
    UNKNOWN = "unknown", "Unknown"


# Sessions last active before "mark all read" of which rows came after it: of more, the last active.
MOST_LATE = 2_000


class SessionQuerySet(models.QuerySet["AgentSession"]):
    def visible_to(self, user: Viewer) -> Self:
        """What this person may see: everything not deleted, for whoever may sign in at all."""
        if not (user.is_authenticated and user.is_active):
            return self.none()
        return self.filter(deleted_ms=None)

    def listed(self) -> Self:
        """Neither archived nor in the trash."""
        return self.filter(LISTED)

    def running(self) -> Self:
        return self.filter(status=Status.RUNNING)

    def needing_attention(self) -> Self:
        """What waits for the operator or went wrong, archived ones left out."""
        return self.filter(LISTED, status__in=[Status.WAITING, Status.FAILED])

    def unread_by(self, person: Person) -> Self:
        """With rows after those that the person has seen, which came after everything was marked read.

        What comes late has an old activity. It is looked up first and put to the list by its ids: an "or" in one
        query would make the engines read a million sessions to find that there is nothing.
        """
        from sessions_app.models.personal import ReadMark

        seen = ReadMark.objects.filter(person=person, session=OuterRef("pk"), seq__gte=OuterRef("last_seq"))
        before_ms = person.read_before_ms
        came = Q(~Exists(seen), arrived_ms__gt=before_ms)
        is_fresh = Q(last_activity_ms__gt=before_ms)
        # A sum is in no index: what changed since then is few, what was active before then is nearly everything.
        new = AgentSession.objects.filter(came, updated_ms__gt=before_ms)
        late = new.alias(activity=F("last_activity_ms") + 0).filter(activity__lte=before_ms)
        newest = late.order_by("-activity", "-pk").values_list("pk", flat=True)
        # Who never marked everything read has no such moment.
        arrived = list(newest[:MOST_LATE]) if before_ms else []
        fresh = self.filter(came, is_fresh)
        if not arrived:
            return fresh
        named = list(fresh.newest_first().values_list("pk", flat=True)[: MOST_LATE + 1])
        if len(named) <= MOST_LATE:
            return self.filter(pk__among=[*named, *arrived])
        # The first of the list's order are found before any of the old ones is looked for.
        return self.filter(came, is_fresh | Q(pk__among=arrived))

    def starred_by(self, person: Person) -> Self:
        return self.filter(stars__person=person)

    def tagged(self, name: str | None) -> Self:
        return self.filter(tags__name=name) if name else self

    def newest_first(self) -> Self:
        return self.order_by("-last_activity_ms", "-id")


class AgentSession(models.Model):
    """One conversation. Its counters are kept by the actions that write its rows, never counted on a page."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project = models.ForeignKey(
        Project, on_delete=models.PROTECT, null=True, related_name="sessions", db_index=False
    )
    # The program that wrote the history (claude-code, codex, picoclaw, asciicast, …) and its own id for it.
    agent = models.CharField(max_length=40)
    external_id = models.CharField(max_length=200)
    # Resumed or forked from another session.
    parent = models.ForeignKey("self", on_delete=models.SET_NULL, null=True, related_name="children")

    title = models.CharField(max_length=300, blank=True)
    # Named by a person: what the source calls it from then on no longer counts.
    is_renamed = models.BooleanField(default=False)
    first_prompt = models.CharField(max_length=300, blank=True)
    summary = models.TextField(blank=True)
    cwd = models.CharField(max_length=1024, blank=True)
    branch = models.CharField(max_length=200, blank=True)
    model = models.CharField(max_length=120, blank=True)
    agent_version = models.CharField(max_length=60, blank=True)

    status = models.CharField(max_length=16, choices=Status, default=Status.UNKNOWN)
    # The record that the status was read from, as a sentence, and its time.
    status_evidence = models.CharField(max_length=300, blank=True)
    status_ms = models.BigIntegerField(null=True)

    started_ms = models.BigIntegerField()
    ended_ms = models.BigIntegerField(null=True)
    last_activity_ms = models.BigIntegerField()
    created_ms = models.BigIntegerField(default=now_ms)
    # When rows took their places last, by this console's clock; housekeeping brings none. Never after `updated_ms`.
    arrived_ms = models.BigIntegerField(default=now_ms)
    # Raised to the present by every change of the row or of anything below it: what live lists look at.
    updated_ms = models.BigIntegerField(default=now_ms)
    archived_ms = models.BigIntegerField(null=True)
    deleted_ms = models.BigIntegerField(null=True)

    # The newest position given on this session's timeline; positions are gapless from 1.
    last_seq = models.BigIntegerField(default=0)
    # What stands up to here is covered by entries of the audit log (actions/sealing.py).
    sealed_seq = models.BigIntegerField(default=0)
    # How often rows were changed that had their places already: what is being sealed must not be among them.
    rewrite_count = models.BigIntegerField(default=0)

    run_count = models.IntegerField(default=0)
    turn_count = models.IntegerField(default=0)
    message_count = models.IntegerField(default=0)
    user_message_count = models.IntegerField(default=0)
    assistant_message_count = models.IntegerField(default=0)
    tool_call_count = models.IntegerField(default=0)
    failed_tool_call_count = models.IntegerField(default=0)
    terminal_count = models.IntegerField(default=0)
    skipped_line_count = models.IntegerField(default=0)
    input_tokens = models.BigIntegerField(default=0)
    output_tokens = models.BigIntegerField(default=0)
    cache_read_tokens = models.BigIntegerField(default=0)
    cache_write_tokens = models.BigIntegerField(default=0)
    total_tokens = models.BigIntegerField(default=0)

    objects: ClassVar[models.Manager["AgentSession"]] = SessionQuerySet.as_manager()

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["agent", "external_id"], name="session_external_id"),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["last_activity_ms", "id"], name="session_recent", condition=LISTED),
            # Without an index of its own each of these places would read every session for a page.
            models.Index(fields=["last_activity_ms", "id"], name="session_archived", condition=ARCHIVED),
            models.Index(fields=["last_activity_ms", "id"], name="session_trashed", condition=TRASHED),
            models.Index(fields=["project", "last_activity_ms", "id"], name="session_project_recent"),
            models.Index(fields=["agent", "last_activity_ms", "id"], name="session_agent_recent"),
            models.Index(fields=["status", "last_activity_ms", "id"], name="session_status_recent"),
            models.Index(fields=["updated_ms"], name="session_updated"),
            models.Index(fields=["updated_ms"], name="session_unsealed", condition=UNSEALED),
        ]

    def __str__(self) -> str:
        return self.heading

    @property
    def heading(self) -> str:
        """What a person calls it: its title, else its first prompt, else its id."""
        return self.title or self.first_prompt or f"{self.agent} {self.external_id[:8]}"

    @property
    def duration_ms(self) -> int:
        return max(0, (self.ended_ms or self.last_activity_ms) - self.started_ms)


class SessionAlias(models.Model):
    """Another name under which the writing program knows the session."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    session = models.ForeignKey(AgentSession, on_delete=models.CASCADE, related_name="aliases")
    agent = models.CharField(max_length=40)
    alias = models.CharField(max_length=300)

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["agent", "alias"], name="session_alias"),
        ]

    def __str__(self) -> str:
        return self.alias
