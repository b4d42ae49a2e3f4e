"""The viewer's rule is written twice, in Python and in JavaScript: both must do the same with any frames."""

import base64
import random
from typing import Any

import pytest
from playwright.sync_api import Page

from sessions_app.terminal import wire
from sessions_app.terminal.follower import Follower, Hole

pytestmark = pytest.mark.browser

OUTPUT = bytes(range(256)) * 2
_FOLLOW = """async ([expected, messages]) => {
  const { Follower, HOLE } = await import("scrollback/terminal/follower");
  const { decodeFrame } = await import("scrollback/terminal/frames");
  const follower = new Follower(expected);
  return messages.map((message) => {
    if (message === null) {
      follower.reconnected();
      return ["reconnected", follower.expected];
    }
    const bytes = Uint8Array.from(atob(message), (letter) => letter.charCodeAt(0));
    const applied = follower.receive(decodeFrame(bytes.buffer));
    if (applied === HOLE) return ["hole", follower.expected];
    if (!applied) return ["nothing", follower.expected];
    return [applied.type, applied.offset, [...(applied.bytes ?? [])], follower.expected, follower.ended];
  });
}"""


def random_frame(chooser: random.Random) -> wire.Frame:
    offset = chooser.randint(0, 60)
    size = chooser.randint(0, 20)
    frames: list[wire.Frame] = [
        wire.OutputFrame(offset, offset, OUTPUT[offset : offset + size]),
        wire.OutputFrame(offset, offset, OUTPUT[offset : offset + size]),
        wire.ResizeFrame(offset, offset, 80 + offset % 2, 24),
        wire.MarkerFrame(offset, offset, "mä𝄞rk"),
        wire.ExitFrame(offset, offset, chooser.choice([None, -1, 0])),
        wire.KeyframeFrame(offset, offset, 80, 24, b"screen"),
        wire.GapFrame(offset, offset, offset + size),
        wire.EndFrame(offset, offset),
        wire.InfoFrame(offset, offset, {"state": "live"}),
    ]
    return chooser.choice(frames)


def in_python(expected: int, frames: list[wire.Frame | None]) -> list[Any]:
    follower = Follower(expected)
    told = False
    results: list[Any] = []
    for frame in frames:
        if frame is None:
            follower.reconnected()
            told = False
            results.append(["reconnected", follower.expected])
            continue
        applied = follower.receive(frame)
        # A hole is reported once in Python; in the browser each report would only close a closed socket again.
        missing = (
            not isinstance(frame, wire.InfoFrame | wire.KeyframeFrame) and frame.offset > follower.expected
        )
        if isinstance(applied, Hole) or (applied is None and told and missing):
            told = True
            results.append(["hole", follower.expected])
        elif applied is None:
            results.append(["nothing", follower.expected])
        else:
            told = told and isinstance(applied, wire.InfoFrame)
            name = type(applied).__name__.removesuffix("Frame").lower()
            data = list(getattr(applied, "data", b""))
            results.append([name, applied.offset, data, follower.expected, follower.ended])
    return results


@pytest.mark.once  # What a page does by itself is no matter of the engine.
def test_both_rules_do_the_same_with_any_frames(signed_in_page: Page) -> None:
    signed_in_page.goto("/terminals/")
    chooser = random.Random(20)
    for _ in range(150):
        expected = chooser.choice([0, 0, 10])
        frames: list[wire.Frame | None] = [
            None if chooser.random() < 0.05 else random_frame(chooser) for _ in range(40)
        ]
        messages = [frame and base64.b64encode(wire.encode(frame)).decode() for frame in frames]
        assert signed_in_page.evaluate(_FOLLOW, [expected, messages]) == in_python(expected, frames)
