"""One entry per thing that the API does: the URLs, the checks and the OpenAPI document are made from it."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from django.core.exceptions import RequestDataTooBig
from django.db import DatabaseError, DataError, connection
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.views.decorators.csrf import csrf_exempt

from dashboard.lib.db import explain
from dashboard.lib.errors import BadRequest, Conflict, CorruptData, Refused
from sessions_app.access import READ
from sessions_app.api.callers import Caller, caller_of, require
from sessions_app.api.problems import (
    BAD_REQUEST,
    CONFLICT,
    INTERNAL,
    METHOD_NOT_ALLOWED,
    NOT_FOUND,
    REFUSED,
    TOO_LARGE,
    UNAVAILABLE,
    UNSUPPORTED_MEDIA_TYPE,
    Problem,
    ProblemType,
)

logger = logging.getLogger(__name__)

OCTETS: Final = "application/octet-stream"
JSON: Final = "application/json"


class NoQuery(msgspec.Struct, forbid_unknown_fields=True):
    """An endpoint that takes no query parameters."""


@dataclass(frozen=True, slots=True)
class Call:
    """What an endpoint's function gets, checked: `query` is a struct, `body` one too, or bytes, or None."""

    request: HttpRequest
    caller: Caller
    query: Any
    body: Any


@dataclass(frozen=True, slots=True)
class Endpoint:
    """`answer` takes a Call and the path's values, and returns an `answers` struct, or a whole response.

    `path` is a Django route below /api/v1/. `query` is a msgspec struct whose fields are the query's
    parameters, each with a description in its Meta. `body` is a struct, or bytes for a raw body.
    `answers` is a struct, or bytes for a raw answer. Every parameter that is not named is refused.
    """

    name: str
    method: str
    path: str
    summary: str
    answer: Callable[..., Any]
    answers: type[msgspec.Struct] | type[bytes]
    query: type[msgspec.Struct] = NoQuery
    body: type[msgspec.Struct] | type[bytes] | None = None
    # Of a body that is smaller than what the server takes at all.
    most_bytes: int | None = None
    right: str = READ
    status: int = 200
    # It may also answer 201, when it made something new.
    creates: bool = False
    # The media type of a body that the function reads from the request itself.
    raw_body: str = ""
    # Further ways to fail than those that every endpoint of its kind has.
    problems: tuple[ProblemType, ...] = ()
    tag: str = "Sessions"


def view_of(endpoints: Mapping[str, Endpoint]) -> Callable[..., HttpResponseBase]:
    """The Django view of one path, for the methods that it takes."""

    @csrf_exempt
    def view(request: HttpRequest, **path: Any) -> HttpResponseBase:
        try:
            return _answer(request, endpoints, path)
        except Exception as error:
            return _problem_of(error).response()

    return view


@csrf_exempt
def unknown_path(request: HttpRequest, rest: str) -> HttpResponse:
    """Every other address below /api/v1/."""
    try:
        caller_of(request)
    except Problem as problem:
        return problem.response()
    return Problem(NOT_FOUND, "There is no such address; /api/v1/openapi.json lists them.").response()


def _answer(
    request: HttpRequest, endpoints: Mapping[str, Endpoint], path: dict[str, Any]
) -> HttpResponseBase:
    caller = caller_of(request)
    method = "GET" if request.method == "HEAD" else str(request.method)
    endpoint = endpoints.get(method)
    if endpoint is None:
        allowed = ", ".join([*endpoints, *(["HEAD"] if "GET" in endpoints else [])])
        raise Problem(METHOD_NOT_ALLOWED, f"Allowed: {allowed}.", headers={"Allow": allowed})
    require(request, caller, endpoint.right)
    call = Call(request, caller, _query_of(request, endpoint), _body_of(request, endpoint))
    found = endpoint.answer(call, **path)
    if isinstance(found, HttpResponseBase):
        return found
    return HttpResponse(msgspec.json.encode(found), status=endpoint.status, content_type=JSON)


def _query_of(request: HttpRequest, endpoint: Endpoint) -> msgspec.Struct:
    repeated = next((name for name, values in request.GET.lists() if len(values) > 1), None)
    if repeated is not None:
        raise BadRequest(f"The parameter {repeated[:60]!r} is given more than once.")
    given = request.GET.dict()
    if any("\x00" in text for pair in given.items() for text in pair):
        raise BadRequest("The query holds a NUL character, which no text here has.")
    try:
        # Not strict: what stands in a URL is text, and "5" is a fine number there.
        return msgspec.convert(given, type=endpoint.query, strict=False)
    except msgspec.ValidationError as error:
        raise BadRequest(f"The query is wrong: {error}.") from error


def _body_of(request: HttpRequest, endpoint: Endpoint) -> Any:
    if endpoint.body is None:
        return None
    expected = OCTETS if endpoint.body is bytes else JSON
    if request.content_type != expected:
        raise Problem(UNSUPPORTED_MEDIA_TYPE, f"Send the body as {expected}.")
    if endpoint.most_bytes is not None and len(request.body) > endpoint.most_bytes:
        raise Problem(TOO_LARGE, f"The body may have at most {endpoint.most_bytes:,} bytes.")
    if endpoint.body is bytes:
        return request.body
    try:
        return msgspec.json.decode(request.body, type=endpoint.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(f"The body is wrong: {error}.") from error


def _problem_of(error: Exception) -> Problem:
    """Every error as a problem; one that nobody foresaw is logged whole and told in one line."""
    match error:
        case Problem():
            return error
        case BadRequest():
            return Problem(BAD_REQUEST, str(error))
        case Conflict():
            return Problem(CONFLICT, str(error))
        case Refused():
            return Problem(REFUSED, str(error))
        case Http404():
            return Problem(NOT_FOUND, "It does not exist, or was deleted.")
        case RequestDataTooBig():
            return Problem(TOO_LARGE, "The body may have at most 8 MB.")
        case DataError() | OverflowError():
            return Problem(BAD_REQUEST, "A value is outside of what can be stored.")
        case CorruptData():
            logger.warning("What is stored is damaged: %s", error)
            return Problem(REFUSED, "What is stored is damaged. A backup has it whole.")
        case DatabaseError():
            if not connection.in_atomic_block:
                connection.close()
            return Problem(UNAVAILABLE, explain(error), headers={"Retry-After": "1"})
    logger.error("An endpoint failed", exc_info=error)
    return Problem(INTERNAL, "The log of the server says more.")
