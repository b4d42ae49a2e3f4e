"""What the log's pages ask of the console around them, which the log itself knows nothing of.

The app that has people and sessions registers its answers as it starts.
"""

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from django.http import HttpRequest

from audit.actors import Actor

if TYPE_CHECKING:
    from audit.models import Entry


@dataclass(frozen=True, slots=True)
class SessionName:
    """How a session is called now, and its project."""

    name: str
    project: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the console something is: `Session, at 00:12:31`. `glyph` is one of components/sprite.html."""

    label: str
    href: str
    glyph: str


@dataclass(frozen=True, slots=True)
class SavedQuery:
    name: str
    # The query string of the list, without a question mark.
    query: str


class Surroundings(Protocol):
    def actor(self, request: HttpRequest) -> Actor:
        """Who asks, as an entry names them."""

    def names_of(self, sessions: Collection[uuid.UUID]) -> Mapping[uuid.UUID, SessionName]:
        """Those of the sessions that are still there."""

    def projects_of(self, sessions: Collection[uuid.UUID]) -> Mapping[uuid.UUID, str]:
        """The names of the projects that they are in, as `sessions_of` finds them: also of those in the trash."""

    def sessions_of(self, project: str) -> Any:
        """The ids of the sessions of projects with this name: a QuerySet of one column, or a list."""

    def places_of(self, entry: "Entry", request: HttpRequest) -> Sequence[Place]:
        """Where what the entry tells of can be looked at, as the person who asks may see it."""

    def saved_queries(self, request: HttpRequest) -> Sequence[SavedQuery]:
        """The views of the log's list that the person has kept."""


_registered: Surroundings | None = None


def register(surroundings: Surroundings) -> None:
    global _registered
    _registered = surroundings


def surroundings() -> Surroundings:
    if _registered is None:
        raise RuntimeError("no app has told the audit log about its surroundings")
    return _registered
