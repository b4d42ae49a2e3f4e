"""What stands inside messages: texts, pictures, and the outputs of tools in their many shapes."""

import re
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sessions_app.drafts import Attachment, Draft, Place, SkipLine
from sessions_app.importers.data_urls import attachment_of
from sessions_app.importers.json_lines import (
    brief,
    decode_value,
    json_text,
    list_of,
    mapping_of,
    text_of,
    whole_of,
)

_TEXT_TYPES = frozenset({"input_text", "output_text", "text", "Text", "summary_text", "reasoning_text"})
_IMAGE_TYPES = frozenset({"input_image", "image"})
# Two shapes of heading that shells put above their output; the status stands in the first few lines.
_EXIT_STATUS = re.compile(r"(?:^|\n)(?:Process exited with code|Exit code:) (-?\d{1,10})(?:\n|$)")
_HEADING_LENGTH = 400


@dataclass(slots=True)
class Content:
    text: str
    attachments: list[Attachment] = field(default_factory=list)


class Output(NamedTuple):
    """What a tool gave back; `failed` is None where the record does not say."""

    text: str
    exit_status: int | None = None
    failed: bool | None = None
    cancelled: bool = False


def read_content(content: object) -> Content:
    """Text and pictures of a message's content, which is a text or a list of parts."""
    if isinstance(content, str):
        return Content(content)
    texts: list[str] = []
    attachments: list[Attachment] = []
    parts = list_of(content)
    has_images = any(text_of(mapping_of(part).get("type")) in _IMAGE_TYPES for part in parts)
    for part in parts:
        if isinstance(part, str):
            texts.append(part)
            continue
        kind = text_of(mapping_of(part).get("type"))
        if kind in _TEXT_TYPES:
            text = text_of(part.get("text"))
            if text and not (has_images and _is_image_tag(text)):
                texts.append(text)
        elif kind in _IMAGE_TYPES:
            url = part.get("image_url")
            texts.extend(
                read_image(text_of(mapping_of(url).get("url") if isinstance(url, dict) else url), attachments)
            )
    return Content("\n\n".join(texts), attachments)


def read_said(content: object, place: Place, draft: Draft) -> Content:
    """The same of what was said, where nothing may pass in silence: parts that are none are remarked on.

    Raises SkipLine when there is nothing that can be read.
    """
    if not isinstance(content, str | list):
        raise SkipLine("content is neither text nor a list of parts")
    parts, found = list_of(content), read_content(content)
    if not found.text and not found.attachments and not all(map(_is_text, parts)):
        raise SkipLine("no part of its content can be read")
    lost = sum(not _is_part(part) for part in parts)
    if lost:
        draft.remark(place, f"{lost} part{'' if lost == 1 else 's'} of its content cannot be read")
    return found


def told_text(value: object) -> str:
    """The text of an event. Raises SkipLine when there is none, or something else stands in its place."""
    if not isinstance(value, str):
        raise SkipLine("what it says is no text")
    return value


def _is_text(part: object) -> bool:
    return isinstance(part, str) or isinstance(mapping_of(part).get("text"), str)


def _is_part(part: object) -> bool:
    kind = mapping_of(part).get("type")
    return _is_text(part) or (isinstance(kind, str) and kind not in _TEXT_TYPES)


def _is_image_tag(text: str) -> bool:
    """The marks that the program puts before and after a picture."""
    return len(text) < 400 and (
        text.strip() == "</image>" or (text.startswith("<image") and text.rstrip().endswith(">"))
    )


def read_image(url: str, attachments: list[Attachment]) -> list[str]:
    """Adds the picture of a data URL to `attachments`; for another address the text that stands for it."""
    found = attachment_of(url)
    if found is not None:
        attachments.append(found)
        return []
    if url.startswith("data:"):
        return ["[image that cannot be decoded]"]
    return [f"[image: {brief(url, 120)}]"] if url else []


def read_output(value: object) -> Output:
    """The output of a tool: text, JSON text of `{output, metadata}`, that object, or a list of parts."""
    if isinstance(value, str):
        return _read_text_output(value)
    if isinstance(value, list):
        return Output(read_content(value).text)
    if isinstance(value, dict):
        return _read_object_output(value) or Output(json_text(value))
    return Output("" if value is None else str(value))


def _read_text_output(text: str) -> Output:
    if text.startswith("{") and '"output"' in text:
        try:
            value = decode_value(text)
        except SkipLine:
            value = None
        found = _read_object_output(value) if isinstance(value, dict) else None
        if found is not None:
            return found
    return _with_heading(text)


def _with_heading(text: str) -> Output:
    status = _EXIT_STATUS.search(text, 0, _HEADING_LENGTH)
    if status is not None:
        return Output(text, exit_status_of(int(status[1])), int(status[1]) != 0)
    return Output(text, cancelled=text.startswith("aborted by user"))


def exit_status_of(value: object) -> int | None:
    """A number that a process can have left behind."""
    found = whole_of(value)
    return found if found is not None and -(2**31) <= found < 2**31 else None


def _read_object_output(value: dict[str, Any]) -> Output | None:
    metadata = value.get("metadata")
    if isinstance(value.get("output"), str) and (isinstance(metadata, dict) or len(value) == 1):
        status = exit_status_of(mapping_of(metadata).get("exit_code"))
        return Output(value["output"], status, None if status is None else status != 0)
    if "content" in value and isinstance(value.get("success"), bool | None):
        success = value.get("success")
        text = read_content(value.get("content")).text
        return Output(text, failed=None if success is None else not success)
    return None
