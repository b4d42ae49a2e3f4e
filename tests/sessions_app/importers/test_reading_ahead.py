"""The process that reads ahead of the writer: the same rows, and nobody is harmed when it dies."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # its types are a package of their own
import pytest
import zstandard

from audit.actors import SYSTEM
from sessions_app.actions.imports import Batch
from sessions_app.importers import reading_ahead
from sessions_app.importers.pipeline import Importer
from sessions_app.importers.reading import Job
from sessions_app.importers.reading_ahead import ReaderProcess
from sessions_app.importers.report import Report
from sessions_app.models import AgentSession, Source, SourceState, ToolCall
from tests.samples import sample

CLAUDE = "claude-code/projects/sample-project/fe5e1c67-53e7-4862-81ae-d0e013e3270b.jsonl"
CODEX = "codex/sessions/rollout-2026-02-23T12-54-34-019c8a59-e9dd-71f0-9ae3-4079fe9726a9.jsonl"
PATIENCE_S = 30.0


@pytest.fixture
def reads_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small imports too are read by the other process, whatever the machine."""
    monkeypatch.setattr(reading_ahead, "WORTHWHILE_BYTES", 0)
    monkeypatch.setattr(reading_ahead, "usable_cores", lambda: 2)


def run_import(*paths: Path | str) -> Report:
    return Importer(SYSTEM).import_paths([str(path) for path in paths])


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def readers_of(process_id: int) -> list[psutil.Process]:
    return [
        child
        for child in psutil.Process(process_id).children()
        if any("spawn_main" in word for word in child.cmdline())
    ]


@pytest.mark.django_db
@pytest.mark.usefixtures("reads_ahead")
def test_it_reads_the_same_numbers() -> None:
    report = run_import(sample(CLAUDE), sample(CODEX), sample("asciicast"))

    assert report.errors == {}
    claude = AgentSession.objects.get(agent="claude-code")
    assert (claude.output_tokens, claude.assistant_message_count, claude.run_count) == (51_933, 170, 6)
    codex = AgentSession.objects.get(agent="codex")
    assert (codex.turn_count, codex.tool_call_count, codex.total_tokens) == (33, 365, 33_944_484)
    assert report.counts.terminals > 0
    assert readers_of(os.getpid()) == []


@pytest.mark.django_db
@pytest.mark.usefixtures("reads_ahead")
def test_a_rewritten_file_and_a_broken_one_are_told_over_the_pipe(tmp_path: Path) -> None:
    file = Path(shutil.copy(sample(CODEX), tmp_path))
    run_import(tmp_path)
    file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[:30]))
    broken = tmp_path / "rollout-broken.jsonl.zst"
    compressed = zstandard.compress(sample(CODEX).read_bytes())
    # Its beginning is whole, so that it is recognised and given to the reader.
    broken.write_bytes(compressed[: len(compressed) * 3 // 4] + bytes(1000))

    report = run_import(tmp_path)

    states = Source.objects.filter(path=str(file)).order_by("generation").values_list("state", flat=True)
    assert list(states) == [SourceState.TRUNCATED, SourceState.LIVE]
    assert list(report.errors) == [str(broken)]


class KilledAtSecondJob(ReaderProcess):
    """Kills its own process before the batches of the second job are taken."""

    taken = 0

    def _batches(self, job: Job) -> Iterator[Batch]:
        self.taken += 1
        if self.taken == 2 and self.process_id is not None:
            os.kill(self.process_id, signal.SIGSTOP)
            os.kill(self.process_id, signal.SIGKILL)
        yield from super()._batches(job)


@pytest.mark.django_db
@pytest.mark.usefixtures("reads_ahead")
def test_a_reader_that_dies_costs_one_file_at_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading_ahead, "ReaderProcess", KilledAtSecondJob)
    # More than a pipe holds, so that no answer about the second file can have come before the reader dies.
    for name in ("a", "b", "c", "d"):
        content = sample(CODEX).read_bytes() + b'{"type": "unknown", "filler": "%s"}\n' % (
            os.urandom(4_000_000).hex().encode()
        )
        (tmp_path / f"rollout-{name}.jsonl").write_bytes(content)

    report = run_import(tmp_path)

    assert list(report.errors) == [str(tmp_path / "rollout-b.jsonl")]
    assert "SIGKILL" in report.errors[str(tmp_path / "rollout-b.jsonl")]
    assert Source.objects.filter(read_offset__gt=0).count() == 3
    assert ToolCall.objects.count() == 365

    monkeypatch.undo()
    assert run_import(tmp_path).errors == {}
    assert Source.objects.filter(read_offset__gt=0).count() == 4


_IMPORTING = """
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "dashboard.settings"
def main():
    from sessions_app.actions.imports import Batch
    from sessions_app.importers.reading_ahead import ReaderProcess
    reader = ReaderProcess()
    reader._running()
    print(reader.process_id, flush=True)
    sys.stdin.read()
if __name__ == "__main__":
    import django
    django.setup()
    main()
"""


@pytest.mark.once
def test_the_reader_ends_with_a_writer_that_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "importing.py"
    script.write_text(_IMPORTING)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    with subprocess.Popen(
        [sys.executable, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    ) as writer:
        assert writer.stdout is not None
        reader = int(writer.stdout.readline())
        assert psutil.pid_exists(reader)
        writer.send_signal(signal.SIGKILL)

    until(lambda: not psutil.pid_exists(reader), "the reader should end")
