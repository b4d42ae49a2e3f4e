"""The OpenAPI 3.1 document, made from the table of endpoints and the structs that they take and give."""

import re
from collections.abc import Iterable
from functools import cache
from importlib.metadata import version
from typing import Any, Final

import msgspec

from sessions_app.access import ADMINISTER, OPERATE, READ, READ_AUDIT
from sessions_app.api.endpoint import JSON, OCTETS, Call, Endpoint
from sessions_app.api.problems import (
    BAD_REQUEST,
    FORBIDDEN,
    INTERNAL,
    TOO_LARGE,
    UNAUTHENTICATED,
    UNAVAILABLE,
    UNSUPPORTED_MEDIA_TYPE,
    ProblemDetails,
    ProblemType,
)

_ROUTE_PARAMETER = re.compile(r"<(\w+):(\w+)>")
_PATH_SCHEMAS: Final[dict[str, dict[str, Any]]] = {
    "uuid": {"type": "string", "format": "uuid"},
    "slug": {"type": "string", "pattern": "^[-a-zA-Z0-9_]+$"},
    "str": {"type": "string", "minLength": 1},
    "int": {"type": "integer", "minimum": 0},
}
_SCOPES: Final = {READ: "read", OPERATE: "write", READ_AUDIT: "audit", ADMINISTER: "admin"}
_ALWAYS: Final = (BAD_REQUEST, UNAUTHENTICATED, FORBIDDEN, INTERNAL, UNAVAILABLE)
# What a URL can hold: control characters cannot stand in any text that is stored here.
_URL_TEXT: Final = "^[^\\u0000]*$"


class OpenApiDocument(msgspec.Struct):
    """The description of this API (OpenAPI 3.1)."""

    openapi: str
    info: dict[str, Any]
    paths: dict[str, Any]


def show_openapi(call: Call) -> Any:
    return document()


ENDPOINT: Final = Endpoint(
    "show_openapi",
    "GET",
    "openapi.json",
    "This description",
    show_openapi,
    answers=OpenApiDocument,
    tag="Description",
)


@cache
def document() -> dict[str, Any]:
    # The table holds this endpoint as well.
    from sessions_app.api.table import ENDPOINTS

    schemas, components = _schemas(ENDPOINTS)
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in ENDPOINTS:
        path = "/" + _ROUTE_PARAMETER.sub(r"{\2}", endpoint.path)
        paths.setdefault(path, {})[endpoint.method.lower()] = _operation(endpoint, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Scrollback", "version": version("scrollback"), "license": {"name": "Apache-2.0"}},
        "servers": [{"url": "/api/v1"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "bearerFormat": "sbk_…"},
            },
        },
    }


def _schemas(endpoints: Iterable[Endpoint]) -> tuple[dict[Any, dict[str, Any]], dict[str, Any]]:
    """(schema of each struct named by an endpoint, the components that they refer to)."""
    types: list[Any] = [ProblemDetails]
    for endpoint in endpoints:
        types += [kind for kind in (endpoint.answers, endpoint.body) if kind not in (bytes, None)]
    unique = list(dict.fromkeys(types))
    found, components = msgspec.json.schema_components(unique, ref_template="#/components/schemas/{name}")
    return dict(zip(unique, found, strict=True)), dict(components)


def _operation(endpoint: Endpoint, schemas: dict[Any, dict[str, Any]]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": endpoint.name,
        "summary": endpoint.summary,
        "description": f"Needs the scope `{_SCOPES[endpoint.right]}`.",
        "tags": [endpoint.tag],
        "parameters": [*_path_parameters(endpoint), *_query_parameters(endpoint)],
        "responses": _responses(endpoint, schemas),
    }
    if endpoint.raw_body or endpoint.body is bytes:
        operation["requestBody"] = {"required": True, "content": {endpoint.raw_body or OCTETS: {}}}
    elif endpoint.body is not None:
        content = {JSON: {"schema": schemas[endpoint.body]}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _path_parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": _PATH_SCHEMAS[kind]}
        for kind, name in _ROUTE_PARAMETER.findall(endpoint.path)
    ]


def _query_parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    (_,), components = msgspec.json.schema_components([endpoint.query])
    struct = components[endpoint.query.__name__]
    required = struct.get("required", [])
    return [
        {"name": name, "in": "query", "required": name in required, "schema": _plain(schema)}
        for name, schema in struct["properties"].items()
    ]


def _plain(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of a parameter: leaving it out is how null is said in a URL."""
    schema = dict(schema)
    alternatives = [part for part in schema.pop("anyOf", []) if part.get("type") != "null"]
    if len(alternatives) == 1:
        schema = {**alternatives[0], **schema}
    if "enum" in schema:
        schema["enum"] = [value for value in schema["enum"] if value is not None]
    if schema.get("default", "") is None:
        del schema["default"]
    if schema.get("type") == "string" and "format" not in schema:
        schema.setdefault("pattern", _URL_TEXT)
    return schema


def _responses(endpoint: Endpoint, schemas: dict[Any, dict[str, Any]]) -> dict[str, Any]:
    binary = {OCTETS: {"schema": {"type": "string", "format": "binary"}}}
    content = binary if endpoint.answers is bytes else {JSON: {"schema": schemas[endpoint.answers]}}
    answers: dict[str, Any] = {str(endpoint.status): {"description": "Done.", "content": content}}
    if endpoint.creates:
        answers["201"] = {"description": "Made.", "content": content}
    problems = [*_ALWAYS, *endpoint.problems]
    if endpoint.body is not None or endpoint.raw_body:
        problems += [TOO_LARGE, UNSUPPORTED_MEDIA_TYPE]
    by_status: dict[int, list[ProblemType]] = {}
    for kind in dict.fromkeys(problems):
        by_status.setdefault(kind.status, []).append(kind)
    for status, kinds in sorted(by_status.items()):
        answers[str(status)] = _problem_response(kinds, schemas)
    return answers


def _problem_response(kinds: Iterable[ProblemType], schemas: dict[Any, dict[str, Any]]) -> dict[str, Any]:
    return {
        "description": " Or: ".join(f"{kind.title} (`{kind.uri}`)." for kind in kinds),
        "content": {"application/problem+json": {"schema": schemas[ProblemDetails]}},
    }
