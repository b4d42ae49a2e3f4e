"""How rollouts are found and recognised."""

import os
import re
from typing import Any

from sessions_app.drafts import Parser, SkipLine, SourceFacts
from sessions_app.importers.codex.parser import CodexParser
from sessions_app.importers.codex.vocabulary import AGENT
from sessions_app.importers.json_lines import decode_object

_ROLLOUT = re.compile(
    r"rollout-[0-9T:-]+-([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.jsonl(?:\.zst)?", re.ASCII
)
_LINE_TYPES = frozenset({"session_meta", "response_item", "event_msg", "turn_context", "compacted"})
# A head whose first line is longer than the head itself.
_LONG_FIRST_LINE = re.compile(
    rb'\{"timestamp":"[^"]{10,40}",(?:"ordinal":\d+,)?"type":"session_meta","payload":\{'
)
_LINES_LOOKED_AT = 20


class CodexFormat:
    name = AGENT
    version = 1
    is_document = False
    is_recording = False

    def recognises(self, path: str, head: bytes) -> bool:
        if not path.endswith((".jsonl", ".jsonl.zst")):
            return False
        if _LONG_FIRST_LINE.match(head):
            return True
        lines = head.split(b"\n")[:_LINES_LOOKED_AT]
        # Nobody else names a file like this: garbage in it is a history that was damaged.
        return any(_is_record(line) for line in lines) or (bool(_id_in_name(path)) and bool(head.strip()))

    def companions(self, path: str) -> list[str]:
        return []

    def parser(self, facts: SourceFacts, state: dict[str, Any]) -> Parser:
        name = os.path.basename(facts.path)
        fallback_id = _id_in_name(facts.path) or name.removesuffix(".zst").removesuffix(".jsonl")
        return CodexParser(fallback_id, facts.modified_ms, state)

    def default_roots(self, environment: dict[str, str], home: str) -> list[str]:
        base = environment.get("CODEX_HOME") or os.path.join(home, ".codex")
        return [os.path.join(base, "sessions"), os.path.join(base, "archived_sessions")]


def _id_in_name(path: str) -> str:
    found = _ROLLOUT.fullmatch(os.path.basename(path))
    return found[1] if found else ""


def _is_record(line: bytes) -> bool:
    try:
        record = decode_object(line)
    except SkipLine:
        return False
    return record.get("type") in _LINE_TYPES and isinstance(record.get("payload"), dict)


FORMAT = CodexFormat()
