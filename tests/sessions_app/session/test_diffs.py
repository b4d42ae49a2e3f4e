"""Edits as the lines of a diff."""

import time
from typing import Any

import pytest

from sessions_app.diffs import changes_of, read_patch, replacement

PATCH = """*** Begin Patch
*** Update File: src/app.py
@@ def main():
 keep
-old
+new
*** Add File: notes.md
+# Notes
+text
*** Delete File: gone.txt
*** Update File: a.py
*** Move to: b.py
@@
-x
+y
*** End Patch"""


def text_of(change: Any) -> list[str]:
    return [f"{line.sign}{line.text}" for line in change.lines]


def test_an_edit_shows_what_went_and_what_came() -> None:
    [change] = changes_of(
        "Edit", {"file_path": "/a.py", "old_string": "one\ntwo\nthree", "new_string": "one\n2\nthree"}, ""
    )
    assert change.path == "/a.py"
    assert text_of(change) == ["one", "\N{MINUS SIGN}two", "+2", "three"]
    assert (change.added, change.removed) == (1, 1)


def test_several_edits_of_a_file_are_one_change() -> None:
    edits = [{"old_string": "a", "new_string": "b"}, {"old_string": "c", "new_string": "d"}]
    [change] = changes_of("MultiEdit", {"file_path": "/a.py", "edits": edits}, "")
    assert text_of(change) == ["Edit 1 of 2", "\N{MINUS SIGN}a", "+b", "Edit 2 of 2", "\N{MINUS SIGN}c", "+d"]


def test_a_written_file_is_all_new_and_numbered() -> None:
    [change] = changes_of("Write", {"file_path": "/a.py", "content": "one\ntwo\n"}, "")
    assert change.kind == "added"
    assert [(line.new_number, line.text) for line in change.lines] == [(1, "one"), (2, "two")]


def test_an_empty_file_that_was_written_is_a_change_too() -> None:
    [change] = changes_of("Write", {"file_path": "/a.py", "content": ""}, "")
    assert change.lines == []


@pytest.mark.parametrize(
    "arguments, text",
    [
        (None, PATCH),
        ({"input": PATCH}, ""),
        ({"patch": PATCH}, ""),
        ({"command": ["apply_patch", PATCH]}, ""),
        ({"cmd": f"apply_patch <<'EOF'\n{PATCH}\nEOF"}, ""),
    ],
)
def test_a_patch_is_found_wherever_it_is_given(arguments: dict[str, Any] | None, text: str) -> None:
    changes = changes_of("apply_patch", arguments, text)
    assert [(change.path, change.kind) for change in changes] == [
        ("src/app.py", "edited"),
        ("notes.md", "added"),
        ("gone.txt", "deleted"),
        ("a.py → b.py", "moved"),
    ]
    assert text_of(changes[0]) == ["@@ def main():", "keep", "\N{MINUS SIGN}old", "+new"]
    assert (changes[1].added, changes[1].removed) == (2, 0)


def test_a_plain_unified_diff_is_read_too() -> None:
    [change] = read_patch("--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n keep\n-old\n+new")
    assert text_of(change)[1:] == ["keep", "\N{MINUS SIGN}old", "+new"]


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"file_path": 3},
        {"edits": "x"},
        {"edits": [1, None]},
        {"old_string": None, "new_string": []},
        {"input": 3},
    ],
)
def test_arguments_of_wrong_shapes_change_nothing(arguments: dict[str, Any]) -> None:
    assert all(change.lines == [] for change in changes_of("Edit", arguments, ""))


def test_a_huge_edit_is_drawn_as_a_bounded_replacement_at_once() -> None:
    old, new = "\n".join(["same"] * 60_000), "\n".join(["same", "other"] * 30_000)
    started = time.monotonic()
    change = replacement("/a", [(old, new)])
    assert time.monotonic() - started < 5
    assert len(change.lines) == 2_000
    assert change.left_out == 118_000
    assert (change.added, change.removed) == (60_000, 60_000)


def test_lines_that_hide_something_show_it() -> None:
    change = replacement("/a\u202egnp.exe", [("", "x \u202e y\x00")])
    assert change.path == "/a\u2039U+202E\u203agnp.exe"
    assert text_of(change) == ["+x \u2039U+202E\u203a y\u2400"]
