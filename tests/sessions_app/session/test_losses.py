"""What became of the files that a session was read from is said on its page; its history stays."""

import re
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse

from audit.actors import SYSTEM
from sessions_app.actions.sources import mark_source_back, mark_source_deleted, mark_source_rewritten
from sessions_app.importers.pipeline import Importer
from sessions_app.models import AgentSession, Source
from tests.factories import make_message, make_source
from tests.samples import sample

pytestmark = pytest.mark.django_db

CODEX = "codex/sessions/rollout-2026-02-23T12-54-34-019c8a59-e9dd-71f0-9ae3-4079fe9726a9.jsonl"
# 2026-11-02 14:03:22 UTC
LOST_MS = int(datetime(2026, 11, 2, 14, 3, 22, tzinfo=UTC).timestamp() * 1000)


def losses(client: Client, session: AgentSession, path: str = "session") -> list[str]:
    page = client.get(reverse(path, args=[session.pk])).content.decode()
    found = re.findall(r'<a class="source-loss" href="([^"]*)">(.*?)</a>', page)
    assert {href for href, _ in found} <= {reverse("session-raw", args=[session.pk])}
    return [" ".join(re.sub(r"<[^>]*>", "", html).split()) for _, html in found]


def at_the_moment(*sources: Source) -> None:
    Source.objects.filter(pk__in=[source.pk for source in sources]).update(deleted_ms=LOST_MS)


def test_a_file_that_was_deleted_is_told_of_on_every_tab(operator: Client, session: AgentSession) -> None:
    source = make_source(session, b"{}\n" * 3_412)
    assert losses(operator, session) == []
    mark_source_deleted(source, actor=SYSTEM)
    at_the_moment(source)
    told = ["Source deleted at 2026-11-02 14:03:22 UTC; kept here: 3,412 lines"]
    assert losses(operator, session) == losses(operator, session, "session-files") == told
    mark_source_back(source, actor=SYSTEM)
    assert losses(operator, session) == []


def test_of_several_files_it_says_how_many(operator: Client, session: AgentSession) -> None:
    sources = [make_source(session, b"{}\n" * number) for number in range(1, 6)]
    make_source(None, b"{}\n")
    for source in sources[:2]:
        mark_source_deleted(source, actor=SYSTEM)
    mark_source_rewritten(sources[2], actor=SYSTEM)
    at_the_moment(*sources)
    assert losses(operator, session) == [
        "2 of 4 sources deleted, the last at 2026-11-02 14:03:22 UTC; kept here: 3 lines",
        "1 of 4 sources rewritten at 2026-11-02 14:03:22 UTC; kept here: 3 lines",
    ]


def test_a_history_that_was_cut_off_and_then_deleted_stays_and_says_so(
    operator: Client, tmp_path: Path
) -> None:
    file = Path(shutil.copy(sample(CODEX), tmp_path))
    whole = file.read_bytes().splitlines(keepends=True)
    Importer(SYSTEM).import_paths([str(tmp_path)])
    session = AgentSession.objects.get()
    assert losses(operator, session) == []
    for _ in range(2):
        file.write_bytes(b"".join(whole[:30]))
        Importer(SYSTEM).import_paths([str(tmp_path)])
        (told,) = losses(operator, session)
        assert re.fullmatch(rf"Source rewritten at .* UTC; kept here: {len(whole):,} lines", told)
    file.unlink()
    Importer(SYSTEM).import_paths([str(tmp_path)])
    deleted, rewritten = losses(operator, session)
    assert re.fullmatch(r"Source deleted at .* UTC; kept here: 30 lines", deleted)
    assert rewritten == told
    session.refresh_from_db()
    assert session.message_count > 255


@pytest.mark.parametrize("mark", [mark_source_deleted, mark_source_rewritten])
def test_an_open_page_hears_of_it(operator: Client, session: AgentSession, mark: object) -> None:
    make_message(session)
    source = make_source(session)
    AgentSession.objects.update(updated_ms=1)
    assert callable(mark)
    mark(source, actor=SYSTEM)
    session.refresh_from_db()
    assert session.updated_ms > 1
    news = operator.get(reverse("session-rows", args=[session.pk]) + "?after=1").content.decode()
    assert "kept here: 1 line<" in news
