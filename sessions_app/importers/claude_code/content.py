"""Blocks of a message's content that are neither text nor calls."""

import base64
import binascii

from sessions_app.drafts import Attachment
from sessions_app.importers.claude_code.records import Block, plain
from sessions_app.importers.json_lines import brief, mapping_of, text_of


def is_result(block: Block) -> bool:
    return type(block.type) is str and block.type.endswith("tool_result")


def keep_attachment(block: Block, attachments: list[Attachment]) -> str:
    """Add the picture or document of this block; what to write into the text in its place, "" for nothing."""
    kind = brief(plain(block.type) or "unknown", 40)
    source = mapping_of(block.source)
    if kind not in ("image", "document"):
        return f"[{kind}]"
    if source.get("type") == "text":
        return text_of(source.get("data"))
    if source.get("type") == "url":
        return f"[{kind}: {text_of(source.get('url'))}]"
    try:
        content = base64.b64decode(text_of(source.get("data")), validate=True)
    except (binascii.Error, ValueError):
        content = b""
    if not content:
        return f"[{kind} that cannot be read]"
    media_type = text_of(source.get("media_type"))[:100] or "application/octet-stream"
    attachments.append(Attachment(media_type, content, brief(plain(block.title), 200)))
    return ""
