"""Claude Code as a format: which files are its own, and where they lie."""

import re
from typing import Any

from sessions_app.drafts import Parser, SkipLine, SourceFacts
from sessions_app.importers.claude_code.journal import ENTRY_TYPES, JournalParser
from sessions_app.importers.claude_code.layout import layout_of, sidecar_path
from sessions_app.importers.claude_code.reading import AGENT
from sessions_app.importers.claude_code.transcript import TYPES, TranscriptParser
from sessions_app.importers.json_lines import decode_object

_LINES_LOOKED_AT = 20
# A first line longer than the head can only be known by how such lines begin.
_BEGINNING = re.compile(rb'\{\s*"(parentUuid|type|uuid|isSidechain|leafUuid)"\s*:')


class ClaudeCodeFormat:
    name = AGENT
    version = 1
    is_document = False
    is_recording = False

    def recognises(self, path: str, head: bytes) -> bool:
        layout = layout_of(path)
        lines = head.removeprefix(b"\xef\xbb\xbf").split(b"\n")
        complete, rest = (lines[:-1], lines[-1]) if len(lines) > 1 else ([], lines[0])
        is_own = _is_journal_entry if layout.is_journal else _is_record
        decodable = 0
        for line in filter(None, map(bytes.strip, [*complete[:_LINES_LOOKED_AT], rest])):
            try:
                fields = decode_object(line)
            except SkipLine:
                continue
            decodable += 1
            if is_own(fields):
                return True
        if decodable or layout.is_journal:
            return False
        if rest and _BEGINNING.match(rest) and b'"sessionId"' in rest and b'"type"' in rest:
            return True
        # Nothing to read in it (empty, or garbage): it is ours when it lies where only ours lie.
        return bool(layout.session or layout.agent) and "/projects/" in path.replace("\\", "/")

    def companions(self, path: str) -> list[str]:
        sidecar = sidecar_path(path)
        return [sidecar] if sidecar else []

    def parser(self, facts: SourceFacts, state: dict[str, Any]) -> Parser:
        if layout_of(facts.path).is_journal:
            return JournalParser(facts, state)
        return TranscriptParser(facts, state)

    def default_roots(self, environment: dict[str, str], home: str) -> list[str]:
        folder = environment.get("CLAUDE_CONFIG_DIR") or f"{home.rstrip('/')}/.claude"
        return [f"{folder.rstrip('/')}/projects"]


def _is_record(fields: dict[str, Any]) -> bool:
    kind = fields.get("type")
    if not isinstance(kind, str) or kind not in TYPES:
        return False
    if fields["type"] == "summary":
        return "leafUuid" in fields
    if fields["type"] == "file-history-snapshot":
        return "snapshot" in fields
    return isinstance(fields.get("sessionId"), str) or ("parentUuid" in fields and "uuid" in fields)


def _is_journal_entry(fields: dict[str, Any]) -> bool:
    kind = fields.get("type")
    return isinstance(kind, str) and kind in ENTRY_TYPES and "agentId" in fields and "key" in fields


FORMAT = ClaudeCodeFormat()
