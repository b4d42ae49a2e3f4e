from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sessions_app.client.fake_server import TOKEN, FakeServer, running_fake_server


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with running_fake_server() as server:
        yield server


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data directory of the recorder's own, with a token in it."""
    directory = tmp_path / "home"
    directory.mkdir(mode=0o700)
    token = directory / "agent.token"
    token.write_text(TOKEN + "\n")
    token.chmod(0o600)
    monkeypatch.setenv("SCROLLBACK_HOME", str(directory))
    for name in ("SCROLLBACK_URL", "SCROLLBACK_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    return directory
