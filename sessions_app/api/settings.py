"""What the pages of the settings show: saved views, people, tokens."""

import uuid
from typing import Annotated, Any

import msgspec

from dashboard.lib.clock import now_ms
from sessions_app.access import ADMINISTER
from sessions_app.actions.tokens import why_unusable
from sessions_app.api.documents import Document
from sessions_app.api.endpoint import Call, Endpoint
from sessions_app.api.paging import Page, PageQuery, paged
from sessions_app.models import ApiToken, Person, SavedView


class ViewDocument(Document):
    """Filters under a name: the page at `/{page}/?{query}`."""

    id: uuid.UUID
    page: Annotated[str, msgspec.Meta(description="Which list it is of: `sessions` or `audit`.")]
    name: str
    query: Annotated[str, msgspec.Meta(description="The query of the page's address; empty without filters.")]
    created_ms: int


class PersonDocument(Document):
    id: uuid.UUID
    username: str
    display_name: str
    role: str
    is_active: bool
    token_count: Annotated[int, msgspec.Meta(description="Tokens that are neither revoked nor expired.")]
    created_ms: int
    last_login_ms: int | None


class TokenDocument(Document):
    """What is known of a token; its text was shown once, and is not kept."""

    id: uuid.UUID
    name: str
    prefix: Annotated[str, msgspec.Meta(description="Its public part: it begins with `sbk_`, this and `_`.")]
    scopes: list[str]
    owner: Annotated[str, msgspec.Meta(description="The owner's user name.")]
    created_ms: int
    expires_ms: int | None
    last_used_ms: Annotated[int | None, msgspec.Meta(description="To the minute.")]
    revoked_ms: int | None
    why_unusable: Annotated[
        str,
        msgspec.Meta(
            description="`revoked token`, `expired token` or `disabled owner`; empty for one that works."
        ),
    ]


def list_views(call: Call) -> Any:
    rows = SavedView.objects.filter(person=call.caller.person)
    return paged(rows, call.query, _view_document, order=("created_ms", "id"))


def _view_document(view: SavedView) -> ViewDocument:
    return ViewDocument(
        id=view.pk, page=view.page, name=view.name, query=view.query, created_ms=view.created_ms
    )


def list_people(call: Call) -> Any:
    rows = Person.objects.people().with_token_counts(now_ms())
    return paged(rows, call.query, _person_document, order=("created_ms", "id"))


def _person_document(person: Any) -> PersonDocument:
    return PersonDocument(**{name: getattr(person, name) for name in PersonDocument.__struct_fields__})


def list_tokens(call: Call) -> Any:
    """One's own; for who may administer everybody's, as on the page."""
    rows = ApiToken.objects.select_related("owner")
    if not call.caller.may(ADMINISTER):
        rows = rows.filter(owner=call.caller.person)
    now = now_ms()
    return paged(rows, call.query, lambda token: _token_document(token, now), order=("created_ms", "id"))


def _token_document(token: ApiToken, now: int) -> TokenDocument:
    return TokenDocument(
        id=token.pk,
        name=token.name,
        prefix=token.prefix,
        scopes=token.scopes,
        owner=token.owner.username,
        created_ms=token.created_ms,
        expires_ms=token.expires_ms,
        last_used_ms=token.last_used_ms,
        revoked_ms=token.revoked_ms,
        why_unusable=why_unusable(token, now),
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
    Endpoint(
        "list_people",
        "GET",
        "people",
        "People and their roles, the last added first",
        list_people,
        answers=Page[PersonDocument],
        query=PageQuery,
        right=ADMINISTER,
        tag="Settings",
    ),
    Endpoint(
        "list_tokens",
        "GET",
        "tokens",
        "The caller's own tokens, with the scope `admin` everybody's, the last made first",
        list_tokens,
        answers=Page[TokenDocument],
        query=PageQuery,
        tag="Settings",
    ),
)
