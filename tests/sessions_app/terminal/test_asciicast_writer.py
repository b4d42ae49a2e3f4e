"""What is exported is what was recorded: the same bytes, times and events when it is read again."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions_app.terminal.asciicast import text
from sessions_app.terminal.asciicast.model import Event, Exit, Header, Marker, Output, Resize
from sessions_app.terminal.asciicast.reader import Reader
from sessions_app.terminal.asciicast.v1 import read_document
from sessions_app.terminal.asciicast.writer import Writer
from tests.samples import sample
from tests.sessions_app.terminal.recordings import (
    byte_strings,
    events_without_bytes,
    input_of,
    output_of,
    read_all,
    recordings,
)

# Nothing here reaches a database.
pytestmark = pytest.mark.once

HEADERS = [
    Header(version=2, cols=100, rows=30),
    Header(
        version=3,
        cols=100,
        rows=30,
        timestamp_ms=1_744_302_022_000,
        command='sh -c "ż"',
        title="title",
        env={"TERM": "xterm", "SHELL": "/bin/sh"},
        idle_time_limit_s=2.5,
        term_type="xterm",
        term_version="1",
        theme={"fg": "#ffffff"},
        tags=("a", "b"),
    ),
]


def export(header: Header, events: list[Event], resolution_us: int = 1) -> bytes:
    writer = Writer(header, resolution_us=resolution_us)
    lines = [writer.header_line(), *(writer.write(event) for event in events), writer.finish()]
    return b"".join(lines)


@given(recordings(), st.sampled_from(HEADERS))
def test_an_export_reads_back_to_the_same_bytes_events_and_header(
    events: list[Event], header: Header
) -> None:
    reader, items = read_all(export(header, events))

    assert reader.header == header
    assert output_of(items) == output_of(events)
    assert input_of(items) == input_of(events)
    assert events_without_bytes(items) == events_without_bytes(events)


@given(st.binary(max_size=200), st.lists(st.integers(0, 200)), st.sampled_from(HEADERS))
def test_any_bytes_cut_anywhere_survive_export(data: bytes, cuts: list[int], header: Header) -> None:
    edges = sorted({0, len(data), *(min(cut, len(data)) for cut in cuts)})
    writes: list[Event] = [Output(10 * n, data[start:end]) for n, (start, end) in enumerate(pairwise(edges))]

    assert output_of(read_all(export(header, writes))[1]) == data


@given(st.lists(st.tuples(st.integers(0, 10**12), st.text(min_size=1, max_size=5)), max_size=30))
def test_writes_of_whole_characters_keep_their_exact_times(writes: list[tuple[int, str]]) -> None:
    events: list[Event] = []
    time_us = 0
    for gap_us, characters in writes:
        time_us += gap_us
        events.append(Output(time_us, characters.encode("utf-8", "replace")))

    for header in HEADERS:
        assert read_all(export(header, events))[1] == events


def test_a_character_split_between_two_writes_is_exported_whole() -> None:
    euro = "€".encode()
    file = export(HEADERS[0], [Output(0, b"a" + euro[:1]), Output(5, euro[1:2]), Output(9, euro[2:] + b"b")])

    assert file.decode().splitlines()[1:] == ['[0.000000, "o", "a"]', '[0.000009, "o", "€b"]']


def test_a_character_left_unfinished_comes_before_the_exit() -> None:
    file = export(HEADERS[1], [Output(7, b"a\xe2\x82"), Exit(9, 0)])

    assert read_all(file)[1] == [Output(7, b"a"), Output(7, b"\xe2\x82"), Exit(9, 0)]


def test_bytes_that_are_no_utf8_make_a_file_that_is_valid_utf8_and_json() -> None:
    lines = export(HEADERS[0], [Output(0, b"\xff\xfe ok \x00 \xed\xa0\x80")]).decode().splitlines()

    assert json.loads(lines[1])[2] == "\udcff\udcfe ok \x00 \udced\udca0\udc80"


def test_coarse_v3_times_do_not_drift() -> None:
    events: list[Event] = [Output(n * 1_400, b"x") for n in range(1, 10_001)]
    _, items = read_all(export(HEADERS[1], events, resolution_us=1000))

    assert len(items) == len(events)
    for read, event in zip(items, events, strict=True):
        assert isinstance(read, Output)
        assert abs(read.time_us - event.time_us) <= 500


@pytest.mark.parametrize(
    "name", ["v2-full.cast", "v3-full.cast", "v3-resizing.cast", "v2-markers.cast", "v2-termtosvg-htop.cast"]
)
@pytest.mark.parametrize("version", [2, 3])
def test_samples_converted_to_either_version_read_the_same(name: str, version: int) -> None:
    _, items = read_all(sample("asciicast", name).read_bytes())
    events = [item for item in items if isinstance(item, (Output, Resize, Marker, Exit))]
    reader = Reader()

    converted = export(Header(version=version), list(events)).splitlines()
    assert list(reader.read(converted)) == events


V1 = Header(
    version=1, cols=100, rows=30, title="title", command="make", env={"TERM": "xterm"}, duration_us=9_000_000
)


@given(recordings())
def test_a_document_of_version_1_reads_back_to_the_same_bytes_and_times(events: list[Event]) -> None:
    document = export(V1, events)
    header, items = read_document(document)
    found = list(items)
    assert header == V1
    assert output_of(found) == output_of(events)
    # As version 3 has them when nothing lies between two writes.
    outputs: list[Event] = [event for event in events if isinstance(event, Output)]
    assert found == read_all(export(HEADERS[-1], outputs))[1]


def test_a_document_of_version_1_is_json_even_without_output() -> None:
    members = {"version": 1, "width": 100, "height": 30, "duration": 9.0, "command": "make", "title": "title"}
    members["env"] = {"TERM": "xterm"}
    assert json.loads(export(V1, [])) == members | {"stdout": []}
    events: list[Event] = [
        Output(1_500_000, b"a"),
        Resize(2_000_000, 80, 24),
        Output(3_000_000, b"b\xc3"),
        Exit(4_000_000, 0),
    ]
    told = json.loads(export(V1, events))
    assert told["stdout"] == [[1.5, "a"], [1.5, "b"], [0.0, "\udcc3"]]


@given(byte_strings)
def test_every_byte_has_one_spelling_as_text(data: bytes) -> None:
    spelled = text.decode(data)

    assert text.encode(spelled) == data
    assert json.loads(text.json_string(spelled)) == json.loads(text.json_string_ascii(spelled)) == spelled
    assert text.json_string_ascii(spelled).isascii()
