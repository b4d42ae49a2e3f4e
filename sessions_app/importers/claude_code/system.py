"""System records: what the program did or met, by subtype."""

from collections.abc import Callable
from typing import Any

from sessions_app.drafts import MAIN_RUN, Place, UnknownLine
from sessions_app.importers.claude_code.reading import Entry, Reading
from sessions_app.importers.claude_code.records import Record
from sessions_app.importers.claude_code.rows import document_of, write_note
from sessions_app.importers.claude_code.wording import command_text
from sessions_app.importers.json_lines import brief, decode_object, list_of, mapping_of, text_of, whole_of


def read_system(reading: Reading, record: Record, line: bytes, place: Place) -> None:
    fields = decode_object(line)
    subtype = text_of(fields.get("subtype"))
    content = text_of(fields.get("content"))
    write = _SYSTEM.get(subtype)
    if write is None and not content.strip():
        raise UnknownLine(f'system record of unknown subtype "{brief(subtype, 60)}"')
    entry = reading.enter(record, place)
    if entry is not None:
        if not isinstance(fields.get("content"), str | None):
            reading.draft.remark(place, "its content is no text")
        (write or _notice)(entry, fields, content)


def _compacted(entry: Entry, fields: dict[str, Any], content: str) -> None:
    details = mapping_of(fields.get("compactMetadata") or fields.get("microcompactMetadata"))
    trigger, before = text_of(details.get("trigger")), whole_of(details.get("preTokens"))
    parts = [trigger] if trigger else []
    parts += [f"{before:,} tokens before"] if before is not None else []
    text = "Context compacted" + (f" ({', '.join(parts)})" if parts else "")
    entry.event("session.compacted", text, document_of(details))


def _turn_ended(entry: Entry, fields: dict[str, Any], content: str) -> None:
    took = whole_of(fields.get("durationMs"))
    text = f"Turn took {took / 1000:,.1f} s" if took is not None else "Turn ended"
    entry.event("turn.ended", text, document_of({"durationMs": took}))
    entry.run.stands("ended", entry.at_ms)


def _api_error(entry: Entry, fields: dict[str, Any], content: str) -> None:
    error = mapping_of(fields.get("error"))
    inner = mapping_of(mapping_of(error.get("error")).get("error")) or mapping_of(error.get("error"))
    status, message = (
        whole_of(error.get("status")),
        text_of(inner.get("message")) or text_of(error.get("message")),
    )
    attempt, most = whole_of(fields.get("retryAttempt")), whole_of(fields.get("maxRetries"))
    text = " ".join(
        part for part in ("API error", str(status) if status is not None else "", message or content) if part
    )
    if attempt is not None and most is not None:
        text = f"{brief(text, 200)}, attempt {attempt} of {most}"
    details = {name: fields.get(name) for name in ("error", "retryInMs", "retryAttempt", "maxRetries")}
    entry.event("error.reported", text, document_of(details))
    retries = attempt is not None and most is not None and attempt < most
    entry.run.stands("retry" if retries else "error", entry.at_ms, brief(text, 160))


def _hook_ran(entry: Entry, fields: dict[str, Any], content: str) -> None:
    names = [text_of(mapping_of(hook).get("command")) for hook in list_of(fields.get("hookInfos"))]
    errors = [text_of(error) for error in list_of(fields.get("hookErrors"))]
    text = "Stop hook: " + ", ".join(filter(None, names)) if any(names) else "Stop hooks ran"
    text += f" ({len(errors)} failed)" if errors else ""
    details = {
        name: fields.get(name)
        for name in (
            "hookCount",
            "hookInfos",
            "hookErrors",
            "preventedContinuation",
            "stopReason",
            "hasOutput",
        )
    }
    entry.event("hook.ran", text, document_of(details))


def _local_command(entry: Entry, fields: dict[str, Any], content: str) -> None:
    if content.lstrip().startswith(("<command-", "<bash-input>")):
        write_note(entry, "command", command_text(content)[0])
    else:
        write_note(entry, "context", content)


def _notice(entry: Entry, fields: dict[str, Any], content: str) -> None:
    write_note(entry, "notice", content)


def _away_summary(entry: Entry, fields: dict[str, Any], content: str) -> None:
    write_note(entry, "notice", content)
    if entry.run.key == MAIN_RUN and content.strip():
        entry.draft.summary = content


def _bridge(entry: Entry, fields: dict[str, Any], content: str) -> None:
    entry.event("record.noted", content or "Remote control", document_of({"url": fields.get("url")}))


_SYSTEM: dict[str, Callable[[Entry, dict[str, Any], str], None]] = {
    "compact_boundary": _compacted,
    "microcompact_boundary": _compacted,
    "turn_duration": _turn_ended,
    "api_error": _api_error,
    "stop_hook_summary": _hook_ran,
    "local_command": _local_command,
    "informational": _notice,
    "away_summary": _away_summary,
    "bridge_status": _bridge,
}
