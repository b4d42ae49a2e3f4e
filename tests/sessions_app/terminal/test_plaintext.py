"""Plain text out of terminal output, kind or hostile."""

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions_app.terminal.plaintext import (
    MAX_LINE,
    PlainText,
    last_line,
    last_lines,
    lines,
)
from sessions_app.terminal.sanitise import safe_label
from tests.samples import sample
from tests.sessions_app.terminal.recordings import byte_strings, output_of, read_all

# Nothing here reaches a database.
pytestmark = pytest.mark.once


@pytest.mark.parametrize(
    "output,expected",
    [
        (b"one\r\ntwo\nthree", ["one", "two", "three"]),
        (
            b"\x1b[1;31mred\x1b[0m \x1b]0;title\x07text\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\",
            ["red textlink"],
        ),
        (b" 10%\r 50%\r100%\r\n", ["100%"]),
        (b"long text\rab\n", ["abng text"]),
        (b"long text\r\x1b[Kab\n", ["ab"]),
        (b"long text\x1b[2K\rab\n", ["ab"]),
        (b"passwort\b\x1b[Kd\n", ["password"]),
        (b"a\x1b[3Cb\x1b[Cc\n", ["a   b c"]),
        (b"a\x1b[10Gb\x1b[2Dc\n", ["a       cb"]),
        (b"top\x1b[5;1Hmiddle\x1b[Bbottom", ["top", "middle", "bottom"]),
        ("\x1bPdevice control\x1b\\a\x1b_apc\u009cb\x1b^pm\x07c".encode(), ["abc"]),
        (b"\x1b(B\x1b)0\x1b=\x1b>\x1b7ok\x1b8\x1b[?25l\x1b[>4;2m\x1b[!p", ["ok"]),
        (b"\x1b]0;cut by another\x1b[31mred", ["red"]),
        ("\u009b31mżółć\t😀 ".encode(), ["żółć\t😀"]),
        (b"\xff\xfe", ["\ufffd\ufffd"]),
        (b"a\r\r\r\nb\r\x1b[31m\nc", ["a", "b", "c"]),
        (b"", []),
        (b"\n\n", ["", ""]),
    ],
)
def test_output_becomes_the_lines_a_person_would_read(output: bytes, expected: list[str]) -> None:
    assert lines(output) == expected


@given(
    st.one_of(
        byte_strings,
        st.lists(
            st.sampled_from(
                [b"\x1b", b"[", b"]", b"3", b"\r", b"\n", b"m", b"K", b"\x07", b"\\", b"a", b"\xc5", b"\xbc"]
            )
        ).map(b"".join),
    ),
    st.lists(st.integers(0, 60)),
)
def test_chunks_may_be_cut_anywhere(output: bytes, cuts: list[int]) -> None:
    edges = sorted({0, len(output), *(min(cut, len(output)) for cut in cuts)})
    plain = PlainText()
    streamed = [line for start, end in pairwise(edges) for line in plain.feed(output[start:end])]

    assert streamed + plain.finish() == lines(output)


@given(byte_strings)
def test_no_control_character_but_the_tab_is_left(output: bytes) -> None:
    text = "".join(lines(output)).replace("\t", "")
    assert not any(character < " " or "\x7f" <= character <= "\x9f" for character in text)


HOSTILE = {
    "unfinished sequences": b"\x1b[" * 500_000,
    "one endless sequence": b"\x1b[" + b"1;" * 500_000,
    "one endless string": b"\x1b]" + b"x" * 1_000_000,
    "many strings": b"\x1b]x" * 330_000,
    "carriage returns": b"\r" * 1_000_000,
    "one line overwritten": b"x" * 300_000 + b"\ry" * 300_000,
    "one line without end": b"x" * 1_000_000,
    "jumps to the right": b"\x1b[9999Ca\n" * 90_000,
    "jumps to a column": b"\x1b[9999Ga\n" * 90_000,
    "backspaces": b"a\b" * 500_000,
    "erased to the left": b"x" * 65_000 + b"\x1b[1K" * 200_000,
    "combining marks": "e\u0301\u0301".encode() * 200_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_output_takes_linear_time_and_memory(name: str) -> None:
    output = HOSTILE[name]
    started = time.perf_counter()
    plain = PlainText()
    result = [
        line for start in range(0, len(output), 4096) for line in plain.feed(output[start : start + 4096])
    ]
    result += plain.finish()
    last_line(output)

    # A quadratic step would take minutes here.
    assert time.perf_counter() - started < 20
    assert sum(map(len, result)) <= 15 * len(output)
    assert all(len(line) <= MAX_LINE for line in result)


def test_recorded_programs_read_well() -> None:
    def text_of(name: str) -> list[str]:
        return lines(output_of(read_all(sample("recorded", name).read_bytes())[1]))

    assert "total 12" in text_of("ls-color-R.cast")
    assert any(
        line.startswith("commit 4239deeb3b5d65ad8504585aff9cc39c98aab6a3 (HEAD -> main")
        for line in text_of("git-log.cast")
    )
    assert any("bad.cpp: In function" in line for line in text_of("gcc-errors.cast"))
    assert (
        last_line(output_of(read_all(sample("asciicast", "v2-welcome.cast").read_bytes())[1])) == "> # Bye!"
    )


def test_the_last_line_is_the_last_with_anything_to_see() -> None:
    assert last_line(b"build failed\r\n\x1b[0m \r\n\x1b[?25h\xe2\x80\x8b\r\n") == "build failed"
    assert last_line(b"") == ""
    assert len(last_line(b"x" * 5000)) == 200


@pytest.mark.parametrize(
    "text,label",
    [
        ("plain title", "plain title"),
        ("two\nlines\tand \x1b[31mcolour", "two lines and [31mcolour"),
        ("gnp.\u202egpj.exe\u202c", "gnp.gpj.exe"),
        ("a\u2066b\u2069c\u200ed\u061ce", "abcde"),
        ("zero\u200bwidth\ufeff", "zerowidth"),
        ("tag\U000e0041\U000e0042", "tag"),
        ("half \ud83d pair", "half pair"),
        ("family 👨\u200d👩\u200d👧", "family 👨\u200d👩\u200d👧"),
        ("\u0645\u06cc\u200c\u062e\u0648", "\u0645\u06cc\u200c\u062e\u0648"),
        ("  \u3000 spaced \u2028 out  ", "spaced out"),
        ("nul\x00", "nul"),
        ("0123456789", "01234567…"),
    ],
)
def test_a_label_is_safe_to_show_beside_other_text(text: str, label: str) -> None:
    assert safe_label(text, 9 if text.isdigit() else 100) == label


@given(st.text(st.characters(codec=None)), st.integers(1, 50))
def test_a_label_is_never_longer_than_asked(text: str, limit: int) -> None:
    label = safe_label(text, limit)
    assert len(label) <= limit
    assert "\n" not in label


@pytest.mark.parametrize(
    "tail,is_cut,expected",
    [
        (b"", False, []),
        (b"one\r\n  two\r\n\r\n$ \r\n", False, ["one", "  two", "", "$"]),
        (b"\tname\tsize", False, ["        name    size"]),
        (b"1mcut here\r\nwhole", True, ["whole"]),
        (b"all on one line", True, ["all on one line"]),
        (b"before\r\n\x1b[H\x1b[2J\x1b[3Jafter", True, ["after"]),
        (b"before\r\n\x1b[2J", False, []),
        ("\u202eevil\u2066\x07 \x1b[31mred".encode(), False, ["evil red"]),
    ],
)
def test_the_last_lines_are_what_stands_last(tail: bytes, is_cut: bool, expected: list[str]) -> None:
    assert last_lines(tail, is_cut=is_cut, rows=12, columns=80) == expected


@given(byte_strings, st.booleans())
def test_the_last_lines_are_few_and_safe(output: bytes, is_cut: bool) -> None:
    drawn = last_lines(output + b"x" * 100 + b"\n" * 3, is_cut=is_cut, rows=12, columns=80)
    assert len(drawn) <= 12
    assert all(len(line) <= 80 and line.isprintable() for line in drawn)
