"""Every attack is noticed by whoever kept one earlier head, the damage is named, and nothing sound is called broken.

`SCROLLBACK_TEST_ENDURANCE=full` tries every attack with a hundred seeds and looks at two hundred sound logs;
`python3 dev.py bench audit-tampering` does so, and prints what was tried.
"""

import contextlib
import json
import random
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import transaction

from audit.keys import key_path
from audit.models import Checkpoint, Log
from audit.verification import verify
from tests.audit.attacks import ATTACKS, OF_THE_WHOLE, Attack, Scene, drop_triggers
from tests.audit.logs import grow, prune
from tests.endurance.sizes import full_or

pytestmark = pytest.mark.django_db

type Note = Callable[[str, object], None]

SEEDS = full_or(100, 3)
COMMAND_SEEDS = full_or(100, 2)
CLEAN_RUNS = full_or(200, 6)


@pytest.fixture
def key_is_left() -> Iterator[None]:
    """This log's own goes with it; those of other processes' logs lie in the same folder."""
    yield
    log = Log.objects.first()
    if log is not None:
        key_path(log.origin).unlink(missing_ok=True)


def grown_log(random_: random.Random) -> tuple[str, str]:
    """Two heads that were kept, the older one first."""
    grow(random_, random_.randrange(520, 800), checkpoints=6)
    older, newer = sorted(random_.sample(list(Checkpoint.objects.values_list("size", flat=True)), 2))
    return Checkpoint.objects.get(size=older).note, Checkpoint.objects.get(size=newer).note


@pytest.mark.usefixtures("key_is_left")
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_an_attack_is_noticed_and_the_damage_named(
    attack: Attack, monkeypatch: pytest.MonkeyPatch, record_property: Note
) -> None:
    record_property("attacks_on_log", SEEDS)
    # What was cut off may leave an end that nobody signed, which counts once it is some seconds old.
    monkeypatch.setattr("audit.verification.LATE_MS", 3_600_000)
    older, newer = grown_log(random.Random(1))
    path = key_path(Log.objects.get().origin)
    key = path.read_text()
    assert verify([older, newer]).is_sound
    kept, sound = int(newer.split("\n")[1]), int(older.split("\n")[1])
    named = set()
    for seed in range(SEEDS):
        random_ = random.Random(f"{attack.__name__} {seed}")
        with transaction.atomic():
            drop_triggers()
            damage = attack(Scene(random_, random_.randrange(sound, kept), kept, sound))
            found = verify([older, newer])
            transaction.set_rollback(True)
        path.write_text(key)
        assert not found.is_sound, f"seed {seed} was not noticed"
        spans = [(one.first_bad_idx, one.last_bad_idx) for one in found.broken]
        known = [(first, last) for first, last in spans if first is not None and last is not None]
        # Another log in the place of this one has no key here, which is wrong of no entry.
        keyless = [one for one in found.broken if one.text.startswith("The key of the audit log")]
        assert len(known) + len(keyless) == len(spans)
        assert any(first <= damage.last <= last for first, last in known), (seed, damage, found.broken)
        assert damage.first == damage.last or damage.first == sound
        assert found.first_bad_idx is not None
        assert damage.first <= found.first_bad_idx <= damage.last, (seed, damage, found.broken)
        named.add(found.first_bad_idx)
    assert (named == {0}) == (attack in OF_THE_WHOLE), "to name the first one of all tells nothing"
    assert verify([older, newer]).is_sound, "the attacks were undone"


@pytest.mark.usefixtures("key_is_left")
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_an_attack_is_noticed_by_a_command_that_is_told_nothing(
    attack: Attack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Two verifications while all was well are all that is known, and where they are remembered nobody says."""
    monkeypatch.setattr("audit.verification.LATE_MS", 3_600_000)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    random_, sizes = random.Random(1), []
    for count in (300, 260):
        grow(random_, count)
        assert plain_verification()["is_sound"]
        sizes.append(Checkpoint.objects.latest("size").size)
    sound, kept = sizes
    path = key_path(Log.objects.get().origin)
    key = path.read_text()
    for seed in range(COMMAND_SEEDS):
        random_ = random.Random(f"{attack.__name__} {seed}")
        with transaction.atomic():
            drop_triggers()
            damage = attack(Scene(random_, random_.randrange(sound, kept), kept, sound))
            found = plain_verification()
            transaction.set_rollback(True)
        path.write_text(key)
        assert not found["is_sound"], f"seed {seed} was not noticed"
        assert damage.first <= found["first_bad_idx"] <= damage.last, (seed, damage, found["verdicts"])
    assert plain_verification()["is_sound"], "the attacks were undone, and nothing of them was remembered"


def plain_verification() -> dict[str, Any]:
    out = StringIO()
    with contextlib.suppress(SystemExit):
        call_command("audit", "verify", "--json", "--no-content", stdout=out)
    found: dict[str, Any] = json.loads(out.getvalue())
    return found


@pytest.mark.usefixtures("key_is_left")
def test_a_sound_log_is_never_called_broken(record_property: Note) -> None:
    record_property("sound_logs", CLEAN_RUNS)
    for seed in range(CLEAN_RUNS):
        random_ = random.Random(seed)
        with transaction.atomic():
            grow(random_, random_.choice([1, 2, 255, 256, 257, random_.randrange(3, 900)]), checkpoints=4)
            if Log.objects.get().size > 10:
                prune(0, random_.randrange(5))
                grow(random_, 5)
            heads = list(Checkpoint.objects.values_list("note", flat=True))
            found = verify(heads)
            transaction.set_rollback(True)
        assert found.broken == (), seed
        assert found.verdict("consistency").outcome == "sound"
