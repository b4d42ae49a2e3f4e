"""asciicast v1, v2 and v3 as terminals."""

import contextlib
import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sessions_app.drafts import Draft, Format, Place, SkipLine, SourceFacts, TerminalDraft
from sessions_app.importers.asciicast import DOCUMENT_FORMAT, FORMAT
from tests.samples import sample
from tests.sessions_app.importers.driving import feed

# Nothing here reaches a database.
pytestmark = pytest.mark.once

LINE_SAMPLES = [
    "asciicast/v2-full.cast",
    "asciicast/v2-markers.cast",
    "asciicast/v2-termtosvg-htop.cast",
    "asciicast/v2-welcome.cast",
    "asciicast/v3-blank-lines-and-comments.cast",
    "asciicast/v3-broken.cast",
    "asciicast/v3-full.cast",
    "asciicast/v3-resizing.cast",
    "pty/codex-demo.redacted.cast",
    "recorded/bash-session.cast",
    "recorded/vim-edit.cast",
]
MODIFIED_MS = 1_790_000_000_000


class Recording:
    """The batches of one file, put together."""

    def __init__(self) -> None:
        self.drafts: list[TerminalDraft] = []
        self.skipped: list[tuple[int, str]] = []
        self.unknown: list[tuple[int, str]] = []

    def add(self, draft: Draft) -> None:
        self.drafts += draft.terminals.values()
        self.skipped += [(place.line, reason) for place, reason in draft.skipped]
        self.unknown += [(place.line, reason) for place, reason in draft.unknown]

    @property
    def items(self) -> list[tuple[str, int, bytes]]:
        return [item for draft in self.drafts for item in draft.items]

    def whole(self) -> tuple[Any, ...]:
        """Everything, however it was cut."""
        (facts,) = {
            (
                draft.key,
                draft.title,
                *draft.command,
                draft.cols,
                draft.rows,
                draft.started_ms,
                *draft.environment,
            )
            for draft in self.drafts
        }
        return facts, self.items, any(draft.ended for draft in self.drafts), self.skipped, self.unknown


def read(
    known: Format, content: bytes, *, cuts: Collection[int] = (), modified_ms: int = MODIFIED_MS
) -> Recording:
    parser, recording, offset = (
        known.parser(SourceFacts("a.cast", modified_ms=modified_ms), {}),
        Recording(),
        0,
    )
    for number, line in enumerate([content] if known.is_document else content.split(b"\n"), 1):
        if line.strip():
            feed(parser, line, Place(offset, len(line) + 1, number))
        offset += len(line) + 1
        if number in cuts:
            parser.close_batch(following=True)
            recording.add(parser.draft)
            # The file has grown since.
            later = SourceFacts("a.cast", modified_ms=modified_ms + number)
            parser = known.parser(later, json.loads(json.dumps(parser.state())))
    parser.close_batch(following=False)
    recording.add(parser.draft)
    return recording


def cast(*events: object, version: int = 2, **header: Any) -> bytes:
    size = {"width": 80, "height": 24} if version == 2 else {"term": {"cols": 80, "rows": 24}}
    lines = [{"version": version, **size, **header}, *events]
    return b"\n".join(json.dumps(line).encode() for line in lines) + b"\n"


@pytest.mark.parametrize("name", LINE_SAMPLES)
def test_a_sample_reads_the_same_wherever_its_batches_end(name: str) -> None:
    content = sample(*name.split("/")).read_bytes()
    assert FORMAT.recognises(name, content[:65536])
    assert not DOCUMENT_FORMAT.recognises(name, content[:65536])
    whole = read(FORMAT, content)
    assert whole.items
    assert read(FORMAT, content, cuts=range(1, 100_000)).whole() == whole.whole()


def test_every_field_of_version_2_is_kept() -> None:
    recording = read(FORMAT, sample("asciicast", "v2-full.cast").read_bytes())
    (terminal,) = recording.drafts
    assert (terminal.title, terminal.command, terminal.cols, terminal.rows) == (
        "bashing :)",
        ["/bin/bash -l"],
        96,
        26,
    )
    assert terminal.started_ms == 1_506_410_422_000
    assert terminal.environment == {"TERM": "screen-256color", "SHELL": "/bin/zsh"}
    assert recording.items == [
        ("o", 1_234_567, b"foo bar"),
        ("r", 2_000_000, b"80x24"),
        ("i", 2_345_670, b"\r"),
        ("o", 5_678_987, b"baz qux"),
        ("o", 8_456_789, "żółć jaźń".encode()),
    ]
    assert not terminal.ended


def test_intervals_of_version_3_add_up_across_batches() -> None:
    recording = read(FORMAT, sample("asciicast", "v3-resizing.cast").read_bytes(), cuts=range(10))
    assert recording.items == [
        ("o", 500_000, b"hello "),
        ("r", 1_000_000, b"100x30"),
        ("o", 1_500_000, b"world"),
        ("r", 2_000_000, b"50x10"),
        ("o", 2_100_000, b"!"),
        ("x", 2_100_000, b"0"),
    ]
    assert recording.drafts[-1].ended


def test_markers_keep_their_labels() -> None:
    items = read(FORMAT, sample("asciicast", "v2-markers.cast").read_bytes()).items
    assert [item for item in items if item[0] == "m"] == [
        ("m", 500_000, b"first"),
        ("m", 1_100_000, b"second"),
    ]


def test_a_big_recording_has_all_its_events() -> None:
    recording = read(FORMAT, sample("asciicast", "v3-big.cast").read_bytes())
    assert len(recording.items) == 4998
    assert (recording.drafts[0].cols, recording.drafts[0].rows) == (160, 76)
    assert recording.skipped == []


def test_version_1_is_one_document() -> None:
    content = sample("asciicast", "v1-full.json").read_bytes()
    assert DOCUMENT_FORMAT.recognises("a.json", content)
    assert not FORMAT.recognises("a.json", content)
    recording = read(DOCUMENT_FORMAT, content)
    (terminal,) = recording.drafts
    assert (terminal.title, terminal.command, terminal.cols, terminal.rows) == (
        "bashing :)",
        ["/bin/bash"],
        96,
        26,
    )
    assert (terminal.started_ms, terminal.ended) == (MODIFIED_MS, True)
    assert recording.items == [
        ("o", 1_234_567, b"foo bar"),
        ("o", 6_913_554, b"baz qux"),
        ("o", 10_370_343, "żółć jaźń".encode()),
    ]


def test_broken_items_of_a_document_are_counted_each() -> None:
    stdout = [[1, "a"], "x", [1], [-1, "b"], [1, 7], [1, "c"]]
    content = json.dumps({"version": 1, "width": 80, "height": 24, "stdout": stdout}).encode()
    recording = read(DOCUMENT_FORMAT, content)
    assert [item[2] for item in recording.items] == [b"a", b"c"]
    assert [line for line, _ in recording.skipped] == [2, 3, 4, 5]
    assert recording.skipped[0][1] == "item 2: not a pair [delay, text]"


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"version":1}', b"\xff", b"[" * 100_000])
def test_a_document_without_a_header_is_skipped(content: bytes) -> None:
    recording = read(DOCUMENT_FORMAT, content)
    assert recording.drafts == []
    assert len(recording.skipped) == (1 if content.strip() else 0)


def test_broken_lines_are_skipped_where_they_stand() -> None:
    recording = read(FORMAT, sample("asciicast", "v3-broken.cast").read_bytes())
    assert recording.skipped == [(3, "not valid JSON")]
    assert [item[2] for item in recording.items] == [b"foo bar", "żółć jaźń".encode()]


def test_events_of_a_new_kind_are_reported() -> None:
    recording = read(FORMAT, cast([1, "o", "a"], [2, "q", "?"], [3, "o", "b"]))
    assert (recording.unknown, recording.skipped) == ([(3, "event with an unknown code")], [])
    assert [item[2] for item in recording.items] == [b"a", b"b"]


def test_bytes_that_are_no_utf8_come_through() -> None:
    content = cast() + b'[1, "o", "\\udcff\\u0000"]\n'
    assert read(FORMAT, content).items == [("o", 1_000_000, b"\xff\x00")]


def test_without_a_timestamp_the_start_stays_what_it_was_at_first() -> None:
    recording = read(FORMAT, cast([1, "o", "a"], [2, "o", "b"]), cuts={2})
    assert [draft.started_ms for draft in recording.drafts] == [MODIFIED_MS, MODIFIED_MS]


def test_a_recording_is_known_by_its_head() -> None:
    same = {read(FORMAT, cast([1, "o", text], timestamp=5)).drafts[0].key for text in "ab"}
    other = read(FORMAT, cast([1, "o", "a"], timestamp=6)).drafts[0].key
    assert len(same) == 1
    assert other not in same


def test_a_file_without_a_header_has_no_terminal() -> None:
    recording = read(FORMAT, b"lol\n[1, 'o', 'x']\n")
    assert recording.drafts == []
    assert len(recording.skipped) == 2


@pytest.mark.parametrize(
    "head", [b"", b"{}", b'{"version": 4, "width": 1}', b'{"type":"user"}\n', b'{"version": 2}']
)
def test_other_files_are_not_taken_for_recordings(head: bytes) -> None:
    assert not FORMAT.recognises("a.cast", head)
    assert not DOCUMENT_FORMAT.recognises("a.cast", head)


@settings(max_examples=200)
@given(
    st.lists(
        st.binary(max_size=30) | st.sampled_from([b"[1,", b'[1, "o", "a"]', b'[0, "x", ""]']), max_size=8
    )
)
def test_no_bytes_do_harm(lines: list[bytes]) -> None:
    for known, head in ((FORMAT, cast()), (FORMAT, b""), (DOCUMENT_FORMAT, b"")):
        parser = known.parser(SourceFacts("a.cast"), {})
        for number, line in enumerate([head, *lines], 1):
            with contextlib.suppress(SkipLine):
                parser.feed(line, Place(0, len(line), number))
        parser.close_batch(following=True)


def test_roots_are_none() -> None:
    assert FORMAT.default_roots({}, str(Path.home())) == []
