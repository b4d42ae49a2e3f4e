"""A run: one execution of an agent inside a session. A subagent is a run with a parent."""

from typing import TYPE_CHECKING, ClassVar, Self

from django.db import models

from dashboard.lib.clock import now_ms
from dashboard.lib.ids import new_id
from sessions_app.models.blob import Blob
from sessions_app.models.people import Person
from sessions_app.models.session import AgentSession, Status

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser


class RunKind(models.TextChoices):
    MAIN = "main", "Main agent"
    SUBAGENT = "subagent", "Subagent"


class RunQuerySet(models.QuerySet["Run"]):
    def visible_to(self, user: "Person | AnonymousUser") -> Self:
        if not (user.is_authenticated and user.is_active):
            return self.none()
        return self.filter(session__deleted_ms=None)

    def running(self) -> Self:
        return self.filter(status=Status.RUNNING)

    def in_tree_order(self) -> Self:
        return self.order_by("started_ms", "id")

    def newest_first(self) -> Self:
        return self.order_by("-started_ms", "-id")


class Run(models.Model):
    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    session = models.ForeignKey(AgentSession, on_delete=models.CASCADE, related_name="runs", db_index=False)
    parent = models.ForeignKey("self", on_delete=models.SET_NULL, null=True, related_name="children")
    # The writing program's own name for it: "main", or the subagent's id.
    key = models.CharField(max_length=200)
    kind = models.CharField(max_length=16, choices=RunKind, default=RunKind.MAIN)
    # `call_id` of the tool call in the parent run that started this one; either may be read first.
    spawned_by_call = models.CharField(max_length=200, blank=True)
    agent_name = models.CharField(max_length=120, blank=True)
    title = models.CharField(max_length=300, blank=True)
    model = models.CharField(max_length=120, blank=True)
    depth = models.IntegerField(default=0)

    status = models.CharField(max_length=16, choices=Status, default=Status.UNKNOWN)
    status_evidence = models.CharField(max_length=300, blank=True)
    exit_status = models.IntegerField(null=True)
    error = models.TextField(blank=True)
    # What it was asked and what it answered: the beginning, and the whole in a blob when it is longer.
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

    started_ms = models.BigIntegerField()
    ended_ms = models.BigIntegerField(null=True)
    last_activity_ms = models.BigIntegerField()
    updated_ms = models.BigIntegerField(default=now_ms)

    message_count = models.IntegerField(default=0)
    tool_call_count = models.IntegerField(default=0)
    failed_tool_call_count = models.IntegerField(default=0)
    input_tokens = models.BigIntegerField(default=0)
    output_tokens = models.BigIntegerField(default=0)
    cache_read_tokens = models.BigIntegerField(default=0)
    cache_write_tokens = models.BigIntegerField(default=0)
    total_tokens = models.BigIntegerField(default=0)

    objects: ClassVar[models.Manager["Run"]] = RunQuerySet.as_manager()

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["session", "key"], name="run_key"),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["started_ms", "id"], name="run_recent"),
            models.Index(fields=["status", "started_ms", "id"], name="run_status_recent"),
            models.Index(
                fields=["session", "spawned_by_call"],
                name="run_spawned_by",
                condition=~models.Q(spawned_by_call=""),
            ),
        ]

    def __str__(self) -> str:
        fallback = "Main run" if self.kind == RunKind.MAIN else f"Subagent {self.key[-8:]}"
        return self.title or self.agent_name or fallback

    @property
    def duration_ms(self) -> int:
        return max(0, (self.ended_ms or self.last_activity_ms) - self.started_ms)
