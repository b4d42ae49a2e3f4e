from pathlib import Path

import pytest

from tests.dashboard.commands.calling import Caller
from tests.dashboard.commands.shell import Shell


@pytest.fixture
def shell(tmp_path: Path, empty_database_url: str) -> Shell:
    """Commands on an empty database of the chosen engine."""
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    return Shell(home, empty_database_url)


@pytest.fixture
def call(capsysbinary: pytest.CaptureFixture[bytes]) -> Caller:
    """Commands on the test's own database."""
    return Caller(capsysbinary)
