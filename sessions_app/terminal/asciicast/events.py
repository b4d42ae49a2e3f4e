"""Meaning of one event `[time, code, data]`, the same in v2, v3 and the recorder's upload."""

import re
from collections.abc import Callable

from sessions_app.terminal.asciicast.model import (
    Event,
    Exit,
    Input,
    Marker,
    Output,
    Resize,
)
from sessions_app.terminal.asciicast.text import encode, without_surrogates
from sessions_app.terminal.window import allowed_size

_SIZE = re.compile(r"([0-9]{1,9})x([0-9]{1,9})", re.ASCII)
_STATUS = re.compile(r"-?[0-9]{1,10}", re.ASCII)


class EventError(ValueError):
    """The data of an event does not fit its code."""


def make_event(time_us: int, code: str, data: object) -> Event | None:
    """Event with the code `o`, `i`, `r`, `m` or `x`; None for a code that is not known. Raises EventError."""
    make = _MAKERS.get(code)
    return make(time_us, data) if make else None


def event_text(event: Resize | Marker | Exit) -> tuple[str, str]:
    """Code and data text of an event that carries no bytes."""
    if isinstance(event, Resize):
        return "r", f"{event.cols}x{event.rows}"
    if isinstance(event, Marker):
        return "m", event.label
    return "x", "" if event.status is None else str(event.status)


def _text(data: object) -> str:
    if not isinstance(data, str):
        raise EventError("the data is not text")
    return data


def _output(time_us: int, data: object) -> Output:
    return Output(time_us, encode(_text(data)))


def _input(time_us: int, data: object) -> Input:
    return Input(time_us, encode(_text(data)))


def _resize(time_us: int, data: object) -> Resize:
    size = _SIZE.fullmatch(_text(data))
    cols, rows = (int(size[1]), int(size[2])) if size else (0, 0)
    if cols == 0 or rows == 0:
        raise EventError("a size is not written as COLSxROWS")
    return Resize(time_us, *allowed_size(cols, rows))


def _marker(time_us: int, data: object) -> Marker:
    return Marker(time_us, without_surrogates(_text(data)))


def _exit(time_us: int, data: object) -> Exit:
    if data == "":
        return Exit(time_us, None)
    # The format says text; a number is what several writers put there.
    text = str(data) if type(data) is int and abs(data) < 1 << 32 else _text(data)
    if not _STATUS.fullmatch(text) or not -(1 << 31) <= int(text) < 1 << 31:
        raise EventError("an exit status is no whole number of 32 bits")
    return Exit(time_us, int(text))


_MAKERS: dict[str, Callable[[int, object], Event]] = {
    "o": _output,
    "i": _input,
    "r": _resize,
    "m": _marker,
    "x": _exit,
}
