"""Program output as HTML."""

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions_app.ansi import to_html


@pytest.mark.parametrize(
    "text, drawn",
    [
        ("plain <b>", "plain &lt;b&gt;"),
        ("\x1b[31mred\x1b[0m no", '<span class="ansi-red">red</span> no'),
        ("\x1b[1;92mok\x1b[22m still", '<span class="ansi-bold ansi-bright-green">ok</span>'
         '<span class="ansi-bright-green"> still</span>'),
        ("\x1b[38;5;4mblue\x1b[39m", '<span class="ansi-blue">blue</span>'),
        ("\x1b[38;5;201mpink", "pink"),
        ("\x1b[38;2;1;2;3mrgb\x1b[4mline", 'rgb<span class="ansi-underline">line</span>'),
        ("\x1b[2J\x1b[H\x1b]0;title\x07text\x1b]8;;http://x\x1b\\link", "textlink"),
        ("10%\r50%\r100%\ndone", "100%\ndone"),
        ("windows\r\nline", "windows\r\nline"),
        ("bell\x07 nul\x00", "bell\u2407 nul\u2400"),
        ("\x1b[999999999999999999mx", "x"),
        ("cut \x1b[3", "cut "),
    ],
)  # fmt: skip
def test_colours_stay_and_everything_else_goes(text: str, drawn: str) -> None:
    assert to_html(text) == drawn


@given(st.text(alphabet="\x1b[]0123456789;m<>&\"'PXaz\x07\\\r\n ", max_size=120))
def test_only_spans_of_known_classes_come_out(text: str) -> None:
    drawn = to_html(text)
    without = re.sub(r'<span class="ansi-[a-z -]+">|</span>', "", drawn)
    assert "<" not in without
    assert ">" not in without
    assert "\x1b" not in html.unescape(without)
