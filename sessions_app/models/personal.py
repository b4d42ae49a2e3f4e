"""What people add: read marks, stars, tags, notes, saved views."""

from typing import ClassVar

from django.db import models

from dashboard.lib.clock import now_ms
from dashboard.lib.ids import new_id
from sessions_app.models.people import Person
from sessions_app.models.session import AgentSession


class ReadMark(models.Model):
    """The person has seen this session's timeline up to `seq`."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="read_marks")
    session = models.ForeignKey(AgentSession, on_delete=models.CASCADE, related_name="read_marks")
    seq = models.BigIntegerField(default=0)
    at_ms = models.BigIntegerField(default=now_ms)

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["person", "session"], name="read_mark"),
        ]

    def __str__(self) -> str:
        return f"{self.person_id} read {self.session_id} to {self.seq}"


class Star(models.Model):
    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="stars")
    session = models.ForeignKey(AgentSession, on_delete=models.CASCADE, related_name="stars")
    created_ms = models.BigIntegerField(default=now_ms)

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["person", "session"], name="star"),
        ]

    def __str__(self) -> str:
        return f"{self.session_id} starred"


class Tag(models.Model):
    """A word that people put on sessions; shared by everybody."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(max_length=40, unique=True)
    sessions = models.ManyToManyField(AgentSession, through="SessionTag", related_name="tags")

    class Meta:
        ordering: ClassVar[list[str]] = ["name"]

    def __str__(self) -> str:
        return self.name


class SessionTag(models.Model):
    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    session = models.ForeignKey(AgentSession, on_delete=models.CASCADE)
    tag = models.ForeignKey(Tag, on_delete=models.CASCADE)

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["session", "tag"], name="session_tag"),
        ]

    def __str__(self) -> str:
        return f"{self.tag_id} on {self.session_id}"


class Note(models.Model):
    """A remark on a session, or on one place of its timeline."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    session = models.ForeignKey(AgentSession, on_delete=models.CASCADE, related_name="notes")
    author = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="notes")
    seq = models.BigIntegerField(null=True)
    text = models.TextField()
    created_ms = models.BigIntegerField(default=now_ms)
    deleted_ms = models.BigIntegerField(null=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["created_ms", "id"]

    def __str__(self) -> str:
        return self.text[:60]


class SavedView(models.Model):
    """A list with its filters under a name, kept per person."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="saved_views")
    # The page it belongs to ("sessions", "runs", …) and its query string without cursors.
    page = models.CharField(max_length=40)
    name = models.CharField(max_length=80)
    query = models.CharField(max_length=1000, blank=True)
    created_ms = models.BigIntegerField(default=now_ms)

    class Meta:
        ordering: ClassVar[list[str]] = ["name"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["person", "page", "name"], name="saved_view"),
        ]

    def __str__(self) -> str:
        return self.name
