"""Copies of real files, to be changed."""

import shutil
from pathlib import Path

import pytest

from tests.samples import sample
from tests.sessions_app.importers.importing import CLAUDE, CODEX


@pytest.fixture
def claude_file(tmp_path: Path) -> Path:
    return Path(shutil.copy(sample(CLAUDE), tmp_path))


@pytest.fixture
def codex_file(tmp_path: Path) -> Path:
    return Path(shutil.copy(sample(CODEX), tmp_path))
