"""The API does what its description says, and whatever is sent, it answers as described."""

from typing import Any

import hypothesis
import pytest
import schemathesis
from django.core.handlers.wsgi import WSGIHandler
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from sessions_app.api.openapi import document
from sessions_app.api.table import ENDPOINTS
from sessions_app.models import Scope
from tests.factories import make_message, make_project, make_session, make_terminal, make_tool_call
from tests.sessions_app.api.client import Api

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    negative_data_rejection,
    unsupported_method,
]

# The requests come through a real WSGI handler, which closes its connections: nothing can be rolled back.
pytestmark = pytest.mark.django_db(transaction=True)
# A batch of output has a form of its own, which no JSON schema describes; its tests are beside the recorder.
DESCRIBED = [endpoint.name for endpoint in ENDPOINTS if not endpoint.raw_body]


@pytest.mark.parametrize("name", DESCRIBED)
def test_whatever_is_asked_is_answered_as_described(name: str) -> None:
    session = make_session(project=make_project(), with_main_run=True)
    make_tool_call(session, message=make_message(session, "find me"))
    make_terminal(session, b"output")
    api = Api(scopes=[Scope.WRITE])
    schema = schemathesis.openapi.from_dict(document())
    schema.app = WSGIHandler()
    operation: Any = schema.find_operation_by_id(name)

    @hypothesis.settings(
        max_examples=25, suppress_health_check=list(hypothesis.HealthCheck), derandomize=True
    )
    @hypothesis.given(case=operation.as_strategy())
    def ask(case: Any) -> None:
        # The client in between does not undo compression.
        headers = {"Authorization": f"Bearer {api.text}", "Accept-Encoding": "identity"}
        response = case.call(headers=headers)
        case.validate_response(response, checks=CHECKS)

    ask()
