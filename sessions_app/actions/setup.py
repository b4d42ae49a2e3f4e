"""Links that work once: the first operator's, and those by which a person chooses a password."""

import secrets
from typing import Final

from django.contrib.auth.hashers import make_password

from audit.actors import SYSTEM, Actor
from audit.record import record
from dashboard.lib.clock import now_ms
from dashboard.lib.db import advisory_lock, write_transaction
from dashboard.lib.errors import Conflict
from sessions_app.actions.people import PEOPLE_LOCK, clean_username, insert_person, put_password, target_of
from sessions_app.models import Person, Role, SetupLink
from sessions_app.models.blob import sha256_of

SETUP_LIFETIME_MS: Final = 15 * 60 * 1000
INVITATION_LIFETIME_MS: Final = 24 * 60 * 60 * 1000


class UsedLink(Conflict):
    """Somebody was quicker, or the link expired meanwhile."""

    def __init__(self) -> None:
        super().__init__("This link was used already, or has expired. Ask for a new one.")


def issue_setup_link(*, actor: Actor = SYSTEM) -> str | None:
    """The path of a new first-run link, good for 15 minutes; None once anybody exists.

    Links issued before keep working until they expire, so that several servers may start together.
    """
    if Person.objects.people().exists():
        return None
    token = secrets.token_urlsafe(32)
    now = now_ms()
    with write_transaction():
        SetupLink.objects.filter(expires_ms__lte=now).delete()
        SetupLink.objects.create(token_sha256=_hash(token), expires_ms=now + SETUP_LIFETIME_MS)
        record("setup.offered", actor=actor, details={"expires_ms": now + SETUP_LIFETIME_MS})
    return _path_of(token)


def invite(person: Person, *, actor: Actor, lifetime_ms: int = INVITATION_LIFETIME_MS) -> str:
    """The path of a new link by which this person chooses a password; their earlier links end."""
    token = secrets.token_urlsafe(32)
    now = now_ms()
    with write_transaction():
        SetupLink.objects.filter(person=person, used_ms=None).delete()
        SetupLink.objects.create(token_sha256=_hash(token), person=person, expires_ms=now + lifetime_ms)
        details = {"expires_ms": now + lifetime_ms}
        record("person.invited", actor=actor, target=target_of(person), details=details)
    return _path_of(token)


def _path_of(token: str) -> str:
    return f"/setup/{token}/"


def find_link(token: str) -> SetupLink | None:
    """The link if it works now: a first-run link while nobody exists, another while its person is active."""
    link = SetupLink.objects.select_related("person").filter(token_sha256=_hash(token), used_ms=None).first()
    if link is None or link.expires_ms <= now_ms():
        return None
    if link.person is None:
        return None if Person.objects.people().exists() else link
    return link if link.person.is_active else None


def create_first_operator(token: str, username: str, password: str, *, display_name: str = "") -> Person:
    """Use a first-run link. However many try at once, one person is made. Raises UsedLink, Refused."""
    name = clean_username(username)
    hashed = make_password(password)
    with write_transaction():
        advisory_lock(PEOPLE_LOCK)
        _use(token)
        if Person.objects.people().exists():
            raise UsedLink
        person = insert_person(name, Role.OPERATOR, hashed, display_name=display_name, actor=None)
        record(
            "setup.completed",
            actor=Actor("person", str(person.pk), person.username),
            target=target_of(person),
        )
    return person


def choose_password(token: str, password: str) -> Person:
    """Use a person's link. Raises UsedLink."""
    hashed = make_password(password)
    with write_transaction():
        link = _use(token)
        if link.person is None or not link.person.is_active:
            raise UsedLink
        return put_password(link.person.pk, hashed, actor=None)


def _use(token: str) -> SetupLink:
    """Mark the link as used, inside the caller's transaction: of all that try, one succeeds."""
    now = now_ms()
    working = SetupLink.objects.filter(token_sha256=_hash(token), used_ms=None, expires_ms__gt=now)
    if working.update(used_ms=now) != 1:
        raise UsedLink
    return SetupLink.objects.select_related("person").get(token_sha256=_hash(token))


def _hash(token: str) -> str:
    return sha256_of(token.encode("utf-8", "replace"))
