"""`session__among=ids`: what `__in` says, for UUIDs, with one parameter however many there are.

Django prepares, quotes and converts each value of an `__in` by itself, which costs more than the query for the fifty
rows of a page.
"""

import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.core.exceptions import EmptyResultSet
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import ForeignKey, Lookup, UUIDField
from django.db.models.sql.compiler import SQLCompiler


class Among(Lookup):
    """Its right side is a sequence of UUIDs; an empty one finds nothing."""

    lookup_name = "among"
    prepare_rhs = False
    rhs: Sequence[UUID]

    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> tuple[str, list[Any]]:
        lhs, params = self._left(compiler, connection)
        wanted = json.dumps([identifier.hex for identifier in self.rhs])
        return f"{lhs} IN (SELECT value FROM json_each(%s))", [*params, wanted]  # noqa: S608  its own column

    def as_postgresql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> tuple[str, list[Any]]:
        lhs, params = self._left(compiler, connection)
        return f"{lhs} = ANY(%s::uuid[])", [*params, list(self.rhs)]

    def _left(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> tuple[str, list[Any]]:
        if not self.rhs:
            # Then no query is sent at all, as with `__in`.
            raise EmptyResultSet
        lhs, params = self.process_lhs(compiler, connection)
        return lhs, list(params)


def register() -> None:
    for field in (UUIDField, ForeignKey):
        field.register_lookup(Among)
