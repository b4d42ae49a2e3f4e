"""The recorder's contract, over HTTP."""

import json
import uuid
from typing import Any

import pytest
from django.test import Client

from audit.actors import SYSTEM
from dashboard.lib.ids import new_id
from sessions_app.actions.terminals.reading import read_bytes
from sessions_app.actions.tokens import create_token
from sessions_app.models import ApiToken, Person, Role, Scope, Terminal, TerminalState
from sessions_app.terminal.asciicast.model import Event, Exit, Output, Resize
from sessions_app.terminal.batch import CONTENT_TYPE, Position, encode_batch
from tests.factories import START_MS, make_person, make_session

pytestmark = pytest.mark.django_db

OPENING: dict[str, Any] = {
    "title": None,
    "command": ["make", "test"],
    "cwd": "/home/ada/project",
    "host": "workshop",
    "cols": 100,
    "rows": 30,
    "started_ms": START_MS,
    "session": None,
    "input_recorded": False,
    "env": {"TERM": "xterm-256color"},
}


class Api:
    """A program with a token."""

    def __init__(self, *scopes: Scope, owner: Person | None = None) -> None:
        owner = owner or make_person()
        self.token: ApiToken
        self.token, text = create_token(owner, "recorder", list(scopes), actor=SYSTEM)
        # CSRF is checked as for a browser: the API must not need its token.
        self._client = Client(
            enforce_csrf_checks=True,
            headers={"Authorization": f"Bearer {text}"},
            raise_request_exception=False,
        )

    def put(self, terminal_id: object, document: dict[str, Any]) -> Any:
        path = f"/api/v1/terminals/{terminal_id}"
        return self._client.put(path, json.dumps(document), content_type="application/json")

    def post(self, terminal_id: object, body: bytes, content_type: str = CONTENT_TYPE, **more: Any) -> Any:
        path = f"/api/v1/terminals/{terminal_id}/output"
        return self._client.post(path, body, content_type=content_type, **more)

    def send(self, terminal_id: object, start: Position, *events: Event) -> Any:
        return self.post(terminal_id, encode_batch(start, events))


@pytest.fixture
def api() -> Api:
    return Api(Scope.WRITE)


@pytest.fixture
def terminal_id(api: Api) -> uuid.UUID:
    opened = new_id()
    assert api.put(opened, OPENING).status_code == 201
    return opened


def test_a_terminal_is_opened_once(api: Api) -> None:
    terminal_id = new_id()
    answer = api.put(terminal_id, OPENING)
    assert answer.status_code == 201
    assert answer.json() == {"id": str(terminal_id), "offset": 0, "events": 0, "state": "live"}
    terminal = Terminal.objects.get()
    assert (terminal.cols, terminal.rows, terminal.title) == (100, 30, "make test")
    assert (terminal.environment, terminal.state) == ({"TERM": "xterm-256color"}, TerminalState.LIVE)
    api.send(terminal_id, Position(), Output(1, b"abc"), Resize(2, 90, 20))
    again = api.put(terminal_id, OPENING)
    assert again.status_code == 200
    assert again.json() == {"id": str(terminal_id), "offset": 3, "events": 1, "state": "live"}


def test_an_id_of_another_recording_is_refused(api: Api, terminal_id: uuid.UUID) -> None:
    answer = api.put(terminal_id, {**OPENING, "command": ["other"]})
    assert answer.status_code == 409
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["type"].endswith("/conflict")


def test_an_id_may_be_of_any_version(api: Api) -> None:
    for terminal_id in (uuid.uuid4(), uuid.uuid1()):
        assert api.put(terminal_id, OPENING).status_code == 201


def test_output_is_acknowledged_with_the_position(api: Api, terminal_id: uuid.UUID) -> None:
    answer = api.send(
        terminal_id, Position(), Output(1, b"caf\xc3"), Resize(2, 90, 20), Output(3, b"\xa9\xff")
    )
    assert (answer.status_code, answer.json()) == (200, {"offset": 6, "events": 1})
    assert read_bytes(terminal_id, 0, 6) == "café".encode() + b"\xff"


def test_a_hole_is_answered_with_what_is_committed(api: Api, terminal_id: uuid.UUID) -> None:
    api.send(terminal_id, Position(), Output(1, b"abc"))
    answer = api.send(terminal_id, Position(5, 0), Output(2, b"later"))
    assert answer.status_code == 409
    problem = answer.json()
    assert problem["type"].endswith("/offset-mismatch")
    assert (problem["offset"], problem["events"]) == (3, 0)


def test_after_the_end_nothing_is_taken(api: Api, terminal_id: uuid.UUID) -> None:
    last: list[Event] = [Output(1, b"abc"), Exit(2, 0)]
    assert api.send(terminal_id, Position(), *last).json() == {"offset": 3, "events": 1}
    assert api.send(terminal_id, Position(), *last).status_code == 200
    answer = api.send(terminal_id, Position(3, 1), Output(3, b"more"))
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/terminal-ended")


@pytest.mark.parametrize(
    ("body", "index"),
    [
        (b"\n", None),
        (b"[]\n", None),
        (b'{"offset": -1, "events": 0}\n', None),
        (b'{"offset": 0}\n', None),
        (b'{"offset": 0, "events": 0}\n[1, "o", "x"]\n[1, "o"]\n', 1),
        (b'{"offset": 0, "events": 0}\n[1, "z", "x"]\n', 0),
        (b'{"offset": 0, "events": 0}\n[-1, "o", "x"]\n', 0),
        (b'{"offset": 0, "events": 0}\n[1, "r", "0x0"]\n', 0),
        (b'{"offset": 0, "events": 0}\n\xff\xfe\n', 0),
    ],
)
def test_a_batch_is_taken_whole_or_not_at_all(
    api: Api, terminal_id: uuid.UUID, body: bytes, index: int | None
) -> None:
    answer = api.post(terminal_id, body)
    assert answer.status_code == 400
    assert answer.json()["index"] == index
    assert Terminal.objects.get().size == 0


def test_a_batch_over_a_megabyte_is_refused(api: Api, terminal_id: uuid.UUID) -> None:
    answer = api.send(terminal_id, Position(), Output(1, b"x" * 1_048_577))
    assert answer.status_code == 413
    assert Terminal.objects.get().size == 0


def test_another_kind_of_body_is_refused(api: Api, terminal_id: uuid.UUID) -> None:
    body = encode_batch(Position(), [Output(1, b"abc")])
    assert api.post(terminal_id, body, "application/json").status_code == 415


def test_output_of_an_unknown_terminal_is_not_found(api: Api) -> None:
    assert api.send(new_id(), Position(), Output(1, b"abc")).status_code == 404


@pytest.mark.parametrize(
    "wrong",
    [
        {"cols": 0},
        {"rows": 100_000},
        {"started_ms": -1},
        {"command": "make"},
        {"sesion": None},
        {"id": str(new_id())},
    ],
)
def test_a_wrong_opening_is_refused(api: Api, wrong: dict[str, Any]) -> None:
    assert api.put(new_id(), {**OPENING, **wrong}).status_code == 400
    assert not Terminal.objects.exists()


def test_a_session_that_is_not_there_is_a_problem_of_its_own(api: Api) -> None:
    trashed = make_session(deleted_ms=START_MS)
    for session_id in (new_id(), trashed.pk):
        answer = api.put(new_id(), {**OPENING, "session": str(session_id)})
        document = answer.json()
        assert (answer.status_code, document["type"]) == (422, "/problems/no-such-session")
        assert document["detail"] == f"There is no session {session_id}, or it is in the trash."
    assert not Terminal.objects.exists()


def test_a_terminal_joins_a_session(api: Api) -> None:
    session = make_session()
    assert api.put(new_id(), {**OPENING, "session": str(session.pk)}).status_code == 201
    assert Terminal.objects.get().session == session


def test_recording_needs_a_token_that_may_write() -> None:
    terminal_id = new_id()
    assert Api(Scope.READ).put(terminal_id, OPENING).status_code == 403
    demoted = Api(Scope.WRITE)
    Person.objects.update(role=Role.VIEWER)
    assert demoted.put(terminal_id, OPENING).status_code == 403
    opening = json.dumps(OPENING)
    path = f"/api/v1/terminals/{terminal_id}"
    assert Client().put(path, opening, content_type="application/json").status_code == 401
    assert not Terminal.objects.exists()
