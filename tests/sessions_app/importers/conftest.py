"""Copies of real files, to be changed, and batches that a small file fills."""

import shutil
from pathlib import Path

import pytest

from sessions_app.importers import reading
from tests.samples import sample
from tests.sessions_app.importers.importing import CLAUDE, CODEX


@pytest.fixture
def claude_file(tmp_path: Path) -> Path:
    return Path(shutil.copy(sample(CLAUDE), tmp_path))


@pytest.fixture
def codex_file(tmp_path: Path) -> Path:
    return Path(shutil.copy(sample(CODEX), tmp_path))


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "BATCH_BYTES", 60_000)
    monkeypatch.setattr(reading, "BLOCK_BYTES", 50_000)
