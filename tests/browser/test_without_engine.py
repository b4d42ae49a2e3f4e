"""What a page shows where the server has no engine: no wheel for the platform, and so no screens.

Every test would fail against a server that has one.
"""

from pathlib import Path

import pytest
from playwright.sync_api import Page, WebSocket, expect

from sessions_app.actions.terminals.starting import REACH_BYTES
from sessions_app.terminal import wire
from sessions_app.terminal.asciicast.model import Output
from tests.browser.running import Server
from tests.browser.test_player import Recorded, expect_shown, open_player, shown
from tests.browser.test_terminals import open_terminal, screen_text, until
from tests.browser.test_wall import expect_picture, open_page, picture_of
from tests.factories import make_session
from tests.sessions_app.terminals.recorder import start_recorder

# How the page uses answers that are the same from either engine of the database.
pytestmark = [pytest.mark.browser, pytest.mark.once]

_NO_WHEEL = 'import sys\nsys.modules["pyghostty"] = None\n'


@pytest.fixture(scope="module")
def no_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("no-wheel")
    (folder / "sitecustomize.py").write_text(_NO_WHEEL)
    return folder


@pytest.fixture(autouse=True)
def server_without_engine(server: Server, no_wheel: Path) -> None:
    server.stop()
    server.environment["PYTHONPATH"] = str(no_wheel)
    # With a settings file the program is started and not forked: what it is forked from has imported the wheel.
    (server.home / "config.toml").touch()
    server.start()


def recording() -> Recorded:
    """4.2 MB in which nothing is cleared."""
    recorded = Recorded(start_recorder())
    for number in range(60):
        recorded.add(Output((number + 1) * 100_000, (b"%068d\r\n" % number) * 1_000))
    return recorded


def test_a_late_moment_is_reached_from_near_it(signed_in_page: Page) -> None:
    recorded = recording()
    recorded.recorder.exit(0)
    open_player(signed_in_page, recorded)
    us = recorded.times[-1] - 50_000
    assert signed_in_page.evaluate("(us) => player.seek(us)", us)
    found = shown(signed_in_page)
    assert found["from"] > 0
    assert found["keyframe"] == "", "nothing is drawn for it"
    assert 0 < found["bytes"] <= REACH_BYTES
    assert found["from"] + found["bytes"] == recorded.offset_at(us)
    assert found["sum"] == recorded.expected(found["from"], recorded.offset_at(us))["sum"]
    assert signed_in_page.evaluate("(us) => player.seek(us)", recorded.times[2])
    expect_shown(signed_in_page, recorded, recorded.ends[2])


def test_a_live_terminal_begins_near_its_end(signed_in_page: Page) -> None:
    recorded = recording()
    frames: list[wire.Frame] = []

    def note(socket: WebSocket) -> None:
        socket.on(
            "framereceived",
            lambda content: frames.append(wire.decode(content)) if isinstance(content, bytes) else None,
        )

    signed_in_page.on("websocket", note)
    open_terminal(signed_in_page, recorded.recorder.terminal)
    until(lambda: screen_text(signed_in_page).endswith(f"{59:068d}"), "the end should be shown")
    (gap,) = (frame for frame in frames if isinstance(frame, wire.GapFrame))
    (keyframe,) = (frame for frame in frames if isinstance(frame, wire.KeyframeFrame))
    assert keyframe.data == b"", "nothing is drawn for it"
    assert keyframe.offset == gap.to_offset
    assert 0 < len(recorded.output) - keyframe.offset <= REACH_BYTES
    recorded.add(Output(recorded.times[-1] + 1_000, b"and on"))
    until(lambda: screen_text(signed_in_page).endswith("\nand on"), "it should go on")


def test_a_tile_of_the_wall_shows_the_last_lines(signed_in_page: Page) -> None:
    recorder = start_recorder(make_session())
    recorder.write(b"one\r\n\x1b[1;31mred\x1b[0m and \x1b[42mgreen\x1b[0m\r\n")
    terminal = recorder.refresh()
    open_page(signed_in_page, "/terminals/")
    expect_picture(signed_in_page, terminal, "red and green")
    # No cursor and no background, and each line in one piece: no colour.
    picture = picture_of(signed_in_page, terminal)
    expect(picture.locator("path")).to_have_count(0)
    expect(picture.locator("tspan")).to_have_text(["one", "red and green"])
    recorder.write(b"\x1b[32mthree\r\n")
    expect_picture(signed_in_page, terminal, "three")
    expect(picture.locator("path")).to_have_count(0)
    expect(picture.locator("tspan")).to_have_text(["one", "red and green", "three"])
