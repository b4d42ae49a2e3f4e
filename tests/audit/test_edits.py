"""An edit is seen, whatever was edited, and nothing of it is left out."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.edits import DRAWN_CHARS, difference, edit_in, edit_payload, edits_of
from audit.exports.text import without_controls
from dashboard.lib.unified_diff import DiffLine

pytestmark = pytest.mark.once

# Few, so that lines are often the same.
TEXTS = st.text(st.sampled_from("ab\n\r\u2028\x85\x0c-+ "), max_size=30)


def numbered(count: int, word: str) -> str:
    return "".join(f"{number}\n{word} {number}\n" for number in range(count))


def drawn(before: str, after: str) -> list[tuple[str, str]]:
    return [(line.kind, line.text) for line in difference(before, after) if line.kind != "hunk"]


@pytest.mark.parametrize(
    ("before", "after", "lines"),
    [
        ("x\n", "x", [("removed", "x"), ("added", "x"), ("note", "No newline at the end")]),
        ("x", "x\n", [("removed", "x"), ("note", "No newline at the end"), ("added", "x")]),
        ("a\r\n", "a\n", [("removed", "a\\u000d"), ("added", "a")]),
        ("a\u2028b", "a\nb", [("removed", "a\\u2028b"), ("added", "a"), ("added", "b")]),
        ("a\x0cb", "a\nb", [("removed", "a\\u000cb"), ("added", "a"), ("added", "b")]),
        ("old", "new", [("removed", "old"), ("added", "new")]),
        # What a diff as text takes for the names of files.
        ("-- x", "++ y", [("removed", "-- x"), ("added", "++ y")]),
        ("a\tb", "a b", [("removed", "a\tb"), ("added", "a b")]),
        ("", "new\n", [("added", "new")]),
        ("x", "x\n\n", [("removed", "x"), ("note", "No newline at the end"), ("added", "x"), ("added", "")]),
        ("\n", "", [("removed", "")]),
        ("same\n", "same\n", []),
    ],
)
def test_every_change_is_seen(before: str, after: str, lines: list[tuple[str, str]]) -> None:
    assert drawn(before, after) == lines


@given(TEXTS, TEXTS)
def test_only_equal_texts_have_no_difference(before: str, after: str) -> None:
    lines = list(difference(before, after))
    assert bool(lines) == (before != after)
    kinds = {line.kind for line in lines}
    assert not lines or kinds & {"added", "removed"}


def test_lines_are_numbered_and_grouped() -> None:
    before = "".join(f"{number}\n" for number in range(1, 31))
    after = before.replace("\n5\n", "\nfive\n").replace("\n25\n", "\n25\nmore\n")
    lines = list(difference(before, after))
    assert [line.text for line in lines if line.kind == "hunk"] == ["@@ -2,7 +2,7 @@", "@@ -23,6 +23,7 @@"]
    assert DiffLine("removed", 5, None, "5") in lines
    assert DiffLine("added", None, 5, "five") in lines
    assert DiffLine("added", None, 26, "more") in lines
    assert DiffLine("context", 26, 27, "26") in lines


@pytest.mark.parametrize(
    "details",
    [
        # The span that was read of a file.
        {"from": 0, "to": 812},
        {"before": True, "after": "x"},
        {"before": "same", "after": "same"},
        {"before": ["a"], "after": '["a"]'},
        {"before": "alone"},
        {"deep": {"er": {"down": {"before": "a", "after": "b"}}}},
        {"list": [{"before": "a", "after": "b"}]},
    ],
)
def test_what_is_no_edit_or_shows_none_stays_among_the_details(details: dict[str, Any]) -> None:
    assert edits_of(details) == ([], details)


def test_pairs_are_found_at_every_place_where_details_name_them() -> None:
    found, rest = edits_of(
        {
            "before": "a", "after": "b", "old": ["x"], "new": ["y"], "why": "typo",
            "title": {"from": "one", "to": "two", "by": "hand"},
            "changed": {"port": {"before": None, "after": "80"}, "size": {"before": 1, "after": 2}},
        }
    )  # fmt: skip
    assert rest == {
        "why": "typo",
        "title": {"by": "hand"},
        "changed": {"size": {"before": 1, "after": 2}},
    }
    assert [(edit.name, [(line.kind, line.text) for line in edit.lines]) for edit in found] == [
        ("", [
            ("hunk", "@@ -1 +1 @@"), ("removed", "a"), ("added", "b"),
            ("hunk", "@@ -1 +1 @@"), ("removed", '["x"]'), ("added", '["y"]'),
        ]),
        ("title", [("hunk", "@@ -1 +1 @@"), ("removed", "one"), ("added", "two")]),
        ("changed", [("hunk", "port"), ("added", "80")]),
    ]  # fmt: skip


@given(TEXTS, TEXTS)
def test_an_edit_lies_in_a_payload(before: str, after: str) -> None:
    found = edit_in(edit_payload(before, after))
    assert found is not None
    assert list(found.lines) == list(difference(before, after))


@pytest.mark.parametrize(
    "payload", [b"\xff", b"[]", b"{}", b'{"before": 1, "after": "x"}', b'"before after"', b"null"]
)
def test_a_payload_that_is_no_edit_is_none(payload: bytes) -> None:
    assert edit_in(payload) is None


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a\nb\n" * 100_000, "b\na\n" * 100_000),
        ("a\n" * 199 + "b\n", "c\n" + "a\n" * 400_000),
        # Every second line is another one.
        (numbered(20_000, "old"), numbered(20_000, "new")),
    ],
)
def test_what_would_take_long_to_compare_is_one_change(
    before: str, after: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audit.edits.SequenceMatcher", None)
    lines = list(difference(before, after))
    assert [line.kind for line in lines].count("hunk") == 1
    assert lines[-1].text == "The rest is not drawn"
    assert sum(len(line.text) for line in lines) <= DRAWN_CHARS + 100


def test_of_a_line_that_is_too_long_the_beginning_is_drawn() -> None:
    kinds = [(line.kind, len(line.text)) for line in difference("x" * 10, "y" * 1_000_000)][1:]
    assert kinds == [("removed", 10), ("added", DRAWN_CHARS - 9), ("note", 21)]


@given(TEXTS, TEXTS)
def test_both_ways_say_how_one_text_becomes_the_other(before: str, after: str) -> None:
    with pytest.MonkeyPatch.context() as patched:
        assert applied(before, list(difference(before, after))) == lines_of(after)
        patched.setattr("audit.edits.SequenceMatcher", None)
        patched.setattr("audit.edits._MOST_PAIRS", -1)
        assert applied(before, list(difference(before, after))) == lines_of(after)


def applied(text: str, lines: list[DiffLine]) -> list[str]:
    """The lines that the drawn ones make of those of a text."""
    removed = {line.old_number: line.text for line in lines if line.kind == "removed"}
    added = {line.new_number: line.text for line in lines if line.kind == "added"}
    old = lines_of(text)
    assert all(number is not None and old[number - 1] == line for number, line in removed.items())
    kept = [line for number, line in enumerate(old, 1) if number not in removed]
    whole: list[str] = []
    while kept or len(whole) + 1 in added:
        whole.append(added[len(whole) + 1] if len(whole) + 1 in added else kept.pop(0))
    assert len(whole) == len(old) - len(removed) + len(added)
    return whole


def lines_of(text: str) -> list[str]:
    lines = text.split("\n")
    return [without_controls(line) for line in (lines if lines[-1] else lines[:-1])]
