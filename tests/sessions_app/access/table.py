"""Who may do what at every address: one line for each, as it stands in the URLconf.

`page` is read with GET, `verb` changes something with POST, `form` does both; `api` takes a token; `open` needs
nobody. The right is the one that a person's role must have (RIGHTS below says which roles have it). `values` is
what a POST sends; without enough of it an answer of 400 or 422 is as good as any for who may.
"""

from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

READ: Final = "read"
OPERATE: Final = "operate"
READ_AUDIT: Final = "read_audit"
ADMINISTER: Final = "administer"
KEEP_OWN: Final = "keep_own"
KEEP_ACCOUNT: Final = "keep_account"

# Said here once more, by hand: a change of the policy must be made in both places.
RIGHTS: Final[dict[str, frozenset[str]]] = {
    "operator": frozenset({READ, OPERATE, READ_AUDIT, ADMINISTER, KEEP_OWN, KEEP_ACCOUNT}),
    "viewer": frozenset({READ, KEEP_OWN, KEEP_ACCOUNT}),
    "auditor": frozenset({READ, READ_AUDIT, KEEP_ACCOUNT}),
}
SCOPES: Final[dict[str, frozenset[str]]] = {
    "read": frozenset({READ}),
    "write": frozenset({READ, OPERATE}),
    "audit": frozenset({READ_AUDIT}),
    "admin": RIGHTS["operator"],
}


@dataclass(frozen=True)
class Row:
    kind: Literal["page", "api", "open", "socket"]
    # {method: the right that it needs}; every other method must be refused.
    methods: dict[str, str]
    values: dict[str, Any] = field(default_factory=dict)
    # Instead of the usual ones: {name of a path parameter: a value, or the name of another of the World's}.
    path: dict[str, Any] = field(default_factory=dict)

    def at(self, **path: Any) -> "Row":
        return replace(self, path=path)


def page(right: str = READ, **path: Any) -> Row:
    return Row("page", {"GET": right}, path=path)


def verb(right: str = OPERATE, **values: Any) -> Row:
    return Row("page", {"POST": right}, values)


def form(right: str, **values: Any) -> Row:
    return Row("page", {"GET": right, "POST": right}, values)


def api(right: str = READ, **values: Any) -> Row:
    return Row("api", {"GET": right}, values)


def api_write(*methods: str, read: bool = False, **values: Any) -> Row:
    """An address of the API that changes something; with `read`, GET is taken too."""
    reading = {"GET": READ} if read else {}
    return Row("api", {**dict.fromkeys(methods or ("POST",), OPERATE), **reading}, values)


def open_to_all(*methods: str) -> Row:
    return Row("open", dict.fromkeys(methods or ("GET",), ""))


SESSION = "sessions/<uuid:session_id>/"

TABLE: Final[dict[str, Row]] = {
    "healthz": open_to_all(),
    # From this machine, as a test's requests are; tests/dashboard/test_metrics.py has the others.
    "metrics": open_to_all(),
    # Coming in and going out
    "sign-in/": open_to_all("GET", "POST"),
    "setup/<str:token>/": open_to_all("GET", "POST"),
    "sign-out/": verb(KEEP_ACCOUNT),
    "counts.json": page(),
    # With DEBUG alone: nothing of anybody's, but no page is for strangers.
    "-/patterns/": page(),
    "-/patterns/<slug:name>/": page(name="sessions"),
    # Settings
    "settings/": page(),
    "settings/name/": verb(KEEP_OWN, display_name="New"),
    "settings/password/": verb(KEEP_ACCOUNT),
    "settings/sign-out-others/": verb(KEEP_ACCOUNT),
    "settings/people/": page(ADMINISTER),
    "settings/people/add/": form(ADMINISTER, username="new-person", role="viewer"),
    "settings/people/<uuid:person_id>/": page(ADMINISTER),
    "settings/people/<uuid:person_id>/role/": verb(ADMINISTER, role="auditor"),
    "settings/people/<uuid:person_id>/disable/": form(ADMINISTER),
    "settings/people/<uuid:person_id>/enable/": verb(ADMINISTER),
    "settings/people/<uuid:person_id>/link/": verb(ADMINISTER),
    "settings/tokens/": page(),
    "settings/tokens/add/": form(KEEP_OWN, name="ci", scopes=["read"], days="1"),
    "settings/tokens/<uuid:token_id>/revoke/": form(KEEP_OWN),
    "settings/views/": page(),
    "settings/views/<uuid:view_id>/rename/": form(KEEP_ACCOUNT, name="New"),
    "settings/views/<uuid:view_id>/delete/": verb(KEEP_ACCOUNT),
    # Lists
    "": page(),
    "sessions/": page(),
    "sessions/facets/": page(),
    "sessions/change/": verb(),
    "sessions/change/<slug:token>/undo/": verb().at(token="none"),
    "sessions/read/": verb(KEEP_OWN),
    "sessions/read/<int:before_ms>/undo/": verb(KEEP_OWN).at(before_ms="0"),
    "sessions/views/": verb(KEEP_ACCOUNT),
    "sessions/shown/": page(),
    SESSION + "peek/": page(),
    "runs/": page(),
    "runs/shown/": page(),
    "terminals/": page(),
    "terminals/tiles/": page(),
    "terminals/<uuid:terminal_id>/": page(),
    "terminals/shown/": page(),
    "terminals/<uuid:terminal_id>/figures/": page(),
    "terminals/<uuid:terminal_id>/bytes": page(),
    "terminals/<uuid:terminal_id>/frames": page(),
    "terminals/<uuid:terminal_id>/map": page(),
    "terminals/<uuid:terminal_id>/stretch": page(),
    "terminals/<uuid:terminal_id>/screen": page(),
    "terminals/<uuid:terminal_id>/recording.cast": page(),
    "terminals/<uuid:terminal_id>/recording.v2.cast": page(),
    "terminals/<uuid:terminal_id>/recording.v1.json": page(),
    "terminals/<uuid:terminal_id>/recording.txt": page(),
    "terminals/<uuid:terminal_id>/recording.ansi": page(),
    "terminals/<uuid:terminal_id>/search": page(),
    "terminals/<uuid:terminal_id>/moment": page(),
    "search/": page(),
    "-/palette/": page(),
    "audit/": page(READ_AUDIT),
    "audit/facets/": page(READ_AUDIT),
    "audit/news/": page(READ_AUDIT),
    "audit/head/": page(READ_AUDIT),
    "audit/head/file/": page(READ_AUDIT),
    "audit/export/<str:form>/": page(READ_AUDIT),
    "audit/views/": verb(READ_AUDIT, name="Mine"),
    "audit/<int:idx>/": page(READ_AUDIT),
    "audit/<int:idx>/peek/": page(READ_AUDIT),
    "audit/<int:idx>/proof/": page(READ_AUDIT),
    "audit/<int:idx>/payload/": page(READ_AUDIT),
    # A session
    SESSION: page(),
    SESSION + "rows/": page(),
    SESSION + "outline/": page(),
    SESSION + "clock/": page(),
    SESSION + "calls/<uuid:call_id>/": page(),
    SESSION + "calls/<uuid:call_id>/<str:part>/": page(),
    SESSION + "messages/<uuid:message_id>/": page(),
    SESSION + "messages/<uuid:message_id>/<str:part>/": page(part="text"),
    SESSION + "messages/<uuid:message_id>/attachments/<int:number>/": page(number=0),
    SESSION + "runs/": page(),
    SESSION + "terminals/": page(),
    SESSION + "files/": page(),
    SESSION + "notes/": page(),
    SESSION + "raw/": page(),
    SESSION + "raw/<uuid:source_id>/": page(),
    SESSION + "raw/<uuid:source_id>/<int:number>/": page(),
    SESSION + "raw/<uuid:source_id>/<int:number>/bytes/": page(),
    SESSION + "archive/": verb(),
    SESSION + "unarchive/": verb(),
    SESSION + "delete/": verb(),
    SESSION + "restore/": verb(),
    SESSION + "rename/": verb(title="New"),
    SESSION + "tag/": verb(name="new"),
    SESSION + "untag/": verb(name="new"),
    SESSION + "star/": verb(KEEP_OWN),
    SESSION + "unstar/": verb(KEEP_OWN),
    SESSION + "read/": verb(KEEP_OWN, seq="1"),
    SESSION + "read/<int:before>/undo/": verb(KEEP_OWN).at(before="0"),
    SESSION + "notes/add/": verb(text="New"),
    SESSION + "notes/<uuid:note_id>/delete/": verb(),
    SESSION + "notes/<uuid:note_id>/restore/": verb().at(note_id="deleted_note_id"),
    # Runs
    "runs/<uuid:run_id>/": page(),
    "runs/<uuid:run_id>/peek/": page(),
    "runs/<uuid:run_id>/<str:part>/": page(),
    # The API
    "api/v1/sessions": api(),
    "api/v1/sessions/<uuid:session_id>": api(),
    "api/v1/sessions/named": api(),
    "api/v1/sessions/facets": api(),
    "api/v1/sessions/<uuid:session_id>/timeline": api(),
    "api/v1/sessions/<uuid:session_id>/runs": api(),
    "api/v1/sessions/<uuid:session_id>/sources": api(),
    "api/v1/sessions/<uuid:session_id>/files": api(),
    "api/v1/sessions/<uuid:session_id>/prompts": api(),
    "api/v1/sessions/<uuid:session_id>/sources/<uuid:source_id>/lines": api(),
    "api/v1/sessions/<uuid:session_id>/sources/<uuid:source_id>/lines/<int:number>": api(),
    "api/v1/sources": api(),
    "api/v1/sources/<uuid:lone_source_id>/lines": api(),
    "api/v1/sources/<uuid:lone_source_id>/lines/<int:number>": api(),
    "api/v1/sessions/<uuid:session_id>/notes": api(),
    "api/v1/audit/entries": api(READ_AUDIT),
    "api/v1/audit/entries/<int:idx>": api(READ_AUDIT),
    "api/v1/audit/events": api_write("POST"),
    "api/v1/runs": api(),
    "api/v1/runs/<uuid:run_id>": api(),
    "api/v1/terminals": api(),
    "api/v1/terminals/<uuid:terminal_id>": api_write("PUT", read=True),
    "api/v1/terminals/<uuid:terminal_id>/output": api_write("POST", read=True),
    "api/v1/terminals/<uuid:terminal_id>/markers": api_write("POST", read=True),
    "api/v1/terminals/<uuid:terminal_id>/recording": api(),
    "api/v1/terminals/<uuid:terminal_id>/screen": api(),
    "api/v1/search": api(),
    "api/v1/projects": api(),
    "api/v1/tags": api(),
    "api/v1/blobs/<slug:sha256>": api(),
    "api/v1/views": api(),
    "api/v1/people": api(ADMINISTER),
    "api/v1/tokens": api(),
    "api/v1/openapi.json": api(),
    "api/v1/^(?P<rest>.*)$": Row("api", {}),
    # Live
    "live/console/": Row("socket", {"GET": READ}),
    "live/sessions/<uuid:session_id>/": Row("socket", {"GET": READ}),
    "live/terminals/<uuid:terminal_id>/": Row("socket", {"GET": READ}),
}
# Catches every address that is no socket, and closes it.
NO_SOCKET: Final = ""
