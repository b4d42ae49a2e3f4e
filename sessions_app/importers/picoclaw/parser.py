"""Reads the two files that picoclaw keeps conversations in."""

import os
from typing import Any

from sessions_app.drafts import Draft, Place, SkipLine, SourceFacts, UnknownLine
from sessions_app.importers.json_lines import decode_object, list_of
from sessions_app.importers.picoclaw.conversation import Conversation
from sessions_app.importers.picoclaw.meta import meta_of, read_meta

# Lines without a row are remembered to count the hidden rows right; a file with more of them is garbage.
_MOST_LOST = 1000
_MOST_SKIPPED = 1000


def meta_path(path: str) -> str:
    return f"{path.removesuffix('.jsonl')}.meta.json"


def _name_of(path: str) -> str:
    return os.path.basename(path).removesuffix(".jsonl").removesuffix(".json")[:200]


class LinesParser:
    """Reads `<key>.jsonl`; lines are hidden by the count in the meta."""

    def __init__(self, facts: SourceFacts, state: dict[str, Any]) -> None:
        meta = read_meta(facts.companions.get(os.path.basename(meta_path(facts.path))))
        self._conversation = Conversation(
            meta, _name_of(facts.path), facts.modified_ms, state.get("conversation", {})
        )
        # Lines that are not empty, as picoclaw counts them, and those among them that gave no row.
        self._lines: int = state.get("lines", 0)
        self._lost: list[int] = list(state.get("lost", []))

    @property
    def draft(self) -> Draft:
        return self._conversation.draft

    @draft.setter
    def draft(self, draft: Draft) -> None:
        self._conversation.replace_draft(draft)

    def state(self) -> dict[str, Any]:
        return {"conversation": self._conversation.state(), "lines": self._lines, "lost": self._lost}

    def feed(self, line: bytes, place: Place) -> None:
        if not line or line.isspace():
            return
        self._lines += 1
        try:
            is_hidden = self._lines <= self._conversation.meta.skip
            self._conversation.add(decode_object(line), place, is_hidden=is_hidden)
            for remark in self._conversation.remarks:
                self.draft.remark(place, remark)
        except SkipLine:
            if len(self._lost) < _MOST_LOST:
                self._lost.append(self._lines)
            raise

    def close_batch(self, *, following: bool) -> None:
        skip = self._conversation.meta.skip
        hidden = min(skip, self._lines) - sum(1 for number in self._lost if number <= skip)
        # Without a skip nothing is said: what was hidden before a file was compacted stays so.
        self._conversation.describe(hidden if skip else None, following=following)


class DocumentParser:
    """Reads the older `<key>.json`, which is written anew as a whole."""

    def __init__(self, facts: SourceFacts) -> None:
        self._facts = facts
        self.draft = Draft()

    def feed(self, line: bytes, place: Place) -> None:
        document = decode_object(line)
        if not isinstance(document.get("messages"), list):
            raise SkipLine("no list of messages")
        meta = meta_of(document, "created", "updated")
        meta.skip, meta.scope = 0, {}
        conversation = Conversation(meta, _name_of(self._facts.path), self._facts.modified_ms, {})
        conversation.replace_draft(self.draft)
        for position, message in enumerate(list_of(document.get("messages")), 1):
            self._add(conversation, message, position, place)
        conversation.describe(None, following=False)

    def _add(self, conversation: Conversation, message: object, position: int, place: Place) -> None:
        """One message of the document: a broken one does not stop the others."""
        at = place._replace(line=position)
        try:
            if not isinstance(message, dict):
                raise SkipLine("not a JSON object")
            conversation.add(message, place, is_hidden=False)
            if conversation.remarks and len(self.draft.unknown) < _MOST_SKIPPED:
                self.draft.remark(at, f"message {position}: {'; '.join(conversation.remarks)}")
        except UnknownLine as unknown:
            if len(self.draft.unknown) < _MOST_SKIPPED:
                self.draft.unknown.append((at, f"message {position}: {unknown}"))
        except SkipLine as skipped:
            if len(self.draft.skipped) < _MOST_SKIPPED:
                self.draft.skipped.append((at, f"message {position}: {skipped}"))

    def close_batch(self, *, following: bool) -> None:
        """A document is complete when it is written."""

    def state(self) -> dict[str, Any]:
        return {}
