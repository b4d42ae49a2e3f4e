import random
from collections.abc import Sequence

import pytest

from dashboard.lib.errors import BadRequest
from dashboard.lib.keyset import Page, decode_cursor, encode_cursor, page_of
from sessions_app.models import AgentSession
from tests.factories import START_MS, make_session

ORDER = ("last_activity_ms", "id")

pytestmark = pytest.mark.django_db


def pages_forward(limit: int) -> list[Page[AgentSession]]:
    pages = [page_of(AgentSession.objects.all(), order=ORDER, limit=limit)]
    while pages[-1].next is not None:
        pages.append(page_of(AgentSession.objects.all(), order=ORDER, limit=limit, after=pages[-1].next))
    return pages


def ids(rows: Sequence[AgentSession]) -> list[str]:
    return [str(row.pk) for row in rows]


@pytest.mark.parametrize("limit", [1, 3, 7, 23, 50])
def test_walking_the_pages_shows_every_row_once_newest_first(limit: int) -> None:
    generator = random.Random(limit)
    for _ in range(23):
        # Several rows share a moment, so the second column has to decide.
        make_session(last_activity_ms=START_MS + generator.randrange(5))
    expected = ids(list(AgentSession.objects.order_by("-last_activity_ms", "-id")))

    seen = [row for page in pages_forward(limit) for row in ids(page.rows)]

    assert seen == expected


def test_the_way_back_shows_the_same_pages() -> None:
    for index in range(9):
        make_session(last_activity_ms=START_MS + index // 2)
    forward = pages_forward(4)
    back = page_of(AgentSession.objects.all(), order=ORDER, limit=4, before=forward[2].previous)
    first = page_of(AgentSession.objects.all(), order=ORDER, limit=4, before=back.previous)

    assert ids(back.rows) == ids(forward[1].rows)
    assert ids(first.rows) == ids(forward[0].rows)
    assert first.previous is None
    assert forward[0].previous is None
    assert forward[-1].next is None


def test_an_empty_list_is_one_empty_page() -> None:
    page = page_of(AgentSession.objects.all(), order=ORDER, limit=4)

    assert (list(page.rows), page.next, page.previous) == ([], None, None)


@pytest.mark.parametrize(
    "cursor",
    [
        "%%%",
        "bm90IGpzb24",
        encode_cursor([1]),
        encode_cursor([1, 2, 3]),
        encode_cursor(["x", "not-a-uuid"]),
        encode_cursor([2**80, "00000000-0000-7000-8000-000000000000"]),
        "A" * 1000,
        encode_cursor([START_MS, "00000000-0000-7000-8000-000000000000"]) + "!",
        " " + encode_cursor([START_MS, "00000000-0000-7000-8000-000000000000"]),
        "",
        "é",
    ],
)
def test_a_cursor_that_does_not_fit_is_refused(cursor: str) -> None:
    make_session()

    with pytest.raises(BadRequest):
        page_of(AgentSession.objects.all(), order=ORDER, limit=4, after=cursor)


def test_a_cursor_keeps_its_values() -> None:
    values = [START_MS, "0199-x"]

    assert decode_cursor(encode_cursor(values), 2) == values
