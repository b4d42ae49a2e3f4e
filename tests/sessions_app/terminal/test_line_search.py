import random
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions_app.terminal import line_search
from sessions_app.terminal.line_search import MAX_PATTERN_CHARS, Pattern, PatternError, TimeIsUp

# Nothing here reaches a database.
pytestmark = pytest.mark.once

LINES = st.text(st.characters(exclude_characters="\n", codec="utf-8"), max_size=30)

# A slow pattern on text that no automaton gets used to.
SLOW = "(.{0,50}a.{0,50}b.{0,50}){3}c.{20}Z"


def noise(lines: int) -> bytes:
    chosen = random.Random(1)
    return "".join("".join(chosen.choices("abcxyz ", k=110)) + "\n" for _ in range(lines)).encode()


def lines_with(pattern: Pattern, text: str) -> list[str]:
    encoded = text.encode()
    return [encoded[found.line_start : found.line_end].decode() for found in pattern.find(encoded)]


def test_a_plain_text_may_stand_anywhere_in_a_line() -> None:
    assert lines_with(Pattern("eed"), "a needle\nnothing\nseed") == ["a needle", "seed"]


@pytest.mark.parametrize(
    ("pattern", "line"),
    [("needle", "NEEDLE"), ("модель", "Новая МОДЕЛЬ"), ("ΣΑΣ".lower(), "ΣΑΣ"), ("k", "\u212a"), ("é", "É")],
)
def test_without_capitals_the_case_is_ignored_in_any_script(pattern: str, line: str) -> None:
    assert lines_with(Pattern(pattern), line) == [line]


def test_capitals_are_meant() -> None:
    assert lines_with(Pattern("Needle"), "needle\nNEEDLE\nNeedle") == ["Needle"]
    assert lines_with(Pattern("Need.e", is_regex=True), "needle\nNeedle") == ["Needle"]


@pytest.mark.parametrize(
    "pattern", [r"\Serr", r"\p{Lu}err", r"\pLerr", r"(?P<Name>.)err", "[[:^space:]]?err", r"\x{4A}err"]
)
def test_the_names_of_classes_and_groups_are_no_capitals(pattern: str) -> None:
    assert Pattern(pattern, is_regex=True).ignores_case


def test_regular_expressions_stay_within_a_line() -> None:
    text = "ab\nbbb\nacx\n"

    assert lines_with(Pattern("^b+$", is_regex=True), text) == ["bbb"]
    assert lines_with(Pattern(r"(?s)a.*c", is_regex=True), text) == ["acx"]
    assert lines_with(Pattern(r"[^q]{4}", is_regex=True), text) == []
    assert lines_with(Pattern(r"b\nb", is_regex=True), text) == []


def test_signs_of_a_plain_text_mean_themselves() -> None:
    assert lines_with(Pattern("a.b(c"), "axb(c\na.b(c") == ["a.b(c"]


def test_the_place_is_counted_in_characters() -> None:
    assert Pattern("wörld").search("héllo wörld 🙂") == (6, 11)
    assert Pattern("שלום").search("abc שלום") == (4, 8)
    assert Pattern("gone").search("héllo") is None


@pytest.mark.parametrize(
    ("pattern", "is_regex", "reason"),
    [
        ("", False, "nothing to look for"),
        ("x" * (MAX_PATTERN_CHARS + 1), False, "longer than 500"),
        ("x" * 1_000_000, True, "longer than 500"),
        ("a\udcff", False, "half of a character"),
        ("(", True, r"cannot be read: missing \): \(\."),
        ("a)(b", True, "cannot be read"),
        ("(?=a)b", True, "cannot be read"),
        (r"(a)\1", True, "cannot be read"),
        ("a{500}{500}", True, "cannot be read"),
        (r"\pL{300}\pN{300}", True, "too large"),
        ("a*", True, "where there is nothing"),
        ("^|x", True, "where there is nothing"),
    ],
)
def test_what_cannot_be_searched_for_is_refused_in_words(pattern: str, is_regex: bool, reason: str) -> None:
    with pytest.raises(PatternError, match=reason):
        Pattern(pattern, is_regex=is_regex)


def test_a_nul_is_a_character_like_any_other() -> None:
    assert lines_with(Pattern("a\0b"), "ab\na\0bc") == ["a\0bc"]


@pytest.mark.parametrize(
    "pattern", ["(x+x+)+y", "(a|a)*b", "(.*)*z", "(x|xx)+y!", "^(([a-z])+.)+[A-Z]([a-z])+$"]
)
def test_patterns_that_hang_backtracking_engines_take_linear_time(pattern: str) -> None:
    text = (("x" * 4_000 + "\n") * 250).encode()
    started = time.monotonic()

    assert not list(Pattern(pattern, is_regex=True).find(text))
    assert time.monotonic() - started < 5


def test_the_deadline_stops_even_the_slowest_pattern() -> None:
    slow, text = Pattern(SLOW, is_regex=True), noise(20_000)
    started = time.monotonic()

    with pytest.raises(TimeIsUp):
        list(slow.find(text, deadline=started + 0.2))
    assert time.monotonic() - started < 3


def test_other_threads_run_while_a_pattern_is_slow() -> None:
    slow, text = Pattern(SLOW, is_regex=True), noise(3_000)
    done = threading.Event()
    turns = 0

    def search() -> None:
        list(slow.find(text))
        done.set()

    thread = threading.Thread(target=search)
    thread.start()
    while not done.is_set():
        turns += 1
        done.wait(0.001)
    thread.join()

    # One call of the engine takes tens of milliseconds; were it to keep the interpreter, there would be one turn.
    assert turns > 10


@given(st.lists(LINES, max_size=12), st.data())
def test_each_line_that_holds_the_text_is_found_with_its_number(
    lines: list[str], data: st.DataObject
) -> None:
    needle = data.draw(st.sampled_from(lines or ["x"])) or "x"
    encoded = "\n".join(lines).encode()
    found = list(Pattern(needle).find(encoded))

    for place in found:
        assert encoded[place.line_start : place.line_end].decode() == lines[place.number]
        assert place.line_start <= place.start < place.end <= place.line_end
    exact = [number for number, line in enumerate(lines) if needle in line]
    assert set(exact) <= {place.number for place in found}
    assert [place.number for place in found] == sorted({place.number for place in found})


ASCII_LINES = st.text(st.characters(codec="ascii", exclude_characters="\n"), max_size=20)
# Whatever a pattern is made of: letters of two and of three forms, classes, other scripts.
PATTERNS = st.sampled_from(
    [
        "k",
        "S",
        "\u017f",
        "\u212a",
        "é",
        "ks",
        "s k",
        r"\w+k",
        r"[^a-z ]s",
        r"\pL{2}",
        r"é|k",
        r"k$",
        r"\x{17f}",
        r"(?i)KS",
        r"\bs",
    ]
)


@given(st.lists(ASCII_LINES, max_size=8), PATTERNS, st.booleans())
def test_ascii_text_is_searched_faster_and_with_the_same_result(
    lines: list[str], text: str, is_regex: bool
) -> None:
    pattern, encoded = Pattern(text, is_regex=is_regex), "\n".join(lines).encode()

    quickly = list(pattern.find(encoded))
    # With these behind it, the other way is gone.
    ending = "\n¬\u212a\u017f".encode()
    assert [found for found in pattern.find(encoded + ending) if found.end <= len(encoded)] == quickly


@pytest.mark.parametrize("line", ["\u212aiss", "ki\u017f\u017f", "日本語 KISS", "…kiss™"])
def test_odd_forms_of_letters_are_found_in_any_text(line: str) -> None:
    assert lines_with(Pattern("kiss"), "hay\n" + line) == [line]


def test_letters_of_other_scripts_are_found_in_each_of_their_forms() -> None:
    forms = [(chr(code).lower(), chr(code)) for code in range(0x80, 0x1_F000)]
    forms = [(letter, form) for letter, form in forms if letter != form and len(letter) == 1]
    assert len(forms) > 1_000
    for letter, form in forms:
        # Behind a letter that more scripts share, and one that has a single form.
        for text, line in ((letter, form), (f"日{letter}é", f"größer 日{form}É →")):
            assert lines_with(Pattern(text), f"— ✓\n{line}") == [line], (letter, form)


@pytest.mark.parametrize("text", ["ошибка диска", "Ошибка диска", "ok ошибка", "日本", "→ 日本"])
def test_text_of_other_scripts_alone_is_not_looked_at(text: str) -> None:
    hay = f"größer — naïve ✓ {'漢' if '日' not in text else ''}\n"

    assert list(Pattern(text).find(hay.encode(), deadline=0)) == []
    with pytest.raises(TimeIsUp):
        list(Pattern(text).find(f"{hay}{text}".encode(), deadline=0))
    assert lines_with(Pattern(text), f"{hay}{text}") == [text]


@given(st.lists(LINES, max_size=8))
def test_pieces_cut_a_long_text_between_lines_only(lines: list[str]) -> None:
    lines = [line + "needle" + line for line in lines]
    text = "\n".join(lines)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(line_search, "_PIECE_BYTES", 16)
        assert lines_with(Pattern("needle"), text) == lines


def test_plain_texts_are_found_without_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_search, "re2", None)

    assert lines_with(Pattern("a.é"), "A.É\naxé") == ["A.É"]
    assert lines_with(Pattern("A."), "a.\nA.") == ["A."]
    with pytest.raises(PatternError, match="google-re2"):
        Pattern("a+", is_regex=True)
