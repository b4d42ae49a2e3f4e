"""What a program wrote, in a file: its bytes (`ansi`) or its lines (`text`), as `scrollback export` writes them.

Any file could be one, so none is recognised: the format is asked for by name. A file says neither when anything was
written nor in a window of which size, so all of it stands at the beginning, at the time of the file.
"""

import os
from hashlib import blake2b
from typing import Any, Final

from sessions_app.actions.terminals.drafts import DraftMasker
from sessions_app.drafts import Draft, Parser, Place, SourceFacts, TerminalDraft

_COLS: Final = 80
_MOST_COLS: Final = 240
_ROWS: Final = 24
_ITEM_BYTES: Final = 65_536


class OutputParser:
    """Makes one terminal of a whole file."""

    def __init__(self, facts: SourceFacts, *, is_text: bool) -> None:
        self._facts = facts
        self._is_text = is_text
        self.draft = Draft()

    def feed(self, line: bytes, place: Place) -> None:
        output = _as_written(line) if self._is_text else line
        draft = TerminalDraft(
            key=blake2b(line, digest_size=16).hexdigest(),
            title=os.path.basename(self._facts.path),
            command=[],
            cols=_width(line) if self._is_text else _COLS,
            rows=_ROWS,
            started_ms=self._facts.modified_ms,
            is_start_known=False,
            items=[("o", 0, output[at : at + _ITEM_BYTES]) for at in range(0, len(output), _ITEM_BYTES)],
            ended=True,
        )
        self.draft.terminals[draft.key] = draft
        masker = DraftMasker.make({})
        if masker:
            masker.mask(draft)

    def close_batch(self, *, following: bool) -> None:
        """Nothing is open in a document."""

    def state(self) -> dict[str, Any]:
        return {}


class AnsiFormat:
    name = "ansi"
    version = 1
    is_document = True
    is_recording = True
    _is_text = False

    def recognises(self, path: str, head: bytes) -> bool:
        return False

    def companions(self, path: str) -> list[str]:
        return []

    def parser(self, facts: SourceFacts, state: dict[str, Any]) -> Parser:
        return OutputParser(facts, is_text=self._is_text)

    def default_roots(self, environment: dict[str, str], home: str) -> list[str]:
        return []


class TextFormat(AnsiFormat):
    name = "text"
    _is_text = True


def _as_written(text: bytes) -> bytes:
    """As a terminal gets lines: each begins at its left edge."""
    return text.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def _width(text: bytes) -> int:
    """So wide that ordinary lines are not broken."""
    longest = max((len(line) for line in text.decode("utf-8", "replace").splitlines()), default=0)
    return min(max(longest, _COLS), _MOST_COLS)


ANSI_FORMAT = AnsiFormat()
TEXT_FORMAT = TextFormat()
