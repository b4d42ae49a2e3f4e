"""Files that are broken, or change or go while they are read: nothing else suffers, and nothing is lost."""

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

from sessions_app.actions.imports import ImportWriter
from sessions_app.importers import reading
from sessions_app.models import (
    AgentSession,
    Message,
    SkippedLine,
    Source,
    SourceChunk,
    SourceState,
)
from sessions_app.models.blob import Codec
from tests.samples import sample
from tests.sessions_app.importers.importing import CODEX, raw_bytes, run_import

pytestmark = pytest.mark.django_db


def test_a_broken_line_is_kept_counted_and_shown(codex_file: Path) -> None:
    lines = codex_file.read_bytes().splitlines(keepends=True)
    broken = b'{"timestamp": "2026-02-23T12:55:00Z", "type": "resp\n'
    lines[5:5] = [
        broken,
        b"\x00\xff\xfe garbage \x80\n",
        b'{"type": "from the future", "payload": {}}\n',
        b"\n",
    ]
    codex_file.write_bytes(b"".join(lines))

    report = run_import(codex_file)

    source = Source.objects.get()
    assert report.counts.skipped_lines == source.skipped_line_count == 2
    assert report.counts.unknown_lines == source.unknown_line_count == 1
    kept = {skipped.line: skipped for skipped in SkippedLine.objects.all()}
    assert set(kept) == {6, 7, 8}
    whole = raw_bytes(source)
    assert whole == codex_file.read_bytes()
    assert whole[kept[6].offset : kept[6].offset + kept[6].size] == broken
    assert AgentSession.objects.get().total_tokens == 33_944_484


def test_one_bad_file_never_stops_the_others(codex_file: Path, tmp_path: Path) -> None:
    unreadable = tmp_path / "rollout-gone.jsonl"
    unreadable.symlink_to(tmp_path / "nowhere")
    (tmp_path / "noise.jsonl").write_bytes(os.urandom(100_000))
    (tmp_path / "broken.jsonl.zst").write_bytes(b"\x28\xb5\x2f\xfd" + os.urandom(500))

    report = run_import(tmp_path)

    assert AgentSession.objects.count() == 1
    assert any("broken.jsonl.zst" in path for path in report.errors)
    assert report.ignored == 1


@pytest.mark.parametrize("codec", Codec)
def test_damage_of_what_is_kept_of_one_file_never_stops_the_others(
    codex_file: Path, tmp_path: Path, codec: Codec
) -> None:
    other = tmp_path / "rollout-2026-02-23T12-54-34-019c8a59-e9dd-71f0-9ae3-4079fe9726b0.jsonl"
    other.write_bytes(codex_file.read_bytes().replace(b"4079fe9726a9", b"4079fe9726b0"))
    run_import(tmp_path)
    SourceChunk.objects.filter(source__path=str(codex_file)).update(codec=codec, data=b"cut off")
    for file in (codex_file, other):
        with file.open("ab") as end:
            end.write(b'{"timestamp": "2026-02-23T12:55:00Z", "type": "event_msg", "payload": {}}\n')

    report = run_import(tmp_path)

    assert list(report.errors) == [str(codex_file)]
    assert "damaged" in report.errors[str(codex_file)]
    assert Source.objects.get(path=str(other)).read_offset == other.stat().st_size
    damaged = Source.objects.get(path=str(codex_file))
    assert (damaged.state, damaged.read_offset < codex_file.stat().st_size) == (SourceState.LIVE, True)


def test_a_named_file_that_is_no_history_is_said_to_be_none(tmp_path: Path) -> None:
    noise = tmp_path / "noise.jsonl"
    noise.write_bytes(os.urandom(10_000))

    report = run_import(noise, tmp_path / "missing.jsonl")

    assert set(report.errors) == {str(noise), str(tmp_path / "missing.jsonl")}
    assert not Source.objects.exists()


def test_a_file_without_rights_is_reported(codex_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The tests may run as root, whom no mode bits stop: the refusal comes from open() itself.
    def refuse(path: str) -> Any:
        raise PermissionError(errno.EACCES, "Permission denied", path)

    monkeypatch.setattr(reading, "open_stream", refuse)
    report = run_import(codex_file)

    assert report.errors == {str(codex_file): "permission denied"}


def test_a_ten_megabyte_line_is_one_message(tmp_path: Path) -> None:
    file = tmp_path / "big.jsonl"
    lines = sample(CODEX).read_bytes().splitlines(keepends=True)[:3]
    text = "lorem ipsum " * 900_000
    record = {
        "timestamp": "2026-02-23T13:00:00.000Z",
        "type": "response_item",
        "payload": {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_text", "text": text}],
        },
    }
    file.write_bytes(b"".join(lines) + json.dumps(record).encode() + b"\n")

    run_import(file)

    message = Message.objects.get(role="assistant", text_size=len(text))
    assert message.text_blob is not None
    assert message.text_blob.read().decode() == text
    assert len(message.text) < 10_000


def test_nul_and_lone_surrogates_are_shown_and_their_bytes_kept(tmp_path: Path) -> None:
    file = tmp_path / "odd.jsonl"
    lines = sample(CODEX).read_bytes().splitlines(keepends=True)[:3]
    odd = (
        b'{"timestamp":"2026-02-23T13:00:00.000Z","type":"response_item","payload":{"type":"message",'
        b'"role":"assistant","content":[{"type":"output_text","text":"a\\u0000b\\ud800c"}]}}\n'
    )
    file.write_bytes(b"".join(lines) + odd)

    run_import(file)

    assert Message.objects.filter(text="a\u2400b\ufffdc").count() == 1
    assert raw_bytes(Source.objects.get()).endswith(odd)


@pytest.mark.usefixtures("small_batches")
def test_a_file_replaced_while_it_is_read_loses_neither(
    codex_file: Path, claude_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, after = codex_file.read_bytes(), codex_file.read_bytes().replace(b"019c8a59", b"019c8a60")
    real_write, writes = ImportWriter.write, 0

    def write(self: ImportWriter, batches: Any, **options: Any) -> Any:
        nonlocal writes
        writes += 1
        if writes == 2:
            other = codex_file.with_suffix(".new")
            other.write_bytes(after)
            other.replace(codex_file)
        return real_write(self, batches, **options)

    monkeypatch.setattr(ImportWriter, "write", write)
    assert run_import(codex_file).errors == {}
    monkeypatch.undo()
    assert run_import(codex_file).errors == {}

    old, new = Source.objects.filter(path=str(codex_file)).order_by("generation")
    assert (raw_bytes(old), raw_bytes(new)) == (before, after)
    assert old.state == SourceState.TRUNCATED
    totals = AgentSession.objects.values_list("total_tokens", flat=True)
    assert sorted(totals) == [33_944_484, 33_944_484]


@pytest.mark.usefixtures("small_batches")
def test_a_file_truncated_while_it_is_read_keeps_what_was_read(
    codex_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = codex_file.read_bytes()
    real_write, writes = ImportWriter.write, 0

    def write(self: ImportWriter, batches: Any, **options: Any) -> Any:
        nonlocal writes
        writes += 1
        if writes == 2:
            os.truncate(codex_file, 1_000)
        return real_write(self, batches, **options)

    monkeypatch.setattr(ImportWriter, "write", write)
    assert run_import(codex_file).errors == {}
    monkeypatch.undo()
    run_import(codex_file)

    old, new = Source.objects.order_by("generation")
    assert before.startswith(raw_bytes(old))
    assert len(raw_bytes(old)) > 50_000
    assert raw_bytes(new) + bytes(new.tail) == before[:1_000]
