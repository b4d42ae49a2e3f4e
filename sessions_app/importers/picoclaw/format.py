"""How picoclaw's files are found and recognised."""

import os
import re
from typing import Any

from sessions_app.drafts import Parser, SkipLine, SourceFacts
from sessions_app.importers.json_lines import decode_object
from sessions_app.importers.picoclaw.conversation import AGENT
from sessions_app.importers.picoclaw.parser import DocumentParser, LinesParser, meta_path

_ROLES = frozenset({"user", "assistant", "system", "tool"})
# Other programs' records have a role and a content as well, but one of these beside them.
_FOREIGN = frozenset({"type", "payload", "uuid", "sessionId", "message", "id", "timestamp"})
_LINES_LOOKED_AT = 20
_LONG_FIRST_LINE = re.compile(
    rb'\s*\{\s*"role"\s*:\s*"(?:user|assistant|system|tool)"\s*,\s*"content"\s*:\s*"'
)
_DOCUMENT = re.compile(rb'\s*\{\s*"key"\s*:\s*"(?:[^"\\]|\\.)*"\s*,\s*"messages"\s*:\s*(?:\[|null)')


class PicoclawFormat:
    name = AGENT
    version = 1
    is_document = False
    is_recording = False

    def recognises(self, path: str, head: bytes) -> bool:
        if not path.endswith(".jsonl"):
            return False
        lines = head.split(b"\n")
        if len(lines) == 1 and _LONG_FIRST_LINE.match(head):
            return True
        return any(_is_message(line) for line in lines[:_LINES_LOOKED_AT])

    def companions(self, path: str) -> list[str]:
        return [meta_path(path)]

    def parser(self, facts: SourceFacts, state: dict[str, Any]) -> Parser:
        return LinesParser(facts, state)

    def default_roots(self, environment: dict[str, str], home: str) -> list[str]:
        workspace = environment.get("PICOCLAW_WORKSPACE") or os.path.join(home, ".picoclaw", "workspace")
        return [os.path.join(workspace, "sessions")]


class LegacyFormat(PicoclawFormat):
    name = "picoclaw-json"
    is_document = True

    def recognises(self, path: str, head: bytes) -> bool:
        return path.endswith(".json") and not path.endswith(".meta.json") and bool(_DOCUMENT.match(head))

    def companions(self, path: str) -> list[str]:
        return []

    def parser(self, facts: SourceFacts, state: dict[str, Any]) -> Parser:
        return DocumentParser(facts)


def _is_message(line: bytes) -> bool:
    try:
        message = decode_object(line)
    except SkipLine:
        return False
    role = message.get("role")
    return isinstance(role, str) and role in _ROLES and "content" in message and not _FOREIGN & message.keys()


FORMAT = PicoclawFormat()
LEGACY_FORMAT = LegacyFormat()
