"""What tests of the player need: a recording of ten seconds, and where things stand on its page."""

from typing import Any

from playwright.sync_api import Locator, Page

from sessions_app.models import Terminal
from tests.browser.test_terminals import until
from tests.sessions_app.terminals.recorder import Recorder, start_recorder

SECOND_US = 1_000_000
BY = "\N{MULTIPLICATION SIGN}"


def counting(count: int = 10) -> Recorder:
    """So many lines, one each second, of a program that goes on."""
    recorder = start_recorder()
    for number in range(1, count + 1):
        recorder.write(b"line %d\r\n" % number, after_us=SECOND_US)
    return recorder


def counted() -> Recorder:
    """Ten lines, one each second, then the exit."""
    return ended(counting())


def ended(recorder: Recorder, status: int = 0) -> Recorder:
    recorder.exit(status)
    recorder.refresh()
    return recorder


def lines(number: int) -> str:
    """What the screen of `counted` shows after so many seconds."""
    return "\n".join(f"line {count}" for count in range(1, number + 1))


def bar(page: Page) -> Locator:
    return page.get_by_label("Time in the recording")


def box_of(locator: Locator) -> dict[str, float]:
    box = locator.bounding_box()
    assert box is not None
    return {"x": box["x"], "y": box["y"], "width": box["width"], "height": box["height"]}


def from_module(page: Page, module: str, expression: str) -> Any:
    """What `expression` makes of `module`, one of static/js/terminal/."""
    return page.evaluate(f"import('scrollback/terminal/{module}').then((module) => ({expression}))")


def wait_for_text(recorder: Recorder) -> None:
    """The server derives the text of a recording by itself, a moment after its bytes came."""
    underived = Terminal.objects.underived().filter(pk=recorder.terminal.pk)
    until(lambda: not underived.exists(), "the text should be derived")
