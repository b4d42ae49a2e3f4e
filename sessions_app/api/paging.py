"""Pages of the API: `?cursor=…&limit=…`, answered by `items` and `next`."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any

import msgspec
from django.db.models import Model, QuerySet

from dashboard.lib.keyset import MAX_CURSOR_CHARS, page_of

DEFAULT_LIMIT = 50
MAX_LIMIT = 200

type Limit = Annotated[
    int, msgspec.Meta(ge=1, le=MAX_LIMIT, description=f"Items on a page, at most {MAX_LIMIT}.")
]
type Cursor = Annotated[
    str, msgspec.Meta(max_length=MAX_CURSOR_CHARS, description="`next` of the page before; opaque.")
]


class PageQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    cursor: Cursor | None = None
    limit: Limit = DEFAULT_LIMIT


class Page[Item](msgspec.Struct, kw_only=True):
    """Items, newest first. `next` is the cursor of the following page, null on the last."""

    items: Sequence[Item]
    next: str | None


def paged[Row: Model](
    rows: QuerySet[Row], query: Any, document: Callable[[Row], Any], *, order: Sequence[str]
) -> dict[str, Any]:
    """One page of rows, descending by `order`, as documents. Raises BadRequest for a broken cursor."""
    return paged_together(rows, query, lambda found: [document(row) for row in found], order=order)


def paged_together[Row: Model](
    rows: QuerySet[Row],
    query: Any,
    documents: Callable[[Sequence[Row]], Sequence[Any]],
    *,
    order: Sequence[str],
) -> dict[str, Any]:
    """As `paged`, for documents that need a look at something else, which is taken once for the whole page."""
    page = page_of(rows, order=order, limit=query.limit, after=query.cursor)
    return {"items": documents(page.rows), "next": page.next}
