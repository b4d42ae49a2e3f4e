"""Files, names and folders that no agent would write, and neighbours that must not suffer from them."""

import json
import os
import random
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zstandard
from django.db import connection

from audit.actors import SYSTEM
from audit.models import Entry
from sessions_app.importers.finding import find_files, stored_path
from sessions_app.importers.pipeline import Importer
from sessions_app.importers.report import Report
from sessions_app.models import AgentSession, Message, Source, SourceState, Terminal, TerminalState
from tests.samples import sample

pytestmark = pytest.mark.django_db

CODEX = "codex/sessions/rollout-2026-02-23T12-41-04-019c8a4d-8f45-7010-8b5d-7fad920aa6f9.jsonl"
ODD_VALUES: list[Any] = [
    [],
    ["x"],
    {},
    {"a": []},
    None,
    True,
    1e308,
    -1,
    2**70,
    "",
    "\x00",
    "\ud800",
    [[[]]],
    "x" * 5000,
]


def run_import(*paths: Path | str, **options: Any) -> Report:
    return Importer(SYSTEM, **options).import_paths([str(path) for path in paths])


def confused(value: Any, generator: random.Random) -> Any:
    """The same JSON with a value or two of another type somewhere inside."""
    if generator.random() < 0.06:
        return generator.choice(ODD_VALUES)
    if isinstance(value, dict):
        return {key: confused(item, generator) for key, item in value.items()}
    if isinstance(value, list):
        return [confused(item, generator) for item in value]
    return value


def confused_file(path: Path, generator: random.Random) -> bytes:
    if path.suffix == ".json":
        return json.dumps(confused(json.loads(path.read_bytes()), generator)).encode()
    lines = [
        json.loads(line)
        for line in path.read_bytes().splitlines()[:60]
        if line.strip().startswith((b"{", b"["))
    ]
    return b"".join(json.dumps(confused(line, generator)).encode() + b"\n" for line in lines)


def originals() -> Iterator[Path]:
    for name in ("claude-code", "codex", "synthetic/picoclaw", "asciicast", "pty"):
        for path in sorted(sample(name).rglob("*")):
            if path.suffix in {".jsonl", ".json", ".cast"} and path.name != "v3-broken.cast":
                yield path


@pytest.mark.parametrize("seed", range(6))
def test_confused_types_cost_lines_and_never_the_import(tmp_path: Path, seed: int) -> None:
    generator = random.Random(seed)
    for number, path in enumerate(originals()):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / path.name).write_bytes(confused_file(path, generator))
    good = tmp_path / "zz-good"
    good.mkdir()
    shutil.copy(sample(CODEX), good)

    run_import(tmp_path)

    assert Source.objects.filter(path__startswith=str(good), line_count__gt=0).exists()
    assert Message.objects.filter(source__path__startswith=str(good)).exists()


@pytest.mark.parametrize(
    "record",
    [{"type": ["x"]}, {"type": {}, "sessionId": "a"}, ["x"], {"type": ["started"], "key": 1, "agentId": 2}],
)
def test_a_file_that_makes_a_format_stumble_is_ignored(tmp_path: Path, record: object) -> None:
    (tmp_path / "odd.jsonl").write_text(json.dumps(record) + "\n")
    shutil.copy(sample(CODEX), tmp_path)

    report = run_import(tmp_path)

    assert report.errors == {}
    assert AgentSession.objects.count() == 1


def test_a_name_that_is_not_utf8_is_one_source_for_ever(tmp_path: Path) -> None:
    odd = os.fsencode(tmp_path) + b"/rollout-\xff\xfe.jsonl"
    Path(os.fsdecode(odd)).write_bytes(sample(CODEX).read_bytes())

    run_import(tmp_path)
    report = run_import(tmp_path)

    source = Source.objects.get()
    assert source.path.endswith("rollout-\\xff\\xfe.jsonl")
    assert source.state == SourceState.LIVE
    assert report.unchanged == 1


def test_very_long_paths_stay_apart() -> None:
    long = "/x" * 1500
    assert len(stored_path(long + "a")) <= 2048
    assert stored_path(long + "a") != stored_path(long + "b")
    assert stored_path("/plain/path") == "/plain/path"


def test_folders_may_lie_deeper_than_calls(tmp_path: Path) -> None:
    here = os.getcwd()
    try:
        os.chdir(tmp_path)
        for _ in range(1_200):
            os.mkdir("d")
            os.chdir("d")
    finally:
        os.chdir(here)
    shutil.copy(sample(CODEX), tmp_path)

    found = find_files([str(tmp_path)])

    assert len(found.files) == 1
    shutil.rmtree(tmp_path / "d", ignore_errors=True)


def test_a_compressed_file_that_ends_too_early_says_so(tmp_path: Path) -> None:
    packed = zstandard.compress(sample(CODEX).read_bytes())
    file = tmp_path / (Path(CODEX).name + ".zst")
    file.write_bytes(packed[: len(packed) // 2])

    report = run_import(tmp_path)

    assert "ends too early" in report.errors[str(file)]
    file.write_bytes(packed)
    assert run_import(tmp_path).errors == {}
    assert AgentSession.objects.get().tool_call_count == 118


def test_two_frames_are_one_history(tmp_path: Path) -> None:
    content = sample(CODEX).read_bytes()
    middle = len(content) // 2
    file = tmp_path / (Path(CODEX).name + ".zst")
    file.write_bytes(zstandard.compress(content[:middle]) + zstandard.compress(content[middle:]))

    assert run_import(tmp_path).errors == {}
    assert AgentSession.objects.get().tool_call_count == 118


def test_a_last_line_that_a_watch_set_aside_is_imported_later(tmp_path: Path) -> None:
    lines = sample(CODEX).read_bytes().splitlines(keepends=True)
    file = tmp_path / Path(CODEX).name
    file.write_bytes(b"".join(lines[:30]) + lines[30].rstrip(b"\n"))
    run_import(tmp_path, following=True)
    assert Source.objects.get().line_count == 30

    run_import(tmp_path)

    source = Source.objects.get()
    assert (source.line_count, bytes(source.tail)) == (31, b"")


def test_a_recording_that_appears_while_followed_is_live_only_while_it_grows(tmp_path: Path) -> None:
    file = Path(shutil.copy(sample("asciicast/v2-welcome.cast"), tmp_path))
    importer = Importer(SYSTEM, following=True)
    importer.import_paths([str(tmp_path)])
    assert Terminal.objects.get().state == TerminalState.ENDED

    with file.open("a") as handle:
        handle.write('[200.0, "o", "more"]\n')
    importer.import_paths([str(tmp_path)])
    assert Terminal.objects.get().state == TerminalState.LIVE
    assert Terminal.objects.get().last_line.endswith("more")


def test_a_file_that_comes_back_is_live_again(tmp_path: Path) -> None:
    file = Path(shutil.copy(sample(CODEX), tmp_path))
    away = tmp_path.parent / "away.jsonl"
    run_import(tmp_path)
    file.rename(away)
    run_import(tmp_path)
    assert Source.objects.get().state == SourceState.DELETED

    away.rename(file)
    report = run_import(tmp_path)

    assert Source.objects.get().state == SourceState.LIVE
    assert report.unchanged == 1
    assert list(Entry.objects.order_by("idx").values_list("action", flat=True))[-2:] == [
        "source.deleted",
        "source.restored",
    ]


def test_what_may_not_be_looked_at_is_not_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "closed"
    folder.mkdir()
    shutil.copy(sample(CODEX), folder)
    run_import(tmp_path)
    real_scandir = os.scandir

    def scandir(path: str) -> Any:
        # Tests may run as root, whom no mode bits stop.
        if path == str(folder):
            raise PermissionError(13, "Permission denied", path)
        return real_scandir(path)

    monkeypatch.setattr(os, "scandir", scandir)
    report = run_import(tmp_path)

    assert report.errors == {str(folder): "permission denied"}
    assert Source.objects.get().state == SourceState.LIVE
    assert not Entry.objects.filter(action="source.deleted").exists()


@pytest.mark.parametrize("content", [b"\x00\xff\xfe garbage \x80\n" * 3, b"[1, 2]\nnothing\n3\n", b"a\nb\nc"])
def test_garbage_with_the_name_of_a_history_is_told_by_its_name(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / Path(CODEX).name
    file.write_bytes(content)

    report = run_import(tmp_path)

    assert (report.ignored, report.counts.sources, report.skipped) == (0, 1, {str(file): 3})
    assert not AgentSession.objects.exists()


def test_a_link_to_nowhere_with_the_name_of_a_history_is_told(tmp_path: Path) -> None:
    shutil.copy(sample(CODEX), tmp_path)
    lost = tmp_path / "lost.jsonl"
    lost.symlink_to(tmp_path / "nowhere.jsonl")
    (tmp_path / ".#open.jsonl").symlink_to("ada@machine.4711")
    (tmp_path / "package.json").symlink_to(tmp_path / "nowhere.json")

    report = run_import(tmp_path)

    assert report.errors == {str(lost): "it is a link to a file that is not there"}
    assert report.counts.sessions == 1


def test_lines_that_could_not_be_read_are_told_by_file(tmp_path: Path) -> None:
    file = tmp_path / Path(CODEX).name
    file.write_bytes(sample(CODEX).read_bytes() + b"{broken\n{broken too\n")

    assert run_import(tmp_path).skipped == {str(file): 2}


@pytest.mark.django_db(transaction=True)
def test_imports_of_the_same_tree_at_once_end_as_one(tmp_path: Path) -> None:
    for number in range(12):
        lines = sample(CODEX).read_bytes().replace(b"019c8a4d", f"{number:08x}".encode())
        (tmp_path / f"rollout-{number}.jsonl").write_bytes(lines)
    reports: list[Report] = []
    failures: list[BaseException] = []

    def work() -> None:
        try:
            reports.append(run_import(tmp_path))
        except BaseException as error:
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    assert [report.errors for report in reports] == [{}, {}, {}]
    assert sum(report.counts.tool_calls for report in reports) == 12 * 118
    assert list(AgentSession.objects.values_list("tool_call_count", flat=True)) == [118] * 12
