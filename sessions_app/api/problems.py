"""Errors of the API as RFC 9457 problem details. Their types are stable and listed in docs/api.md."""

from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from django.http import HttpResponse


@dataclass(frozen=True, slots=True)
class ProblemType:
    slug: str
    status: int
    title: str

    @property
    def uri(self) -> str:
        return f"/problems/{self.slug}"


BAD_REQUEST: Final = ProblemType("bad-request", 400, "The request cannot be read")
UNAUTHENTICATED: Final = ProblemType("unauthenticated", 401, "Sign in, or send a token")
FORBIDDEN: Final = ProblemType("forbidden", 403, "This token or person may not do this")
NOT_FOUND: Final = ProblemType("not-found", 404, "There is nothing here")
METHOD_NOT_ALLOWED: Final = ProblemType("method-not-allowed", 405, "This address does not take this method")
CONFLICT: Final = ProblemType("conflict", 409, "It changed meanwhile, or stands already")
TOO_LARGE: Final = ProblemType("too-large", 413, "The request is too large")
UNSUPPORTED_MEDIA_TYPE: Final = ProblemType(
    "unsupported-media-type", 415, "This kind of body is not taken here"
)
REFUSED: Final = ProblemType("refused", 422, "What was asked cannot be done")
INTERNAL: Final = ProblemType("internal", 500, "The console made a mistake")
UNAVAILABLE: Final = ProblemType("unavailable", 503, "The database does not answer")

PROBLEM_TYPES: Final = (
    BAD_REQUEST,
    UNAUTHENTICATED,
    FORBIDDEN,
    NOT_FOUND,
    METHOD_NOT_ALLOWED,
    CONFLICT,
    TOO_LARGE,
    UNSUPPORTED_MEDIA_TYPE,
    REFUSED,
    INTERNAL,
    UNAVAILABLE,
)


class ProblemDetails(msgspec.Struct, kw_only=True):
    """What an error answer holds; further members depend on the type."""

    type: str
    title: str
    status: int
    detail: str


@dataclass
class Problem(Exception):
    """Raise it anywhere below an endpoint. `members` are added to the document as they are."""

    kind: ProblemType
    detail: str = ""
    members: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)

    def response(self) -> HttpResponse:
        document = {
            "type": self.kind.uri,
            "title": self.kind.title,
            "status": self.kind.status,
            "detail": self.detail or f"{self.kind.title}.",
            **self.members,
        }
        response = HttpResponse(
            msgspec.json.encode(document), status=self.kind.status, content_type="application/problem+json"
        )
        for name, value in self.headers.items():
            response[name] = value
        return response
