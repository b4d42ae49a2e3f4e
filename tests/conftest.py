from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.chromium import running_chromium


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """One browser for the whole stage; a test opens contexts of its own in it (`chromium.new_context()`)."""
    with running_chromium() as browser:
        yield browser
