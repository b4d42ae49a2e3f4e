import json
import tracemalloc
from pathlib import Path

import pytest

from audit.actors import SYSTEM
from dashboard.lib.errors import Refused
from sessions_app.exporters import jsonl
from sessions_app.importers.pipeline import Importer
from sessions_app.models import AgentSession, Blob, SourceChunk
from tests.factories import make_event, make_message, make_session, make_source, make_tool_call
from tests.samples import sample

pytestmark = pytest.mark.django_db

CLAUDE = "claude-code/projects/sample-project/fe5e1c67-53e7-4862-81ae-d0e013e3270b.jsonl"
CODEX = "codex/sessions/rollout-2026-02-23T12-54-34-019c8a59-e9dd-71f0-9ae3-4079fe9726a9.jsonl"


def lines_of(session: AgentSession) -> list[dict[str, object]]:
    session.refresh_from_db()
    return [json.loads(line) for line in jsonl.timeline_lines(session)]


def raw_of(session: AgentSession) -> bytes:
    return b"".join(piece for source in jsonl.sources_of(session) for piece in jsonl.source_bytes(source))


def test_each_place_of_the_timeline_is_one_line_in_order() -> None:
    session = make_session(with_main_run=True)
    message = make_message(session, "Hello\nthere")
    call = make_tool_call(session, message=message)
    make_event(session, text="noted")

    lines = lines_of(session)

    assert [(line["seq"], line["type"]) for line in lines] == [(1, "message"), (2, "tool_call"), (3, "event")]
    assert lines[0]["text"] == "Hello\nthere"
    assert (lines[1]["message"], lines[1]["call_id"]) == (str(message.pk), call.call_id)
    assert lines[1]["run_key"] == "main"


def test_long_bodies_are_whole() -> None:
    session = make_session(with_main_run=True)
    long = "äöü " * 50_000
    make_message(session, long)
    make_tool_call(session, input=long, output=long[::-1])

    first, second = lines_of(session)

    assert first["text"] == long
    assert (second["input"], second["output"]) == (long, long[::-1])


@pytest.mark.parametrize("name", [CLAUDE, CODEX])
def test_a_real_session_has_a_line_for_each_place_and_its_source_back_exactly(name: str) -> None:
    Importer(SYSTEM).import_paths([str(sample(name))])
    session = AgentSession.objects.get()

    lines = lines_of(session)

    assert [line["seq"] for line in lines] == list(range(1, session.last_seq + 1))
    assert sum(line["type"] == "message" for line in lines) == session.message_count
    assert sum(line["type"] == "tool_call" for line in lines) == session.tool_call_count
    assert raw_of(session) == sample(name).read_bytes()


def test_raw_lines_hold_what_no_row_does(tmp_path: Path) -> None:
    broken = (
        b'{"role":"user","content":"hi"}\n\xff\xfe\x00 not JSON\n\n'
        b'{"role":"assistant","content":"\\ud800"}\n{"unfini'
    )
    (tmp_path / "talk.jsonl").write_bytes(broken)
    Importer(SYSTEM).import_paths([str(tmp_path / "talk.jsonl")])

    assert raw_of(AgentSession.objects.get()) == broken


def test_a_damaged_body_is_refused_by_name() -> None:
    session = make_session(with_main_run=True)
    make_message(session, "long " * 10_000)
    Blob.objects.update(data=b"\x28\xb5\x2f\xfd damaged")

    with pytest.raises(Refused, match="damaged"):
        lines_of(session)


def test_damaged_lines_are_refused_by_their_number() -> None:
    session = make_session()
    make_source(session, b'{"a": 1}\n' * 1000)
    SourceChunk.objects.update(data=b"\x28\xb5\x2f\xfd damaged")

    with pytest.raises(Refused, match="line 1 on"):
        raw_of(session)


def test_memory_does_not_grow_with_the_session() -> None:
    session = make_session(with_main_run=True)
    for _ in range(40):
        make_message(session, "x" * 400_000)
    session.refresh_from_db()

    tracemalloc.start()
    size = sum(len(line) for line in jsonl.timeline_lines(session))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert size > 16_000_000
    assert peak < 6_000_000
