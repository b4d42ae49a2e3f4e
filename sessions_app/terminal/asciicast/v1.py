"""Reader of asciicast v1: a JSON document `{"version": 1, "width", "height", "stdout": [[delay, text]]}`."""

import json
from collections.abc import Iterator

from sessions_app.terminal.asciicast.header import parse_header
from sessions_app.terminal.asciicast.model import MAX_TIME_US, Header, Item, Malformed, Output, is_time_s
from sessions_app.terminal.asciicast.text import encode


def read_document(document: bytes) -> tuple[Header | None, Iterator[Item]]:
    """Header and output of a whole v1 file. Without a header the only item says what is wrong."""
    try:
        text = document.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")
        members = json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return None, iter([Malformed(0, "not valid JSON")])
    header = parse_header(members)
    if header is None or header.version != 1:
        return None, iter([Malformed(0, "not an asciicast of version 1")])
    stdout = members.get("stdout")
    if not isinstance(stdout, list):
        return header, iter([Malformed(0, "stdout is not a list")])
    return header, _read_output(stdout)


def _read_output(stdout: list[object]) -> Iterator[Item]:
    time_ns = 0
    for position, write in enumerate(stdout, start=1):
        if not isinstance(write, list) or len(write) != 2:
            yield Malformed(position, "not a pair [delay, text]")
            continue
        delay, text = write
        if not is_time_s(delay):
            yield Malformed(position, "the delay is not a number of seconds from 0 to a hundred years")
            continue
        later_ns = time_ns + round(delay * 1e9)
        if later_ns > MAX_TIME_US * 1000:
            yield Malformed(position, "the delays sum up to more than a hundred years")
            continue
        time_ns = later_ns
        if isinstance(text, str):
            yield Output((time_ns + 500) // 1000, encode(text))
        else:
            yield Malformed(position, "the output is not text")
