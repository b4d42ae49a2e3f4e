"""The source's own lines, exactly as they were."""

import pytest
from django.test import Client
from django.urls import reverse

from sessions_app.models import AgentSession, SkippedLine, Source, SourceChunk, SourceState
from sessions_app.models.blob import pack, sha256_of
from sessions_app.raw_lines import PAGE_LINES, line_at, lines_from
from tests.factories import make_source

pytestmark = pytest.mark.django_db


def source_of(session: AgentSession, *chunks: bytes) -> Source:
    """A source whose lines stand in several chunks."""
    source = make_source(session, chunks[0])
    offset, line = len(chunks[0]), chunks[0].count(b"\n") + 1
    for chunk in chunks[1:]:
        codec, data = pack(chunk)
        count = chunk.count(b"\n")
        SourceChunk.objects.create(
            source=source, offset=offset, size=len(chunk), first_line=line, line_count=count,
            sha256=sha256_of(chunk), codec=codec, data=data,
        )  # fmt: skip
        offset, line = offset + len(chunk), line + count
    Source.objects.filter(pk=source.pk).update(line_count=line - 1, size=offset)
    source.refresh_from_db()
    return source


def test_lines_are_found_across_chunks_with_their_places(session: AgentSession) -> None:
    source = source_of(session, b"a\nbb\n", b"c\rc\n\x00\xff\n", b"\n\xe2\x80\xa8x\n")
    found = lines_from(source, 1)
    assert [line.content for line in found] == [
        b"a\n",
        b"bb\n",
        b"c\rc\n",
        b"\x00\xff\n",
        b"\n",
        b"\xe2\x80\xa8x\n",
    ]
    assert [line.number for line in found] == [1, 2, 3, 4, 5, 6]
    assert [line.offset for line in found] == [0, 2, 5, 9, 12, 13]
    assert [line.number for line in lines_from(source, 4, 2)] == [4, 5]
    assert line_at(source, 7) is None


def test_a_line_that_goes_on_in_the_next_chunks_is_one_line(session: AgentSession) -> None:
    source = source_of(session, b"a\nb", b"b\ncc", b"c", b"c\nd\n", b"e\nf")
    whole = [b"a\n", b"bb\n", b"cccc\n", b"d\n", b"e\n", b"f"]
    for number in range(1, 7):
        found = lines_from(source, number)
        assert [line.content for line in found] == whole[number - 1 :]
        assert [line.number for line in found] == list(range(number, 7))
        assert [line.offset for line in found] == [0, 2, 5, 10, 12, 14][number - 1 :]
    assert [line.content for line in lines_from(source, 2, 2)] == whole[1:3]
    assert line_at(source, 7) is None


def test_lines_keep_the_numbers_that_their_chunks_were_stored_with(session: AgentSession) -> None:
    # The newline that came later was a line of its own once.
    source = source_of(session, b"a\nb", b"\nc\n")
    SourceChunk.objects.filter(source=source, offset=3).update(first_line=3)
    lines = [(line.number, line.content) for line in lines_from(source, 1)]
    assert lines == [(1, b"a\n"), (2, b"b"), (3, b"\n"), (4, b"c\n")]
    assert [line.content for line in lines_from(source, 4)] == [b"c\n"]


def test_lines_come_in_pages(operator: Client, session: AgentSession) -> None:
    source = source_of(session, b"".join(b'{"n": %d}\n' % number for number in range(1, 121)))
    address = reverse("session-raw-lines", args=[session.pk, source.pk])
    first = operator.get(address).content.decode()
    assert first.count('class="raw-line"') == PAGE_LINES
    assert "?line=51" in first
    last = operator.get(address + "?line=101").content.decode()
    assert last.count('class="raw-line"') == 20
    assert "?line=51" in last
    assert "Later lines" not in last


def test_a_line_opens_indented_and_as_bytes_and_downloads_as_it_is(
    operator: Client, session: AgentSession
) -> None:
    line = '{"text": "ü <b>", "nul": "\\u0000", "lone": "\\ud800"}\n'.encode()
    source = source_of(session, b"first\n" + line)
    page = operator.get(reverse("session-raw-line", args=[session.pk, source.pk, 2])).content.decode()
    assert "&quot;text&quot;: &quot;ü &lt;b&gt;&quot;" in page
    assert "\\u0000" in page
    assert "&quot;lone&quot;: &quot;\ufffd&quot;" in page
    assert "7b 22 74 65 78 74" in page
    assert "00000006" in page
    download = operator.get(reverse("session-raw-bytes", args=[session.pk, source.pk, 2]))
    assert download.content == line
    assert download["Content-Disposition"] == 'attachment; filename="line-2.bin"'


def test_a_line_of_ten_megabytes_is_shown_in_part_and_kept_whole(
    operator: Client, session: AgentSession
) -> None:
    line = b'{"x": "' + b"y" * 10_000_000 + b'"}\n'
    source = source_of(session, line)
    page = operator.get(reverse("session-raw-line", args=[session.pk, source.pk, 1])).content
    assert len(page) < 400_000
    assert b"Only the beginning" in page
    assert operator.get(reverse("session-raw-bytes", args=[session.pk, source.pk, 1])).content == line


def test_what_could_not_be_read_is_named_with_its_reason(operator: Client, session: AgentSession) -> None:
    source = source_of(session, b"good\n{broken <b>\n")
    SkippedLine.objects.create(source=source, line=2, offset=5, size=12, reason="not JSON <i>")
    Source.objects.filter(pk=source.pk).update(skipped_line_count=1, state=SourceState.DELETED)
    overview = operator.get(reverse("session-raw", args=[session.pk])).content.decode()
    assert "Deleted at source" in overview
    assert "1 not read" in overview
    lines = operator.get(reverse("session-raw-lines", args=[session.pk, source.pk])).content.decode()
    assert "{broken &lt;b&gt;" in lines
    assert lines.count("not JSON &lt;i&gt;") == 2
    line = operator.get(reverse("session-raw-line", args=[session.pk, source.pk, 2])).content.decode()
    assert "not JSON &lt;i&gt;" in line


def test_damaged_lines_are_said_to_be_damaged(operator: Client, session: AgentSession) -> None:
    source = source_of(session, b"x" * 5000 + b"\n")
    SourceChunk.objects.filter(source=source).update(data=b"\x28\xb5\x2f\xfdbroken")
    response = operator.get(reverse("session-raw-lines", args=[session.pk, source.pk]))
    assert response.status_code == 422
    assert "damaged" in response.content.decode()


def test_a_session_without_a_file_says_so(operator: Client, session: AgentSession) -> None:
    assert "not read from a file" in operator.get(reverse("session-raw", args=[session.pk])).content.decode()


def test_an_unfinished_last_line_is_shown_with_its_size(operator: Client, session: AgentSession) -> None:
    source = source_of(session, b'{"a": 1}\n')
    lines = reverse("session-raw-lines", args=[session.pk, source.pk])
    assert "unfinished last line" not in operator.get(lines).content.decode()

    Source.objects.filter(pk=source.pk).update(tail=b'{"partial": "<b>')
    for page in (lines, reverse("session-raw", args=[session.pk])):
        assert 'unfinished last line, <span title="16 bytes">' in operator.get(page).content.decode()
    assert "{&quot;partial&quot;: &quot;&lt;b&gt;" in operator.get(lines).content.decode()
