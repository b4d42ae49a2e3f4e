"""`scrollback audit verify` and `new-key`, as an auditor runs them."""

import json
import random
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import transaction

from audit.models import Checkpoint, Entry
from tests.audit.attacks import Scene, drop_triggers, edit_body, restore_old_backup, truncate
from tests.audit.logs import grow
from tests.audit.seal_attacks import raise_new_session, set_scene

pytestmark = pytest.mark.django_db


def verify(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = 0
    try:
        call_command("audit", "verify", *arguments)
    except SystemExit as left:
        code = int(str(left.code))
    return code, "".join(capsys.readouterr())


def test_a_log_that_was_set_back_is_noticed_without_being_told(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    state = str(tmp_path / "heads")
    grow(random.Random(1), 40)
    assert verify(capsys, "--state", state)[0] == 0
    for attack in (truncate, restore_old_backup):
        with transaction.atomic():
            drop_triggers()
            attack(Scene(random.Random(2), 20, 40))
            code, said = verify(capsys, "--state", state)
            transaction.set_rollback(True)
        assert code == 1
        assert "BROKEN consistency" in said
    code, said = verify(capsys, "--state", state, "--json")
    assert (code, json.loads(said)["verdicts"]["consistency"]["outcome"]) == (0, "sound")


def test_a_changed_entry_is_named_and_the_head_not_remembered(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    state = tmp_path / "heads"
    grow(random.Random(3), 40)
    drop_triggers()
    edit_body(Scene(random.Random(4), 11, 40))
    code, said = verify(capsys, "--state", str(state))
    assert code == 1
    assert "cannot be relied on is 11" in said
    assert not state.exists()


def test_a_head_kept_elsewhere_is_held_against_the_log(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    grow(random.Random(5), 30)
    kept = tmp_path / "kept"
    kept.write_text(Checkpoint.objects.latest("size").note)
    state = str(tmp_path / "heads")
    assert verify(capsys, "--state", state, "--head", str(kept))[0] == 0
    kept.write_text("no head")
    assert verify(capsys, "--state", state, "--head", str(kept))[0] == 2


def test_a_new_key_goes_on_from_the_old_one(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    state = str(tmp_path / "heads")
    grow(random.Random(6), 10)
    assert verify(capsys, "--state", state)[0] == 0
    call_command("audit", "new-key", "--why", "lost with the old disk")
    entry = Entry.objects.latest("idx")
    assert entry.action == "key.replaced"
    assert json.loads(entry.body)["details"]["why"] == "lost with the old disk"
    assert verify(capsys, "--state", state)[0] == 0


def test_a_row_that_no_entry_speaks_of_is_named_without_blaming_an_entry(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    scene = set_scene(random.Random(6))
    raise_new_session(scene)
    code, said = verify(capsys, "--state", str(tmp_path / "heads"))
    assert code == 1
    assert (
        f"BROKEN contents     The log does not fit what is stored: session {scene.new_session.pk} says"
        in said
    )
    assert "No entry is broken, but what is stored is not what the log says of it." in said
