"""Read model of the wall: the live terminals, each as a tile with a small picture."""

import hashlib
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from django.utils.safestring import SafeString, mark_safe

from dashboard.lib.errors import BadRequest
from sessions_app.models import Person, Terminal
from sessions_app.models.terminal import TerminalQuerySet
from sessions_app.terminal_pictures import GALLERY, Picture

# On Now and above the list; the whole wall is a page of its own.
FEW_TILES: Final = 12
MOST_TILES: Final = 200
# In one question; more are asked for in another.
MOST_ASKED: Final = 60

# What a tile shows of a terminal and of its session.
_COLUMNS: Final = (
    "id", "title", "host", "cols", "rows", "first_cols", "first_rows", "state", "exit_status", "started_ms",
    "updated_ms", "size", "event_count", "last_line",
    "session__title", "session__first_prompt", "session__agent", "session__external_id",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Tile:
    """`version` names all that a page shows of it, and is "" as long as there is no picture."""

    terminal: Terminal
    version: str
    svg: SafeString
    # There is more than is shown: ask again in a second.
    is_behind: bool


@dataclass(frozen=True, slots=True)
class Wall:
    """The newest `limit` live terminals, the oldest of them first: each keeps its place, a new one comes last."""

    tiles: Sequence[Tile]
    limit: int


@dataclass(frozen=True, slots=True)
class News:
    """What is different from what a page has."""

    changed: Sequence[Tile]
    gone: Sequence[uuid.UUID]
    # In the order of the wall; None when it was not asked for.
    live: Sequence[uuid.UUID] | None


def wall_of(person: Person, limit: int) -> Wall:
    """One query, whatever is drawn: a tile has its picture when somebody looked at it lately."""
    newest = _visible_to(person).live().newest_first()[:limit]
    return Wall([_tile(terminal, GALLERY.newest(terminal)) for terminal in reversed(newest)], limit)


def news_of(person: Person, known: Mapping[uuid.UUID, str], *, limit: int | None) -> News:
    """Of the tiles in {terminal: version} those that changed, with their pictures; with `limit`, who is live now."""
    terminals = list(_visible_to(person).filter(pk__in=known))
    pictures = GALLERY.pictures_of(terminals)
    tiles = [_tile(terminal, pictures[terminal.pk]) for terminal in terminals]
    return News(
        changed=[tile for tile in tiles if tile.version != known[tile.terminal.pk] or tile.is_behind],
        gone=[terminal_id for terminal_id in known if terminal_id not in pictures],
        live=None if limit is None else _live(person, limit),
    )


def read_known(texts: Sequence[str]) -> dict[uuid.UUID, str]:
    """Of `<terminal>.<version>`. Raises BadRequest."""
    if len(texts) > MOST_ASKED:
        raise BadRequest(f"At most {MOST_ASKED} tiles can be asked for at once.")
    known = {}
    for text in texts:
        terminal_id, _, version = text.partition(".")
        try:
            known[uuid.UUID(terminal_id)] = version
        except ValueError as error:
            raise BadRequest("A tile is named by its terminal's id, a dot and its version.") from error
    return known


def _visible_to(person: Person) -> TerminalQuerySet:
    visible: TerminalQuerySet = Terminal.objects.visible_to(person)
    return visible.select_related("session").only(*_COLUMNS)


def _live(person: Person, limit: int) -> list[uuid.UUID]:
    newest = Terminal.objects.visible_to(person).live().newest_first().values_list("pk", flat=True)[:limit]
    return list(reversed(newest))


def _tile(terminal: Terminal, picture: Picture | None) -> Tile:
    if picture is None:
        return Tile(terminal, "", mark_safe(""), is_behind=True)
    return Tile(
        terminal,
        _version(terminal, picture),
        # Drawn by sessions_app/terminal/picture.py, where every piece of text is escaped.
        mark_safe(picture.svg),  # noqa: S308
        is_behind=not picture.shows(terminal),
    )


def _version(terminal: Terminal, picture: Picture) -> str:
    session = terminal.session.heading if terminal.session else terminal.host
    shown = (
        picture.size, picture.event, picture.is_plain, terminal.title, terminal.state, terminal.exit_status,
        terminal.cols, terminal.rows, session,
    )  # fmt: skip
    return hashlib.blake2s(repr(shown).encode(), digest_size=8).hexdigest()
