"""`scrollback audit verify` and `new-key`, as an auditor runs them."""

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import transaction
from pytest_django.fixtures import Settings

from audit.actors import SYSTEM
from audit.keys import key_path, load_key
from audit.models import Checkpoint, Entry, Log
from audit.notes import Signer
from audit.record import Draft, append
from tests.audit.attacks import (
    Scene,
    drop_triggers,
    edit_body,
    put_another_log_in_its_place,
    restore_old_backup,
    sign_anew_with_own_key,
    truncate,
)
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


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, settings: Settings) -> Callable[[str], Path]:
    """Go to a machine of this name: a data directory and a state folder of its own, the same database."""
    first = settings.HOME

    def go(name: str) -> Path:
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / name / "state"))
        settings.HOME = first if name == "server" else tmp_path / name / "home"
        return tmp_path / name

    go("server")
    return go


def remembered(place: Path) -> list[Path]:
    return sorted((place / "state" / "scrollback").glob("*.heads"))


def test_an_auditor_without_the_key_file_takes_the_logs_word_once_and_is_told(
    capsys: pytest.CaptureFixture[str], machine: Callable[[str], Path]
) -> None:
    grow(random.Random(10), 30)
    key = Checkpoint.objects.latest("size").key
    place = machine("auditor")
    code, said = verify(capsys)
    assert code == 0, said
    assert f"The key is the log's own word, as none was named or remembered: {key}." in said
    assert not list(place.rglob("*.key")), "an auditor has nothing to sign with"
    (path,) = remembered(place)
    assert f"\nkey {key}\n" in path.read_text()
    code, said = verify(capsys, "--json")
    document = json.loads(said)
    assert (code, document["key"], document["key_from"], document["warnings"]) == (0, key, "remembered", [])
    assert document["verdicts"]["consistency"]["outcome"] == "sound"


def test_that_an_auditor_verified_may_stay_unsigned_until_a_server_runs_again(
    capsys: pytest.CaptureFixture[str], machine: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audit.verification.LATE_MS", 0)
    grow(random.Random(9), 30)
    machine("auditor")
    for _ in range(3):
        code, said = verify(capsys)
        assert code == 0, said
    with transaction.atomic():
        append([Draft("sign_in.succeeded", SYSTEM)])
    code, said = verify(capsys)
    assert (code, "The entries from 30 on are not signed" in said) == (1, True), said


@pytest.mark.parametrize("form", ["text", "file", "keys.txt"])
def test_an_auditor_names_the_key_that_was_noted(
    capsys: pytest.CaptureFixture[str], machine: Callable[[str], Path], tmp_path: Path, form: str
) -> None:
    grow(random.Random(11), 30)
    key = Checkpoint.objects.latest("size").key
    machine("auditor")
    (tmp_path / "noted").write_text(f"{key}\n" + ("an older one\n" if form == "keys.txt" else ""))
    code, said = verify(capsys, "--key", key if form == "text" else str(tmp_path / "noted"), "--json")
    document = json.loads(said)
    assert (code, document["key_from"], document["warnings"]) == (0, "named", [])
    assert json.loads(verify(capsys, "--json")[1])["key_from"] == "remembered"


def test_a_key_that_the_log_was_not_signed_with_is_an_alarm(
    capsys: pytest.CaptureFixture[str], machine: Callable[[str], Path]
) -> None:
    grow(random.Random(12), 30)
    origin = Log.objects.get().origin
    for name in ("server", "auditor"):
        place = machine(name)
        for other in (Signer.new(origin), Signer.new("scrollback/another")):
            code, said = verify(capsys, "--key", str(other.verifier))
            assert (code, "BROKEN signatures" in said) == (1, True), said
        assert remembered(place) == [], "nothing of it is believed later"
        for none in ("x", str(place), "scrollback/a+00000000+AAAA"):
            assert verify(capsys, "--key", none)[0] == 2


@pytest.mark.parametrize("is_noted", [True, False])
def test_a_log_that_was_signed_anew_with_another_key_is_an_alarm_for_whoever_knows_the_first(
    capsys: pytest.CaptureFixture[str], machine: Callable[[str], Path], is_noted: bool
) -> None:
    grow(random.Random(13), 30)
    old = Checkpoint.objects.latest("size").key
    machine("auditor")
    if not is_noted:
        assert verify(capsys)[0] == 0
    machine("server")
    drop_triggers()
    sign_anew_with_own_key(Scene(random.Random(14), 3, 30))
    machine("auditor")
    code, said = verify(capsys, *(("--key", old) if is_noted else ()))
    assert (code, "is no key of this log" in said) == (1, True), said


def test_entries_lead_from_the_known_key_to_the_one_that_replaced_it(
    capsys: pytest.CaptureFixture[str], machine: Callable[[str], Path]
) -> None:
    grow(random.Random(13), 30)
    old = Checkpoint.objects.latest("size").key
    machine("auditor")
    assert verify(capsys)[0] == 0
    machine("server")
    for why in ("lost with the old disk", "lost again"):
        call_command("audit", "new-key", "--why", why)
    new = Checkpoint.objects.latest("size").key
    machine("auditor")
    code, said = verify(capsys)
    assert code == 0, said
    assert "The key that was known here was replaced by entry" in said
    assert "'lost with the old disk'" in said
    assert "'lost again'" in said
    document = json.loads(verify(capsys, "--json")[1])
    assert (document["key"], document["key_from"], document["warnings"]) == (new, "remembered", [])
    # Who noted the first one and has seen nothing since is led to it as well.
    code, said = verify(capsys, "--key", old, "--forget", "--json")
    assert (code, len(json.loads(said)["key_replaced"])) == (0, 2)


def test_a_key_file_that_is_another_than_the_remembered_key_is_an_alarm(
    capsys: pytest.CaptureFixture[str], machine: Callable[[str], Path]
) -> None:
    grow(random.Random(15), 30)
    assert verify(capsys)[0] == 0
    path = key_path(Log.objects.get().origin)
    own = path.read_text()
    path.write_text(Signer.new(Log.objects.get().origin).written() + "\n")
    code, said = verify(capsys)
    path.write_text(own)
    assert (code, "the key file" in said) == (1, True), said
    assert verify(capsys)[0] == 0


def test_an_entry_that_a_leaked_key_signed_after_it_was_replaced_is_found_by_the_auditor(
    capsys: pytest.CaptureFixture[str], machine: Callable[[str], Path]
) -> None:
    grow(random.Random(16), 20)
    thief = load_key(Log.objects.get().origin)
    call_command("audit", "new-key", "--why", "seen by somebody")
    newest = Checkpoint.objects.latest("size")
    drop_triggers()
    head = newest.note.partition("\n\n")[0] + "\n"
    Checkpoint.objects.filter(size=newest.size).update(note=thief.sign(head), key=str(thief.verifier))
    machine("auditor")
    for given in ((), ("--key", str(thief.verifier))):
        code, said = verify(capsys, *given)
        assert (code, "had replaced" in said) == (1, True), said


def test_a_log_under_another_name_in_the_place_of_the_known_one_is_an_alarm(
    capsys: pytest.CaptureFixture[str], machine: Callable[[str], Path]
) -> None:
    grow(random.Random(17), 40)
    for name in ("server", "auditor"):
        place = machine(name)
        assert verify(capsys)[0] == 0
        with transaction.atomic():
            drop_triggers()
            put_another_log_in_its_place(Scene(random.Random(18), 20, 40))
            code, said = verify(capsys)
            assert (code, "BROKEN consistency" in said) == (1, True), said
            # By another address nothing is known: that is all that can be said, and it is.
            (path,) = remembered(place)
            path.rename(path.with_name("audit-another.heads"))
            code, said = verify(capsys)
            assert (code, "if that is what should be here, it was put aside" in said) == (0, True), said
            transaction.set_rollback(True)
        for left in remembered(place):
            left.unlink()


def test_a_log_that_is_reached_by_another_address_is_known(
    capsys: pytest.CaptureFixture[str], machine: Callable[[str], Path]
) -> None:
    place = machine("auditor")
    grow(random.Random(19), 40)
    assert verify(capsys)[0] == 0
    (path,) = remembered(place)
    path.rename(path.with_name("audit-another.heads"))
    with transaction.atomic():
        drop_triggers()
        truncate(Scene(random.Random(20), 20, 40))
        code, said = verify(capsys)
        assert (code, "BROKEN consistency" in said) == (1, True), said
        # It may have been removed, and this be what was made in its place.
        assert "--forget begins anew" in said
        transaction.set_rollback(True)
    assert json.loads(verify(capsys, "--json")[1])["warnings"] == []
    assert len(remembered(place)) == 2
    # A copy that was set back on purpose begins anew.
    assert verify(capsys, "--forget")[0] == 0


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
