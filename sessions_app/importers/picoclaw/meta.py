"""What stands beside a conversation: `<key>.meta.json`, or the head of an older document."""

from dataclasses import dataclass, field
from typing import Any

from sessions_app.drafts import SkipLine
from sessions_app.importers.json_lines import decode_object, list_of, mapping_of, stamp_of, text_of, whole_of

_MOST_ALIASES = 100


@dataclass(slots=True)
class Meta:
    key: str = ""
    summary: str = ""
    # The first so many lines are hidden from the model: truncated, but not yet removed.
    skip: int = 0
    created_ms: int | None = None
    updated_ms: int | None = None
    scope: dict[str, Any] = field(default_factory=dict)
    aliases: list[str] = field(default_factory=list)


def read_meta(content: bytes | None) -> Meta:
    """An absent or broken file says nothing."""
    if content is None:
        return Meta()
    try:
        return meta_of(decode_object(content), "created_at", "updated_at")
    except SkipLine:
        return Meta()


def meta_of(document: dict[str, Any], created: str, updated: str) -> Meta:
    aliases = [alias for alias in list_of(document.get("aliases")) if isinstance(alias, str) and alias]
    return Meta(
        key=text_of(document.get("key"))[:200],
        summary=text_of(document.get("summary")),
        skip=max(0, whole_of(document.get("skip")) or 0),
        created_ms=stamp_of(document.get(created)),
        updated_ms=stamp_of(document.get(updated)),
        scope=mapping_of(document.get("scope")),
        aliases=aliases[:_MOST_ALIASES],
    )
