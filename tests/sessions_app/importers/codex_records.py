"""Records of a rollout, made as Codex writes them, for the tests of its parser."""

from collections import Counter
from pathlib import Path
from typing import Any

from sessions_app.drafts import Place
from sessions_app.importers.codex import FORMAT
from tests.samples import sample
from tests.sessions_app.importers.driving import Outcome, drive, drive_file, lines

BIG = "rollout-2026-02-23T12-54-34-019c8a59-e9dd-71f0-9ae3-4079fe9726a9.jsonl"
SMALL = "rollout-2026-02-23T12-41-04-019c8a4d-8f45-7010-8b5d-7fad920aa6f9.jsonl"
FILES = [
    ("sessions", SMALL),
    ("misc", "agentsview-traex-rollout_subagent.jsonl"),
    ("misc", "es617-fixture-codex.jsonl"),
]
THREAD = "019c8a59-e9dd-71f0-9ae3-4079fe9726a9"
CHILD = "019c8a5b-0000-7000-8000-000000000001"
GRANDCHILD = "019c8a5c-0000-7000-8000-000000000002"


def rollout(*parts: str) -> Path:
    return sample("codex", *parts)


def stamp(second: float) -> str:
    return f"2026-02-23T12:{int(second // 60):02}:{second % 60:06.3f}Z"


def line(second: float, kind: str, **payload: Any) -> dict[str, Any]:
    return {"timestamp": stamp(second), "type": kind, "payload": payload}


def meta(thread: str = THREAD, **more: Any) -> dict[str, Any]:
    return line(
        0, "session_meta", id=thread, timestamp=stamp(0), cwd="/project", cli_version="0.50.0", **more
    )


def event(second: float, kind: str, **payload: Any) -> dict[str, Any]:
    return line(second, "event_msg", type=kind, **payload)


def item(second: float, kind: str, **payload: Any) -> dict[str, Any]:
    return line(second, "response_item", type=kind, **payload)


def said(second: float, role: str, text: str, **more: Any) -> dict[str, Any]:
    kind = "output_text" if role == "assistant" else "input_text"
    return item(second, "message", role=role, content=[{"type": kind, "text": text}], **more)


def usage(total: int, last: int, **more: Any) -> dict[str, Any]:
    def counts(number: int) -> dict[str, int]:
        return {
            "input_tokens": number - 1,
            "cached_input_tokens": number // 2,
            "output_tokens": 1,
            "total_tokens": number,
        }

    return {"total_token_usage": counts(total), "last_token_usage": counts(last), **more}


def read(*values: dict[str, Any], **options: Any) -> Outcome:
    return drive(FORMAT, lines(values), **options)


def read_file(path: Path, **options: Any) -> Outcome:
    with path.open("rb") as handle:
        assert FORMAT.recognises(str(path), handle.read(64 * 1024))
    return drive_file(FORMAT, path, **options)


def roles(outcome: Outcome) -> Counter[str]:
    return Counter(message.role for message in outcome.only.messages())


def numbered(found: list[tuple[Place, str]]) -> list[tuple[int, str]]:
    return [(place.line, reason) for place, reason in found]
