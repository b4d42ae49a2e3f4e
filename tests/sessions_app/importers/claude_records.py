"""Records as Claude Code writes them, with every key that the parser looks at."""

from typing import Any

from sessions_app.importers.claude_code import FORMAT
from tests.sessions_app.importers.driving import Outcome, WrittenSession, drive, lines

SESSION = "0f0e0d0c-0b0a-4908-8706-050403020100"
PATH = f"/home/dev/.claude/projects/-home-dev-app/{SESSION}.jsonl"


def at(second: int) -> str:
    return f"2026-05-04T10:{second // 60:02}:{second % 60:02}.250Z"


def record(kind: str, uuid: str | None, second: int, **more: Any) -> dict[str, Any]:
    made = {
        "parentUuid": None, "isSidechain": False, "userType": "external", "cwd": "/home/dev/app",
        "sessionId": SESSION, "version": "2.1.5", "gitBranch": "main", "type": kind, "uuid": uuid,
        "timestamp": at(second),
    }  # fmt: skip
    return {key: value for key, value in (made | more).items() if value is not None or key == "parentUuid"}


def user(uuid: str | None, second: int, content: Any, **more: Any) -> dict[str, Any]:
    return record("user", uuid, second, message={"role": "user", "content": content}, **more)


def assistant(
    uuid: str | None, second: int, *blocks: Any, message_id: str | None = None, output: int = 10, **more: Any
) -> dict[str, Any]:
    message = {
        "id": message_id or f"msg_{uuid}", "type": "message", "role": "assistant",
        "model": "claude-sonnet-4-5", "content": list(blocks), "stop_sequence": None,
        "stop_reason": more.pop("stop_reason", None),
        "usage": {
            "input_tokens": 3, "cache_creation_input_tokens": 20, "cache_read_input_tokens": 100,
            "output_tokens": output,
        },
    } | more.pop("message", {})  # fmt: skip
    return record("assistant", uuid, second, message=message, requestId=f"req_{message_id or uuid}", **more)


def text(content: str) -> dict[str, Any]:
    return {"type": "text", "text": content}


def call(call_id: str, name: str, **arguments: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": call_id, "name": name, "input": arguments}


def result(
    uuid: str, second: int, call_id: str, content: Any, *, details: Any = None, is_error: bool | None = None,
    **more: Any,
) -> dict[str, Any]:  # fmt: skip
    block = {"type": "tool_result", "tool_use_id": call_id, "content": content, "is_error": is_error}
    block = {key: value for key, value in block.items() if value is not None}
    return user(uuid, second, [block], toolUseResult=details, **more)


def read(*records: Any, **options: Any) -> Outcome:
    """Read these records as the file of SESSION."""
    return drive(FORMAT, lines(records), options.pop("path", PATH), **options)


def session_of(*records: Any, **options: Any) -> WrittenSession:
    return read(*records, **options).sessions[SESSION]
