"""The append-only log. It knows nothing of sessions: what it names, it names by type, id and label."""

from typing import ClassVar, Self

from django.db import models


class EntryQuerySet(models.QuerySet["Entry"]):
    def newest_first(self) -> Self:
        return self.order_by("-idx")

    def with_action(self, pattern: str | None) -> Self:
        """Entries of one action, or of a family written `checkpoint.*`; blank leaves all."""
        if not pattern:
            return self
        if pattern.endswith("*"):
            return self.filter(action__startswith=pattern.rstrip("*"))
        return self.filter(action=pattern)

    def by_actor(self, label: str | None) -> Self:
        return self.filter(actor_label=label) if label else self


class Entry(models.Model):
    """One thing that was done, or refused. The columns repeat what `body`, the canonical text, says."""

    # Gapless from 0, given under the log's lock in the transaction of the change it records.
    idx = models.BigIntegerField(primary_key=True)
    id = models.UUIDField(unique=True)
    at_ms = models.BigIntegerField()
    actor_type = models.CharField(max_length=20)
    actor_id = models.CharField(max_length=64, blank=True)
    actor_label = models.CharField(max_length=200, blank=True)
    action = models.CharField(max_length=60)
    target_type = models.CharField(max_length=40, blank=True)
    target_id = models.CharField(max_length=64, blank=True)
    target_label = models.CharField(max_length=300, blank=True)
    session_id = models.UUIDField(null=True)
    run_id = models.UUIDField(null=True)
    decision = models.CharField(max_length=20, blank=True)
    # RFC 8785 canonical JSON, the text that is hashed; never re-serialised.
    body = models.TextField()

    objects: ClassVar[models.Manager["Entry"]] = EntryQuerySet.as_manager()

    class Meta:
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["action", "idx"], name="audit_action"),
            models.Index(fields=["actor_label", "idx"], name="audit_actor"),
            models.Index(fields=["session_id", "idx"], name="audit_session"),
        ]

    def __str__(self) -> str:
        return f"{self.idx} {self.action}"
