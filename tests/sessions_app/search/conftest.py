from collections.abc import Iterator

import pytest

from sessions_app.actions.terminals.screens import stop_screens


@pytest.fixture(scope="module", autouse=True)
def engine_process() -> Iterator[None]:
    """Where a hit is, is sometimes seen on a screen; the process that draws it must not outlive the tests."""
    yield
    stop_screens()
