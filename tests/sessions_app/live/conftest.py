from collections.abc import Iterator

import pytest

from sessions_app.actions.terminals.screens import stop_screens
from sessions_app.live import frames
from sessions_app.live.hub import stop_hub
from sessions_app.live.reading import stop_reading


@pytest.fixture(autouse=True)
def quiet_afterwards() -> Iterator[None]:
    """No thread of the hub may outlive the database of its test."""
    yield
    stop_hub()
    stop_reading()
    stop_screens()


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Viewers begin with the screens that are kept, as where the engine cannot draw one."""
    monkeypatch.setattr(frames, "start_drawn_at", lambda *_, **__: None)
