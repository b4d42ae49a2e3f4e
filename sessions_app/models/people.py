"""Who uses the console, and the tokens that programs use."""

import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, Self

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models
from django.utils.crypto import salted_hmac

from dashboard.lib.clock import now_ms
from dashboard.lib.ids import new_id

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser


class CommandLine:
    """Whoever types on the machine that serves: the database itself is theirs to read, so they see all of it."""

    is_authenticated: Final[Literal[True]] = True
    is_active: Final[Literal[True]] = True


COMMAND_LINE: Final = CommandLine()

# Whom `visible_to` is asked about.
type Viewer = Person | AnonymousUser | CommandLine


class Role(models.TextChoices):
    """What a person may do; the rules themselves are in sessions_app/access.py."""

    OPERATOR = "operator", "Operator"
    VIEWER = "viewer", "Viewer"
    AUDITOR = "auditor", "Auditor"


class PersonQuerySet(models.QuerySet["Person"]):
    def people(self) -> Self:
        """Human beings: without the built-in owner of this machine's own token."""
        return self.filter(is_system=False)

    def with_token_counts(self, at_ms: int) -> Self:
        """With `token_count`: their tokens that are neither revoked nor expired."""
        usable = models.Q(tokens__revoked_ms=None, tokens__expires_ms__gt=at_ms)
        return self.annotate(token_count=models.Count("tokens", filter=usable))

    def active_operators(self) -> Self:
        return self.people().filter(role=Role.OPERATOR, is_active=True)


class PersonManager(BaseUserManager["Person"]):
    def get_queryset(self) -> PersonQuerySet:
        return PersonQuerySet(self.model, using=self._db)

    def get_by_natural_key(self, username: str | None) -> "Person":
        return self.get(username=(username or "").lower(), is_system=False)

    def people(self) -> PersonQuerySet:
        return self.get_queryset().people()

    def active_operators(self) -> PersonQuerySet:
        return self.get_queryset().active_operators()


class Person(AbstractBaseUser):
    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    username = models.CharField(max_length=64, unique=True)
    display_name = models.CharField(max_length=120, blank=True)
    role = models.CharField(max_length=16, choices=Role, default=Role.VIEWER)
    is_active = models.BooleanField(default=True)
    created_ms = models.BigIntegerField(default=now_ms)
    # Sessions of which no row came after this moment count as read (set by "mark all as read").
    read_before_ms = models.BigIntegerField(default=0)
    # Raised by every change of role, password or activity: what was signed in before is signed out then.
    access_version = models.IntegerField(default=0)
    # The built-in owner of the token that recorders on this machine use. It cannot sign in.
    is_system = models.BooleanField(default=False)

    USERNAME_FIELD = "username"
    objects: ClassVar[PersonManager] = PersonManager()

    class Meta:
        ordering: ClassVar[list[str]] = ["username"]

    def __str__(self) -> str:
        return self.display_name or self.username

    @property
    def last_login_ms(self) -> int | None:
        return None if self.last_login is None else round(self.last_login.timestamp() * 1000)

    def get_session_auth_hash(self) -> str:
        """What a login session and a live socket must still hold to be valid; moves with `access_version`."""
        return self._access_hash(settings.SECRET_KEY)

    def get_session_auth_fallback_hash(self) -> Iterator[str]:
        return (self._access_hash(secret) for secret in settings.SECRET_KEY_FALLBACKS)

    def _access_hash(self, secret: str | bytes) -> str:
        value = f"{self.password}\x1f{self.role}\x1f{self.access_version}"
        return salted_hmac("sessions_app.person.access", value, secret=secret, algorithm="sha256").hexdigest()


class Scope(models.TextChoices):
    """What a token may be used for."""

    READ = "read", "Read sessions, runs and terminals"
    WRITE = "write", "Record sessions and terminals"
    AUDIT = "audit", "Read the audit log"
    ADMIN = "admin", "Everything an operator may do"


class ApiToken(models.Model):
    """A bearer token. Only a SHA-256 of its secret part is kept; the whole is shown once."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(max_length=120)
    # The token's public part: how a request finds the row, and how lists name it.
    prefix = models.CharField(max_length=16, unique=True)
    secret_sha256 = models.CharField(max_length=64)
    scopes = models.JSONField(default=list)
    owner = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="tokens")
    created_ms = models.BigIntegerField(default=now_ms)
    expires_ms = models.BigIntegerField(null=True)
    last_used_ms = models.BigIntegerField(null=True)
    revoked_ms = models.BigIntegerField(null=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["-created_ms", "-id"]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix})"

    def is_usable(self, at_ms: int) -> bool:
        return self.revoked_ms is None and (self.expires_ms is None or at_ms < self.expires_ms)


class SetupLink(models.Model):
    """A link that works once, until it expires.

    Without a person it creates the first operator, while nobody exists; with one it lets that person choose
    a password.
    """

    token_sha256 = models.CharField(max_length=64, primary_key=True)
    person = models.ForeignKey(Person, on_delete=models.CASCADE, null=True, related_name="setup_links")
    created_ms = models.BigIntegerField(default=now_ms)
    expires_ms = models.BigIntegerField()
    used_ms = models.BigIntegerField(null=True)

    def __str__(self) -> str:
        return f"setup link of {self.created_ms}"


class SignInFailure(models.Model):
    """Failed sign-ins by one address on one name, for the growing delay between tries."""

    key = models.CharField(max_length=200, primary_key=True)
    failures = models.IntegerField(default=0)
    blocked_until_ms = models.BigIntegerField(default=0)
    last_ms = models.BigIntegerField(default=now_ms)

    def __str__(self) -> str:
        return f"{self.failures} failures of {self.key}"


def person_id_of(value: Any) -> uuid.UUID | None:
    """The primary key of a signed-in person, None for anybody else."""
    return value.pk if isinstance(value, Person) else None
