"""Keyframes as the engine would make them, for tests of what is done with them."""

from sessions_app.actions.terminals.reading import events_before, size_at
from sessions_app.models import Terminal, TerminalKeyframe
from sessions_app.models.blob import pack


def keyframe_text(offset: int, size: int = 0) -> bytes:
    """What the screen of this offset is taken to be."""
    return b"<screen at %d>" % offset + b"." * max(0, size - len(b"<screen at %d>" % offset))


def make_keyframe(
    terminal: Terminal,
    offset: int,
    *,
    is_heavy: bool = False,
    at_us: int = 0,
    size: int = 0,
    event: int | None = None,
) -> TerminalKeyframe:
    """A row whose data is `keyframe_text` of its offset; after the events before the offset, unless told."""
    text = keyframe_text(offset, size)
    codec, data = pack(text)
    cols, rows = size_at(terminal, offset)
    return TerminalKeyframe.objects.create(
        terminal=terminal,
        offset=offset,
        event=events_before(terminal.pk, offset) if event is None else event,
        at_us=at_us,
        cols=cols,
        rows=rows,
        is_heavy=is_heavy,
        size=len(text),
        codec=codec,
        data=data,
    )
