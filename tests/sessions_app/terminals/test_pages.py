"""The pages of terminals and their output over HTTP."""

import random
from collections.abc import AsyncIterator
from itertools import accumulate
from typing import Any, cast

import pytest
from asgiref.sync import async_to_sync
from django.test import Client

from sessions_app.actions.terminals.reading import read_tails
from sessions_app.actions.terminals.sealing import seal
from sessions_app.models import AgentSession, Terminal
from sessions_app.terminal import wire
from sessions_app.terminal.asciicast.model import Marker, Output, Resize
from sessions_app.terminal.asciicast.reader import Reader
from sessions_app.terminal.follower import Follower
from sessions_app.views import wall
from tests.factories import make_person, make_session, make_terminal, signed_in
from tests.sessions_app.terminals.recorder import Recorder, start_recorder

pytestmark = pytest.mark.django_db


@pytest.fixture
def client() -> Client:
    return signed_in(make_person())


def body_of(answer: Any) -> bytes:
    """What a streaming answer sends; its pieces are read as the server does."""

    async def gather() -> bytes:
        return b"".join([piece async for piece in cast(AsyncIterator[bytes], answer.streaming_content)])

    return async_to_sync(gather)()


def test_the_list_shows_state_title_and_last_line(client: Client) -> None:
    recorder = start_recorder(make_session(title="Fix the queue"))
    recorder.write(b"42 passed\r\n")
    recorder.exit(3)
    page = client.get("/terminals/").content.decode()
    for text in ("Exit 3", "make test", "42 passed", "Fix the queue"):
        assert text in page


def test_the_list_can_be_narrowed_to_a_state(client: Client) -> None:
    start_recorder().exit(0)
    assert "data-row" in client.get("/terminals/?state=ended").content.decode()
    assert "data-row" not in client.get("/terminals/?state=live").content.decode()
    assert client.get("/terminals/?state=other").status_code == 400


def test_pages_of_the_list_lead_on_and_back(client: Client) -> None:
    for _ in range(wall.PAGE_ROWS + 3):
        start_recorder()
    first = client.get("/terminals/")
    assert len(first.context["page"].rows) == wall.PAGE_ROWS
    second = client.get(f"/terminals/?after={first.context['page'].next}")
    assert len(second.context["page"].rows) == 3
    back = client.get(f"/terminals/?before={second.context['page'].previous}")
    assert [row.pk for row in back.context["page"].rows] == [row.pk for row in first.context["page"].rows]


def test_hostile_titles_and_lines_are_text(client: Client) -> None:
    recorder = start_recorder()
    recorder.write(b"<script>alert(1)</script> \x1b]0;x\x07\r\n")
    Terminal.objects.update(title="<img src=x onerror=alert(1)>")
    for address in ("/terminals/", f"/terminals/{recorder.terminal.pk}/"):
        page = client.get(address).content.decode()
        assert "<script>alert" not in page
        assert "<img src=x" not in page


def test_a_row_that_is_gone_is_empty(client: Client) -> None:
    recorder = start_recorder(make_session())
    address = f"/terminals/shown/?ids={recorder.terminal.pk}"
    assert b"data-row" in client.get(address).content
    AgentSession.objects.update(deleted_ms=1)
    assert client.get(address).content.strip() == b""


def test_the_heading_says_how_far_it_is_and_how_it_ended(client: Client) -> None:
    recorder = start_recorder()
    recorder.write(b"1 passed\r\n", after_us=65_000_000)
    address = f"/terminals/{recorder.terminal.pk}/"
    for live in (client.get(address), client.get(f"{address}figures/")):
        for text in ("1m 05s", "10 B", "last heard of"):
            assert text in live.content.decode()
    recorder.exit(3)
    for ended in (client.get(address), client.get(f"{address}figures/")):
        assert "exit 3, ended" in ended.content.decode()
        assert "last heard of" not in ended.content.decode()


@pytest.mark.parametrize(
    ("asked", "at_us"),
    [
        ("20", 20_000_000),
        ("20.5", 20_500_000),
        ("1m20s", 80_000_000),
        ("00:12:31.250", 751_250_000),
        ("00:00:01.234567", 1_234_567),
        ("0", 0),
    ],
)
def test_a_link_opens_the_moment_that_it_names(client: Client, asked: str, at_us: int) -> None:
    address = f"/terminals/{start_recorder().terminal.pk}/"
    page = client.get(address, {"t": asked}).content.decode()
    assert f' at-us="{at_us}"' in page
    assert "could not be read" not in page


def test_a_link_whose_moment_cannot_be_read_says_so(client: Client) -> None:
    address = f"/terminals/{start_recorder().terminal.pk}/"
    for asked in ("soon", "00:99:00", "<b>\x1b[31m", "x" * 500):
        page = client.get(address, {"t": asked}).content.decode()
        assert " at-us=" not in page
        assert page.count("in this link could not be read") == 1
        assert "<b>\x1b" not in page
        assert "x" * 60 not in page
    assert "could not be read" not in client.get(address).content.decode()


@pytest.mark.parametrize("page", ["", "figures/", "bytes", "frames", "recording.cast", "recording.txt"])
def test_what_is_in_the_trash_has_no_page(client: Client, page: str) -> None:
    recorder = start_recorder(make_session())
    AgentSession.objects.update(deleted_ms=1)
    assert client.get(f"/terminals/{recorder.terminal.pk}/{page}").status_code == 404


def test_bytes_come_in_pieces_of_a_megabyte(client: Client) -> None:
    recorder = start_recorder()
    data = random.Random(4).randbytes(1_500_000)
    recorder.write(data[:900_000])
    recorder.write(data[900_000:])
    address = f"/terminals/{recorder.terminal.pk}/bytes"
    first = client.get(address)
    assert first.content == data[: 1024 * 1024]
    assert "immutable" in first.headers["Cache-Control"]
    assert client.get(f"{address}?from=1048576").content == data[1024 * 1024 :]
    assert client.get(f"{address}?from=10&to=20").content == data[10:20]
    assert client.get(f"{address}?from=20&to=10").content == b""
    assert client.get(f"{address}?from=99999999").content == b""
    assert client.get(f"{address}?from=-1").status_code == 400


def follow_over_http(client: Client, recorder: Recorder) -> list[wire.Frame]:
    """As the player does: fetch, take what fits, fetch from there."""
    follower, size = Follower(), recorder.refresh().size
    applied: list[wire.Frame] = []
    while True:
        start = follower.expected
        body = client.get(f"/terminals/{recorder.terminal.pk}/frames?from={start}").content
        while body:
            length = int.from_bytes(body[:4])
            frame = follower.receive(wire.decode(body[4 : 4 + length]))
            if isinstance(frame, wire.OutputFrame | wire.ResizeFrame | wire.MarkerFrame):
                applied.append(frame)
            body = body[4 + length :]
        if start >= size:
            return applied


def test_tails_are_the_last_bytes_wherever_they_are_kept(django_assert_num_queries: Any) -> None:
    data = random.Random(7).randbytes(3_000)
    sealed, mixed, unsealed, empty = (start_recorder() for _ in range(4))
    for recorder, sizes in ((sealed, [3_000]), (mixed, [1_500, *[50] * 30]), (unsealed, [30] * 100)):
        for start, size in zip(accumulate([0, *sizes]), sizes, strict=False):
            recorder.write(data[start : start + size])
            if recorder is mixed and start == 0:
                seal(recorder.refresh())
    sealed.exit()
    assert mixed.refresh().sealed_size == 1_500
    for limit in (0, 1, 40, 1_499, 1_500, 2_000, 3_000, 9_000):
        with django_assert_num_queries(2):
            tails = read_tails(
                {
                    sealed.terminal.pk: 3_000,
                    mixed.terminal.pk: 3_000,
                    unsealed.terminal.pk: 2_990,
                    empty.terminal.pk: 0,
                },
                limit,
            )
        assert tails == {
            sealed.terminal.pk: data[max(0, 3_000 - limit) :],
            mixed.terminal.pk: data[max(0, 3_000 - limit) :],
            unsealed.terminal.pk: data[max(0, 2_990 - limit) : 2_990],
            empty.terminal.pk: b"",
        }


def test_frames_are_the_writes_with_their_times(client: Client) -> None:
    recorder = start_recorder()
    recorder.send(Output(1, b"ab"), Resize(2, 90, 20), Output(3, b"c"), Output(3, b"d"), Marker(4, "here"))
    assert follow_over_http(client, recorder) == [
        wire.OutputFrame(0, 1, b"ab"),
        wire.ResizeFrame(2, 2, 90, 20),
        wire.OutputFrame(2, 3, b"c"),
        wire.OutputFrame(3, 3, b"d"),
        wire.MarkerFrame(4, 4, "here"),
    ]


def test_frames_of_a_long_recording_are_whole(client: Client) -> None:
    recorder = start_recorder()
    data = random.Random(5).randbytes(2_500_000)
    for start in range(0, len(data), 500_000):
        recorder.write(data[start : start + 500_000])
        recorder.resize(80 + start % 7, 24)
    applied = follow_over_http(client, recorder)
    assert b"".join(frame.data for frame in applied if isinstance(frame, wire.OutputFrame)) == data
    assert len([frame for frame in applied if isinstance(frame, wire.ResizeFrame)]) == 5


@pytest.mark.django_db(transaction=True)
def test_a_saved_recording_reads_back_to_the_same_bytes() -> None:
    recorder = start_recorder()
    recorder.send(Output(1_000, b"caf\xc3"), Output(2_000, b"\xa9\xff\x00"))
    recorder.send(Resize(3_000, 90, 20), Output(4_000, b"end"))
    recorder.exit(0)
    client = signed_in(make_person())
    answer = client.get(f"/terminals/{recorder.terminal.pk}/recording.cast")
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="make-test-')
    recording = Reader().read(body_of(answer).splitlines())
    assert b"".join(item.data for item in recording if isinstance(item, Output)) == b"caf\xc3\xa9\xff\x00end"


def test_a_start_that_nobody_recorded_is_not_shown_as_one(client: Client) -> None:
    session = make_session()
    unknown = make_terminal(session, title="found", host="", is_start_known=False)
    known = make_terminal(session, title="recorded")

    for terminal, page in ((unknown, True), (known, False)):
        header = client.get(f"/terminals/{terminal.pk}/").content.decode()
        assert ("start not recorded, file from" in header) is page
    for path in ("/terminals/", f"/sessions/{session.pk}/terminals/"):
        assert client.get(path).content.decode().count("this is the time of its file") == 1
