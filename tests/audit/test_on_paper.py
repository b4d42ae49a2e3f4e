"""The shell lines of docs/audit.md, as they stand there, in the hands of somebody who has nothing of ours."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from audit.notes import Signer
from audit.tree import leaf_hash, node_hash
from tests.audit.bundles import checkpoint_at, fill, our_key, signer, write

pytestmark = pytest.mark.django_db
PAGE = Path(__file__).parents[2] / "docs" / "audit.md"


def lines() -> str:
    section = PAGE.read_text().partition("\n## Checking it on paper\n")[2].partition("\n## ")[0]
    (found,) = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    return str(found)


def follow(folder: Path, key: str, script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-e", "-c", script],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "KEY": key},
        capture_output=True,
        text=True,
    )


@pytest.fixture(autouse=True)
def tools() -> None:
    gone = [name for name in ("openssl", "xxd", "sha256sum", "python3") if shutil.which(name) is None]
    if gone:
        pytest.skip(f"not on this machine: {', '.join(gone)}")


@pytest.mark.parametrize("size", [2, 40, 300])
def test_the_lines_say_what_the_page_says(tmp_path: Path, size: int) -> None:
    fill(size)
    write(tmp_path / "log.zip", size)
    done = follow(tmp_path, our_key(), lines())
    assert (done.returncode, done.stderr) == (0, ""), done
    *verdicts, said, first, second, left, right, above, root = done.stdout.splitlines()
    assert verdicts[-1] == "Nothing is wrong."
    assert said == "Signature Verified Successfully"
    bodies = (tmp_path / "log" / "entries.jsonl").read_bytes().splitlines()
    hashes = [leaf_hash(body) for body in bodies[:2]]
    assert [first, second] == [left, right] == [found.hex() for found in hashes]
    assert above == node_hash(*hashes).hex()
    head = checkpoint_at(size).note.split("\n")[2]
    assert (root == above) == (size == 2)
    assert head in (tmp_path / "log" / "text").read_text()


def test_openssl_and_the_verifier_refuse_what_was_changed(tmp_path: Path) -> None:
    fill(40)
    write(tmp_path / "log.zip", 40)
    changed = lines().replace("openssl pkeyutl", "sed -i 2s/40/41/ text\nopenssl pkeyutl")
    assert changed != lines()
    done = follow(tmp_path, our_key(), changed)
    assert done.returncode != 0
    assert "Signature Verification Failure" in done.stdout + done.stderr
    shutil.rmtree(tmp_path / "log")
    another = str(Signer.new(signer().name).verifier)
    done = follow(tmp_path, another, lines())
    assert (done.returncode, done.stdout.splitlines()[-1]) == (1, "SOMETHING IS WRONG.")
