"""Transcripts as Claude Code writes them, of any number of messages. Deterministic."""

import json
import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dashboard.lib.clock import ms_to_iso

# 2026-11-19T08:00:00Z
START_MS = 1_795_075_200_000
MESSAGES_PER_TURN = 10
_WORDS = (
    "session", "list", "parser", "reads", "a", "line", "from", "file", "writes", "rows", "into", "one", "table", "so",
    "that", "every", "page", "finds", "them", "again", "with", "an", "index", "when", "somebody", "opens", "it",
    "later", "while", "another", "process", "imports", "more", "of", "the", "same", "history", "test", "function",
    "returns", "value", "error", "column", "offset", "batch", "commit", "search", "token", "model", "call", "result",
    "output", "query", "cache",
)  # fmt: skip


@dataclass
class Transcript:
    """One session's records, in order. `bytes_per_message` is what a message takes on average, its calls included."""

    seed: int
    bytes_per_message: int = 3_300

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self.session = str(self._uuid())
        self._parent: str | None = None
        self._at_ms = START_MS
        self._count = 0

    def write(self, path: Path, messages: int) -> None:
        with path.open("wb") as file:
            for line in self.lines(messages):
                file.write(line)

    def lines(self, messages: int) -> Iterator[bytes]:
        """Records that make so many messages: prompts, replies with a tool call each, and what the tools gave."""
        for _ in range(messages):
            self._count += 1
            if self._count % MESSAGES_PER_TURN == 1:
                yield self.prompt(self._text(200))
            elif self._count % MESSAGES_PER_TURN == 0:
                yield self.reply([{"type": "text", "text": self._text(900)}], "end_turn")
            else:
                yield from self._call()

    def prompt(self, text: str) -> bytes:
        return self._record("user", {"role": "user", "content": text})

    def reply(self, content: list[dict[str, Any]], stop_reason: str) -> bytes:
        usage = {"input_tokens": 12, "output_tokens": 240, "cache_read_input_tokens": 31_000}
        message = {
            "id": f"msg_{self._random.getrandbits(96):024x}", "type": "message", "role": "assistant",
            "model": "claude-opus-4-8", "content": content, "stop_reason": stop_reason, "usage": usage,
        }  # fmt: skip
        return self._record("assistant", message)

    def _call(self) -> Iterator[bytes]:
        call = f"toolu_{self._random.getrandbits(96):024x}"
        command = {"command": f"grep -rn {self._random.choice(_WORDS)} src/", "description": self._text(60)}
        yield self.reply(
            [
                {"type": "text", "text": self._text(300)},
                {"type": "tool_use", "id": call, "name": "Bash", "input": command},
            ],
            "tool_use",
        )
        # Most outputs are short; a few are longer than a row holds.
        size = min(200_000, int(self._random.paretovariate(1.3) * self.bytes_per_message * 0.21))
        result = {"tool_use_id": call, "type": "tool_result", "content": self._text(size), "is_error": False}
        yield self._record("user", {"role": "user", "content": [result]})

    def _record(self, kind: str, message: dict[str, Any]) -> bytes:
        identity = str(self._uuid())
        self._at_ms += self._random.randrange(500, 9_000)
        record = {
            "parentUuid": self._parent, "isSidechain": False, "userType": "external", "cwd": "/home/ada/work/console",
            "sessionId": self.session, "version": "2.1.33", "gitBranch": "main", "type": kind, "message": message,
            "uuid": identity, "timestamp": ms_to_iso(self._at_ms),
        }  # fmt: skip
        self._parent = identity
        return json.dumps(record, separators=(",", ":")).encode() + b"\n"

    def _text(self, size: int) -> str:
        words = self._random.choices(_WORDS, k=max(1, size // 6))
        lines = (" ".join(words[start : start + 14]) for start in range(0, len(words), 14))
        return "\n".join(lines)

    def _uuid(self) -> uuid.UUID:
        return uuid.UUID(int=self._random.getrandbits(128), version=4)
