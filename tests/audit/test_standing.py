"""What the strip of the page is told by the verifier in the background."""

import random

import pytest
from django.db import OperationalError

from audit.models import Checkpoint, Entry
from audit.standing import BackgroundVerifier, standing
from audit.verification import Course
from dashboard.lib.db import explain
from tests.audit.attacks import Scene, drop_triggers, edit_body, truncate
from tests.audit.logs import grow

pytestmark = pytest.mark.django_db


def test_it_is_verified_to_the_newest_entry_and_goes_on_from_there() -> None:
    verifier = BackgroundVerifier()
    for size, more in ((300, 300), (512, 212), (512, 0), (600, 88)):
        if more:
            grow(random.Random(size), more)
        verifier.look()
        assert (standing().verified_size, standing().problem) == (size, "")
        assert standing().at_ms > 0


def test_a_new_entry_that_was_changed_is_named() -> None:
    verifier = BackgroundVerifier()
    grow(random.Random(1), 300)
    verifier.look()
    grow(random.Random(2), 50)
    drop_triggers()
    edit_body(Scene(random.Random(3), 320, 350))
    verifier.look()
    assert standing().first_bad_idx == 320
    assert "320" in standing().problem


def test_a_log_that_was_cut_off_since_the_last_look_is_noticed() -> None:
    verifier = BackgroundVerifier()
    grow(random.Random(4), 300)
    verifier.look()
    drop_triggers()
    truncate(Scene(random.Random(5), 280, 300))
    assert Entry.objects.count() == 280
    verifier.look()
    assert standing().first_bad_idx == 280


def test_entries_that_were_signed_before_do_not_become_unsigned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audit.verification.LATE_MS", -1)
    verifier = BackgroundVerifier()
    grow(random.Random(6), 512)
    for _ in range(2):
        verifier.look()
        assert standing().problem == ""


def test_the_sentence_is_of_the_entry_that_is_named() -> None:
    grow(random.Random(7), 300)
    drop_triggers()
    # Before the checks that find the first break comes one that finds a later one.
    Entry.objects.filter(idx=250).delete()
    edit_body(Scene(random.Random(8), 40, 300))
    BackgroundVerifier().look()
    assert standing().first_bad_idx == 40
    assert "40" in standing().problem


@pytest.mark.parametrize(
    "error", [OperationalError("Could not decode to UTF-8 column 'body'"), TypeError("x")]
)
def test_a_look_that_ends_early_is_told_and_made_good(error: Exception) -> None:
    grow(random.Random(9), 300)
    verifier = BackgroundVerifier()
    verifier.look()
    assert standing().problem == ""
    verifier.failed(error)
    assert (standing().first_bad_idx, standing().verified_size) == (None, 300)
    assert explain(error) in standing().problem
    verifier.look()
    assert (standing().verified_size, standing().problem) == (300, "")


def test_what_was_found_before_a_look_ended_early_is_found_again(monkeypatch: pytest.MonkeyPatch) -> None:
    grow(random.Random(10), 520, checkpoints=1)
    drop_triggers()
    Checkpoint.objects.filter(size=Checkpoint.objects.earliest("size").size).update(note="x")
    verifier, course = BackgroundVerifier(), Course.verification
    monkeypatch.setattr(Course, "verification", lambda _: (_ for _ in ()).throw(TypeError("x")))
    with pytest.raises(TypeError):
        verifier.look()
    verifier.failed(TypeError("x"))
    monkeypatch.setattr(Course, "verification", course)
    verifier.look()
    assert "checkpoint" in standing().problem
