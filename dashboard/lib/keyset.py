"""Keyset pages: the cost of a page does not depend on how deep it lies.

A page is ordered by a tuple of columns whose last one is unique. A cursor is the tuple of the row at the
edge, written into the URL as opaque text. OFFSET is never used.
"""

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet

from dashboard.lib.errors import BadRequest

MAX_CURSOR_CHARS = 400


class BrokenCursor(BadRequest):
    """A cursor that was not made here, or for another list."""


@dataclass(frozen=True)
class Page[Row]:
    """One page of rows in display order, with the cursors that lead on (None at an end)."""

    rows: Sequence[Row]
    next: str | None
    previous: str | None
    # The link named a place that could not be read: this is the beginning instead, and the page has to say so.
    is_lost: bool = False


def encode_cursor(values: Sequence[Any]) -> str:
    text = json.dumps([str(value) if not isinstance(value, int) else value for value in values])
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode_cursor(cursor: str, width: int) -> list[str | int]:
    """The cursor's values. Raises BrokenCursor when it was not made by encode_cursor."""
    if len(cursor) > MAX_CURSOR_CHARS:
        raise BrokenCursor("This page link is broken: the cursor is too long.")
    try:
        values = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, binascii.Error) as error:
        raise BrokenCursor("This page link is broken: the cursor cannot be read.") from error
    if not isinstance(values, list) or len(values) != width:
        raise BrokenCursor("This page link is broken: the cursor has the wrong shape.")
    for value in values:
        if not isinstance(value, str | int) or isinstance(value, bool):
            raise BrokenCursor("This page link is broken: the cursor has the wrong shape.")
        if isinstance(value, int) and abs(value) >= 2**63:
            raise BrokenCursor("This page link is broken: the cursor is out of range.")
    # Base64 passes over what does not belong to it.
    if encode_cursor(values) != cursor:
        raise BrokenCursor("This page link is broken: the cursor cannot be read.")
    return values


def page_of[Row](
    rows: QuerySet[Any, Row],
    *,
    order: Sequence[str],
    limit: int,
    after: str | None = None,
    before: str | None = None,
) -> Page[Row]:
    """One page of `rows`, descending by `order` (all columns the same way, the last unique).

    `after` leads to older rows, `before` to newer ones; both are cursors of an earlier Page.
    Raises BrokenCursor for a cursor that does not fit.
    """
    backwards = before is not None and after is None
    cursor = before if backwards else after
    if cursor is not None:
        values = decode_cursor(cursor, len(order))
        try:
            rows = rows.filter(_beyond(order, values, "gt" if backwards else "lt"))
        except (ValueError, TypeError, ValidationError) as error:
            raise BrokenCursor("This page link is broken: the cursor does not fit this list.") from error
    ordering = [name if backwards else f"-{name}" for name in order]
    try:
        found = list(rows.order_by(*ordering)[: limit + 1])
    except OverflowError as error:
        raise BrokenCursor("This page link is broken: the cursor does not fit this list.") from error
    more = len(found) > limit
    found = found[:limit]
    if backwards:
        found.reverse()
    has_older = True if backwards else more
    has_newer = (more if backwards else cursor is not None) and bool(found)
    return Page(
        rows=found,
        next=_cursor_of(found[-1], order) if found and has_older else None,
        previous=_cursor_of(found[0], order) if has_newer else None,
    )


def page_of_link[Row](
    rows: QuerySet[Any, Row], *, order: Sequence[str], limit: int, after: str | None, before: str | None
) -> Page[Row]:
    """As page_of, for a page that a person looks at: a link that cannot be read leads to the beginning."""
    try:
        return page_of(rows, order=order, limit=limit, after=after, before=before)
    except BrokenCursor:
        return replace(page_of(rows, order=order, limit=limit), is_lost=True)


def _cursor_of(row: object, order: Sequence[str]) -> str:
    return encode_cursor([getattr(row, name) for name in order])


def _beyond(order: Sequence[str], values: Sequence[Any], comparison: str) -> Q:
    """Rows strictly beyond the tuple, written so that an index on `order` is used from its first column."""
    condition = Q()
    for depth in range(len(order)):
        equal = dict(zip(order[:depth], values[:depth], strict=True))
        condition |= Q(**equal, **{f"{order[depth]}__{comparison}": values[depth]})
    return Q(**{f"{order[0]}__{comparison}e": values[0]}) & condition
