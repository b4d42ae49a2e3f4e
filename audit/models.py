"""The append-only log. It knows nothing of sessions: what it names, it names by type, id and label."""

import uuid
from typing import Any, ClassVar, Final, Self

from django.db import models

from dashboard.lib.db import any_text
from dashboard.lib.text import storable


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

    def fetched(self) -> list["Entry"]:
        """Whatever anybody has put into columns of text past the program, as it is. For few rows."""
        with any_text():
            return list(self)

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
    # RFC 6962 hash of the body: a leaf of the tree.
    leaf = models.BinaryField(max_length=32)

    objects: ClassVar[models.Manager["Entry"]] = EntryQuerySet.as_manager()

    class Meta:
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["action", "idx"], name="audit_action"),
            models.Index(fields=["actor_label", "idx"], name="audit_actor"),
            # What one of many did seldom is neither near the end of the actor's entries nor of the action's.
            models.Index(fields=["actor_label", "action", "idx"], name="audit_actor_action"),
            models.Index(fields=["session_id", "idx"], name="audit_session"),
            models.Index(fields=["decision", "idx"], name="audit_decision"),
            models.Index(
                fields=["run_id", "idx"], condition=models.Q(run_id__isnull=False), name="audit_run"
            ),
            models.Index(fields=["at_ms"], name="audit_at"),
        ]

    def __str__(self) -> str:
        return f"{self.idx} {self.action}"

    @property
    def text(self) -> bytes:
        """The body, byte for byte."""
        body: object = self.body
        return body if isinstance(body, bytes) else str(body).encode("utf-8", "surrogateescape")

    def make_readable(self) -> None:
        """Let pages show what is no text: SQLite keeps anything in its columns. Not to be saved."""
        for name in _TEXTS:
            if name in self.__dict__:
                setattr(self, name, _readable(self.__dict__[name]))


_TEXTS: Final = (
    "actor_type", "actor_id", "actor_label", "action", "target_type", "target_id", "target_label", "decision", "body",
)  # fmt: skip


def _readable(value: Any) -> str:
    return storable(value.decode(errors="replace") if isinstance(value, bytes) else str(value))


class Log(models.Model):
    """The one row that says how far the log reaches: the next index, and what appending needs of the tree."""

    THE_ONE: ClassVar[int] = 1

    id = models.PositiveSmallIntegerField(primary_key=True)
    # Part of the name that checkpoints are signed under, so that two logs are never taken for one another.
    log_id = models.UUIDField(default=uuid.uuid4)
    size = models.BigIntegerField()
    # tree.Frontier, encoded.
    frontier = models.BinaryField()

    def __str__(self) -> str:
        return f"{self.origin}: {self.size} entries"

    @property
    def origin(self) -> str:
        """The name that checkpoints are signed under."""
        return f"scrollback/{self.log_id.hex[:16]}"


class Subtree(models.Model):
    """The root over 256, 65,536, … consecutive leaves (`level` 1, 2, …), so that a proof reads little."""

    level = models.PositiveSmallIntegerField()
    number = models.BigIntegerField()
    hash = models.BinaryField(max_length=32)

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["level", "number"], name="audit_subtree_place"),
        ]

    def __str__(self) -> str:
        return f"{self.level}/{self.number}"


class CheckpointQuerySet(models.QuerySet["Checkpoint"]):
    def of_the_log(self) -> Self:
        """Without those of entries that are not there: one of them would be taken for the newest for ever."""
        return self.filter(size__lte=Log.objects.filter(pk=Log.THE_ONE).values("size"))

    def newest(self) -> "Checkpoint | None":
        return next(iter(self.of_the_log().order_by("-size")[:1].fetched()), None)

    def fetched(self) -> list["Checkpoint"]:
        """Whatever anybody has inserted, as it is: notes and keys may be no text. For few rows."""
        with any_text():
            return list(self)


class Checkpoint(models.Model):
    """A signed tree head (C2SP tlog-checkpoint): whoever keeps one can show later that nothing before it changed."""

    # Of the tree that it names.
    size = models.BigIntegerField(primary_key=True)
    at_ms = models.BigIntegerField()
    note = models.TextField()
    # The verifier key that it was signed for: of an older key nothing else may be left.
    key = models.CharField(max_length=200)

    objects: ClassVar[models.Manager["Checkpoint"]] = CheckpointQuerySet.as_manager()

    def __str__(self) -> str:
        return f"checkpoint at {self.size}"


class Payload(models.Model):
    """A body too big for an entry, or one that may have to be erased: the entry holds SHA-256(salt + data) alone."""

    # Of its entry.
    idx = models.BigIntegerField(primary_key=True)
    salt = models.BinaryField(max_length=16)
    data = models.BinaryField()

    def __str__(self) -> str:
        return f"payload of {self.idx}"


class Pruning(models.Model):
    """Payloads that an entry has announced the removal of: the triggers let go of those, and of no other."""

    # Of the entry that says what goes and why.
    idx = models.BigIntegerField(primary_key=True)
    first_idx = models.BigIntegerField()
    last_idx = models.BigIntegerField()

    def __str__(self) -> str:
        return f"payloads {self.first_idx} to {self.last_idx}"
