"""asciicast v1, v2 and v3 as they are written by real programs, by broken ones and by hostile ones."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions_app.terminal.asciicast.header import detect_version
from sessions_app.terminal.asciicast.model import (
    MAX_TIME_US,
    Exit,
    Header,
    Input,
    Item,
    Malformed,
    Marker,
    Output,
    Resize,
)
from sessions_app.terminal.asciicast.reader import Reader
from sessions_app.terminal.asciicast.v1 import read_document
from sessions_app.terminal.window import MAX_CELLS, MAX_COLS
from tests.samples import sample
from tests.sessions_app.terminal.recordings import output_of, read_all

# Nothing here reaches a database.
pytestmark = pytest.mark.once

V2 = b'{"version": 2, "width": 80, "height": 24}'
V3 = b'{"version": 3, "term": {"cols": 80, "rows": 24}}'
THEME_KEYS = {"fg", "bg", "palette"}


def items_of(*lines: bytes) -> list[Item]:
    return list(Reader().read(lines))


def test_v1_sample_has_relative_delays() -> None:
    header, items = read_document(sample("asciicast", "v1-full.json").read_bytes())

    assert header == Header(
        version=1,
        cols=96,
        rows=26,
        duration_us=10_370_343,
        command="/bin/bash",
        title="bashing :)",
        env={"TERM": "screen-256color", "SHELL": "/bin/zsh"},
    )
    assert list(items) == [
        Output(1_234_567, b"foo bar"),
        Output(6_913_554, b"baz qux"),
        Output(10_370_343, "żółć jaźń".encode()),
    ]


def test_v2_sample_has_absolute_times_and_every_header_field() -> None:
    reader, items = read_all(sample("asciicast", "v2-full.cast").read_bytes())

    assert reader.header is not None
    assert (reader.header.version, reader.header.cols, reader.header.rows) == (2, 96, 26)
    assert reader.header.timestamp_ms == 1_506_410_422_000
    assert reader.header.idle_time_limit_s == 2.5
    assert reader.header.command == "/bin/bash -l"
    assert reader.header.env == {"TERM": "screen-256color", "SHELL": "/bin/zsh"}
    assert set(reader.header.theme) == THEME_KEYS
    assert items == [
        Output(1_234_567, b"foo bar"),
        Resize(2_000_000, 80, 24),
        Input(2_345_670, b"\r"),
        Output(5_678_987, b"baz qux"),
        Output(8_456_789, "żółć jaźń".encode()),
    ]


def test_v3_sample_has_intervals_and_every_header_field() -> None:
    reader, items = read_all(sample("asciicast", "v3-full.cast").read_bytes())

    assert reader.header is not None
    assert (reader.header.version, reader.header.cols, reader.header.rows) == (3, 96, 26)
    assert reader.header.timestamp_ms == 1_744_302_022_000
    assert reader.header.term_type == "xterm-ghostty"
    assert reader.header.term_version == "ghostty 1.1.3-889478f-nix"
    assert set(reader.header.theme) == THEME_KEYS
    assert items == [
        Output(1_234_567, b"foo bar"),
        Input(2_234_567, b"\r"),
        Output(6_913_554, b"baz qux"),
        Resize(7_913_554, 80, 24),
        Output(10_370_343, "żółć jaźń".encode()),
    ]


def test_v3_comments_and_blank_lines_are_no_events_and_no_errors() -> None:
    reader, items = read_all(sample("asciicast", "v3-blank-lines-and-comments.cast").read_bytes())

    assert [item.time_us for item in items if isinstance(item, Output)] == [
        1_234_567,
        5_678_987,
        8_481_455,
        9_481_455,
    ]
    assert reader.malformed_lines == 0


def test_broken_line_is_reported_by_its_number_and_reading_goes_on() -> None:
    lines = sample("asciicast", "v3-broken.cast").read_bytes().splitlines(keepends=True)
    reader = Reader()
    items = list(reader.read(lines))

    assert items == [
        Output(1_234_567, b"foo bar"),
        Malformed(3, "not valid JSON"),
        Output(4_037_035, "żółć jaźń".encode()),
    ]
    assert reader.malformed_lines == 1


def test_resizes_markers_and_exit_are_events() -> None:
    _, resizing = read_all(sample("asciicast", "v3-resizing.cast").read_bytes())
    _, marked = read_all(sample("asciicast", "v2-markers.cast").read_bytes())

    assert [item for item in resizing if not isinstance(item, Output)] == [
        Resize(1_000_000, 100, 30),
        Resize(2_000_000, 50, 10),
        Exit(2_100_000, 0),
    ]
    assert [item for item in marked if isinstance(item, Marker)] == [
        Marker(500_000, "first"),
        Marker(1_100_000, "second"),
    ]


@pytest.mark.parametrize(
    "name,version,items",
    [
        ("asciicast/v2-termtosvg-htop.cast", 2, 55),
        ("asciicast/v2-welcome.cast", 2, 786),
        ("asciicast/v3-big.cast", 3, 4_998),
        ("recorded/agent-tui.cast", 3, 591),
        ("recorded/apt-get.cast", 3, 97),
        ("recorded/bash-session.cast", 3, 105),
        ("recorded/gcc-errors.cast", 3, 598),
        ("recorded/git-log.cast", 2, 502),
        ("recorded/ls-color-R.cast", 3, 928),
        ("recorded/rich-demo.cast", 3, 13),
        ("recorded/vim-edit.cast", 3, 203),
        ("pty/codex-demo.redacted.cast", 3, 24),
    ],
)
def test_samples_are_read_whole(name: str, version: int, items: int) -> None:
    file = sample(*name.split("/")).read_bytes()
    reader, read = read_all(file)

    # Counted by another way, with nothing of the reader in it.
    lines = [json.loads(line) for line in file.splitlines()[1:] if line.startswith(b"[")]
    times = [line[0] for line in lines]
    assert detect_version(file[:1000]) == reader.version == version
    assert len(read) == len(lines) == items
    assert output_of(read) == "".join(line[2] for line in lines if line[1] == "o").encode()
    assert reader.time_us == pytest.approx((sum(times) if version == 3 else times[-1]) * 1e6, abs=1)


def test_a_reader_resumed_at_any_line_reads_the_same_as_one_that_was_never_stopped() -> None:
    lines = sample("recorded", "bash-session.cast").read_bytes().splitlines(keepends=True)
    whole = list(Reader().read(lines))

    for stop in range(len(lines)):
        first = Reader()
        read = list(first.read(lines[:stop]))
        second = Reader(json.loads(json.dumps(first.state())))
        read += second.read(lines[stop:])
        assert read == whole
        assert second.line_number == len(lines)


def test_intervals_finer_than_a_microsecond_do_not_drift() -> None:
    items = items_of(V3, *[b'[0.0000004, "o", "x"]'] * 1_000_000)

    assert items[-1] == Output(400_000, b"x")


def test_v2_times_never_go_back() -> None:
    items = items_of(V2, b'[2.5, "o", "a"]', b'[1.0, "o", "b"]', b'[2.5, "o", "c"]', b'[3, "o", "d"]')

    assert [item.time_us for item in items if isinstance(item, Output)] == [
        2_500_000,
        2_500_000,
        2_500_000,
        3_000_000,
    ]


def test_unknown_codes_are_ignored_and_counted_and_still_take_their_time() -> None:
    reader = Reader()
    items = list(reader.read([V3, b'[1.0, "q", {"any": 1}]', b'[0.5, "o", "x"]']))

    assert items == [Output(1_500_000, b"x")]
    assert reader.unknown_events == 1
    assert reader.malformed_lines == 0


def test_lone_surrogates_in_the_byte_range_are_bytes_and_others_are_replaced() -> None:
    assert items_of(V3, rb'[0, "o", "a\udcff\udc80b"]') == [Output(0, b"a\xff\x80b")]
    assert items_of(V3, rb'[0, "o", "a\ud83d"]') == [Output(0, "a\ufffd".encode())]
    assert items_of(V3, rb'[0, "o", "\ud83d\udc80"]') == [Output(0, "💀".encode())]
    assert items_of(V3, rb'[0, "m", "a\udcff"]') == [Marker(0, "a\ufffd")]


def test_raw_control_characters_and_broken_utf8_inside_strings_are_kept() -> None:
    assert items_of(V2, b'[0, "o", "\x1b[0m\xff\ttab"]') == [Output(0, b"\x1b[0m\xff\ttab")]


@pytest.mark.parametrize(
    "line",
    [
        b'[0.1, "o", "cut',
        b"",
        b"\xff\xfe\x00",
        b"[" * 100_000,
        b'{"time": 1}',
        b"[]",
        b'[1, "o"]',
        b'[1, "o", "a", "b"]',
        b'[1, 7, "a"]',
        b'["1", "o", "a"]',
        b'[true, "o", "a"]',
        b'[NaN, "o", "a"]',
        b'[-0.1, "o", "a"]',
        b'[1e400, "o", "a"]',
        b'[1e12, "o", "a"]',
        b'[' + b"9" * 5000 + b', "o", "a"]',
        b'[1, "o", 5]',
        b'[1, "o", null]',
        b'[1, "r", "80"]',
        b'[1, "r", "0x24"]',
        b'[1, "r", "80x-24"]',
        '[1, "r", "\uff18\uff10x\uff12\uff14"]'.encode(),
        b'[1, "x", "no"]',
        b'[1, "x", "99999999999"]',
        b'[1, "x", true]',
        b'[1, "m", []]',
    ],
)  # fmt: skip
@pytest.mark.parametrize("header", [V2, V3])
def test_a_bad_line_never_raises_and_harms_no_other_line(header: bytes, line: bytes) -> None:
    reader = Reader()
    bad = list(reader.read([header, line]))

    assert bad == [] if line == b"" else isinstance(bad[0], Malformed) and bad[0].line == 2
    after = reader.feed(b'[1, "o", "after"]')
    assert isinstance(after, Output)
    assert after.data == b"after"


def test_intervals_that_sum_up_beyond_a_hundred_years_are_refused_one_by_one() -> None:
    century_s = MAX_TIME_US // 1_000_000
    items = items_of(V3, b'[%d, "o", "a"]' % century_s, b'[1, "o", "b"]', b'[0, "o", "c"]')

    assert items[0] == Output(MAX_TIME_US, b"a")
    assert isinstance(items[1], Malformed)
    assert items[2] == Output(MAX_TIME_US, b"c")


def test_an_exit_status_may_be_text_number_or_unknown() -> None:
    assert items_of(V3, b'[0, "x", "-9"]', b'[0, "x", 3]', b'[0, "x", ""]') == [
        Exit(0, -9),
        Exit(0, 3),
        Exit(0, None),
    ]


def test_sizes_beyond_any_screen_are_cut() -> None:
    reader = Reader()
    lines = [b'{"version": 2, "width": 1e9, "height": -4}', b'[0, "r", "999999x1"]', b'[1, "r", "9999x9999"]']
    items = list(reader.read(lines))

    assert reader.header == Header(version=2, cols=MAX_COLS, rows=24)
    assert items == [Resize(0, MAX_COLS, 1), Resize(1_000_000, MAX_COLS, MAX_CELLS // MAX_COLS)]


def test_header_fields_of_a_wrong_type_are_left_out() -> None:
    header = {"version": 3, "term": {"cols": "80", "rows": None, "type": 5, "theme": []}, "timestamp": "now"}
    header |= {"title": ["x"], "env": {"A": 1, "B": "b"}, "idle_time_limit": True, "tags": ["t", 1]}
    reader = Reader()
    assert reader.feed(json.dumps(header).encode()) is None

    assert reader.header == Header(version=3, env={"B": "b"}, tags=("t",))


def test_a_file_without_a_header_yields_only_malformed_lines() -> None:
    reader = Reader()
    items = list(reader.read([b'[0, "o", "x"]\n', b"\x00\xff\n", b'{"version": 4, "term": {}}\n', b"\n"]))

    assert [type(item) for item in items] == [Malformed, Malformed, Malformed]
    assert reader.header is None


@pytest.mark.parametrize(
    "beginning,version",
    [
        (b"", None),
        (b"[1, 2]", None),
        (b"\x7fELF", None),
        (b'{"version": 1, "dependencies": {}}', None),
        (b'{"version": 2, "env": {}}', None),
        (b'{"version": 22, "width": 1}', None),
        (b'{"title": "\\"version\\": 1", "width": 1, "version": 2}', 2),
        (b'\xef\xbb\xbf\n{\n "version": 1,\n "width": 80', 1),
        (b'# a comment\n{"version":3,"term":{"cols":80', 3),
    ],
)
def test_the_version_is_told_from_the_beginning_of_a_file(beginning: bytes, version: int | None) -> None:
    assert detect_version(beginning) == version


def test_v1_with_broken_parts_keeps_the_others() -> None:
    document = (
        b'{"version": 1, "width": 80, "height": 24, "stdout": [[1, "a"], [2], [-1, "b"], [1, 3], [1, "c"]]}'
    )
    header, items = read_document(document)

    assert header is not None
    assert [item.line if isinstance(item, Malformed) else item for item in items] == [
        Output(1_000_000, b"a"),
        2,
        3,
        4,
        Output(3_000_000, b"c"),
    ]


@pytest.mark.parametrize(
    "document", [b"", b"{", b"[" * 100_000, b"{}", V2, b'{"version": 1}', b'{"version": true, "width": 1}']
)
def test_v1_that_is_none_has_no_header(document: bytes) -> None:
    header, items = read_document(document)

    assert header is None
    assert [type(item) for item in items] == [Malformed]


@given(st.lists(st.binary(max_size=60), max_size=6), st.sampled_from([V2, V3]))
def test_any_bytes_are_read_without_an_exception(lines: list[bytes], header: bytes) -> None:
    for item in Reader().read([header, *lines]):
        assert item is not None
    read_document(b"".join(lines))
    detect_version(b"".join(lines))


LINES = [
    b'[1.5, "o", "text"]',
    b'[0.000001,"o","\\u001b[31mr\xc3\xa9d\\u001b[0m\\r\\n"]',
    b'[2, "r", "100x30"]',
    b'[3, "m", "a mark"]',
    b'[0.5, "i", "x"]',
    b'[4, "x", "0"]',
    b'[5, "?", "unknown"]',
    b'[6, "r", "no size"]',
    b'[-1, "o", "before the start"]',
    b'[-0.0000000001, "o", "hardly before it"]',
    b'[1e308, "o", "far away"]',
    b'[4000000000, "o", "too late"]',
    b'[1, "o", "a"],[2, "o", "b"]',
    b'[1, "o", "a"] [2, "o", "b"]',
    b'[1, "o", "a"][2, "o", "b"]',
    b' [1, "o", "behind a space"]',
    b'[3, "o"',
    b'"c"]',
    b'[[1], "o", "x"]',
    b'[1, "o", "\xff"]',
    b'[1, "o", "\\udcff"]',
    b"# a comment",
    b"",
    b"[",
    b"]",
    b'[1, "o", "an array in text ]\\n["]',
]


@pytest.mark.parametrize("version", [2, 3])
@given(chosen=st.lists(st.sampled_from(LINES), min_size=1, max_size=6))
def test_lines_at_once_are_what_each_is_alone(version: int, chosen: list[bytes]) -> None:
    header = V3 if version == 3 else V2
    alone, together = Reader(), Reader()
    alone.feed(header)
    together.feed(header)
    before = together.state()
    expected = [alone.feed(line) for line in chosen]
    items = together.feed_lines(b"".join(line + b"\n" for line in chosen), len(chosen))
    if items is None:
        assert together.state() == before
    else:
        assert items == expected
        assert together.state() == alone.state()


@pytest.mark.parametrize(
    "lines",
    [
        (b'[1, "o", "a"] [2, "o", "b"]', b""),
        (b'[1, "o", "a"][2, "o", "b"]', b" "),
        (b'[1, "o",', b'"a"] [2, "o", "b"]'),
        (b'[1, "o", "a"]', b' [2, "o", "b"]'),
    ],
)
def test_as_many_events_as_lines_are_no_event_on_each(lines: tuple[bytes, ...]) -> None:
    reader = Reader()
    reader.feed(V2)
    assert reader.feed_lines(b"".join(line + b"\n" for line in lines), len(lines)) is None


@pytest.mark.parametrize("version", [2, 3])
def test_plain_lines_are_taken_at_once(version: int) -> None:
    header = V3 if version == 3 else V2
    reader = Reader()
    assert reader.feed_lines(b"".join(line + b"\n" for line in LINES[:6]), 6) is None
    reader.feed(header)
    items = reader.feed_lines(b"".join(line + b"\n" for line in LINES[:6]), 6)
    assert items is not None
    assert len(items) == 6
    assert reader.line_number == 7
