"""Rows and raw lines have the numbers that the file's lines have, however it was read."""

import shutil
from pathlib import Path

import pytest
from django.db import transaction

from sessions_app.importers import reading
from sessions_app.models import Message, Source, ToolCall
from sessions_app.raw_lines import line_at, lines_from
from tests.samples import sample
from tests.sessions_app.importers.claude_records import SESSION, user
from tests.sessions_app.importers.driving import lines as records
from tests.sessions_app.importers.importing import CLAUDE, CODEX, contents, raw_bytes, run_import

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b" \r\n"])
@pytest.mark.parametrize("name", [CLAUDE, CODEX])
def test_behind_an_unterminated_last_line_lines_keep_their_numbers(
    name: str, newline: bytes, tmp_path: Path
) -> None:
    lines = [line + newline for line in sample(name).read_bytes().split(b"\n")[:41]]
    whole = b"".join(lines)
    file = tmp_path / Path(name).name
    file.write_bytes(whole)
    with transaction.atomic():
        run_import(file)
        wanted = contents()
        transaction.set_rollback(True)

    # The last line each time is whole, but for its newline, or has a part of it only.
    for end in (len(b"".join(lines[:30])) - len(newline), len(b"".join(lines[:36])) - 1, len(whole)):
        file.write_bytes(whole[:end])
        assert run_import(file).errors == {}

    assert contents() == wanted
    source = Source.objects.get()
    assert (source.line_count, source.skipped_line_count, raw_bytes(source)) == (41, 0, whole)
    for row in [*Message.objects.all(), *ToolCall.objects.all()]:
        assert row.source_line is not None
        line = line_at(source, row.source_line)
        assert line is not None
        assert (line.number, line.content) == (row.source_line, lines[row.source_line - 1])
    (tmp_path / "copy").mkdir()
    shutil.copy(file, tmp_path / "copy")
    assert run_import(tmp_path / "copy").counts.sources == 1
    assert contents() == wanted


def test_what_follows_a_whole_record_in_its_own_line_is_read_as_that_line(tmp_path: Path) -> None:
    first, second, third = (records([user(f"u{number}", number, f"Say {number}")]) for number in (1, 2, 3))
    file = tmp_path / f"{SESSION}.jsonl"
    file.write_bytes(first.rstrip())
    run_import(file)
    file.write_bytes(first.rstrip() + second + b"{broken\n" + third)
    run_import(file)

    assert list(Message.objects.order_by("seq").values_list("text", "source_line")) == [
        ("Say 1", 1), ("Say 2", 1), ("Say 3", 3),
    ]  # fmt: skip
    source = Source.objects.get()
    assert (source.line_count, source.skipped_lines.get().line) == (3, 2)
    assert [line.content for line in lines_from(source, 1)] == [first.rstrip() + second, b"{broken\n", third]


@pytest.mark.parametrize("following", [False, True])
@pytest.mark.parametrize("steps", [1, 2])
def test_a_line_that_is_too_long_is_one_line(
    following: bool, steps: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "MAX_LINE_BYTES", 10_000)
    monkeypatch.setattr(reading, "BLOCK_BYTES", 4_000)
    monkeypatch.setattr(reading, "BATCH_BYTES", 6_000)
    lines = [
        records([user("u1", 1, "Before")]),
        b'{"x": "' + b"y" * 50_000 + b'"}\n',
        records([user("u2", 2, "Behind")]),
    ]
    whole = b"".join(lines)
    file = tmp_path / f"{SESSION}.jsonl"
    for step in range(steps, 0, -1):
        file.write_bytes(whole[: len(whole) // step])
        run_import(file, following=following)

    source = Source.objects.get()
    assert (source.line_count, source.skipped_line_count, raw_bytes(source)) == (3, 1, whole)
    assert source.skipped_lines.values_list("line", "offset", "reason").get() == (
        2,
        len(lines[0]),
        "line too long",
    )
    assert [line.content for line in lines_from(source, 1)] == lines
    assert [line_at(source, 2).content, line_at(source, 3).content] == lines[1:]  # type: ignore[union-attr]
    assert list(Message.objects.order_by("seq").values_list("source_line", flat=True)) == [1, 3]
