"""Lines of a Claude Code transcript as structures that keep large parts undecoded until somebody asks.

Fields are `Any` on purpose: a file may hold any JSON in any place, and a strict type would refuse the
whole line. `Raw` parts are slices of the line: a Write call's file body or an Edit's original file is
skipped over instead of being decoded twice.
"""

import re
from typing import Any

import msgspec

from dashboard.lib.clock import iso_to_ms
from sessions_app.drafts import SkipLine

ABSENT = msgspec.Raw()
# Times outside 1990..2199 are no times: JavaScript writes year 1 and year 275760 for broken dates.
_EARLIEST_MS = 631_152_000_000
_LATEST_MS = 7_258_118_400_000

_ESCAPE = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[dD][89a-fA-F][0-9a-fA-F]{2}|\\.|[\ud800-\udfff]"
)
_LONE = re.compile(r"\\u[dD][89a-fA-F][0-9a-fA-F]{2}|[\ud800-\udfff]")


class Record(msgspec.Struct, rename="camel", gc=False):
    """The keys that records of conversation have in common."""

    type: Any = None
    uuid: Any = None
    parent_uuid: Any = None
    session_id: Any = None
    timestamp: Any = None
    agent_id: Any = None
    is_sidechain: Any = None
    is_meta: Any = None
    is_compact_summary: Any = None
    is_api_error_message: Any = None
    request_id: Any = None
    cwd: Any = None
    version: Any = None
    git_branch: Any = None
    prompt_source: Any = None
    origin: Any = None
    forked_from: Any = None
    message: msgspec.Raw = ABSENT
    tool_use_result: msgspec.Raw = ABSENT


class Message(msgspec.Struct, gc=False):
    """`message` of a user or assistant record."""

    id: Any = None
    model: Any = None
    content: msgspec.Raw = ABSENT
    stop_reason: Any = None
    usage: Any = None


class Block(msgspec.Struct, gc=False):
    """One block of a message's content, or of a tool result's."""

    type: Any = None
    text: Any = None
    thinking: Any = None
    id: Any = None
    name: Any = None
    input: msgspec.Raw = ABSENT
    tool_use_id: Any = None
    content: msgspec.Raw = ABSENT
    is_error: Any = None
    source: Any = None
    title: Any = None
    tool_name: Any = None


class ToolUseResult(msgspec.Struct, rename="camel", gc=False):
    """What the parser needs of `toolUseResult`; the rest of it repeats the result's text."""

    agent_id: Any = None
    status: Any = None
    is_async: Any = None
    interrupted: Any = None
    exit_code: Any = None
    task_id: Any = None
    persisted_output_path: Any = None


_record = msgspec.json.Decoder(Record)
_message = msgspec.json.Decoder(Message)
_blocks = msgspec.json.Decoder(list[Block | str])
_pieces = msgspec.json.Decoder(list[msgspec.Raw])
_block = msgspec.json.Decoder(Block)
_text = msgspec.json.Decoder(str)
_result = msgspec.json.Decoder(ToolUseResult)


def _decoded[T](decoder: msgspec.json.Decoder[T], data: bytes | msgspec.Raw) -> T:
    """Decode, once more with lone surrogates replaced where they were in the way. Raises SkipLine."""
    try:
        return decoder.decode(data)
    except RecursionError:
        raise SkipLine("nested too deeply") from None
    except ValueError as error:
        if isinstance(error, msgspec.ValidationError):
            raise SkipLine(f"unexpected shape: {error}") from None
    try:
        return decoder.decode(_without_lone_surrogates(bytes(data)))
    except ValueError:
        raise SkipLine("not valid JSON") from None


def _without_lone_surrogates(data: bytes) -> bytes:
    """The same JSON with U+FFFD for each half of a surrogate pair, which Python's own writers may emit."""
    text = data.decode("utf-8", "surrogatepass")
    return _ESCAPE.sub(lambda found: (_LONE.fullmatch(found[0]) and "\\ufffd") or found[0], text).encode()


def record_of(line: bytes) -> Record:
    """Raises SkipLine when the line is not a JSON object."""
    return _decoded(_record, line)


def message_of(raw: msgspec.Raw) -> Message:
    """Raises SkipLine when the line inside is broken; an empty message when there is no object."""
    return _decoded(_message, raw) if starts(raw, b"{") else Message()


def starts(raw: msgspec.Raw, sign: bytes) -> bool:
    return bytes(memoryview(raw)[:1]) == sign


def plain(value: object) -> str:
    return value if type(value) is str else ""


def content_of(raw: msgspec.Raw) -> list[Block | str]:
    """A result's content as blocks; what is no block is left out. Raises SkipLine when it is no content at all."""
    return [] if raw is ABSENT or starts(raw, b"n") else _blocks_of(raw)[0]


def texts_of(data: bytes) -> list[str]:
    """The texts of a list of text blocks, as JSON; none when it is anything else."""
    try:
        blocks, lost = _blocks_of(msgspec.Raw(data))
    except (SkipLine, ValueError, RecursionError):
        return []
    texts = [
        block.text
        for block in blocks
        if isinstance(block, Block) and block.type == "text" and type(block.text) is str
    ]
    return texts if len(texts) == len(blocks) + lost else []


def said_in(message: Message) -> tuple[list[Block | str], int]:
    """A message's content as blocks, and how many more are none that can be read.

    Raises SkipLine when nothing can: a record that says nothing must not pass in silence.
    """
    if message.content is ABSENT:
        raise SkipLine("a message without content")
    blocks, lost = _blocks_of(message.content)
    readable = [block for block in blocks if isinstance(block, str) or _is_readable(block)]
    lost += len(blocks) - len(readable)
    if lost and not readable:
        raise SkipLine("no block of its content can be read")
    return readable, lost


def _is_readable(block: Block) -> bool:
    if block.type == "text":
        return type(block.text) is str
    return block.type != "thinking" or type(block.thinking) is str


def _blocks_of(raw: msgspec.Raw) -> tuple[list[Block | str], int]:
    """The blocks, and how many pieces are neither block nor text. Raises SkipLine."""
    if starts(raw, b'"'):
        return [_decoded(_text, raw)], 0
    if not starts(raw, b"["):
        raise SkipLine("content is neither text nor a list of blocks")
    try:
        return _blocks.decode(raw), 0
    except ValueError:
        # Something among the blocks is unusual: look at each alone, so that it spoils no other.
        found: list[Block | str] = []
        pieces = _decoded(_pieces, raw)
        for piece in pieces:
            if starts(piece, b"{"):
                found.append(_decoded(_block, piece))
            elif starts(piece, b'"'):
                found.append(_decoded(_text, piece))
        return found, len(pieces) - len(found)


def tool_use_result_of(raw: msgspec.Raw) -> ToolUseResult | str | None:
    """`toolUseResult` is an object, an array, or a plain string on errors."""
    try:
        if starts(raw, b"{"):
            return _decoded(_result, raw)
        if starts(raw, b'"'):
            return _decoded(_text, raw)
    except SkipLine:
        # It only repeats and refines the result block, which is read without it.
        return None
    return None


def source_text(raw: msgspec.Raw) -> str:
    """The JSON text exactly as it stands in the line."""
    return bytes(raw).decode("utf-8", "replace")


_days: dict[str, int] = {}


def stamp(value: object) -> int | None:
    """Unix milliseconds of the record's time; None when there is none that can be."""
    if type(value) is not str:
        return int(value) if type(value) is int and _EARLIEST_MS < value < _LATEST_MS else None
    if len(value) == 24 and value[23] == "Z" and value[19] == "." and value[10] == "T":
        day = _days.get(value[:10])
        if day is None:
            day = _day(value[:10])
        # Every writer of this format uses this one form; datetime takes four times as long to read it.
        if (
            day
            and (value[11:13] + value[14:16] + value[17:19] + value[20:23]).isdecimal()
            and value.isascii()
        ):
            hour, minute, second = int(value[11:13]), int(value[14:16]), int(value[17:19])
            if hour < 24 and minute < 60 and second < 60:
                return day + hour * 3_600_000 + minute * 60_000 + second * 1_000 + int(value[20:23])
    found = iso_to_ms(value) if len(value) <= 40 else None
    return found if found is not None and _EARLIEST_MS < found < _LATEST_MS else None


def _day(text: str) -> int:
    """Milliseconds of a day's beginning, remembered; 0 when it is no day."""
    found = iso_to_ms(text) or 0
    if len(_days) > 4_000:
        _days.clear()
    _days[text] = found if _EARLIEST_MS < found < _LATEST_MS else 0
    return _days[text]
