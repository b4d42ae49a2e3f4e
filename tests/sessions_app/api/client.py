"""A caller of the API with a token."""

import json
from collections.abc import Sequence
from typing import Any

import jsonschema
from django.test import Client

from sessions_app.actions.tokens import create_token
from sessions_app.actors import actor_of
from sessions_app.api.openapi import document
from sessions_app.models import Person, Scope
from tests.factories import make_person


class Api:
    """Sends requests with a fresh token, and holds every JSON answer against the OpenAPI document."""

    def __init__(self, person: Person | None = None, scopes: Sequence[Scope] = (Scope.READ,)) -> None:
        self.person = person or make_person()
        self.token, self.text = create_token(self.person, "test", scopes, actor=actor_of(self.person))
        self.client = Client(headers={"Authorization": f"Bearer {self.text}"})

    def get(self, path: str, **query: Any) -> Any:
        return self.client.get(f"/api/v1/{path}", query)

    def read(self, path: str, operation: str = "", **query: Any) -> Any:
        """The JSON of a successful answer; with the name of an operation, valid by its schema."""
        response = self.get(path, **query)
        assert response.status_code == 200, response.content
        answer = json.loads(response.content)
        if operation:
            validate(answer, operation)
        return answer


def validate(answer: Any, operation: str) -> None:
    description = document()
    found = next(
        item
        for methods in description["paths"].values()
        for item in methods.values()
        if item["operationId"] == operation
    )
    schema = found["responses"]["200"]["content"]["application/json"]["schema"]
    jsonschema.validate(answer, {**schema, "components": description["components"]})


def problem_of(response: Any) -> tuple[int, str]:
    """(status, type) of an error, which must be a problem document."""
    assert response["Content-Type"] == "application/problem+json"
    problem = json.loads(response.content)
    assert problem["status"] == response.status_code
    assert problem["title"]
    assert problem["detail"]
    return response.status_code, problem["type"]
