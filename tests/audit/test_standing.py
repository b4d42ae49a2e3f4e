"""What the strip of the page is told by the verifier in the background."""

import random

import pytest
from django.db import OperationalError

from audit.keys import key_path
from audit.models import Checkpoint, Entry, Log, Payload
from audit.notes import Signer, TreeHead
from audit.proofs import root_at
from audit.segments import Segment
from audit.signing import write_checkpoint
from audit.standing import BackgroundVerifier, standing
from audit.verification import Course, verify
from dashboard.lib.db import explain
from dashboard.lib.ids import new_id
from dashboard.overview import _log_said
from sessions_app.models import Role
from tests.audit.attacks import Scene, drop_triggers, edit_body, truncate
from tests.audit.logs import draft, grow, put
from tests.factories import make_person, signed_in

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


def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Where each range begins that is looked at from now on."""
    starts, take = [], Course.take

    def taken(course: Course, segment: Segment) -> None:
        starts.append(segment.start)
        take(course, segment)

    monkeypatch.setattr(Course, "take", taken)
    return starts


def test_a_key_that_is_gone_is_no_break_and_nothing_is_verified_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    grow(random.Random(11), 600, checkpoints=9)
    place = key_path(Log.objects.get().origin)
    text = place.read_text()
    place.unlink()
    verifier = BackgroundVerifier()
    starts = looked_at(monkeypatch)
    for expected in ([0, 512], [512], [512]):
        starts.clear()
        verifier.look()
        assert (standing().first_bad_idx, standing().verified_size) == (None, 0)
        assert "is missing" in standing().problem
        assert starts == expected
    starts.clear()
    place.write_text(text)
    verifier.look()
    assert (standing().problem, standing().verified_size, starts) == ("", 600, [512])


def test_what_was_signed_by_another_key_is_found_once_the_key_is_back() -> None:
    grow(random.Random(12), 600, checkpoints=9)
    origin = Log.objects.get().origin
    text = key_path(origin).read_text()
    key_path(origin).unlink()
    first = Checkpoint.objects.earliest("size").size
    stranger = Signer.new(origin)
    drop_triggers()
    head = TreeHead(origin, first, root_at(first))
    Checkpoint.objects.filter(size=first).update(note=stranger.sign(str(head)), key=str(stranger.verifier))
    verifier = BackgroundVerifier()
    verifier.look()
    assert standing().first_bad_idx is None
    key_path(origin).write_text(text)
    verifier.look()
    assert standing().first_bad_idx == first - 1
    assert "no key of this log" in standing().problem


def test_a_break_is_told_beside_a_key_that_is_gone() -> None:
    grow(random.Random(13), 600, checkpoints=9)
    key_path(Log.objects.get().origin).unlink()
    found = verify()
    assert (found.is_sound, found.first_bad_idx, found.verdict("signatures").outcome) == (
        False,
        None,
        "broken",
    )
    drop_triggers()
    edit_body(Scene(random.Random(3), 320, 600))
    BackgroundVerifier().look()
    assert (standing().first_bad_idx, "320" in standing().problem) == (320, True)


def test_a_checkpoint_that_was_changed_is_told_before_a_key_that_is_gone() -> None:
    grow(random.Random(14), 600, checkpoints=9)
    key_path(Log.objects.get().origin).unlink()
    drop_triggers()
    size = Checkpoint.objects.order_by("size")[3].size
    Checkpoint.objects.filter(size=size).update(note="x")
    BackgroundVerifier().look()
    assert standing().first_bad_idx == size - 1


def test_what_is_not_signed_is_no_break(monkeypatch: pytest.MonkeyPatch) -> None:
    grow(random.Random(15), 300)
    put([draft(random.Random(16), 0)])
    monkeypatch.setattr("audit.verification.LATE_MS", -1)
    verifier = BackgroundVerifier()
    for _ in range(2):
        verifier.look()
        assert standing().first_bad_idx is None
        assert "not signed" in standing().problem
    write_checkpoint()
    verifier.look()
    assert (standing().problem, standing().verified_size) == ("", 301)


@pytest.mark.parametrize("idx", [-1, -3])
def test_a_break_before_the_first_entry_keeps_no_page_away(idx: int, monkeypatch: pytest.MonkeyPatch) -> None:
    grow(random.Random(17), 3)
    drop_triggers()
    if idx == -1:
        entry = Entry.objects.get(idx=2)
        entry.idx, entry.id = idx, new_id()
        entry.save(force_insert=True)
    else:
        Payload.objects.create(idx=idx, salt=b"x" * 16, data=b"x")
    BackgroundVerifier().look()
    assert (standing().first_bad_idx, standing().verified_size) == (idx, 0)
    client = signed_in(make_person(Role.OPERATOR, username="otto"))
    for path in ("/audit/", "/audit/0/", "/audit/head/"):
        answer = client.get(path)
        assert answer.status_code == 200, path
        assert f"<b>First break at {idx}</b>" in answer.content.decode()
    assert _log_said().text == f"broken at entry {idx}"


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
