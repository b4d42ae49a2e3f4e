"""How far an import is, as it is told, and how an interrupt ends it between two batches."""

import contextlib
import os
import signal
import time
from pathlib import Path

import pytest

from audit.actors import SYSTEM
from dashboard.lib.interrupts import held_interrupts
from sessions_app.importers import reading
from sessions_app.importers.pipeline import Importer
from sessions_app.importers.report import Progress
from sessions_app.models import AgentSession
from tests.sessions_app.importers.importing import assert_places_are_gapless, run_import

pytestmark = pytest.mark.django_db


def test_progress_moves_within_a_file_and_ends_at_its_end(
    codex_file: Path, claude_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "BLOCK_BYTES", 8_192)
    monkeypatch.setattr(reading, "BATCH_BYTES", 20_000)
    seen: list[int] = []
    total: list[int] = []

    def note(progress: Progress) -> None:
        seen.append(progress.bytes_done)
        total.append(progress.bytes)

    paths = [str(codex_file), str(claude_file)]
    Importer(SYSTEM, on_progress=note).import_paths(paths)
    sizes = [os.path.getsize(path) for path in paths]
    assert seen == sorted(seen)
    assert len({done for done in seen if 0 < done < min(sizes)}) > 1
    assert seen[-1] == sum(sizes) == total[-1]
    seen.clear()
    Importer(SYSTEM, on_progress=note).import_paths(paths)
    assert seen[-1] == sum(sizes)


class _InterruptedAsItGoes:
    """Python drops whatever is raised where an object is removed."""

    def __del__(self) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        # The signal is taken here at the latest.
        time.sleep(0)


@pytest.mark.usefixtures("small_batches")
def test_an_interrupt_that_python_would_drop_ends_the_import_between_two_batches(codex_file: Path) -> None:
    told = 0

    def on_progress(_: Progress) -> None:
        nonlocal told
        told += 1
        if told == 3:
            _InterruptedAsItGoes()

    with pytest.raises(KeyboardInterrupt):
        run_import(codex_file, on_progress=on_progress)

    assert told == 3
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    run_import(codex_file)
    assert AgentSession.objects.get().tool_call_count == 365
    assert_places_are_gapless()


def test_a_second_interrupt_is_not_held() -> None:
    reached = []
    with contextlib.suppress(KeyboardInterrupt), held_interrupts():
        os.kill(os.getpid(), signal.SIGINT)
        reached.append("after the first")
        os.kill(os.getpid(), signal.SIGINT)
        reached.append("after the second")

    assert reached == ["after the first"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
