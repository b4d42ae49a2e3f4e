"""Where a viewer, or a question about a moment, starts from."""

import uuid

from sessions_app.models import TerminalKeyframe


def keyframe_before(terminal_id: uuid.UUID, offset: int, *, heavy: bool = False) -> TerminalKeyframe | None:
    """The last screen at or before `offset`; with `heavy` the last one with scrollback. None: from the start."""
    found = TerminalKeyframe.objects.filter(terminal_id=terminal_id, offset__lte=offset)
    return (found.filter(is_heavy=True) if heavy else found).order_by("-offset", "-is_heavy").first()
