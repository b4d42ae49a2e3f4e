"""The browser that the tests drive."""

import re

import pytest
from playwright.sync_api import Browser

# Nothing here reaches a server.
pytestmark = [pytest.mark.browser, pytest.mark.once]


def test_what_playwright_switches_off_stays_off(chromium: Browser) -> None:
    command_line = chromium.new_browser_cdp_session().send("SystemInfo.getInfo")["commandLine"]
    playwrights, ours = (
        set(features.split(",")) for features in re.findall(r"--disable-features=(\S+)", command_line)
    )
    assert playwrights
    assert playwrights <= ours
