"""People: who may sign in, and as what."""

import re
import uuid
from typing import Any, Final

from django.contrib.auth.hashers import make_password
from django.db.models import F

from audit.actors import Actor
from audit.record import Target, record
from dashboard.lib.db import advisory_lock, write_transaction
from dashboard.lib.errors import Conflict, Refused
from dashboard.lib.nudges import nudge
from sessions_app.models import Person, Role

# Held while people are added or lose rights, so that the last operator cannot be lost to a race ("people").
PEOPLE_LOCK: Final = 0x70656F706C65
USERNAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
USERNAME_HELP: Final = "Lower-case letters, digits, dots, dashes and underscores, at most 64."


class LastOperator(Refused):
    """Nobody would be left who can administer the console."""

    def __init__(self) -> None:
        super().__init__("This is the last active operator. Make somebody else an operator first.")


def target_of(person: Person) -> Target:
    return Target("person", str(person.pk), person.username)


def clean_username(text: str) -> str:
    """The name in lower case. Raises Refused when it is not one."""
    name = text.strip().lower()
    if not USERNAME.fullmatch(name):
        raise Refused(f"{text.strip()[:80]!r} is not a user name. {USERNAME_HELP}")
    return name


def create_person(
    username: str, role: Role, *, actor: Actor, display_name: str = "", password: str | None = None
) -> Person:
    """Add a person; without a password they need a link (see setup.invite). Raises Refused, Conflict.

    The password is not judged here: validate it first, where its errors can be shown.
    """
    name = clean_username(username)
    # Argon2 takes a sixth of a second: never while the write lock is held.
    hashed = make_password(password)
    with write_transaction():
        advisory_lock(PEOPLE_LOCK)
        return insert_person(name, role, hashed, display_name=display_name, actor=actor)


def insert_person(name: str, role: Role, hashed: str, *, display_name: str, actor: Actor | None) -> Person:
    """The row and its entry, inside the caller's transaction, which holds PEOPLE_LOCK.

    Without an actor the person acts themselves, as the first operator does.
    """
    if Person.objects.filter(username=name).exists():
        raise Conflict(f"There is a person named {name} already.")
    person = Person.objects.create(
        username=name, role=role, password=hashed, display_name=display_name.strip()[:120]
    )
    actor = actor or Actor("person", str(person.pk), person.username)
    record("person.created", actor=actor, target=target_of(person), details={"role": str(role)})
    return person


def change_role(person_id: uuid.UUID, role: Role, *, actor: Actor) -> bool:
    """True when the role changed, False when the person had it. Raises LastOperator."""
    with write_transaction():
        advisory_lock(PEOPLE_LOCK)
        person = _person(person_id)
        if person.role == role:
            return False
        if person.role == Role.OPERATOR:
            _keep_an_operator(person)
        before = person.role
        _change(person, role=role)
        details = {"from": before, "to": str(role)}
        record("person.role_changed", actor=actor, target=target_of(person), details=details)
    nudge()
    return True


def disable_person(person_id: uuid.UUID, *, actor: Actor) -> bool:
    """Take the right to sign in away, at once and everywhere. False when it was gone. Raises LastOperator."""
    with write_transaction():
        advisory_lock(PEOPLE_LOCK)
        person = _person(person_id)
        if not person.is_active:
            return False
        if person.role == Role.OPERATOR:
            _keep_an_operator(person)
        _change(person, is_active=False)
        record("person.disabled", actor=actor, target=target_of(person))
    nudge()
    return True


def enable_person(person_id: uuid.UUID, *, actor: Actor) -> bool:
    """Give the right to sign in back. False when the person had it."""
    with write_transaction():
        person = _person(person_id)
        if person.is_active:
            return False
        _change(person, is_active=True)
        record("person.enabled", actor=actor, target=target_of(person))
    nudge()
    return True


def change_password(person_id: uuid.UUID, password: str, *, actor: Actor) -> Person:
    """Set a password that was judged before; everything signed in as this person is signed out."""
    hashed = make_password(password)
    with write_transaction():
        return put_password(person_id, hashed, actor=actor)


def put_password(person_id: uuid.UUID, hashed: str, *, actor: Actor | None) -> Person:
    """As change_password, inside the caller's transaction; without an actor the person acts themselves."""
    person = _person(person_id)
    _change(person, password=hashed)
    person.setup_links.filter(used_ms=None).delete()
    actor = actor or Actor("person", str(person.pk), person.username)
    record("person.password_changed", actor=actor, target=target_of(person))
    nudge()
    return person


def sign_out_everywhere(person_id: uuid.UUID, *, actor: Actor) -> Person:
    """End every login and live socket of this person; the caller may keep its own with the new hash."""
    with write_transaction():
        person = _person(person_id)
        _change(person)
        record("sign_in.revoked", actor=actor, target=target_of(person))
    nudge()
    return person


def rename_person(person_id: uuid.UUID, display_name: str, *, actor: Actor) -> bool:
    """Change how the person is called on pages. False when they were called so."""
    name = display_name.strip()[:120]
    with write_transaction():
        person = _person(person_id)
        if person.display_name == name:
            return False
        details = {"from": person.display_name, "to": name}
        Person.objects.filter(pk=person.pk).update(display_name=name)
        record("person.renamed", actor=actor, target=target_of(person), details=details)
    return True


def _person(person_id: uuid.UUID) -> Person:
    return Person.objects.people().select_for_update().get(pk=person_id)


def _change(person: Person, **changes: Any) -> None:
    Person.objects.filter(pk=person.pk).update(**changes, access_version=F("access_version") + 1)
    person.refresh_from_db()


def _keep_an_operator(person: Person) -> None:
    """Raise LastOperator when nobody else could administer the console. PEOPLE_LOCK must be held."""
    if person.is_active and not Person.objects.active_operators().exclude(pk=person.pk).exists():
        raise LastOperator
