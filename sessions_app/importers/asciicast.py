"""Recordings of terminals: asciicast 1 (a document), 2 and 3 (lines that may still be appended)."""

from hashlib import blake2b
from typing import Any

from sessions_app.actions.terminals.detecting import masked_text
from sessions_app.actions.terminals.drafts import DraftMasker
from sessions_app.drafts import Draft, Parser, Place, SkipLine, SourceFacts, TerminalDraft, UnknownLine
from sessions_app.terminal.asciicast.events import event_text
from sessions_app.terminal.asciicast.header import detect_version
from sessions_app.terminal.asciicast.model import Event, Exit, Header, Input, Item, Malformed, Output
from sessions_app.terminal.asciicast.reader import Reader
from sessions_app.terminal.asciicast.v1 import read_document

_MOST_SKIPPED = 1000


class _Recording:
    """The terminal that a file holds: what its header says, and the items of the current batch."""

    def __init__(self, modified_ms: int, state: dict[str, Any], masking: dict[str, str]) -> None:
        self.draft = Draft()
        self.masker = DraftMasker.make(masking)
        self._modified_ms = modified_ms
        # The fields of TerminalDraft that the header gives; empty before it was read.
        self.facts: dict[str, Any] = state

    def open(self, header: Header, head: bytes) -> None:
        """`head` names the recording: the bytes that its file begins with, wherever that lies."""
        started_ms = header.timestamp_ms
        title, command = masked_text(header.title or ""), masked_text(header.command or "")
        environment = {name: masked_text(value) for name, value in header.env.items()}
        self.facts = {
            "key": blake2b(head, digest_size=16).hexdigest(),
            "title": title,
            # The format has a shell's line here, not an argument vector.
            "command": [command] if command else [],
            "cols": header.cols,
            "rows": header.rows,
            "started_ms": self._modified_ms if started_ms is None else started_ms,
            "is_start_known": started_ms is not None,
            "environment": environment,
        }
        shown = (header.title or "", header.command or "", header.env)
        self.terminal().is_masked = (title, command, environment) != shown

    def terminal(self) -> TerminalDraft:
        key = self.facts["key"]
        found = self.draft.terminals.get(key)
        if found is None:
            found = self.draft.terminals[key] = TerminalDraft(**self.facts)
        return found

    def mask(self) -> None:
        """Mask what this batch adds."""
        draft = self.draft.terminals.get(self.facts.get("key", ""))
        if self.masker and draft:
            self.masker.mask(draft)

    def add(self, item: Item) -> None:
        """Raises SkipLine for what is no event."""
        if isinstance(item, Output):
            self.terminal().items.append(("o", item.time_us, item.data))
        elif isinstance(item, Malformed):
            raise SkipLine(item.reason)
        elif isinstance(item, Input):
            self.terminal().items.append(("i", item.time_us, item.data))
        else:
            code, text = event_text(item)
            terminal = self.terminal()
            terminal.items.append((code, item.time_us, text.encode()))
            terminal.ended |= isinstance(item, Exit)

    def add_all(self, events: list[Event]) -> None:
        taken = self.terminal().items
        for event in events:
            if isinstance(event, Output):
                taken.append(("o", event.time_us, event.data))
            else:
                self.add(event)


class LinesParser:
    """Reads asciicast v2 and v3."""

    def __init__(self, facts: SourceFacts, state: dict[str, Any]) -> None:
        self._reader = Reader(state.get("reader"))
        self._recording = _Recording(facts.modified_ms, state.get("recording", {}), state.get("masking", {}))

    @property
    def draft(self) -> Draft:
        return self._recording.draft

    @draft.setter
    def draft(self, draft: Draft) -> None:
        self._recording.draft = draft

    def feed(self, line: bytes, place: Place) -> None:
        reader, recording = self._reader, self._recording
        unknown_before = reader.unknown_events
        item = reader.feed(line)
        if item is not None:
            recording.add(item)
        elif reader.header is not None and not recording.facts:
            recording.open(reader.header, line)
            recording.terminal()
        elif reader.unknown_events > unknown_before:
            raise UnknownLine("event with an unknown code")

    def feed_lines(self, lines: bytes, count: int) -> bool:
        """Take whole lines at once; False, and nothing taken, when each is to be fed alone."""
        items = self._reader.feed_lines(lines, count) if self._recording.facts else None
        if items is None:
            return False
        self._recording.add_all(items)
        return True

    def close_batch(self, *, following: bool) -> None:
        """A recording has no status of its own: its terminal is live until its exit is recorded."""
        self._recording.mask()

    def state(self) -> dict[str, Any]:
        return {
            "reader": self._reader.state(),
            "recording": self._recording.facts,
            "masking": self._recording.masker.state() if self._recording.masker else {},
        }


class DocumentParser:
    """Reads asciicast v1, which is complete when it is written."""

    def __init__(self, facts: SourceFacts) -> None:
        self._modified_ms = facts.modified_ms
        self.draft = Draft()

    def feed(self, line: bytes, place: Place) -> None:
        header, items = read_document(line)
        if header is None:
            raise SkipLine(next((item.reason for item in items if isinstance(item, Malformed)), "no header"))
        recording = _Recording(self._modified_ms, {}, {})
        recording.draft = self.draft
        recording.open(header, line)
        for position, item in enumerate(items, 1):
            try:
                recording.add(item)
            except SkipLine as skipped:
                # The document is one line of the source; its items are told apart by their position.
                if len(self.draft.skipped) < _MOST_SKIPPED:
                    self.draft.skipped.append((place._replace(line=position), f"item {position}: {skipped}"))
        recording.terminal().ended = True
        recording.mask()

    def close_batch(self, *, following: bool) -> None:
        """Nothing is open in a document."""

    def state(self) -> dict[str, Any]:
        return {}


class LinesFormat:
    name = "asciicast"
    version = 1
    is_document = False
    is_recording = True

    def recognises(self, path: str, head: bytes) -> bool:
        return detect_version(head) in (2, 3)

    def companions(self, path: str) -> list[str]:
        return []

    def parser(self, facts: SourceFacts, state: dict[str, Any]) -> Parser:
        return LinesParser(facts, state)

    def default_roots(self, environment: dict[str, str], home: str) -> list[str]:
        """Recorders write where they are told to: there is no one place to look."""
        return []


class DocumentFormat(LinesFormat):
    name = "asciicast-v1"
    is_document = True

    def recognises(self, path: str, head: bytes) -> bool:
        return detect_version(head) == 1

    def parser(self, facts: SourceFacts, state: dict[str, Any]) -> Parser:
        return DocumentParser(facts)


FORMAT = LinesFormat()
DOCUMENT_FORMAT = DocumentFormat()
