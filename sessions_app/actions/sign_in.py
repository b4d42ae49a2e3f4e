"""Signing in with a name and a password, and the growing delay that slows guessing down.

A name is never locked: the delay belongs to the pair of name and network, so whoever guesses from one
network does not keep the owner out of another. Delays also grow per network, gently, against guessing of
names. Every try is counted before its password is looked at, so that tries sent at once gain nothing.
"""

import ipaddress
from hashlib import blake2b
from typing import Final

from django.contrib.auth import authenticate
from django.db.models import F

from audit.actors import Actor, anonymous
from audit.record import Target, record
from dashboard.lib.clock import now_ms
from dashboard.lib.db import write_transaction
from dashboard.lib.errors import Refused
from sessions_app.actions.denials import note_delayed
from sessions_app.actions.people import target_of
from sessions_app.actors import actor_of
from sessions_app.models import Person, SignInFailure

FREE_TRIES: Final = 3
MAX_DELAY_MS: Final = 15 * 60 * 1000
FREE_TRIES_OF_NETWORK: Final = 20
MAX_DELAY_OF_NETWORK_MS: Final = 30 * 1000
# A quiet time after which earlier failures no longer count.
FORGET_MS: Final = 6 * 60 * 60 * 1000


class TooSoon(Refused):
    """The delay after earlier failures is not over; the password was not looked at."""

    def __init__(self, wait_ms: int) -> None:
        self.wait_s = max(1, -(-wait_ms // 1000))
        super().__init__(f"Too many tries. Wait {self.wait_s} s and try again.")


class WrongCredentials(Refused):
    """The name or the password is wrong, or the person was disabled: which of them is not said."""

    def __init__(self) -> None:
        super().__init__("The user name and the password do not match.")


def sign_in(username: str, password: str, *, address: str) -> Person:
    """The person, with the entry written. Raises TooSoon, or WrongCredentials, as late for unknown names."""
    name = username.strip().lower()
    pair, network = _keys(name, address)
    try:
        _count_try(pair, network)
    except TooSoon:
        note_delayed(anonymous(address), _target_named(name), address=address)
        raise
    found = authenticate(username=name, password=password)
    person = found if isinstance(found, Person) else None
    with write_transaction():
        if person is not None:
            SignInFailure.objects.filter(key=pair).delete()
            SignInFailure.objects.filter(key=network).update(failures=F("failures") - 1)
            record_sign_in(person, address=address)
            return person
        target = _target_named(name)
        record(
            "sign_in.failed",
            actor=anonymous(address),
            target=target,
            details={"address": address, "known_name": target is not None},
        )
    raise WrongCredentials


def check_current_password(person: Person, password: str, *, address: str) -> bool:
    """Is it this person's password? Slowed down like a sign-in, as an open page may be in wrong hands."""
    pair, network = _keys(person.username, address)
    try:
        _count_try(pair, network)
    except TooSoon:
        note_delayed(actor_of(person), target_of(person), address=address)
        raise
    is_right = person.check_password(password)
    with write_transaction():
        if is_right:
            SignInFailure.objects.filter(key=pair).delete()
            SignInFailure.objects.filter(key=network).update(failures=F("failures") - 1)
        else:
            record(
                "password.refused",
                actor=actor_of(person),
                target=target_of(person),
                details={"address": address},
            )
    return is_right


def record_sign_in(person: Person, *, address: str) -> None:
    with write_transaction():
        actor = Actor("person", str(person.pk), person.username)
        record("sign_in.succeeded", actor=actor, target=target_of(person), details={"address": address})


def record_sign_out(person: Person, *, expired: bool = False) -> None:
    with write_transaction():
        actor = Actor("person", str(person.pk), person.username)
        record("sign_in.expired" if expired else "sign_out.completed", actor=actor, target=target_of(person))


def network_of(address: str) -> str:
    """The /24 of an IPv4 address, the /64 of an IPv6 one; anything else stands for itself."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped:
        parsed = parsed.ipv4_mapped
    prefix = 24 if parsed.version == 4 else 64
    return str(ipaddress.ip_network((parsed, prefix), strict=False))


def _target_named(name: str) -> Target | None:
    """What was typed as a name may be a password: only names that exist are written down."""
    known = Person.objects.people().filter(username=name).first()
    return target_of(known) if known else None


def _count_try(pair: str, network: str) -> None:
    """Count one try under both keys, or raise TooSoon without counting it."""
    now = now_ms()
    with write_transaction():
        SignInFailure.objects.filter(last_ms__lt=now - FORGET_MS).delete()
        for key in (pair, network):
            SignInFailure.objects.get_or_create(key=key, defaults={"last_ms": now})
        # In the order of their keys, so that two tries cannot wait for each other.
        rows = list(SignInFailure.objects.select_for_update().filter(key__in=[pair, network]).order_by("key"))
        wait_ms = max(row.blocked_until_ms for row in rows) - now
        if wait_ms > 0:
            raise TooSoon(wait_ms)
        for row in rows:
            row.failures += 1
            row.last_ms = now
            row.blocked_until_ms = now + _delay_ms(row.failures, of_network=row.key == network)
            row.save()


def _delay_ms(failures: int, *, of_network: bool) -> int:
    """2, 4, 8 … seconds after the free tries, up to the limit."""
    beyond = failures - (FREE_TRIES_OF_NETWORK if of_network else FREE_TRIES)
    if beyond <= 0:
        return 0
    limit = MAX_DELAY_OF_NETWORK_MS if of_network else MAX_DELAY_MS
    return min(limit, 1000 << min(beyond, 20))


def _keys(name: str, address: str) -> tuple[str, str]:
    network = network_of(address)
    # Hashed: whatever was typed as a name is not kept.
    digest = blake2b(name.encode("utf-8", "replace"), digest_size=16).hexdigest()
    return f"{digest} {network}", f"* {network}"
