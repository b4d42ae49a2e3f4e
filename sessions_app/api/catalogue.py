"""What leads to sessions: projects, tags, the search; and the blobs that they point to."""

import re
import uuid
from typing import Annotated, Any, Final

import msgspec
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404

from dashboard.lib.errors import CorruptData, Refused
from sessions_app.actions.terminals.moments import with_moments
from sessions_app.api.documents import HitDocument, ProjectDocument, TagDocument
from sessions_app.api.endpoint import OCTETS, Call, Endpoint
from sessions_app.api.paging import Cursor, Page, PageQuery, paged
from sessions_app.api.problems import NOT_FOUND, REFUSED
from sessions_app.api.rendering import hit_document, project_document, tag_document
from sessions_app.models import Blob, Project, Tag
from sessions_app.search.find import PAGE_HITS, find
from sessions_app.search.query import MAX_QUERY_CHARS, parse

MAX_HITS: Final = 100
_SHA256 = re.compile("[0-9a-f]{64}")


class SearchQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    q: Annotated[
        str,
        msgspec.Meta(
            max_length=MAX_QUERY_CHARS,
            description='Words, "phrases", word*, kind: agent: project: session: after:',
        ),
    ]
    cursor: Cursor | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=MAX_HITS)] = PAGE_HITS


class SearchPage(msgspec.Struct, kw_only=True):
    """Hits, newest first. `is_partial`: the time was up before the page was full; `next` goes on.

    In the terminals `more_in` there may be more than the page has: kind:terminal finds all of it.
    """

    items: list[HitDocument]
    next: str | None
    is_partial: bool
    more_in: list[uuid.UUID]


def search(call: Call) -> SearchPage:
    query: SearchQuery = call.query
    results = find(parse(query.q), call.caller.person, cursor=query.cursor, limit=query.limit)
    hits = [hit_document(hit) for hit in with_moments(results.hits)]
    return SearchPage(
        items=hits, next=results.next, is_partial=results.is_partial, more_in=sorted(results.more_in)
    )


def list_projects(call: Call) -> Any:
    return paged(Project.objects.all(), call.query, project_document, order=("id",))


def list_tags(call: Call) -> Any:
    return paged(Tag.objects.all(), call.query, tag_document, order=("id",))


def read_blob(call: Call, sha256: str) -> HttpResponse:
    """The bytes behind a hash that a message, a tool call or a run named."""
    if not _SHA256.fullmatch(sha256):
        raise Http404
    try:
        plain = get_object_or_404(Blob, pk=sha256).read()
    except CorruptData as error:
        raise Refused(f"The stored bytes of {sha256[:12]} are damaged: {error}. Restore a backup.") from error
    response = HttpResponse(plain, content_type=OCTETS)
    response["Content-Disposition"] = f'attachment; filename="{sha256}.bin"'
    return response


ENDPOINTS = (
    Endpoint(
        "search",
        "GET",
        "search",
        "Messages, tool calls, terminals and sessions that hold the words, newest first",
        search,
        answers=SearchPage,
        query=SearchQuery,
        tag="Search",
    ),
    Endpoint(
        "list_projects",
        "GET",
        "projects",
        "Projects, the last added first",
        list_projects,
        answers=Page[ProjectDocument],
        query=PageQuery,
        tag="Search",
    ),
    Endpoint(
        "list_tags",
        "GET",
        "tags",
        "Tags, the last added first",
        list_tags,
        answers=Page[TagDocument],
        query=PageQuery,
        tag="Search",
    ),
    Endpoint(
        "read_blob",
        "GET",
        "blobs/<slug:sha256>",
        "The bytes of a long body or an attachment",
        read_blob,
        answers=bytes,
        problems=(NOT_FOUND, REFUSED),
        tag="Search",
    ),
)
