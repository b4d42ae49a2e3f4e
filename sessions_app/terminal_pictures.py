"""Small pictures of terminals: the last lines of their output as plain text."""

from collections.abc import Sequence
from dataclasses import dataclass

from sessions_app.actions.terminals.reading import read_tails
from sessions_app.models import Terminal
from sessions_app.terminal.plaintext import picture

# Of the output: a screen full of colours and cursor movements fits in it.
PICTURE_BYTES = 16 * 1024


@dataclass(frozen=True)
class TerminalPicture:
    """What sessions_app/terminals/_picture.html draws."""

    terminal: Terminal
    text: str


def pictures_of(terminals: Sequence[Terminal]) -> list[TerminalPicture]:
    """In the order of `terminals`, with two queries for all of them."""
    tails = read_tails({terminal.pk: terminal.size for terminal in terminals}, PICTURE_BYTES)
    return [
        TerminalPicture(
            terminal, "\n".join(picture(tails[terminal.pk], is_cut=terminal.size > PICTURE_BYTES))
        )
        for terminal in terminals
    ]
