"""Markers that are set from outside of the recording."""

import json
import uuid

import pytest

from audit.actors import SYSTEM
from audit.models import Entry
from dashboard.lib.errors import BadRequest, Conflict
from sessions_app.actions.terminals import TerminalEnded, add_marker
from sessions_app.actions.terminals.reading import read_items
from sessions_app.models import Scope, Terminal, TerminalEvent
from sessions_app.terminal.asciicast.model import Exit, Marker, Output, Resize
from sessions_app.terminal.batch import Position
from tests.sessions_app.terminals.recorder import start_recorder
from tests.sessions_app.terminals.test_api import Api

pytestmark = pytest.mark.django_db


def test_a_marker_stands_at_the_present_end() -> None:
    recorder = start_recorder()
    recorder.write(b"one", after_us=5_000)
    marker, is_new = add_marker(recorder.terminal.pk, "  here\n we are \x1b[31m", actor=SYSTEM)
    recorder.write(b"two")
    assert is_new
    assert (marker.number, marker.offset, marker.at_us, marker.text) == (1, 3, 5_000, "here we are [31m")
    assert list(read_items(recorder.refresh())) == [
        Output(5_000, b"one"),
        Marker(5_000, "here we are [31m"),
        Output(6_000, b"two"),
    ]
    [entry] = Entry.objects.filter(action="marker.added")
    assert json.loads(entry.body)["details"] == {"label": "here we are [31m", "offset": 3}


def test_the_recorder_does_not_count_it_and_loses_nothing() -> None:
    recorder = start_recorder()
    recorder.write(b"one")
    add_marker(recorder.terminal.pk, "from outside", actor=SYSTEM)
    # What follows has the numbers that it would have had; none of it is taken for a repetition.
    assert recorder.send(Resize(recorder.time_us, 100, 30)) == Position(3, 1)
    add_marker(recorder.terminal.pk, "again", actor=SYSTEM)
    assert recorder.exit(4) == Position(3, 2)
    kinds = [type(item) for item in read_items(recorder.refresh())]
    assert kinds == [Output, Marker, Resize, Marker, Exit]
    assert recorder.terminal.event_count == 4
    assert recorder.terminal.exit_status == 4


def test_a_batch_that_is_sent_again_is_still_known() -> None:
    recorder = start_recorder()
    recorder.write(b"one")
    recorder.send(Resize(recorder.time_us, 100, 30))
    add_marker(recorder.terminal.pk, "from outside", actor=SYSTEM)
    recorder.position = Position(3, 0)
    assert recorder.send(Resize(recorder.time_us, 100, 30)) == Position(3, 1)
    assert recorder.refresh().event_count == 2


def test_sent_again_it_is_there_once() -> None:
    recorder = start_recorder()
    recorder.write(b"one")
    own = uuid.uuid4()
    first, is_new = add_marker(recorder.terminal.pk, "release", actor=SYSTEM, marker_id=own)
    assert (first.pk, is_new) == (own, True)
    recorder.write(b"two")
    recorder.exit(0)
    # The answer to the first one was lost, and the program ended meanwhile.
    again, is_new = add_marker(recorder.terminal.pk, "release", actor=SYSTEM, marker_id=own)
    assert (again.pk, again.offset, is_new) == (own, 3, False)
    assert recorder.refresh().event_count == 2
    assert Entry.objects.filter(action="marker.added").count() == 1


def test_an_id_names_one_marker_only() -> None:
    recorder, other = start_recorder(), start_recorder()
    own = uuid.uuid4()
    add_marker(recorder.terminal.pk, "release", actor=SYSTEM, marker_id=own)
    with pytest.raises(Conflict):
        add_marker(recorder.terminal.pk, "another", actor=SYSTEM, marker_id=own)
    with pytest.raises(Conflict):
        add_marker(other.terminal.pk, "release", actor=SYSTEM, marker_id=own)
    assert (recorder.refresh().event_count, other.refresh().event_count) == (1, 0)


def test_what_has_ended_takes_no_marker() -> None:
    recorder = start_recorder()
    recorder.exit(0)
    with pytest.raises(TerminalEnded):
        add_marker(recorder.terminal.pk, "late", actor=SYSTEM)
    with pytest.raises(Terminal.DoesNotExist):
        add_marker(uuid.uuid4(), "nowhere", actor=SYSTEM)


def test_a_label_must_show_something() -> None:
    recorder = start_recorder()
    with pytest.raises(BadRequest):
        add_marker(recorder.terminal.pk, "\u202e\x00", actor=SYSTEM)
    assert recorder.refresh().event_count == 0


def test_a_token_that_may_write_sets_markers() -> None:
    recorder = start_recorder()
    recorder.write(b"one")
    path = f"/api/v1/terminals/{recorder.terminal.pk}/markers"

    def post(api: Api, document: object) -> tuple[int, dict[str, object]]:
        answer = api._client.post(path, json.dumps(document), content_type="application/json")
        return answer.status_code, answer.json()

    writer = Api(Scope.WRITE)
    status, marker = post(writer, {"label": "release"})
    assert status == 201
    stored = str(TerminalEvent.objects.get().pk)
    assert marker == {"id": stored, "number": 1, "offset": 3, "at_us": 1_000, "label": "release"}
    own = {"label": "release", "id": str(uuid.uuid4())}
    assert [post(writer, own)[0], post(writer, own)[0]] == [201, 200]
    status, problem = post(writer, {**own, "label": "another"})
    assert (status, problem["type"]) == (409, "/problems/conflict")
    assert post(Api(Scope.READ), {"label": "release"})[0] == 403
    assert post(writer, {"label": ""})[0] == 400
    assert post(writer, {"label": "x", "offset": 1})[0] == 400
    recorder.exit(0)
    status, problem = post(writer, {"label": "late"})
    assert (status, problem["type"]) == (409, "/problems/terminal-ended")
    assert post(writer, own)[0] == 200
    # The recorder that comes back is told its own position.
    opened = writer._client.get(f"/api/v1/terminals/{recorder.terminal.pk}")
    assert opened.status_code == 200
