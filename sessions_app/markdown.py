"""Markdown from agents and people as HTML that can do nothing but be read.

The renderer escapes raw HTML and draws no images; the sanitiser then lets through only the tags and
attributes that the renderer itself writes, so that a mistake in the first is caught by the second.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import nh3
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererProtocol
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

from sessions_app.legible import legible

# Messages stand below the page's h1, the transcript's h2 and their own h3; opened alone, below the h1.
BELOW_A_ROW: Final = 3
BELOW_THE_TITLE: Final = 1
# Longer texts are drawn in pieces: the time that some inputs take grows faster than their length.
MAX_CHARS: Final = 64 * 1024
_REMEMBERED_TEXTS: Final = 1024

_TAGS: Final = {
    "a", "blockquote",
    "br", "code", "del", "em", "h2", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre", "s", "strong",
    "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip
_ATTRIBUTES: Final = {"a": {"href", "title"}, "ol": {"start"}, "code": {"class"}, "pre": {"tabindex"}}
_SCHEMES: Final = {"http", "https", "mailto"}


def to_html(text: str, *, below: int = BELOW_A_ROW) -> SafeString:
    """The text drawn, cut at MAX_CHARS, its headings below one of level `below`. Safe for any input."""
    return _drawn(text[:MAX_CHARS], below)


@lru_cache(maxsize=_REMEMBERED_TEXTS)
def _drawn(text: str, below: int) -> SafeString:
    tokens = _RENDERER.parse(legible(text))
    _order_headings(tokens, below)
    html = _RENDERER.renderer.render(tokens, _RENDERER.options, {})
    clean = nh3.clean(
        html,
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        url_schemes=_SCHEMES,
        link_rel="noopener noreferrer nofollow",
        strip_comments=True,
    )
    return mark_safe(clean)  # noqa: S308  what nh3 has cleaned


def _make_renderer() -> MarkdownIt:
    made = MarkdownIt("commonmark", {"html": False, "linkify": False, "typographer": False})
    made.enable(["table", "strikethrough"])
    made.add_render_rule("image", _image_as_link)
    return made


def _image_as_link(
    self: RendererProtocol, tokens: Sequence[Token], index: int, options: OptionsDict, environment: EnvType
) -> str:
    """An image would tell its host who reads this, and when; a link tells nothing until it is followed."""
    token = tokens[index]
    source = str(token.attrGet("src") or "")
    name = token.content or source or "image"
    return f'<a href="{escape(source)}">{escape(name)}</a>' if source else escape(name)


def _order_headings(tokens: Sequence[Token], below: int) -> None:
    """Headings start below the place where the text stands and never skip a level, whatever the author wrote."""
    level = 0
    for token in tokens:
        if token.type == "heading_open":
            level = min(int(token.tag[1]), level + 1, 6 - below)
        if token.type in {"heading_open", "heading_close"}:
            token.tag = f"h{level + below}"


_RENDERER: Final = _make_renderer()
