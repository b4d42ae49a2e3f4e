"""What entries say of sessions' rows and of sources' lines is compared with what is stored."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.db import connection

from audit.actors import SYSTEM
from audit.models import Entry
from audit.standing import BackgroundVerifier, standing
from audit.verification import verify
from dashboard.lib.ids import new_id
from sessions_app.actions.sealing import seal_session, seal_source
from sessions_app.models import AgentSession, Blob, Event, Message, SourceChunk, ToolCall
from sessions_app.models.blob import pack
from tests.factories import (
    make_blob,
    make_event,
    make_events,
    make_message,
    make_session,
    make_source,
    make_tool_call,
)

pytestmark = pytest.mark.django_db

LONG = "All of it, in as many words as it takes. " * 200
PICTURE = b"\x89PNG" + bytes(2_000)


def seal(session: AgentSession) -> int:
    """The number of the entry."""
    rows = sum(seal_session(session.pk, actor=SYSTEM))
    entry = Entry.objects.filter(action="session.sealed", session_id=session.pk).latest("idx")
    assert rows
    return entry.idx


@dataclass(frozen=True)
class Sealed:
    """A session of 105 rows: at 1 a message, at 2 a call, at 3 an event, at 4 to 6 those with long bodies."""

    session: AgentSession
    idx: int

    def message(self, seq: int = 1) -> Any:
        return Message.objects.filter(session=self.session, seq=seq)

    def call(self, seq: int = 2) -> Any:
        return ToolCall.objects.filter(session=self.session, seq=seq)

    def event(self, seq: int = 3) -> Any:
        return Event.objects.filter(session=self.session, seq=seq)


def sealed_session() -> Sealed:
    session = make_session()
    picture = make_blob(PICTURE)
    make_message(session)
    make_tool_call(session)
    make_event(session, text="Context compacted", document='{"tokens": 40}')
    make_message(session, LONG, role="assistant", reasoning="Hm.", reasoning_size=3)
    make_tool_call(session, input=LONG + "in", output=LONG + "out")
    make_message(
        session,
        attachments=[
            {"sha256": picture.pk, "media_type": "image/png", "size": picture.size, "name": "a.png"}
        ],
    )
    make_events(session, [f"note {number}" for number in range(99)])
    return Sealed(session, seal(session))


def swap(rows: Any, one: int, other: int) -> None:
    ids = {row.seq: row.pk for row in rows.filter(seq__in=[one, other])}
    rows.filter(pk=ids[one]).update(seq=-1)
    rows.filter(pk=ids[other]).update(seq=one)
    rows.filter(pk=ids[one]).update(seq=other)


def change_blob(name: str, plain: bytes) -> None:
    codec, data = pack(plain)
    assert Blob.objects.filter(pk=name).update(size=len(plain), codec=codec, data=data) == 1


def add_message(session: AgentSession, seq: int) -> Message:
    values: dict[str, Any] = {"role": "user", "kind": "prompt", "text": "Yes, delete it.", "at_ms": 1}
    return Message.objects.create(id=new_id(), session=session, seq=seq, **values)


def move_away(sealed: Sealed) -> None:
    sealed.message().update(session=make_session().pk)


DAMAGES: dict[str, tuple[Callable[[Sealed], object], str]] = {
    "another text": (
        lambda s: s.message().update(text="Please delete it."),
        "of the rows 1 to 100 one was changed",
    ),
    "another role": (lambda s: s.message().update(role="assistant"), "1 to 100 one was changed"),
    "another time": (lambda s: s.message().update(at_ms=1), "1 to 100 one was changed"),
    "a hidden message": (lambda s: s.message().update(is_hidden=True), "1 to 100 one was changed"),
    "other thoughts": (lambda s: s.message(4).update(reasoning="Ha."), "1 to 100 one was changed"),
    "another model": (lambda s: s.message(4).update(model="m"), "1 to 100 one was changed"),
    "another cost": (lambda s: s.message(4).update(output_tokens=1), "1 to 100 one was changed"),
    "another input": (lambda s: s.call().update(input='{"command": "rm"}'), "1 to 100 one was changed"),
    "another output": (lambda s: s.call().update(output="nothing"), "1 to 100 one was changed"),
    "another outcome": (lambda s: s.call().update(status="failed"), "1 to 100 one was changed"),
    "another exit status": (lambda s: s.call().update(exit_status=1), "1 to 100 one was changed"),
    "another event": (lambda s: s.event().update(kind="mode.changed"), "1 to 100 one was changed"),
    "other details": (lambda s: s.event().update(document='{"tokens": 41}'), "1 to 100 one was changed"),
    "another last row": (lambda s: s.event(105).update(text="x"), "of the rows 101 to 105 one was changed"),
    "a missing message": (lambda s: s.message().delete(), "row 1 is missing"),
    "a missing call": (lambda s: s.call().delete(), "row 2 is missing"),
    "two missing events": (
        lambda s: Event.objects.filter(seq__in=[7, 9]).delete(),
        "row 7 is missing, and 1 more",
    ),
    "a missing last row": (lambda s: s.event(105).delete(), "row 105 is missing"),
    "all rows missing": (lambda s: Event.objects.all().delete(), "row 3 is missing, and 94 more"),
    "a row of another session": (move_away, "row 1 is missing"),
    "an added row": (lambda s: add_message(s.session, 50), "a row was added at 50"),
    "a row before the first": (lambda s: add_message(s.session, 0), "a row was added at 0"),
    "a replaced row": (
        lambda s: (s.event().delete(), add_message(s.session, 3)),
        "of the rows 1 to 100 one was changed",
    ),
    "a moved row": (lambda s: s.message().update(seq=2), "row 1 is missing and a row was added at 2"),
    "swapped rows": (lambda s: swap(Event.objects, 7, 8), "1 to 100 one was changed"),
    "rows swapped over a border": (lambda s: swap(Event.objects, 100, 101), "1 to 100 one was changed"),
    "a changed body": (
        lambda s: change_blob(s.call(5).get().output_blob_id, b"quite another"),
        "the output of row 5 was changed or is gone",
    ),
    "a changed byte of a body": (
        lambda s: change_blob(s.message(4).get().text_blob_id, LONG.encode()[:-1] + b"!"),
        "the text of row 4 was changed or is gone",
    ),
    "another body": (
        lambda s: s.call(5).update(output_blob=make_blob(b"another that is sound")),
        "1 to 100 one was changed",
    ),
    "a changed picture": (
        lambda s: change_blob(s.message(6).get().attachments[0]["sha256"], PICTURE[:-1] + b"\1"),
        "the attachment of row 6 was changed or is gone",
    ),
    "a renamed picture": (
        lambda s: s.message(6).update(attachments=[{**s.message(6).get().attachments[0], "name": "b.png"}]),
        "1 to 100 one was changed",
    ),
    "attachments that are none": (lambda s: s.message().update(attachments=["x"]), "holds what no row can"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_to_a_sealed_session_is_named_with_its_entry_and_place(name: str) -> None:
    make_message(other := make_session(title="Another"))
    seal(other)
    sealed = sealed_session()
    assert verify().verdict("contents").outcome == "sound"
    damage, said = DAMAGES[name]
    damage(sealed)
    verdict = verify().verdict("contents")
    assert (verdict.outcome, verdict.first_bad_idx) == ("broken", sealed.idx)
    assert f"in session {sealed.session.pk}, " in verdict.text
    assert said in verdict.text
    assert verify(with_contents=False).verdict("contents").outcome == "unchecked"


@pytest.mark.parametrize("value", ["text=CAST(x'ff00fe' AS TEXT)", "attachments='[{'", "run_id='nobody'"])
def test_rows_that_cannot_be_read_are_named_too(value: str) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("Postgres refuses such values")
    sealed = sealed_session()
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA ignore_check_constraints=ON")
        cursor.execute(f"UPDATE {Message._meta.db_table} SET {value} WHERE seq=1")  # noqa: S608
        text = verify().verdict("contents").text
        cursor.execute(f"DELETE FROM {Message._meta.db_table} WHERE seq=1")  # noqa: S608
        cursor.execute("PRAGMA ignore_check_constraints=OFF")
    assert (
        f"Entry {sealed.idx} does not fit what is stored: in session {sealed.session.pk}, of the rows" in text
    )


def test_a_piece_of_more_added_rows_than_fit_is_still_looked_at() -> None:
    sealed = sealed_session()
    for seq in range(-300, 1):
        add_message(sealed.session, seq)
    assert "a row was added at -300" in verify().verdict("contents").text


def test_what_comes_after_the_seal_is_not_covered_by_it() -> None:
    sealed = sealed_session()
    make_message(sealed.session, "One more thing")
    Message.objects.filter(text="One more thing").update(text="Nothing more")
    assert verify().verdict("contents").outcome == "sound"


def test_a_session_that_is_gone_is_missed() -> None:
    sealed = sealed_session()
    for model in (ToolCall, Message, Event, AgentSession):
        model.objects.all().delete()
    assert (
        f"in session {sealed.session.pk}, row 1 is missing, and 99 more" in verify().verdict("contents").text
    )


def test_the_background_names_damage_to_a_session() -> None:
    sealed = sealed_session()
    sealed.message().update(text="x")
    verifier = BackgroundVerifier()
    verifier.look()
    assert standing().first_bad_idx == sealed.idx
    assert str(sealed.session.pk) in standing().problem
    sealed.message().update(text="Please look at the login form.")
    verifier.look()
    assert (standing().problem, standing().contents_size) == ("", Entry.objects.count())


# ── Lines ────────────────────────────────────────────────────────────────────────────────────────────────
LINES = b"".join(b'{"number": %d}\n' % number for number in range(200_000))


def sealed_source() -> tuple[uuid.UUID, int]:
    """Its lines are in three chunks and sealed in three pieces whose borders are others."""
    source = make_source(lines=LINES[:1_200_000])
    for start, end in ((1_200_000, 1_200_010), (1_200_010, len(LINES))):
        codec, data = pack(LINES[start:end])
        SourceChunk.objects.create(
            source=source, offset=start, size=end - start, first_line=1, line_count=1, sha256="", codec=codec, data=data
        )  # fmt: skip
    type(source).objects.filter(pk=source.pk).update(read_offset=len(LINES))
    assert sum(seal_source(source.pk, actor=SYSTEM)) == len(LINES)
    return source.pk, Entry.objects.get(action="source.sealed").idx


def repack(plain: bytes, **place: Any) -> None:
    codec, data = pack(plain)
    assert SourceChunk.objects.filter(**place).update(size=len(plain), codec=codec, data=data) == 1


LINE_DAMAGES: dict[str, tuple[Callable[[], object], str]] = {
    "a changed line": (
        lambda: repack(LINES[:1_100_000] + b"x" + LINES[1_100_001:1_200_000], offset=0),
        "of the bytes 1,048,576 to 2,097,151 some were changed",
    ),
    "a changed short chunk": (
        lambda: repack(b"y" * 10, offset=1_200_000),
        "of the bytes 1,048,576 to 2,097,151",
    ),
    "a missing chunk": (
        lambda: SourceChunk.objects.filter(offset=1_200_000).delete(),
        "the bytes from 1,200,000 on are gone or were moved",
    ),
    "a missing last chunk": (
        lambda: SourceChunk.objects.filter(offset=1_200_010).delete(),
        "the bytes from 1,200,010 on are gone",
    ),
    "a missing first chunk": (
        lambda: SourceChunk.objects.filter(offset=0).delete(),
        "the bytes from 0 on are gone",
    ),
    "a moved chunk": (
        lambda: SourceChunk.objects.filter(offset=1_200_000).update(offset=1_200_001),
        "the bytes from 1,200,000 on are gone or were moved",
    ),
    "a shorter chunk": (lambda: repack(LINES[:1_199_999], offset=0), "the bytes from 1,199,999 on are gone"),
    "a longer chunk": (lambda: repack(LINES[:1_200_001], offset=0), "the bytes from 1,200,001 on are gone"),
    "bytes that cannot be unpacked": (
        lambda: SourceChunk.objects.filter(offset=0).update(data=b"nothing"),
        "the bytes from 0 on cannot be unpacked any more",
    ),
}


@pytest.mark.parametrize("name", LINE_DAMAGES)
def test_damage_to_sealed_lines_is_named(name: str) -> None:
    source_id, idx = sealed_source()
    assert verify().verdict("contents").outcome == "sound"
    damage, said = LINE_DAMAGES[name]
    damage()
    verdict = verify().verdict("contents")
    assert (verdict.outcome, verdict.first_bad_idx) == ("broken", idx)
    assert f"in source {source_id}, {said}" in verdict.text


def test_lines_may_be_packed_in_another_way() -> None:
    source_id, _ = sealed_source()
    SourceChunk.objects.filter(offset__gt=0).delete()
    repack(LINES, source=source_id)
    assert verify().verdict("contents").outcome == "sound"
