"""What is sealed is held against the log by `audit verify` and by the server, and sealing itself is never damage.

`SCROLLBACK_TEST_ENDURANCE=full` tries every attack with a hundred seeds and looks at two hundred sound consoles;
`python3 dev.py bench audit-tampering` does so, and prints what was tried.
"""

import random
from collections.abc import Callable

import pytest
from django.db import transaction

from audit.actors import SYSTEM
from audit.covers import Contents
from audit.record import append
from audit.standing import BackgroundVerifier, standing
from audit.verification import verify
from sessions_app.actions.rewriting import Rewriting
from sessions_app.actions.sealing import seal_session, seal_source
from sessions_app.actions.sessions import archive_session
from sessions_app.models import Message
from tests.audit.attacks import drop_triggers
from tests.audit.seal_attacks import (
    ATTACKS,
    Attack,
    LogDamage,
    Scene,
    grow_session,
    raise_new_session,
    set_scene,
)
from tests.endurance.sizes import full_or
from tests.sessions_app.terminals.recorder import start_recorder

pytestmark = pytest.mark.django_db

type Note = Callable[[str, object], None]

SEEDS = full_or(100, 4)
CLEAN_RUNS = full_or(200, 2)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_an_attack_on_what_is_sealed_is_noticed_and_its_target_named(
    attack: Attack, record_property: Note, monkeypatch: pytest.MonkeyPatch
) -> None:
    record_property("attacks_on_sealed", SEEDS)
    # What was cut off may leave an end that nobody signed, which counts once it is some seconds old.
    monkeypatch.setattr("audit.verification.LATE_MS", 3_600_000)
    scene = set_scene(random.Random(1))
    assert verify([scene.note]).broken == ()
    for seed in range(SEEDS):
        scene.random.seed(f"{attack.__name__} {seed}")
        with transaction.atomic():
            drop_triggers()
            target = attack(scene)
            found = verify([scene.note])
            transaction.set_rollback(True)
        assert not found.is_sound, f"seed {seed} was not noticed"
        broken = {one.check for one in found.broken}
        if isinstance(target, LogDamage):
            assert target.checks <= broken, (seed, found.broken)
            assert found.first_bad_idx is not None
            assert target.first <= found.first_bad_idx <= target.last, (seed, target, found.broken)
            assert target.first > 0, "to name the first one of all tells nothing"
        else:
            # The log itself is as it was.
            assert broken == {"contents"}, found.broken
            assert str(target.pk) in found.broken[0].text, (seed, found.broken)
    assert verify([scene.note]).broken == (), "the attacks were undone"


def test_the_server_names_it_and_sees_that_it_was_mended() -> None:
    scene = set_scene(random.Random(1))
    verifier = BackgroundVerifier()
    raise_new_session(scene)
    for _ in range(2):
        verifier.look()
        assert f"session {scene.new_session.pk} says" in standing().problem
        assert standing().first_bad_idx is None
    scene.new_session.save(update_fields=["sealed_seq"])
    verifier.look()
    assert standing().problem == ""


def _seal(scene: Scene) -> None:
    for session in (scene.session, scene.new_session):
        sum(seal_session(session.pk, actor=SYSTEM))


def _seal_lines(scene: Scene) -> None:
    for source in (scene.source, scene.new_source):
        sum(seal_source(source.pk, actor=SYSTEM))


def _grow(scene: Scene) -> None:
    grow_session(scene.random.choice([scene.session, scene.new_session]), scene.random.randrange(1, 30))


def _rewrite(scene: Scene) -> None:
    message = scene.random.choice(list(Message.objects.filter(session=scene.session)))
    with transaction.atomic():
        Message.objects.filter(pk=message.pk).update(text=f"{message.text} and more")
        rewriting = Rewriting()
        rewriting.note(scene.session.pk, message.seq, "a message grew")
        for draft in rewriting.unseal(SYSTEM):
            append([draft])


def _record(scene: Scene) -> None:
    recorder = start_recorder(scene.session)
    recorder.write(scene.random.randbytes(500))
    recorder.exit()


def _archive(scene: Scene) -> None:
    archive_session(scene.new_session.pk, actor=SYSTEM)


STEPS: tuple[Callable[[Scene], None], ...] = (_seal, _seal_lines, _grow, _rewrite, _record, _archive)


def test_what_the_program_does_is_never_called_damage(record_property: Note) -> None:
    record_property("sound_consoles", CLEAN_RUNS)
    for seed in range(CLEAN_RUNS):
        with transaction.atomic():
            scene = set_scene(random.Random(seed))
            done = []
            for _ in range(8):
                step = scene.random.choice(STEPS)
                step(scene)
                done.append(step.__name__)
                found = verify([scene.note])
                assert found.verdict("contents").outcome == "sound", (seed, done, found.broken)
            transaction.set_rollback(True)


def test_what_is_sealed_while_the_rows_are_looked_at_is_no_damage() -> None:
    scene, contents, steps = set_scene(random.Random(1)), Contents(), 0
    for _ in contents.survey():
        for step in (_grow, _seal, _seal_lines, _rewrite, _record):
            step(scene)
        steps += 1
    assert steps > 3
    assert (contents.problem, contents.is_surveyed) == ("", True)
