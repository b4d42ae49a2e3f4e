import difflib

from hypothesis import given
from hypothesis import strategies as st

from dashboard.lib.unified_diff import read_unified_diff

LINES = st.lists(
    st.text(st.characters(blacklist_characters="\r\n", blacklist_categories=["Cs", "Cc", "Zl", "Zp"]))
)


@given(LINES, LINES)
def test_both_sides_of_any_diff_are_read_back_with_their_numbers(before: list[str], after: list[str]) -> None:
    patch = "\n".join(difflib.unified_diff(before, after, "a", "b", lineterm="", n=len(before) + len(after)))
    lines = list(read_unified_diff(patch)) if patch else []
    old = {line.old_number: line.text for line in lines if line.old_number is not None}
    new = {line.new_number: line.text for line in lines if line.new_number is not None}
    if patch:
        assert old == dict(enumerate(before, 1))
        assert new == dict(enumerate(after, 1))


def test_headers_are_left_out_and_a_missing_newline_is_a_note() -> None:
    header = "diff --git a/x b/x\nindex 1..2\n--- a/x\n+++ b/x\n"
    patch = header + "@@ -1 +1 @@\n-a\n+b\n\\ No newline at end of file\n"
    assert [(line.kind, line.text) for line in read_unified_diff(patch)] == [
        ("hunk", "@@ -1 +1 @@"),
        ("removed", "a"),
        ("added", "b"),
        ("note", "No newline at end of file"),
    ]


def test_a_removed_line_that_looks_like_a_header_is_kept() -> None:
    patch = "@@ -1,2 +1 @@\n--- a comment in SQL\n same\n"
    assert [(line.kind, line.text) for line in read_unified_diff(patch)][1] == (
        "removed",
        "-- a comment in SQL",
    )


def test_lines_that_look_like_both_headers_are_kept_and_the_next_headers_are_none() -> None:
    one, two = "--- a/x.sql\n+++ b/x.sql\n", "--- a/y\n+++ b/y\n"
    patch = f"{one}@@ -1,2 +1,2 @@\n same\n--- old\n+++ new\n{two}@@ -1 +1 @@\n-a\n+b\n"
    assert [(line.kind, line.text) for line in read_unified_diff(patch)] == [
        ("hunk", "@@ -1,2 +1,2 @@"),
        ("context", "same"),
        ("removed", "-- old"),
        ("added", "++ new"),
        ("hunk", "@@ -1 +1 @@"),
        ("removed", "a"),
        ("added", "b"),
    ]


def test_a_patch_without_numbers_is_read_without_them() -> None:
    patch = "*** Begin Patch\n*** Update File: x.py\n@@\n-a\n+b\n*** End Patch"
    lines = list(read_unified_diff(patch))
    assert [(line.kind, line.old_number, line.new_number) for line in lines] == [
        ("hunk", None, None),
        ("removed", None, None),
        ("added", None, None),
    ]
