"""Markdown of strangers, drawn."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions_app.markdown import BELOW_THE_TITLE, MAX_CHARS, to_html

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](java\nscript:alert(1))",
    "[x](data:text/html,<script>alert(1)</script>)",
    "[x](vbscript:msgbox)",
    "![x](javascript:alert(1))",
    '[x](https://example.org/"onmouseover="alert(1))',
    "<javascript:alert(1)>",
    "```<script>\n</pre><script>alert(1)</script>\n```",
    '```" onclick="alert(1)\ncode\n```',
    "[x]: javascript:alert(1)\n\n[x]",
    "<iframe src=//example.org></iframe>",
    "<a href=javascript:alert(1)>x</a>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
]
TAG = re.compile(r"<[^>]*>")
SAFE_TAG = re.compile(
    r"</?(?:blockquote|br|code|del|em|h[456]|hr|li|ol|p|pre|s|strong|table|tbody|td|th|thead|tr|ul|a)>"
    r'|<code class="language-[^"<>]*">|<ol start="\d+">|<(?:td|th)>'
    r'|<a href="(?:https?://|mailto:|[^:"<>]*")[^"<>]*"?(?: title="[^"<>]*")? rel="noopener noreferrer nofollow">'
)


def assert_harmless(html: str) -> None:
    for tag in TAG.findall(html):
        assert SAFE_TAG.fullmatch(tag), tag


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_hostile_comes_through(text: str) -> None:
    html = to_html(text)
    assert_harmless(html)
    assert not re.search(r"href=\"\s*(?:javascript|data|vbscript)", html, re.IGNORECASE)


@given(st.text(alphabet="<>&\"'`*_[]()!#\n-|:/ajs=0\\", max_size=200))
def test_no_text_makes_another_tag_than_its_own(text: str) -> None:
    assert_harmless(to_html(text))


def test_an_image_becomes_a_link_so_that_nothing_is_fetched() -> None:
    html = to_html("![the plan](https://example.org/plan.png)")
    assert "<img" not in html
    assert '<a href="https://example.org/plan.png"' in html
    assert ">the plan</a>" in html


def test_links_tell_the_other_side_nothing() -> None:
    assert 'rel="noopener noreferrer nofollow"' in to_html("[x](https://example.org)")


def test_headings_stand_below_those_of_the_page_and_never_skip_a_level() -> None:
    drawn = to_html("## Begins deep\n\n#### Skips\n\n# Back\n\n###### Deepest\n\n###### Again")

    assert re.findall(r"<(h\d)>", drawn) == ["h4", "h5", "h4", "h5", "h6"]
    assert drawn.count("</h4>") == 2


def test_headings_of_a_text_that_is_opened_alone_stand_below_the_title() -> None:
    assert to_html("#### Summary\n\n# All", below=BELOW_THE_TITLE) == "<h2>Summary</h2>\n<h2>All</h2>\n"


def test_tables_code_and_lists_are_drawn() -> None:
    html = to_html("| a | b |\n|---|---|\n| 1 | 2 |\n\n```python\nx < 1\n```\n\n3. three\n")
    assert "<td>1</td>" in html
    assert '<code class="language-python">x &lt; 1\n</code>' in html
    assert '<ol start="3">' in html


def test_what_would_reorder_the_line_is_shown() -> None:
    html = to_html("if access \u202e\u2066// check\u2069 \u2066{\x07")
    assert "\u202e" not in html
    assert "\u2039U+202E\u203a" in html
    assert "\u2407" in html


def test_a_text_is_drawn_up_to_its_limit() -> None:
    assert len(to_html("word " * MAX_CHARS)) < MAX_CHARS * 2
