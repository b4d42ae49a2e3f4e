"""Assistant records: replies, their tool calls, and what they cost."""

from typing import Any

from sessions_app.drafts import (
    MAIN_RUN,
    Attachment,
    MessageDraft,
    MessageGrowth,
    MessageKind,
    Place,
    ToolCallDraft,
)
from sessions_app.importers.claude_code import results
from sessions_app.importers.claude_code.content import is_result, keep_attachment
from sessions_app.importers.claude_code.memory import (
    MESSAGE_LIMIT,
    CallMemory,
    MessageMemory,
    remember,
)
from sessions_app.importers.claude_code.reading import Entry, Reading, bounded
from sessions_app.importers.claude_code.records import (
    Block,
    Message,
    Record,
    message_of,
    plain,
    said_in,
    source_text,
)
from sessions_app.importers.claude_code.tools import STARTS_AN_AGENT, arguments_of, kind_of, title_of
from sessions_app.importers.json_lines import brief, whole_of

SYNTHETIC = "<synthetic>"
# A sum over a whole archive must stay within 64 bits.
_MOST_COUNTED = 2**40
_COUNTED = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
# Input, output, read from the cache, written to the cache, and of this last what stays for an hour.
type Usage = tuple[int, int, int, int, int]


def read_assistant(reading: Reading, record: Record, place: Place) -> None:
    message = message_of(record.message)
    blocks, lost = said_in(message)
    entry = reading.enter(record, place)
    if entry is None:
        return
    reading.remark_lost(lost, place)
    if odd := _odd_counts(message.usage):
        reading.draft.remark(place, f"not a count of tokens: {odd}")
    texts: list[str] = []
    thoughts: list[str] = []
    calls: list[Block] = []
    attachments: list[Attachment] = []
    for block in blocks:
        if isinstance(block, str):
            texts.append(block)
        elif block.type == "text":
            texts.append(plain(block.text))
        elif block.type == "thinking":
            thoughts.append(plain(block.thinking))
        elif block.type == "redacted_thinking":
            pass
        elif type(block.type) is str and block.type.endswith("tool_use"):
            calls.append(block)
        elif not is_result(block):
            texts.append(keep_attachment(block, attachments))
    text = "\n\n".join(part for part in texts if part)
    reasoning = "\n\n".join(part for part in thoughts if part)
    memory = _write_reply(entry, record, message, text, reasoning, attachments)
    _stand(entry, record, message, text)
    for position, block in enumerate(calls):
        _write_call(entry, memory, block, position)
    for block in blocks:
        if isinstance(block, Block) and is_result(block):
            results.end_call(reading, entry, record, block)


def _write_reply(
    entry: Entry, record: Record, message: Message, text: str, reasoning: str, attachments: list[Attachment]
) -> MessageMemory:
    """A new message, or more of an earlier one: one answer of the API is several records."""
    identity = plain(message.id)
    merge_key = f"{identity}|{plain(record.request_id)}" if identity else ""
    usage = usage_of(message.usage)
    memory = entry.session.messages.get(merge_key) if merge_key else None
    if memory is not None:
        _grow(entry, memory, text, reasoning, plain(message.stop_reason), attachments, usage)
        return memory
    # The API answers only when it was given the result of every call.
    results.abandon_calls(entry)
    memory = MessageMemory(entry.key, entry.at_ms, entry.run.key, len(text), len(reasoning), *usage)
    model = plain(message.model)
    memory.draft = MessageDraft(
        key=entry.key, run=entry.run.key, at_ms=entry.at_ms, role="assistant",
        kind=_reply_kind(record, model, text),
        text=text, place=entry.place, turn=entry.session.turn, reasoning=reasoning,
        external_id=bounded(identity), model=model, stop_reason=plain(message.stop_reason),
        attachments=attachments, input_tokens=usage[0], output_tokens=usage[1], cache_read_tokens=usage[2],
        cache_write_tokens=usage[3], cache_write_1h_tokens=usage[4],
    )  # fmt: skip
    if model and model != SYNTHETIC and model != entry.run.model:
        _use_model(entry, model)
    entry.draft.rows.append(memory.draft)
    if merge_key:
        remember(entry.session.messages, merge_key, memory, MESSAGE_LIMIT)
    return memory


def _reply_kind(record: Record, model: str, text: str) -> MessageKind:
    if record.is_api_error_message is True or (model == SYNTHETIC and text.startswith("API Error")):
        return "error"
    return "notice" if model == SYNTHETIC else "reply"


def _use_model(entry: Entry, model: str) -> None:
    if entry.run.key == MAIN_RUN:
        if entry.run.model:
            entry.event("model.changed", f"{entry.run.model} → {model}", key=f"{entry.key}#model")
        entry.session.model = entry.draft.model = model
    entry.run.model = entry.run_draft.model = model


def _grow(
    entry: Entry, memory: MessageMemory, text: str, reasoning: str, stop_reason: str,
    attachments: list[Attachment], usage: Usage,
) -> None:  # fmt: skip
    """Records of one answer repeat its usage or count it up: the largest output is the true one."""
    stood = (memory.text_length, memory.reasoning_length, memory.output_tokens)
    added = (0, 0, 0, 0, 0)
    if usage[1] > memory.output_tokens:
        added = (
            usage[0] - memory.input_tokens, usage[1] - memory.output_tokens,
            usage[2] - memory.cache_read_tokens, usage[3] - memory.cache_write_tokens,
            usage[4] - memory.cache_write_1h_tokens,
        )  # fmt: skip
        memory.input_tokens, memory.output_tokens, memory.cache_read_tokens = usage[:3]
        memory.cache_write_tokens, memory.cache_write_1h_tokens = usage[3:]
    memory.text_length = _joined_length(memory.text_length, text)
    memory.reasoning_length = _joined_length(memory.reasoning_length, reasoning)
    draft = memory.draft
    if draft is None:
        if text or reasoning or stop_reason or attachments or any(added):
            growth = MessageGrowth(
                memory.key, memory.at_ms, memory.run, text, reasoning, stop_reason, attachments, *added, stood
            )  # fmt: skip
            entry.draft.growths.append(growth)
        return
    draft.text = _joined(draft.text, text)
    draft.reasoning = _joined(draft.reasoning, reasoning)
    draft.stop_reason = stop_reason or draft.stop_reason
    draft.attachments.extend(attachments)
    draft.input_tokens, draft.output_tokens = memory.input_tokens, memory.output_tokens
    draft.cache_read_tokens, draft.cache_write_tokens = memory.cache_read_tokens, memory.cache_write_tokens
    draft.cache_write_1h_tokens = memory.cache_write_1h_tokens


def _joined(before: str, more: str) -> str:
    return f"{before}\n\n{more}" if before and more else before or more


def _joined_length(before: int, more: str) -> int:
    return before + 2 + len(more) if before and more else before or len(more)


def _stand(entry: Entry, record: Record, message: Message, text: str) -> None:
    kind = _reply_kind(record, plain(message.model), text)
    if kind == "error":
        entry.run.stands("error", entry.at_ms, brief(text, 160))
        entry.run_draft.error = text
        return
    entry.run.stands("reply", entry.at_ms)
    if text:
        entry.run_draft.output = text


def _write_call(entry: Entry, message: MessageMemory, block: Block, position: int) -> None:
    key = f"{entry.key}#{position}"
    call_id = bounded(plain(block.id)) or key
    name = plain(block.name) or "unnamed"
    arguments = arguments_of(block.input)
    call = CallMemory(call_id, key, entry.at_ms, entry.run.key, name[:200], kind_of(name))
    if name in STARTS_AN_AGENT:
        call.prompt = results.prompt_digest(plain(arguments.prompt))
        call.title = brief(plain(arguments.description))
        call.agent_name = brief(plain(arguments.name) or plain(arguments.subagent_type), 120)
    call.draft = ToolCallDraft(
        key=key, run=entry.run.key, at_ms=entry.at_ms, call_id=call_id, name=call.name, kind=call.kind,
        title=title_of(name, arguments, block.input), input=source_text(block.input), place=entry.place,
        turn=entry.session.turn, message=(message.key, message.at_ms),
    )  # fmt: skip
    entry.draft.rows.append(call.draft)
    entry.run.stands("call", entry.at_ms, call.name)
    entry.session.open_call(entry.run, call)


def usage_of(value: Any) -> Usage:
    usage = value if type(value) is dict else {}
    written = _count(usage.get("cache_creation_input_tokens"))
    parts = usage.get("cache_creation")
    parts = parts if type(parts) is dict else {}
    if not written:
        written = sum(_count(part) for part in parts.values())
    return (
        _count(usage.get("input_tokens")), _count(usage.get("output_tokens")),
        _count(usage.get("cache_read_input_tokens")), written,
        min(_count(parts.get("ephemeral_1h_input_tokens")), written),
    )  # fmt: skip


def _odd_counts(value: Any) -> str:
    """The names of what should be a count and is none; "" where all are."""
    usage = value if type(value) is dict else {}
    return ", ".join(name for name in _COUNTED if not _is_count(usage.get(name)))


def _is_count(value: object) -> bool:
    if value is None or (type(value) is int and 0 <= value < _MOST_COUNTED):
        return True
    number = whole_of(value)
    return number is not None and 0 <= number < _MOST_COUNTED


def _count(value: object) -> int:
    if type(value) is int and 0 <= value < _MOST_COUNTED:
        return value
    return max(0, min(whole_of(value) or 0, _MOST_COUNTED))
