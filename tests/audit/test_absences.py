"""Which absent payloads are explained: the log's own verdict and that of a bundle's verifier are the same."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from django.db import transaction

from audit.actors import SYSTEM
from audit.models import Log, Payload
from audit.record import Draft, append
from audit.segments import HOLD_PLACED, HOLD_RELEASED, PAYLOAD_PRUNED
from audit.selection import Selection
from audit.signing import write_checkpoint
from audit.verification import verify
from tests.audit.attacks import drop_triggers
from tests.audit.bundles import files_of, fill, verdicts, write
from tests.audit.logs import prune

pytestmark = pytest.mark.django_db

SIZE = 12


def say(action: str, **details: object) -> int:
    with transaction.atomic():
        (entry,) = append([Draft(action, SYSTEM, details=details)])
    return entry.idx


def pruned() -> None:
    prune(2, 5)


def pruned_twice() -> None:
    prune(2, 5)
    prune(4, 8)


def pruned_while_held() -> None:
    say(HOLD_PLACED, first_idx=4, last_idx=6)
    prune(2, 8)


def held_in_one_of_two_holds() -> None:
    """The second one is released, and of another that never was."""
    say(HOLD_PLACED, first_idx=7, last_idx=9)
    second = say(HOLD_PLACED, first_idx=0, last_idx=3)
    say(HOLD_RELEASED, hold=second)
    say(HOLD_RELEASED, hold=[second])
    prune(0, 11)


def released_then_pruned() -> None:
    hold = say(HOLD_PLACED, first_idx=4, last_idx=6)
    say(HOLD_RELEASED, hold=hold)
    prune(2, 8)


def released_too_late() -> None:
    hold = say(HOLD_PLACED, first_idx=5, last_idx=2**53 - 1)
    prune(2, 8)
    say(HOLD_RELEASED, hold=hold)


def held_once_it_was_announced() -> None:
    prune(2, 5)
    say(HOLD_PLACED, first_idx=0, last_idx=11)


def later_entries_named() -> None:
    """Nothing that came after the entry can have been meant by it."""
    said = say(PAYLOAD_PRUNED, first_idx=0, last_idx=2**53 - 1)
    fill(3, payload_every=1)
    erase(said + 2)


def absent_without_a_word() -> None:
    prune(2, 3)
    erase(7, 9)


def pruning_without_a_range() -> None:
    say(PAYLOAD_PRUNED, first_idx="0", last_idx=11)
    erase(3)


def erase(*gone: int) -> None:
    """Without an entry, as whoever owns the database can."""
    drop_triggers()
    Payload.objects.filter(idx__in=gone).delete()


CASES: dict[Callable[[], None], tuple[str, int | None, str]] = {
    pruned: ("sound", None, ""),
    pruned_twice: ("sound", None, ""),
    pruned_while_held: ("broken", 4, "legal hold"),
    held_in_one_of_two_holds: ("broken", 7, "legal hold"),
    released_then_pruned: ("sound", None, ""),
    released_too_late: ("broken", 5, "legal hold"),
    held_once_it_was_announced: ("sound", None, ""),
    later_entries_named: ("broken", 14, "no entry says"),
    absent_without_a_word: ("broken", 7, "no entry says"),
    pruning_without_a_range: ("broken", 3, "no entry says"),
}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_a_bundle_gives_the_verdict_of_the_log(tmp_path: Path, case: Callable[[], None]) -> None:
    fill(SIZE, payload_every=1)
    case()
    write_checkpoint()
    outcome, idx, why = CASES[case]
    ours = verify().verdict("payloads")
    assert (ours.outcome, ours.first_bad_idx) == (outcome, idx)
    theirs = verdicts(write(tmp_path / "log.zip", Log.objects.get().size))["payloads"]
    assert (theirs.state, theirs.index) == ({"sound": "ok", "broken": "failed"}[outcome], idx)
    if why:
        assert why in ours.text
        assert why in theirs.text


@pytest.mark.parametrize("case", [pruned_while_held, released_then_pruned, later_entries_named])
def test_what_came_after_the_checkpoint_proves_nothing(tmp_path: Path, case: Callable[[], None]) -> None:
    """What was released and pruned by then is named and no alarm, as its holds come along."""
    fill(SIZE, payload_every=1)
    case()
    found = write(tmp_path / "log.zip", SIZE)
    state, index = {
        pruned_while_held: ("failed", 4),
        released_then_pruned: ("not checked", None),
        later_entries_named: ("ok", None),
    }[case]
    verdict = verdicts(found)["payloads"]
    assert (verdict.state, verdict.index) == (state, index)


def test_a_hold_before_the_checkpoint_is_released_after_it(tmp_path: Path) -> None:
    fill(SIZE, payload_every=1)
    hold = say(HOLD_PLACED, first_idx=4, last_idx=6)
    size = Log.objects.get().size
    say(HOLD_RELEASED, hold=hold)
    prune(2, 8)
    found = write(tmp_path / "log.zip", size)
    removed = [json.loads(line)["action"] for line in files_of(found)["removed.jsonl"].splitlines()]
    assert removed == [HOLD_RELEASED, PAYLOAD_PRUNED]
    assert verdicts(found)["payloads"].state == "not checked"


def test_a_part_of_the_log_says_what_it_cannot_know(tmp_path: Path) -> None:
    """The entries that would explain an absence, or forbid it, may be among those withheld."""
    fill(SIZE, payload_every=1)
    pruned_while_held()
    size = Log.objects.get().size
    without = verdicts(write(tmp_path / "without.zip", size, Selection(action="sign_in.*")))["payloads"]
    assert (without.state, without.index) == ("not checked", None)
    assert "may have been withheld" in without.text
    prune(0, 0)
    with_all = verdicts(write(tmp_path / "all.zip", size, Selection(since_ms=1)))["payloads"]
    assert with_all.state == "not checked"


def test_a_hold_that_may_be_withheld_is_said_with_what_was_pruned(tmp_path: Path) -> None:
    """By one of two people: the pruning is in the bundle, and the other's entries are not."""
    fill(SIZE, payload_every=2)
    pruned()
    found = verdicts(write(tmp_path / "part.zip", Log.objects.get().size, Selection(actor=SYSTEM.label)))
    assert found["payloads"].state == "ok"
    assert found["payloads"].text.endswith(
        "removed as the log says; an entry that held them may have been withheld"
    )
