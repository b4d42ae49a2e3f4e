"""The parser of one transcript file: one record a line, sent to whoever reads its type."""

from collections.abc import Callable
from typing import Any

from sessions_app.drafts import Place, SkipLine, UnknownLine
from sessions_app.importers.claude_code import notes
from sessions_app.importers.claude_code.persisted import awaited_paths, take_awaited
from sessions_app.importers.claude_code.prompts import read_user
from sessions_app.importers.claude_code.reading import Reading
from sessions_app.importers.claude_code.records import Record, record_of
from sessions_app.importers.claude_code.replies import read_assistant
from sessions_app.importers.claude_code.standing import settle
from sessions_app.importers.claude_code.system import read_system
from sessions_app.importers.json_lines import brief

_NOTES: dict[str, Callable[[Reading, Record, bytes, Place], None]] = {
    "system": read_system,
    "attachment": notes.read_attachment,
    "progress": notes.read_progress,
    "summary": notes.read_summary,
    "custom-title": notes.read_title,
    "ai-title": notes.read_title,
    "agent-name": notes.read_agent_name,
    "mode": notes.read_setting,
    "permission-mode": notes.read_setting,
    "agent-setting": notes.read_setting,
    "file-history-snapshot": notes.read_snapshot,
    "pr-link": notes.read_pull_request,
    "queue-operation": notes.read_queue,
}
# Bookkeeping of the program itself: known, and nothing for a timeline.
_SILENT = frozenset(
    {
        "last-prompt", "bridge-session", "agent-color", "tag", "worktree-state", "content-replacement",
        "task-summary", "attribution-snapshot", "speculation-accept",
        "marble-origami-commit", "marble-origami-snapshot", "context-collapse-commit",
        "context-collapse-snapshot",
    }
)  # fmt: skip
TYPES = frozenset({"user", "assistant", *_NOTES, *_SILENT})


class TranscriptParser(Reading):
    """Implements `drafts.Parser` and `drafts.AwaitsFiles`."""

    def feed(self, line: bytes, place: Place) -> None:
        if not line.strip():
            return
        record = record_of(line)
        if record.type == "assistant":
            read_assistant(self, record, place)
        elif record.type == "user":
            read_user(self, record, place)
        else:
            self._feed_other(record, line, place)

    def _feed_other(self, record: Record, line: bytes, place: Place) -> None:
        if type(record.type) is not str:
            raise SkipLine("a record without a type")
        read = _NOTES.get(record.type)
        if read is not None:
            read(self, record, line, place)
        elif record.type not in _SILENT:
            raise UnknownLine(f'record of unknown type "{brief(record.type, 60)}"')

    def close_batch(self, *, following: bool) -> None:
        take_awaited(self)
        for session in self.memory.sessions.values():
            settle(session, following=following)
        self.forget_batch()

    def awaited(self) -> list[str]:
        return awaited_paths(self)

    def state(self) -> dict[str, Any]:
        return self.memory.state()
