"""A file that grows: what was read of it is not read again."""

import io
import itertools
from collections.abc import Buffer
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

import pytest
from django.db import connection, transaction
from django.db.migrations.loader import MigrationLoader
from django.test.utils import CaptureQueriesContext

from audit.actors import SYSTEM
from sessions_app.actions import import_updates
from sessions_app.importers import reading
from sessions_app.importers.pipeline import Importer
from sessions_app.importers.reading import FINGERPRINT_BYTES
from sessions_app.importers.registry import HEAD_BYTES
from sessions_app.models import SearchEntry, SearchKind, Source, SourceChunk
from sessions_app.search.find import find
from sessions_app.search.query import parse
from tests.factories import make_person
from tests.samples import sample
from tests.sessions_app.importers.claude_records import SESSION, assistant, call, text, user
from tests.sessions_app.importers.driving import lines as records
from tests.sessions_app.importers.importing import (
    CLAUDE,
    CODEX,
    assert_places_are_gapless,
    contents,
    raw_bytes,
    run_import,
)

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("name", [CLAUDE, CODEX])
def test_a_file_that_grows_line_by_line_ends_as_if_it_had_been_read_at_once(
    name: str, tmp_path: Path
) -> None:
    lines = sample(name).read_bytes().splitlines(keepends=True)
    file = tmp_path / Path(name).name
    with transaction.atomic():
        run_import(sample(name))
        wanted = contents()
        transaction.set_rollback(True)

    steps = [0, 1, 2, 3, 50, 51, len(lines) // 2, len(lines) - 1, len(lines)]
    importer = Importer(SYSTEM)
    for start, end in itertools.pairwise(steps):
        with file.open("ab") as handle:
            handle.writelines(lines[start:end])
        importer.import_paths([str(file)])

    assert contents() == wanted
    assert raw_bytes(Source.objects.get()) == sample(name).read_bytes()
    assert_places_are_gapless()


class CountedFile(io.FileIO):
    """A file with no buffer in front of it: exactly what is asked of it is counted, in all of them together."""

    bytes_read: ClassVar[int] = 0

    def read(self, size: int | None = -1, /) -> bytes:
        content = super().read(size)
        CountedFile.bytes_read += len(content)
        return content

    def readall(self) -> bytes:
        content = super().readall()
        CountedFile.bytes_read += len(content)
        return content

    def readinto(self, buffer: Buffer, /) -> int:
        size = super().readinto(buffer)
        CountedFile.bytes_read += size
        return size


def test_an_appended_line_costs_one_lines_work(codex_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Its beginning, for its format and then for what was read of it, and the end of that.
    looked_at_again = HEAD_BYTES + 2 * FINGERPRINT_BYTES
    lines = codex_file.read_bytes().splitlines(keepends=True)
    codex_file.write_bytes(b"".join(lines[:-40]))
    assert codex_file.stat().st_size > 10 * looked_at_again
    importer = Importer(SYSTEM, following=True)
    importer.import_paths([str(codex_file)])
    monkeypatch.setattr(reading, "open_stream", CountedFile)
    costs = []
    for line in lines[-40:]:
        with codex_file.open("ab") as handle:
            handle.write(line)
        monkeypatch.setattr(CountedFile, "bytes_read", 0)
        with CaptureQueriesContext(connection) as queries:
            report = importer.import_paths([str(codex_file)])
        assert report.counts.bytes == len(line)
        assert len(line) <= CountedFile.bytes_read <= len(line) + looked_at_again
        costs.append(len(queries))

    assert max(costs) < 60
    sizes = SourceChunk.objects.values_list("size", flat=True)
    assert sum(sizes) == codex_file.stat().st_size
    # Forty appended lines must not leave forty chunks behind.
    assert len(sizes) < 12


def test_an_unfinished_last_line_waits_for_its_end(codex_file: Path) -> None:
    lines = codex_file.read_bytes().splitlines(keepends=True)
    whole = b"".join(lines[:20])
    codex_file.write_bytes(whole + lines[20][:30])
    run_import(codex_file)
    source = Source.objects.get()
    assert (source.read_offset, bytes(source.tail)) == (len(whole), lines[20][:30])

    codex_file.write_bytes(whole + lines[20])
    run_import(codex_file)

    source.refresh_from_db()
    assert (source.read_offset, bytes(source.tail)) == (len(whole) + len(lines[20]), b"")
    assert source.skipped_line_count == 0


ANSWER = (
    user("u1", 1, "What colour is the sea?"),
    assistant("a1", 2, {"type": "thinking", "thinking": "Hm, umber.", "signature": ""}, message_id="m"),
    assistant("a2", 3, text("Today it is aquamarine."), message_id="m"),
    assistant("a3", 4, text("At night indigo."), message_id="m"),
    assistant("a4", 5, call("toolu_1", "Read", file_path="sea.txt"), message_id="m", stop_reason="tool_use"),
)


def grow(file: Path, *answer: Any) -> None:
    """An answer of which a watch met each record by itself."""
    importer = Importer(SYSTEM, following=True)
    for record in answer:
        with file.open("ab") as handle:
            handle.write(records([record]))
        importer.import_paths([str(file)])


def hits(query: str) -> list[tuple[SearchKind, str]]:
    found = find(parse(query), make_person()).hits
    return [(hit.kind, "".join(piece for piece, _ in hit.excerpt)) for hit in found]


def test_what_a_reply_grew_by_is_found_and_once(tmp_path: Path) -> None:
    grow(tmp_path / f"{SESSION}.jsonl", *ANSWER)

    whole = (SearchKind.MESSAGE, "Today it is aquamarine. At night indigo. Hm, umber.")
    for query in ("umber", "aquamarine", "indigo", '"night indigo"', "umber aquamarine indigo"):
        assert hits(query) == [whole]


def test_a_reply_that_grew_has_the_words_of_one_that_was_read_at_once(tmp_path: Path) -> None:
    file = tmp_path / f"{SESSION}.jsonl"
    file.write_bytes(records(ANSWER))
    with transaction.atomic():
        run_import(file, following=True)
        wanted = contents()
        transaction.set_rollback(True)
    assert any({"umber", "aquamarine", "indigo"} <= words for words in wanted["words"].values())
    file.unlink()

    grow(file, *ANSWER)

    assert contents() == wanted


def test_only_what_says_something_new_is_indexed_again(tmp_path: Path) -> None:
    grow(tmp_path / f"{SESSION}.jsonl", *ANSWER)
    # As it began, and after each text; the call came without one.
    assert SearchEntry.objects.filter(kind=SearchKind.MESSAGE).count() == 1 + 3
    before = list(SearchEntry.objects.values_list("pk", flat=True))

    copy = tmp_path / "copy" / f"{SESSION}.jsonl"
    copy.parent.mkdir()
    grow(copy, *ANSWER)

    assert list(SearchEntry.objects.values_list("pk", flat=True)) == before


def test_a_reply_that_began_without_words_is_found(tmp_path: Path) -> None:
    file = tmp_path / f"{SESSION}.jsonl"
    file.write_bytes(
        records([ANSWER[0], assistant("a1", 2, {"type": "redacted_thinking", "data": "x"}, message_id="m")])
    )
    run_import(file)
    with file.open("ab") as handle:
        handle.write(records([ANSWER[2]]))
    run_import(file)

    assert hits("aquamarine") == [(SearchKind.MESSAGE, "Today it is aquamarine.")]


def test_what_grew_before_growths_were_indexed_is_found_after_the_migration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = assistant("b2", 7, text("word " * 2_000 + "vermilion"), message_id="n")
    with monkeypatch.context() as unmended:
        unmended.setattr(import_updates, "_make_findable", lambda *_: None)
        grow(tmp_path / f"{SESSION}.jsonl", *ANSWER, assistant("b1", 6, text("See."), message_id="n"), long)
        assert hits("aquamarine") == hits("vermilion") == []
    began = SearchEntry.objects.count()

    before = MigrationLoader(connection).project_state([("sessions_app", "0016_title_words")])
    import_module("sessions_app.migrations.0017_words_of_grown_replies").index_grown(before.apps)

    assert len(hits("aquamarine umber")) == len(hits("vermilion see")) == 1
    assert SearchEntry.objects.count() == began + 2
    assert SearchEntry.objects.values("session").distinct().count() == 1
