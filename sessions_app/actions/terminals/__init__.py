"""Terminals: opening one, appending what its program wrote, sealing it, reading it back.

Chunks hold live output as it was committed. Once there is enough, they are replaced in one transaction by a
segment, compressed and never changed again, so a reader always finds every byte exactly once: offsets below
`Terminal.sealed_size` in segments, the others in chunks.
"""

from sessions_app.actions.terminals.closing import mark_lost
from sessions_app.actions.terminals.marking import add_marker
from sessions_app.actions.terminals.opening import NewTerminal, NoSuchSession, open_terminal
from sessions_app.actions.terminals.output import OffsetMismatch, TerminalEnded, append_output
from sessions_app.actions.terminals.recording import write_recording
from sessions_app.actions.terminals.sealing import seal

__all__ = [
    "NewTerminal",
    "NoSuchSession",
    "OffsetMismatch",
    "TerminalEnded",
    "add_marker",
    "append_output",
    "mark_lost",
    "open_terminal",
    "seal",
    "write_recording",
]
