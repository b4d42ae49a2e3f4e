"""What the pages of the settings show: saved views."""

import uuid
from typing import Annotated, Any

import msgspec

from sessions_app.api.documents import Document
from sessions_app.api.endpoint import Call, Endpoint
from sessions_app.api.paging import Page, PageQuery, paged
from sessions_app.models import SavedView


class ViewDocument(Document):
    """Filters under a name: the page at `/{page}/?{query}`."""

    id: uuid.UUID
    page: Annotated[str, msgspec.Meta(description="Which list it is of: `sessions` or `audit`.")]
    name: str
    query: Annotated[str, msgspec.Meta(description="The query of the page's address; empty without filters.")]
    created_ms: int


def list_views(call: Call) -> Any:
    rows = SavedView.objects.filter(person=call.caller.person)
    return paged(rows, call.query, _view_document, order=("created_ms", "id"))


def _view_document(view: SavedView) -> ViewDocument:
    return ViewDocument(
        id=view.pk, page=view.page, name=view.name, query=view.query, created_ms=view.created_ms
    )


ENDPOINTS = (
    Endpoint(
        "list_views",
        "GET",
        "views",
        "The caller's own saved views, the last saved first",
        list_views,
        answers=Page[ViewDocument],
        query=PageQuery,
        tag="Settings",
    ),
)
