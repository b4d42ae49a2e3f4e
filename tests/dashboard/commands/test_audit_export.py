"""`scrollback audit export`, and its bundle in the hands of somebody who has nothing of ours."""

import hashlib
import json
import os
import subprocess
import sys
import uuid
import zipfile
from pathlib import Path

import pytest
from django.db import connection, transaction

from audit import bundle, catalog
from audit.actors import SYSTEM, Actor
from audit.keys import public_key
from audit.models import Entry, Log
from audit.record import Draft, Target
from audit.signing import newest_checkpoint
from tests.audit.bundles import ADA, fill
from tests.audit.logs import put
from tests.dashboard.commands.calling import Caller
from tests.factories import make_project, make_session

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def log() -> None:
    fill(30, payload_every=10)


def written(drafts: list[Draft]) -> None:
    with transaction.atomic():
        put(drafts)


def exports() -> list[dict[str, object]]:
    """What the log says of exports."""
    entries = Entry.objects.filter(action="log.exported").order_by("idx")
    return [json.loads(entry.body)["details"] for entry in entries]


@pytest.mark.usefixtures("log")
def test_the_bundle_is_whole_and_a_python_without_us_finds_it_sound(call: Caller, tmp_path: Path) -> None:
    path = tmp_path / "log.zip"
    ended = call("audit", "export", path, "--json")
    found = ended.document
    assert (ended.status, found["entries"], found["size"], found["filter"]) == (0, 30, 30, {})
    assert found["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert found["bytes"] == path.stat().st_size
    assert path.stat().st_mode & 0o077 == 0
    with zipfile.ZipFile(path) as archive:
        archive.extract("verify.py", tmp_path)
    key = str(public_key(Log.objects.get().origin))
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(tmp_path / "verify.py"), str(path), "--key", key],
        capture_output=True,
        text=True,
        env={"PATH": os.defpath},
        cwd=tmp_path,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "Nothing is wrong." in done.stdout
    assert f"root {found['root']}" in done.stdout


@pytest.mark.usefixtures("log")
def test_the_export_is_in_the_log_before_its_first_byte(
    call: Caller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    write = bundle.Bundle.pieces

    def pieces(self: bundle.Bundle):  # type: ignore[no-untyped-def]
        # Outside of any transaction: it is committed.
        seen.append((connection.in_atomic_block, exports()))
        yield from write(self)

    monkeypatch.setattr(bundle.Bundle, "pieces", pieces)
    call("audit", "export", tmp_path / "log.zip")
    head = newest_checkpoint()
    assert head is not None
    ((is_open, noted),) = seen
    assert not is_open
    (details,) = noted
    assert (details["form"], details["entries"], details["size"]) == ("bundle", 30, 30)
    assert details["payloads"] is True


@pytest.mark.usefixtures("log")
def test_what_cannot_be_recorded_is_not_exported(
    call: Caller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As after an update that lost a line of the catalogue: the entry is refused for real.
    monkeypatch.delitem(catalog._actions, "log.exported")
    with pytest.raises(catalog.UnknownAction):
        call("audit", "export", tmp_path / "log.zip")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("log")
def test_a_file_that_cannot_be_written_is_refused_in_a_line(call: Caller, tmp_path: Path) -> None:
    folder = tmp_path / "none" / "log.zip"
    ended = call("audit", "export", folder)
    assert (ended.status, ended.raw) == (2, b"")
    assert "cannot be written" in ended.errors
    assert len(ended.errors.splitlines()) == 1
    # That it was tried stays in the log.
    assert len(exports()) == 1


@pytest.mark.usefixtures("log")
def test_a_file_that_is_there_is_kept_unless_told_otherwise(call: Caller, tmp_path: Path) -> None:
    path = tmp_path / "log.zip"
    path.write_text("mine")
    ended = call("audit", "export", path)
    assert (ended.status, path.read_text(), exports()) == (2, "mine", [])
    assert call("audit", "export", path, "--force").status == 0
    assert zipfile.is_zipfile(path)


@pytest.mark.usefixtures("log")
def test_a_part_says_what_is_withheld(call: Caller, tmp_path: Path) -> None:
    path = tmp_path / "part.zip"
    found = call("audit", "export", path, "--action", "token.*", "--actor", "ada", "--json").document
    assert (found["entries"], found["filter"]) == (5, {"action": "token.*", "actor": "ada"})
    done = subprocess.run(
        [sys.executable, "-I", str(bundle.VERIFIER), str(path), "--json"], capture_output=True, text=True
    )
    verdicts = json.loads(done.stdout)["verdicts"]
    assert done.returncode == 0
    assert verdicts["withheld"]["text"].startswith("25 entries, only their hashes are here: 0-2, 4-8, ")
    (details,) = exports()
    assert details["filter"] == found["filter"]


@pytest.mark.parametrize(
    ("query", "indices"),
    [
        ("decision:deny", [1]),
        ("project:atlas", [2]),
        ("run:01890000-0000-7000-8000-000000000001", [3]),
        ('target:"the login form"', [4]),
        ("rosebud", [5]),
        ("-actor:ada", [0]),
        ("decision:deny actor:nobody", []),
    ],
)
def test_what_the_page_filters_leaves_with_the_leaves_of_the_rest(
    call: Caller, tmp_path: Path, query: str, indices: list[int]
) -> None:
    session = make_session(project=make_project(name="atlas"))
    written(
        [
            Draft("session.archived", Actor("person", "2", "bob")),
            Draft("request.denied", ADA, decision="deny"),
            Draft("session.archived", ADA, session_id=session.pk),
            Draft("session.archived", ADA, run_id=uuid.UUID("01890000-0000-7000-8000-000000000001")),
            Draft("session.archived", ADA, Target("session", "4", "Fix the login form")),
            Draft("session.archived", ADA, details={"word": "Rosebud"}),
        ]
    )
    path = tmp_path / "part.zip"
    found = call("audit", "export", path, f"--query={query}", "--json").document
    assert (found["entries"], found["size"], found["filter"]) == (len(indices), 6, {"query": query})
    assert exports()[0]["filter"] == found["filter"]
    with zipfile.ZipFile(path) as archive:
        lines = archive.read("entries.jsonl").splitlines()
        assert query in json.loads(archive.read("bundle.json"))["filter"]["query"]
    assert [json.loads(line)["idx"] for line in lines] == indices
    done = subprocess.run(
        [sys.executable, "-I", str(bundle.VERIFIER), str(path), "--json"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout
    verdicts = json.loads(done.stdout)["verdicts"]
    assert verdicts["withheld"]["text"].startswith(
        f"{6 - len(indices)} entries, only their hashes are here: "
    )


def test_a_query_narrows_what_other_filters_leave(call: Caller, tmp_path: Path) -> None:
    written(
        [Draft("session.archived", ADA), Draft("session.deleted", ADA), Draft("session.archived", SYSTEM)]
    )
    arguments = ("--action", "session.archived", "--query", "actor:ada")
    found = call("audit", "export", tmp_path / "part.zip", *arguments, "--json").document
    assert (found["entries"], found["filter"]) == (1, {"action": "session.archived", "query": "actor:ada"})


@pytest.mark.usefixtures("log")
def test_a_query_that_cannot_be_read_is_refused_in_a_line(call: Caller, tmp_path: Path) -> None:
    ended = call("audit", "export", tmp_path / "log.zip", "--query", "actr:ada")
    assert (ended.status, ended.raw) == (2, b"")
    assert "no qualifier actr:" in ended.errors
    assert len(ended.errors.splitlines()) == 1
    assert (exports(), list(tmp_path.iterdir())) == ([], [])


@pytest.mark.usefixtures("log")
@pytest.mark.parametrize("action", ["token.lent", "tokn.*"])
def test_an_action_that_cannot_be_meant_is_refused(call: Caller, tmp_path: Path, action: str) -> None:
    ended = call("audit", "export", tmp_path / "log.zip", "--action", action)
    assert ended.status == 2
    assert exports() == []
    assert list(tmp_path.iterdir()) == []


def test_an_empty_log_is_not_exported(call: Caller, tmp_path: Path) -> None:
    ended = call("audit", "export", tmp_path / "log.zip")
    assert ended.status == 2
    assert "empty" in ended.errors


def test_without_payloads_none_leaves(call: Caller, tmp_path: Path) -> None:
    with transaction.atomic():
        fill(3, payload_every=1)
    call("audit", "export", tmp_path / "log.zip", "--no-payloads")
    with zipfile.ZipFile(tmp_path / "log.zip") as archive:
        assert "payloads.jsonl" not in archive.namelist()
    assert exports()[0]["payloads"] is False


def test_a_session_is_named_by_a_piece_of_its_id_and_may_be_gone(call: Caller, tmp_path: Path) -> None:
    fill(3)
    session, gone = make_session(), uuid.uuid4()

    by_end = call("audit", "export", tmp_path / "a.zip", "--session", session.pk.hex[-8:], "--json")
    by_id = call("audit", "export", tmp_path / "b.zip", "--session", str(gone), "--json")
    unknown = call("audit", "export", tmp_path / "c.zip", "--session", "ffffffff", "--json")

    assert by_end.document["filter"] == {"session": str(session.pk)}
    assert by_id.document["filter"] == {"session": str(gone)}
    assert unknown.status == 2
    assert "There is no session called 'ffffffff'" in unknown.errors
