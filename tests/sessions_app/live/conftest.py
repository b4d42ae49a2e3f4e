from collections.abc import Iterator

import pytest

from sessions_app.live.hub import stop_hub
from sessions_app.live.reading import stop_reading


@pytest.fixture(autouse=True)
def quiet_afterwards() -> Iterator[None]:
    """No thread of the hub may outlive the database of its test."""
    yield
    stop_hub()
    stop_reading()
