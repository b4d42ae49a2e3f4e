"""What somebody who holds the database can do to what is sealed, and to the rows that say how far it is."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db.models import Model

from audit.actors import SYSTEM
from audit.models import Checkpoint, Entry, Log
from audit.signing import write_checkpoint
from sessions_app.actions.sealing import seal_session, seal_source
from sessions_app.models import (
    AgentSession,
    Event,
    Message,
    Source,
    SourceChunk,
    Terminal,
    TerminalChunk,
    TerminalSegment,
    ToolCall,
)
from sessions_app.models.blob import pack
from tests.audit.attacks import Scene as LogScene
from tests.audit.attacks import edit_body, recompute
from tests.factories import make_event, make_message, make_session, make_source, make_tool_call
from tests.sessions_app.terminals.recorder import Recorder, start_recorder

LINES = b"".join(b'{"number": %d}\n' % number for number in range(900))


@dataclass(frozen=True)
class Scene:
    """One of each that is sealed in part, and the like of each that is not sealed at all."""

    random: random.Random
    session: AgentSession
    source: Source
    terminal: Terminal
    new_session: AgentSession
    new_source: Source
    new_terminal: Terminal
    # A head that was kept when all was sealed.
    note: str


@dataclass(frozen=True)
class LogDamage:
    """Of the log itself: the first bad entry has to be one from `first` to `last`, and these verdicts broken."""

    first: int
    last: int
    checks: frozenset[str]


#: Returns what has to be named: the row whose content it is, or damage of the log.
type Attack = Callable[[Scene], Any]


def grow_session(session: AgentSession, rows: int) -> None:
    for number in range(rows):
        (make_message, make_tool_call, make_event)[number % 3](session)


def grow_terminal(recorder: Recorder, random_: random.Random) -> None:
    recorder.write(random_.randbytes(600))
    # Ten seconds of output are a segment.
    recorder.write(random_.randbytes(300), after_us=11_000_000)


def set_scene(random_: random.Random) -> Scene:
    """`newer` is what nobody sealed."""
    recorder, newer = start_recorder(), start_recorder()
    for _ in range(3):
        grow_terminal(recorder, random_)
        write_checkpoint()
    newer.write(b"$ make\r\n")
    recorder.write(b"$ ")
    session, new_session = make_session(), make_session(title="Another")
    grow_session(session, 9)
    sum(seal_session(session.pk, actor=SYSTEM))
    grow_session(session, 6)
    grow_session(new_session, 5)
    source, new_source = make_source(lines=LINES), make_source(lines=LINES)
    sum(seal_source(source.pk, actor=SYSTEM))
    _add_lines(source)
    write_checkpoint()
    note = Checkpoint.objects.latest("size").note
    for row in (session, source, new_session, new_source):
        row.refresh_from_db()
    return Scene(
        random_, session, source, recorder.refresh(), new_session, new_source, newer.refresh(), note
    )  # fmt: skip


def _add_lines(source: Source) -> None:
    codec, data = pack(LINES)
    SourceChunk.objects.create(
        source=source, offset=len(LINES), size=len(LINES), first_line=901, line_count=900, sha256="", codec=codec,
        data=data,
    )  # fmt: skip
    Source.objects.filter(pk=source.pk).update(read_offset=2 * len(LINES))


def _set(row: Any, **values: Any) -> Any:
    assert type(row).objects.filter(pk=row.pk).update(**values) == 1
    return row


def _remove_rows(model: type[Model], **filters: Any) -> None:
    """As SQL would, past what Django does for rows that point there."""
    rows: Any = model._default_manager.filter(**filters)
    assert rows._raw_delete(rows.db)


def raise_session(scene: Scene) -> Any:
    return _set(scene.session, sealed_seq=scene.random.randrange(10, scene.session.last_seq + 1))


def lower_session(scene: Scene) -> Any:
    return _set(scene.session, sealed_seq=scene.random.randrange(9))


def raise_new_session(scene: Scene) -> Any:
    return _set(scene.new_session, sealed_seq=scene.random.randrange(1, 6))


def seal_beyond_gap(scene: Scene) -> Any:
    """What lies before it is never sealed, and the program itself goes on after it."""
    raised = scene.random.randrange(10, scene.session.last_seq)
    _set(scene.session, sealed_seq=raised)
    assert sum(seal_session(scene.session.pk, actor=SYSTEM))
    return scene.session


def seal_anew_after_edit(scene: Scene) -> Any:
    """The program itself seals what was changed."""
    change_text(scene)
    _set(scene.session, sealed_seq=0)
    assert sum(seal_session(scene.session.pk, actor=SYSTEM))
    return scene.session


def cut_session(scene: Scene) -> Any:
    return _set(scene.session, last_seq=scene.random.randrange(9))


def move_source(scene: Scene) -> Any:
    sealed = scene.random.choice([0, 1, len(LINES) - 1, len(LINES) + 1, 2 * len(LINES)])
    return _set(scene.source, sealed_size=sealed)


def raise_new_source(scene: Scene) -> Any:
    return _set(scene.new_source, sealed_size=scene.random.randrange(1, len(LINES) + 1))


def cut_source(scene: Scene) -> Any:
    return _set(scene.source, read_offset=scene.random.randrange(len(LINES)))


def move_terminal(scene: Scene) -> Any:
    sealed = scene.terminal.sealed_size + scene.random.choice([-1, 1, -scene.terminal.sealed_size])
    return _set(scene.terminal, sealed_size=sealed)


def raise_new_terminal(scene: Scene) -> Any:
    return _set(scene.new_terminal, sealed_size=scene.new_terminal.size)


def cut_terminal(scene: Scene) -> Any:
    return _set(scene.terminal, size=scene.random.randrange(scene.terminal.sealed_size))


def delete_session(scene: Scene) -> Any:
    """With all that was in it."""
    for model in (ToolCall, Message, Event):
        _remove_rows(model, session=scene.session)
    _remove_rows(AgentSession, pk=scene.session.pk)
    return scene.session


def delete_row_alone(scene: Scene) -> Any:
    """What was sealed stays, and no page leads to it."""
    row = scene.random.choice([scene.session, scene.source, scene.terminal])
    _remove_rows(type(row), pk=row.pk)
    return row


def _segments(scene: Scene) -> list[TerminalSegment]:
    found = list(TerminalSegment.objects.filter(terminal=scene.terminal).order_by("offset"))
    assert len(found) > 2
    return scene.random.sample(found, len(found))


def delete_segment(scene: Scene) -> Any:
    _remove_rows(TerminalSegment, pk=_segments(scene)[0].pk)
    return scene.terminal


def delete_last_segment_and_figures(scene: Scene) -> Any:
    last = TerminalSegment.objects.filter(terminal=scene.terminal).latest("offset")
    _remove_rows(TerminalChunk, terminal=scene.terminal)
    _remove_rows(TerminalSegment, pk=last.pk)
    return _set(scene.terminal, sealed_size=last.offset, size=last.offset)


def swap_segments(scene: Scene) -> Any:
    one, other = _segments(scene)[:2]
    columns = ("size", "first_us", "last_us", "timing", "data", "codec", "sha256")
    for target, origin in ((one, other), (other, one)):
        values = {name: getattr(origin, name) for name in columns}
        TerminalSegment.objects.filter(pk=target.pk).update(**values)
    return scene.terminal


def add_output(scene: Scene) -> Any:
    """Whoever reads from there on gets it instead of what was sealed."""
    model: Any = scene.random.choice([TerminalSegment, TerminalChunk])
    codec, data = pack(b"no, that was never said")
    stored = {"data": data, "codec": codec, "sha256": ""} if model is TerminalSegment else {"data": b"n" * 23}
    offset = _segments(scene)[0].offset + scene.random.randrange(1, 200)
    model.objects.create(
        terminal=scene.terminal, offset=offset, size=23, first_us=1, last_us=1, timing=b"", **stored
    )
    return scene.terminal


def change_text(scene: Scene) -> Any:
    message = Message.objects.filter(session=scene.session, seq__lte=9).order_by("seq").first()
    assert message is not None
    return _set(message, text=f"no {scene.random.random()}").session


def change_place(scene: Scene) -> Any:
    event = Event.objects.filter(session=scene.session, seq__lte=9).order_by("seq").first()
    assert event is not None
    _set(event, seq=scene.random.choice([-1, 0, 1, 99]))
    return scene.session


def change_lines(scene: Scene) -> Any:
    plain = bytearray(LINES)
    plain[scene.random.randrange(len(plain))] ^= 1
    codec, data = pack(bytes(plain))
    changed = SourceChunk.objects.filter(source=scene.source, offset=0).update(codec=codec, data=data)
    assert changed == 1
    return scene.source


def edit_seal(scene: Scene) -> LogDamage:
    """What its entry says, perhaps with the leaves and the tree made to fit: then all that was signed is left."""
    action = scene.random.choice(["session.sealed", "source.sealed", "terminal.sealed"])
    idx = Entry.objects.filter(action=action).values_list("idx", flat=True).latest("idx")
    edit_body(LogScene(scene.random, idx, Log.objects.get().size))
    if scene.random.random() < 0.5:
        return LogDamage(idx, idx, frozenset({"leaves", "signatures", "consistency"}))
    recompute()
    signed = Checkpoint.objects.filter(size__lte=idx).latest("size").size
    return LogDamage(signed, idx, frozenset({"signatures", "consistency"}))


def delete_seal_and_figures(scene: Scene) -> LogDamage:
    """The newest entries go and the rows say that nothing was sealed."""
    newest = Entry.objects.filter(action="source.sealed").latest("idx")
    Entry.objects.filter(idx__gte=newest.idx).delete()
    Checkpoint.objects.filter(size__gt=newest.idx).delete()
    recompute()
    _set(scene.source, sealed_size=0)
    return LogDamage(newest.idx, newest.idx, frozenset({"consistency"}))


ATTACKS: tuple[Attack, ...] = (
    raise_session, lower_session, raise_new_session, seal_beyond_gap, seal_anew_after_edit, cut_session, move_source,
    raise_new_source, cut_source, move_terminal, raise_new_terminal, cut_terminal, delete_session, delete_row_alone,
    delete_segment, delete_last_segment_and_figures, swap_segments, add_output, change_text, change_place, change_lines,
    edit_seal, delete_seal_and_figures,
)  # fmt: skip
