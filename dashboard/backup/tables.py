"""Which tables a backup holds and how their values stand in it, and which it leaves out, each with the reason."""

import json
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

from django.apps import apps
from django.db import connection, models

type Row = Sequence[Any]

#: In an order in which each names only those before it, or itself. The audit log is first: whether its key fits is
#: known then before the rest is read.
BACKED_UP: Final = (
    "audit.Log", "audit.Entry", "audit.Subtree", "audit.Checkpoint", "audit.Payload", "audit.Pruning",
    "sessions_app.Person", "sessions_app.ApiToken", "sessions_app.SavedView",
    "sessions_app.Project", "sessions_app.AgentSession", "sessions_app.SessionAlias",
    "sessions_app.Source", "sessions_app.SessionSource", "sessions_app.SourceChunk", "sessions_app.SkippedLine",
    "sessions_app.Blob", "sessions_app.Run", "sessions_app.ModelUsage",
    "sessions_app.Message", "sessions_app.ToolCall", "sessions_app.Event",
    "sessions_app.Terminal", "sessions_app.TerminalChunk", "sessions_app.TerminalSegment",
    "sessions_app.TerminalEvent", "sessions_app.TerminalKeyframe", "sessions_app.TerminalText",
    "sessions_app.SearchEntry",
    "sessions_app.ReadMark", "sessions_app.Star", "sessions_app.Tag", "sessions_app.SessionTag", "sessions_app.Note",
)  # fmt: skip
LEFT_OUT: Final[dict[str, str]] = {
    "sessions_app.TitleWords": "what lists find sessions by, made again from their titles",
    "sessions_app.SetupLink": "a link that works once and for a day at most; a new one is made where it is needed",
    "sessions_app.SignInFailure": "how long an address has to wait for its next try, minutes at most",
    "sessions.Session": "who is signed in where: everybody signs in anew",
    "contenttypes.ContentType": "Django makes these rows with the tables; nothing of ours names them",
    "auth.Permission": "Django makes these rows with the tables; nothing of ours names them",
    "auth.Group": "Django's own, which nothing here uses",
    "auth.Group_permissions": "Django's own, which nothing here uses",
}
#: Tables that are no models.
LEFT_OUT_TABLES: Final[dict[str, str]] = {
    "django_migrations": "which migrations there are stands in the manifest",
    "search_text": "the word index, made again from the rows",
    "search_titles": "the index of titles, made again from them",
}

#: The apps whose migrations shape these tables.
APPS: Final = frozenset(label.partition(".")[0] for label in BACKED_UP)

# Together these bound what is in memory at once, but for a single value that is larger.
_ROWS_AT_ONCE: Final = 500
_HEAVY_ROWS_AT_ONCE: Final = 8
_BYTES_AT_ONCE: Final = 4_000_000


@dataclass(frozen=True)
class Table:
    """A table of ours. In a backup its columns have the same names, and its rows stand in the order of their keys."""

    model: type[models.Model]
    attributes: tuple[str, ...]
    columns: tuple[str, ...]
    # By the places of the columns whose values stand otherwise in a backup than the models have them.
    _to_plain: tuple[tuple[int, Callable[[Any], Any]], ...]
    _to_stored: tuple[tuple[int, Callable[[Any], Any]], ...]
    # The places of columns whose values may be large.
    _large: tuple[int, ...]
    is_heavy: bool

    @property
    def name(self) -> str:
        return self.model._meta.db_table

    @property
    def rows_at_once(self) -> int:
        return _HEAVY_ROWS_AT_ONCE if self.is_heavy else _ROWS_AT_ONCE

    def plain(self, row: Row) -> list[Any]:
        """None, int, str and bytes alone, the same from both engines. Raises ValueError."""
        return _converted(row, self._to_plain)

    def stored(self, row: Row) -> list[Any]:
        """The same again as `dashboard.lib.bulk.bulk_insert` takes it. Raises ValueError."""
        return _converted(row, self._to_stored)

    def batches(self, rows: Iterable[Row]) -> Iterator[list[Row]]:
        """As many at a time as one statement and some memory are good for."""
        batch: list[Row] = []
        weight = 0
        for row in rows:
            batch.append(row)
            weight += sum(len(row[place]) for place in self._large if row[place] is not None)
            if len(batch) >= _ROWS_AT_ONCE or weight >= _BYTES_AT_ONCE:
                yield batch
                batch, weight = [], 0
        if batch:
            yield batch


def _converted(row: Row, conversions: Sequence[tuple[int, Callable[[Any], Any]]]) -> list[Any]:
    values = list(row)
    for place, convert in conversions:
        if values[place] is not None:
            values[place] = convert(values[place])
    return values


@cache
def tables() -> tuple[Table, ...]:
    return tuple(_table(apps.get_model(label)) for label in BACKED_UP)


def _table(model: type[models.Model]) -> Table:
    fields = model._meta.concrete_fields
    kinds = [_kind(field) for field in fields]
    large = [
        place
        for place, kind in enumerate(kinds)
        if kind in (models.BinaryField, models.TextField, models.JSONField)
    ]
    return Table(
        model,
        tuple(field.attname for field in fields),
        tuple(str(field.column) for field in fields),
        tuple((place, _PLAIN[kind]) for place, kind in enumerate(kinds) if kind in _PLAIN),
        tuple((place, _STORED[kind]) for place, kind in enumerate(kinds) if kind in _STORED),
        tuple(large),
        # Hashes have a length; bodies have none.
        any(isinstance(field, models.BinaryField) and field.max_length is None for field in fields),
    )


_AS_THEY_ARE: Final = (models.TextField, models.IntegerField, models.CharField)


def _kind(field: "models.Field[Any, Any]") -> type[Any]:
    """Raises TypeError for a kind of column whose form in a backup nobody has decided."""
    while isinstance(field, models.ForeignKey):
        field = field.target_field
    for kind in (*_PLAIN, *_AS_THEY_ARE):
        if isinstance(field, kind):
            return kind
    raise TypeError(f"{field} is of a kind that backups do not know")


def _uuid(value: uuid.UUID) -> str:
    return value.hex


def _json(value: Any) -> str:
    """Postgres keeps neither spaces nor the order of names, so neither counts."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _moment(value: datetime) -> str:
    return value.astimezone(UTC).isoformat(timespec="microseconds")


def _stored_moment(text: str) -> Any:
    return connection.ops.adapt_datetimefield_value(datetime.fromisoformat(text))


_PLAIN: Final[dict[type[Any], Callable[[Any], Any]]] = {
    models.UUIDField: _uuid,
    models.JSONField: _json,
    models.BooleanField: int,
    models.BinaryField: bytes,
    models.DateTimeField: _moment,
}
# A UUID's digits and the text of a JSON column are taken as they are.
_STORED: Final[dict[type[Any], Callable[[Any], Any]]] = {
    models.BooleanField: bool,
    models.DateTimeField: _stored_moment,
}
