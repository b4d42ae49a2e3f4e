"""That what looks for small targets finds them, and nothing that is only scrolled."""

import pytest
from playwright.sync_api import Browser

from tests.browser import accessibility

pytestmark = [pytest.mark.browser, pytest.mark.once]  # It reaches no server.

PAGE = """<!doctype html><html lang="en"><title>Targets</title><main style="height: 3000px">
<h1>Targets</h1>
<div style="height: 100px"></div>
<button type="button" style="position: absolute; top: 684px; height: 60px">Behind the bars</button>
{small}
<div style="height: 2000px"></div>
<div style="position: sticky; bottom: 0; height: 150px; background: #fff"><button type="button">Sticks</button></div>
<div style="position: fixed; bottom: 0; height: 140px; width: 100%; background: #fff; color: #000">Fixed</div>
</main></html>"""
SMALL = '<div><button type="button" style="width: 9px; height: 9px; padding: 0" aria-label="{name}"></button></div>'
TWO_SMALL = SMALL.format(name="a") + SMALL.format(name="b")


@pytest.mark.parametrize(("small", "found"), [("", []), (TWO_SMALL, ["a", "b"])], ids=["none", "two"])
def test_small_targets_are_found_and_what_is_scrolled_is_not(
    chromium: Browser, small: str, found: list[str]
) -> None:
    page = chromium.new_page(viewport={"width": 1440, "height": 844})
    page.set_content(PAGE.format(small=small))
    before = page.content()
    lines = [line for line in accessibility.findings(page, "here") if "target-size" in line]
    assert [name for name in "ab" for line in lines if f'aria-label="{name}"' in line] == found
    assert len(lines) == len(found)
    assert page.content() == before
    page.close()
