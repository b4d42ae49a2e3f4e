"""The browser assets, which no page loads all of."""

import pytest
from playwright.sync_api import Browser

from dev import ROOT

# Nothing here reaches a server.
pytestmark = [pytest.mark.browser, pytest.mark.once]

VENDOR = ROOT / "static" / "vendor"


def test_the_browser_loads_every_script_as_a_module(chromium: Browser) -> None:
    page = chromium.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.route(
        "http://assets.test/**",
        lambda route: (
            route.fulfill(
                path=VENDOR / route.request.url.removeprefix("http://assets.test/"),
                content_type="text/javascript",
            )
            if route.request.url.endswith(".js")
            else route.fulfill(body="<title>assets</title>", content_type="text/html")
        ),
    )
    page.goto("http://assets.test/")
    for path in sorted(VENDOR.rglob("*.js")):
        exported = page.evaluate("path => import(path).then(Object.keys)", f"/{path.relative_to(VENDOR)}")
        assert exported, f"{path.name} exports nothing"
    assert problems == []
    page.close()
