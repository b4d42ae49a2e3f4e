"""Tokens: how programs prove who sent them."""

import os
import secrets
import uuid
from collections.abc import Sequence
from hmac import compare_digest
from pathlib import Path
from typing import Final

from django.conf import settings
from django.contrib.auth.hashers import make_password

from audit.actors import SYSTEM, Actor
from audit.record import Target, record
from dashboard.lib.clock import now_ms
from dashboard.lib.db import write_transaction
from dashboard.lib.errors import Refused
from sessions_app.access import may_use
from sessions_app.actors import actor_of
from sessions_app.models import ApiToken, Person, Role, Scope
from sessions_app.models.blob import sha256_of
from sessions_app.token_text import new_token_text, parse_token

DAY_MS: Final = 24 * 60 * 60 * 1000
DEFAULT_DAYS: Final = 90
MAX_DAYS: Final = 365
MAX_TOKENS_PER_PERSON: Final = 100
_USE_NOTED_EVERY_MS: Final = 60 * 1000

# The colon keeps it apart from every name that a person can have.
AGENT_USERNAME: Final = "local:recorder"
AGENT_TOKEN_NAME: Final = "Recorders on this machine"  # noqa: S105  a name, not a secret
_RENEW_BEFORE_MS: Final = 180 * DAY_MS


def scopes_for(person: Person) -> list[Scope]:
    """The scopes that are of any use to a token of this person: it never may more than its owner."""
    return [scope for scope in Scope if may_use(person, scope)]


def create_token(
    owner: Person, name: str, scopes: Sequence[Scope | str], *, actor: Actor, days: int = DEFAULT_DAYS
) -> tuple[ApiToken, str]:
    """The token and its whole text, which is not kept and cannot be shown again. Raises Refused."""
    name = name.strip()
    granted = [str(scope) for scope in Scope if scope in set(scopes)]
    if not name:
        raise Refused("A token needs a name that says what it is for.")
    if not granted or len(granted) != len({str(scope) for scope in scopes}):
        raise Refused(f"A token needs one or more of these scopes: {', '.join(Scope.values)}.")
    beyond = [scope for scope in granted if scope not in scopes_for(owner)]
    if beyond:
        raise Refused(f"{owner.username} is {owner.role}: a token of theirs cannot have {', '.join(beyond)}.")
    if not 1 <= days <= MAX_DAYS:
        raise Refused(f"A token is good for 1 to {MAX_DAYS} days.")
    now = now_ms()
    text = new_token_text()
    with write_transaction():
        if owner.tokens.filter(revoked_ms=None, expires_ms__gt=now).count() >= MAX_TOKENS_PER_PERSON:
            raise Refused(f"{owner.username} has {MAX_TOKENS_PER_PERSON} tokens already. Revoke some first.")
        token = ApiToken.objects.create(
            name=name[:120],
            prefix=text.prefix,
            secret_sha256=sha256_of(text.secret.encode()),
            scopes=granted,
            owner=owner,
            expires_ms=now + days * DAY_MS,
        )
        details = {"scopes": granted, "owner": owner.username, "expires_ms": token.expires_ms}
        record("token.created", actor=actor, target=target_of(token), details=details)
    return token, str(text)


def revoke_token(token: ApiToken, *, actor: Actor) -> bool:
    """End a token now. False when it was revoked already."""
    with write_transaction():
        if ApiToken.objects.filter(pk=token.pk, revoked_ms=None).update(revoked_ms=now_ms()) != 1:
            return False
        record("token.revoked", actor=actor, target=target_of(token), details={"owner": token.owner.username})
    return True


def presented_token(text: str) -> ApiToken | None:
    """The token with this text, usable or not, its owner loaded."""
    parts = parse_token(text)
    if parts is None:
        return None
    token = ApiToken.objects.select_related("owner").filter(prefix=parts.prefix).first()
    if token is None or not compare_digest(token.secret_sha256, sha256_of(parts.secret.encode())):
        return None
    return token


def why_unusable(token: ApiToken, at_ms: int) -> str:
    """In two words; "" for one that works."""
    if token.revoked_ms is not None:
        return "revoked token"
    if not token.is_usable(at_ms):
        return "expired token"
    return "" if token.owner.is_active else "disabled owner"


def authenticate_token(text: str) -> ApiToken | None:
    """The usable token with this text, its owner loaded and active; notes that it was used."""
    token = presented_token(text)
    now = now_ms()
    if token is None or why_unusable(token, now):
        return None
    _note_use(token, now)
    return token


def target_of(token: ApiToken) -> Target:
    return Target("token", str(token.pk), f"{token.name} ({token.prefix})")


def _note_use(token: ApiToken, now: int) -> None:
    """Keep `last_used_ms`, at most once a minute, and write one entry for the first use of a day."""
    last = token.last_used_ms
    if last is not None and now - last < _USE_NOTED_EVERY_MS:
        return
    with write_transaction():
        # Compare-and-set: of several requests at once, one notes the use.
        if ApiToken.objects.filter(pk=token.pk, last_used_ms=last).update(last_used_ms=now) != 1:
            return
        if last is None or last // DAY_MS != now // DAY_MS:
            record("token.used", actor=actor_of(token), target=target_of(token))
    token.last_used_ms = now


def agent_token_path() -> Path:
    return Path(settings.HOME) / "agent.token"


def ensure_agent_token() -> Path:
    """Write `agent.token` into the data directory unless a good one is there: what recorders here use.

    It belongs to a built-in person who cannot sign in, so it outlives every human account, and may only
    record (scope write). Renewed half a year before it expires; a renewed one leaves the old one working.
    """
    path = agent_token_path()
    now = now_ms()
    known = _read_token(path)
    if known is not None and known.is_usable(now) and (known.expires_ms or 0) - now > _RENEW_BEFORE_MS:
        return path
    _, text = create_token(_agent(), AGENT_TOKEN_NAME, [Scope.WRITE], actor=SYSTEM, days=MAX_DAYS)
    _write_private(path, text + "\n")
    return path


def _agent() -> Person:
    defaults = {
        "display_name": "Recorders on this machine",
        # Recording is an operator's right; the token's scope allows nothing else of it.
        "role": Role.OPERATOR,
        "is_system": True,
        "password": make_password(None),
    }
    with write_transaction():
        person, is_new = Person.objects.get_or_create(username=AGENT_USERNAME, defaults=defaults)
        if is_new:
            target = Target("person", str(person.pk), person.username)
            record("person.created", actor=SYSTEM, target=target, details={"role": str(person.role)})
    return person


def _read_token(path: Path) -> ApiToken | None:
    try:
        parts = parse_token(path.read_text().strip())
    except (FileNotFoundError, UnicodeDecodeError):
        return None
    if parts is None:
        return None
    token = ApiToken.objects.filter(prefix=parts.prefix).first()
    same = token is not None and compare_digest(token.secret_sha256, sha256_of(parts.secret.encode()))
    return token if same else None


def _write_private(path: Path, text: str) -> None:
    """Replace the file at once, readable by its owner only."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as handle:
            handle.write(text)
            handle.flush()
            os.fsync(handle.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def usable_by_id(token_id: uuid.UUID) -> ApiToken | None:
    """The token if it still works: what a live socket that was opened with it asks now and then."""
    token = ApiToken.objects.select_related("owner").filter(pk=token_id).first()
    return None if token is None or why_unusable(token, now_ms()) else token
