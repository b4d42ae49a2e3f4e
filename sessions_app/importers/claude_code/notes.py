"""Every other record: what becomes an event, a message, a fact, or nothing."""

from typing import Any

from sessions_app.drafts import (
    MAIN_RUN,
    CallStatus,
    EventDraft,
    MessageKind,
    Place,
    SkipLine,
)
from sessions_app.importers.claude_code import results
from sessions_app.importers.claude_code.memory import remember
from sessions_app.importers.claude_code.prompts import write_prompt
from sessions_app.importers.claude_code.reading import Entry, Reading, bounded, digest
from sessions_app.importers.claude_code.records import Record, plain
from sessions_app.importers.claude_code.rows import document_of, write_note
from sessions_app.importers.claude_code.wording import between
from sessions_app.importers.json_lines import (
    brief,
    decode_object,
    mapping_of,
    text_of,
    whole_of,
)

_SUMMARIES = 32


def _text_in(fields: dict[str, Any], name: str) -> str:
    """Of a record that says nothing else. Raises SkipLine when it is no text."""
    value = fields.get(name)
    if value is not None and not isinstance(value, str):
        raise SkipLine(f"{name} is no text")
    return value or ""


def read_summary(reading: Reading, record: Record, line: bytes, place: Place) -> None:
    """A title for the conversation that ends in `leafUuid`, which may be another file's."""
    fields = decode_object(line)
    leaf, title = text_of(fields.get("leafUuid")), _text_in(fields, "summary")
    memory = reading.memory
    where = memory.seen.get(leaf)
    if where is not None and where[0] in memory.sessions:
        reading.offer_title(memory.sessions[where[0]], 1, title)
    elif not memory.sessions:
        memory.summaries = [*memory.summaries[1 - _SUMMARIES :], [leaf, title[:2_000]]]
    for session in memory.sessions.values():
        remember(session.summaries, leaf, title[:2_000], _SUMMARIES)


def read_title(reading: Reading, record: Record, line: bytes, place: Place) -> None:
    fields = decode_object(line)
    session = reading.session_of(record)
    reading.offer_title(session, 3, _text_in(fields, "customTitle"))
    reading.offer_title(session, 2, _text_in(fields, "aiTitle"))


def read_agent_name(reading: Reading, record: Record, line: bytes, place: Place) -> None:
    """Only once the session has begun does it have a run to bear the name."""
    session = reading.session_of(record)
    name = brief(_text_in(decode_object(line), "agentName"), 120)
    if name and session.has_begun:
        draft = session.draft or reading.begin(session, session.last_ms)
        draft.run(MAIN_RUN).agent_name = name


def read_setting(reading: Reading, record: Record, line: bytes, place: Place) -> None:
    """Modes are written again and again: only a change is news."""
    fields = decode_object(line)
    session = reading.session_of(record)
    for name, label in (("mode", "Mode"), ("permissionMode", "Permission mode"), ("agentSetting", "Agent")):
        value = brief(_text_in(fields, name), 200)
        known = session.settings.get(name, "")
        if not value or value == known:
            continue
        session.settings[name] = value
        if session.has_begun and (known or value not in ("default", "normal")):
            _event_of(reading, record, line, place, "mode.changed", f"{label}: {value}")


def read_snapshot(reading: Reading, record: Record, line: bytes, place: Place) -> None:
    fields = decode_object(line)
    snapshot = mapping_of(fields.get("snapshot"))
    files = mapping_of(snapshot.get("trackedFileBackups"))
    count = f"{len(files):,} file{'' if len(files) == 1 else 's'} tracked"
    document = {
        "messageId": fields.get("messageId"),
        "isUpdate": fields.get("isSnapshotUpdate"),
        "files": files,
    }
    text = f"{count}, snapshot updated" if fields.get("isSnapshotUpdate") is True else count
    key = f"{bounded(text_of(fields.get('messageId')))}#{digest(line)}"
    at_ms = reading.time_of(snapshot.get("timestamp"), place) or 0
    _event_of(reading, record, line, place, "files.snapshotted", text, document_of(document), key, at_ms)


def read_pull_request(reading: Reading, record: Record, line: bytes, place: Place) -> None:
    fields = decode_object(line)
    number, repository = whole_of(fields.get("prNumber")), text_of(fields.get("prRepository"))
    text = f"Pull request #{number} in {repository}" if number is not None else "Pull request"
    details = {name: fields.get(name) for name in ("prNumber", "prUrl", "prRepository")}
    at_ms = reading.time_of(record.timestamp, place) or 0
    _event_of(reading, record, line, place, "record.noted", text, document_of(details), at_ms=at_ms)


def read_queue(reading: Reading, record: Record, line: bytes, place: Place) -> None:
    """A prompt that waits is written again when it is sent; only reports of background tasks are news."""
    fields = decode_object(line)
    content = text_of(fields.get("content"))
    if "<task-notification>" in content and fields.get("operation") in (None, "enqueue"):
        entry = reading.enter(record, place)
        if entry is not None:
            _notify(entry, content, key=entry.key if plain(record.uuid) else digest(line))


def read_progress(reading: Reading, record: Record, line: bytes, place: Place) -> None:
    """No row: what it shows is recorded elsewhere. It tells early which call started which subagent."""
    fields = decode_object(line)
    entry = reading.enter(record, place)
    if entry is None:
        return
    agent = bounded(text_of(mapping_of(fields.get("data")).get("agentId")))
    call = entry.session.calls.get(bounded(text_of(fields.get("parentToolUseID"))))
    if agent and call is not None and call.prompt and not call.child:
        results.attach(entry, call, agent)


def read_attachment(reading: Reading, record: Record, line: bytes, place: Place) -> None:
    """What the program put before the model: a queued prompt, files, reminders, the output of hooks."""
    attachment = mapping_of(decode_object(line).get("attachment"))
    entry = reading.enter(record, place)
    if entry is None:
        return
    kind = text_of(attachment.get("type"))
    if kind == "queued_command":
        _queued(reading, entry, attachment)
    elif kind.startswith("hook_"):
        label = text_of(attachment.get("hookName")) or text_of(attachment.get("hookEvent")) or kind
        entry.event("hook.ran", f"Hook {label}", document_of(attachment))
    elif kind == "goal_status":
        state = "met" if attachment.get("met") is True else "not met"
        entry.event(
            "record.noted", f"Goal {state}: {text_of(attachment.get('condition'))}", document_of(attachment)
        )
    else:
        name = text_of(attachment.get("filename")) or text_of(attachment.get("displayPath")) or text_of(
            attachment.get("path")
        )  # fmt: skip
        label = " ".join(filter(None, (kind.replace("_", " ") or "attachment", name)))
        body = _body(attachment)
        if body.strip():
            write_note(entry, "context", f"[{brief(label, 400)}]\n\n{body}", role="user")
        else:
            entry.event("record.noted", label, document_of(attachment))


def _queued(reading: Reading, entry: Entry, attachment: dict[str, Any]) -> None:
    """Typed while the agent worked, so it belongs to the turn that is under way."""
    text = _body({"content": attachment.get("prompt")})
    if "<task-notification>" in text[:200]:
        write_note(entry, "context", text, role="user")
        return
    kind: MessageKind = (
        "context" if text_of(attachment.get("commandMode")) == "task-notification" else "prompt"
    )
    write_prompt(reading, entry, kind, text, attachments=[], key=entry.key, opens_turn=False)


def _body(value: dict[str, Any]) -> str:
    """The readable text somewhere in an attachment: no more than three levels down."""
    texts: list[str] = []
    level: list[Any] = [value]
    for _ in range(4):
        below: list[Any] = []
        for item in level:
            if isinstance(item, str):
                texts.append(item)
            elif isinstance(item, list):
                below.extend(item[:1_000])
            elif isinstance(item, dict):
                below.extend(
                    item[name] for name in ("content", "file", "text", "snippet", "message") if name in item
                )
        level = below
    return "\n\n".join(text for text in texts if text.strip())


def _notify(entry: Entry, content: str, key: str) -> None:
    task, status = between(content, "task-id"), between(content, "status")
    details = {
        "task_id": task, "call_id": between(content, "tool-use-id"), "status": status,
        "output_file": between(content, "output-file"),
    }  # fmt: skip
    summary = between(content, "summary") or f"Background task {task} {status}"
    entry.event("task.notified", summary, document_of(details), key=key)
    child = entry.session.tasks.get(bounded(task))
    outcomes: dict[str, CallStatus] = {
        "completed": "completed", "failed": "failed", "killed": "cancelled", "stopped": "cancelled",
    }  # fmt: skip
    if child is not None and status in outcomes:
        output = between(content, "result")
        results.close_run(entry, child, outcomes[status], f"background task {status}", output)


def _event_of(
    reading: Reading, record: Record, line: bytes, place: Place, kind: str, text: str, document: str = "",
    key: str = "", at_ms: int = 0,
) -> None:  # fmt: skip
    """An event of a record without a uuid: the line itself names it wherever it is copied to."""
    named = plain(record.session_id) or reading.memory.current
    session = reading.memory.sessions.get(named.partition("#agent-")[0])
    if session is None or not session.has_begun:
        reading.hold(
            EventDraft(key or digest(line), MAIN_RUN, at_ms, kind, brief(text, 500), place, 0, document)
        )
        return
    draft = session.draft or reading.begin(session, session.last_ms)
    at_ms = at_ms or session.last_ms
    draft.rows.append(
        EventDraft(
            key=key or digest(line), run=MAIN_RUN, at_ms=at_ms, kind=kind, text=brief(text, 500), place=place,
            turn=session.turn, document=document,
        )
    )  # fmt: skip
