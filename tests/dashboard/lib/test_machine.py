import os
import socket
import stat
import threading
from pathlib import Path

import pytest

from dashboard.lib.errors import Refused
from dashboard.lib.machine import kept_name, machine_name

# Files alone.
pytestmark = pytest.mark.once


@pytest.fixture(autouse=True)
def _workshop(monkeypatch: pytest.MonkeyPatch) -> None:
    call_the_host("workshop", monkeypatch)


def call_the_host(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: name)


def test_the_first_name_of_the_host_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    assert kept_name(home) is None
    assert machine_name(home) == "workshop"
    call_the_host("workshop.lan", monkeypatch)

    assert machine_name(home) == kept_name(home) == "workshop"

    (file,) = home.iterdir()
    assert (file.name, file.read_text()) == ("machine.name", "workshop\n")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(home.stat().st_mode) == 0o700


@pytest.mark.parametrize("written", [b"attic", b" attic \r\n", b"attic\n\n"])
def test_a_name_that_a_person_wrote_counts(tmp_path: Path, written: bytes) -> None:
    (tmp_path / "machine.name").write_bytes(written)

    assert machine_name(tmp_path) == "attic"
    assert (tmp_path / "machine.name").read_bytes() == written


@pytest.mark.parametrize(
    ("content", "trouble"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"a\nb\n", "is not one line of text"),
        (b"a\x00b", "is not one line of text"),
        (b"\xff\xfe", "is not one line of text"),
        (b"x" * 256, "is longer than 255 characters"),
        (b"x" * 5_000_000, "is longer than 255 characters"),
        ("ü".encode() * 256, "is longer than 255 characters"),
    ],
)
def test_a_file_that_names_nothing_is_refused_and_left(tmp_path: Path, content: bytes, trouble: str) -> None:
    """Another name would import everything anew: that is for a person to choose."""
    path = tmp_path / "machine.name"
    path.write_bytes(content)

    with pytest.raises(Refused) as refusal:
        machine_name(tmp_path)

    assert str(refusal.value) == (
        f"{path}, which names this machine, {trouble}. Write into it the name that its histories are known by, or "
        'delete it: then it is made again with the name of the host, "workshop".'
    )
    assert path.read_bytes() == content


def test_the_longest_name_is_one(tmp_path: Path) -> None:
    (tmp_path / "machine.name").write_text("ü" * 255 + "\n")
    assert machine_name(tmp_path) == "ü" * 255


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    """A folder, since root reads every file."""
    (tmp_path / "machine.name").mkdir()
    with pytest.raises(Refused, match=r"cannot be read: Is a directory\. Write into it"):
        machine_name(tmp_path)


def test_where_nothing_can_be_written_it_is_the_hosts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    assert machine_name(tmp_path / "file") == "workshop"

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert machine_name(tmp_path / "home") == "workshop"
    assert list((tmp_path / "home").iterdir()) == []


def test_a_name_that_no_database_takes_is_written_as_it_is_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    call_the_host("caf\udce9", monkeypatch)
    assert machine_name(tmp_path) == machine_name(tmp_path) == "caf\ufffd"


@pytest.mark.parametrize("name", ["", "two\nlines"])
def test_a_host_without_a_name_keeps_none(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    call_the_host(name, monkeypatch)
    assert machine_name(tmp_path) == name
    assert list(tmp_path.iterdir()) == []


def test_of_several_that_begin_together_one_name_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: threading.current_thread().name)
    together, found = threading.Barrier(8), list[str]()

    def begin() -> None:
        together.wait()
        found.append(machine_name(tmp_path))

    threads = [threading.Thread(target=begin, name=f"host-{number}") for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert set(found) == {kept_name(tmp_path)}
    assert [path.name for path in tmp_path.iterdir()] == ["machine.name"]
