"""Payloads go as an entry has said, in short steps, and a legal hold keeps them."""

import json
from unittest.mock import patch

import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction

from audit import pruning
from audit.actors import SYSTEM
from audit.holds import LAST_IDX, holds_in_force, place_hold, release_hold
from audit.models import Entry, Payload, Pruning
from audit.pruning import announce, plan, remove_announced, unfinished
from audit.record import Attachment, Draft, append
from audit.signing import write_checkpoint
from audit.verification import verify
from dashboard.lib.errors import Refused

pytestmark = pytest.mark.django_db(transaction=True)

DAY_MS = 86_400_000


@pytest.fixture
def with_payloads() -> None:
    """Entries 0 to 9, a day apart, of 100 bytes each; 4 has no payload."""
    for number in range(10):
        attachment = None if number == 4 else Attachment(b"x" * 100)
        with patch("audit.record.now_ms", lambda number=number: number * DAY_MS), transaction.atomic():
            append([Draft("note.added", SYSTEM, attachment=attachment)])


def there() -> list[int]:
    return list(Payload.objects.order_by("idx").values_list("idx", flat=True))


def is_sound() -> bool:
    write_checkpoint()
    return verify().is_sound


@pytest.mark.usefixtures("with_payloads")
def test_what_goes_is_said_before_it_goes() -> None:
    (entry,) = announce(6 * DAY_MS, "older than a week", actor=SYSTEM)
    assert json.loads(entry.body)["details"] == {
        "first_idx": 0, "last_idx": 5, "count": 5, "bytes": 500, "why": "older than a week",
    }  # fmt: skip
    assert len(there()) == 9
    assert (unfinished().count, plan(6 * DAY_MS).pieces) == (5, [])
    removed = remove_announced()
    assert (removed.count, removed.size) == (5, 500)
    assert there() == [6, 7, 8, 9]
    assert is_sound()


@pytest.mark.usefixtures("with_payloads")
def test_without_its_entry_nothing_may_go() -> None:
    with pytest.raises(DatabaseError), transaction.atomic():
        Payload.objects.filter(idx=0).delete()
    with patch("audit.pruning.append", side_effect=DatabaseError), pytest.raises(DatabaseError):
        announce(6 * DAY_MS, "old", actor=SYSTEM)
    assert not Pruning.objects.exists()
    assert remove_announced().count == 0


@pytest.mark.usefixtures("with_payloads")
def test_an_entry_of_an_earlier_clock_behind_a_younger_one_has_a_range_of_its_own() -> None:
    with patch("audit.record.now_ms", lambda: DAY_MS), transaction.atomic():
        append([Draft("note.added", SYSTEM, attachment=Attachment(b"late"))])
    announce(6 * DAY_MS, "old", actor=SYSTEM)
    remove_announced()
    assert there() == [6, 7, 8, 9]
    assert is_sound()


@pytest.mark.usefixtures("with_payloads")
def test_a_hold_is_obeyed_and_named_until_it_is_released() -> None:
    hold = place_hold(2, 3, "the case of the lost key", actor=SYSTEM)
    planned = plan(6 * DAY_MS)
    assert [(held.idx, number) for held, number in planned.kept.items()] == [(hold.idx, 2)]
    assert len(announce(6 * DAY_MS, "old", actor=SYSTEM)) == 2
    remove_announced()
    assert there() == [2, 3, 6, 7, 8, 9]
    assert is_sound()
    release_hold(hold.idx, "closed", actor=SYSTEM)
    announce(6 * DAY_MS, "old", actor=SYSTEM)
    remove_announced()
    assert there() == [6, 7, 8, 9]
    assert is_sound()


@pytest.mark.usefixtures("with_payloads")
def test_a_hold_that_comes_after_the_entry_keeps_what_is_still_there() -> None:
    announce(6 * DAY_MS, "old", actor=SYSTEM)
    hold = place_hold(3, LAST_IDX, "just in time", actor=SYSTEM)
    removed = remove_announced()
    assert {held.idx: number for held, number in removed.kept.items()} == {hold.idx: 2}
    assert there() == [3, 5, 6, 7, 8, 9]
    assert is_sound()


@pytest.mark.usefixtures("with_payloads")
def test_steps_are_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "_BATCH_BYTES", 250)
    announce(6 * DAY_MS, "old", actor=SYSTEM)
    left = []
    real = pruning._remove_batch

    def counting(*arguments: object) -> int | None:
        assert not connection.in_atomic_block
        found = real(*arguments)  # type: ignore[arg-type]
        left.append(Payload.objects.count())
        return found

    monkeypatch.setattr(pruning, "_remove_batch", counting)
    remove_announced()
    assert left == [7, 5, 4, 4]


@pytest.mark.usefixtures("with_payloads")
def test_only_a_hold_that_is_in_force_is_released() -> None:
    hold = place_hold(0, 1, "a case", actor=SYSTEM)
    for number in (hold.idx + 1, 0):
        with pytest.raises(Refused):
            release_hold(number, "no reason", actor=SYSTEM)
    release_hold(hold.idx, "closed", actor=SYSTEM)
    with pytest.raises(Refused):
        release_hold(hold.idx, "again", actor=SYSTEM)
    assert holds_in_force() == []


@pytest.mark.parametrize(("first", "last"), [(-1, 2), (3, 2), (0, LAST_IDX + 1)])
def test_a_hold_that_would_hold_nothing_is_refused(first: int, last: int) -> None:
    with pytest.raises(Refused):
        place_hold(first, last, "a case", actor=SYSTEM)
    assert not Entry.objects.exists()


def test_the_command_lists_the_holds_that_are_in_force(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("audit", "holds")
    assert capsys.readouterr().out == "No legal hold is in force.\n"
    first, second = (place_hold(2, last, f"case {last}", actor=SYSTEM) for last in (17, 1_480))
    release_hold(first.idx, "closed", actor=SYSTEM)
    call_command("audit", "holds")
    said = capsys.readouterr().out
    assert said == f"Entry {second.idx} holds the payloads of entries 2 to 1,480: case 1480\n"
    call_command("audit", "holds", "--json")
    found = json.loads(capsys.readouterr().out)
    assert found == {"holds": [{"idx": second.idx, "first_idx": 2, "last_idx": 1_480, "why": "case 1480"}]}
