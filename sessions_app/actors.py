"""The actor of an audit entry, made from whoever stands behind a request."""

from django.http import HttpRequest

from audit.actors import Actor, anonymous
from sessions_app.models.people import ApiToken, Person


def actor_of(who: Person | ApiToken) -> Actor:
    if isinstance(who, ApiToken):
        return Actor(type="token", id=str(who.pk), label=f"{who.name} ({who.prefix})")
    return Actor(type="person", id=str(who.pk), label=who.username)


def requester(request: HttpRequest) -> Actor:
    """The signed-in person, or an anonymous actor named by the peer's address."""
    if isinstance(request.user, Person):
        return actor_of(request.user)
    return anonymous(str(request.META.get("REMOTE_ADDR", "")))
