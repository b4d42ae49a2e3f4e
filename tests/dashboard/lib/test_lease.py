import signal
import subprocess
import sys
from pathlib import Path

from dashboard.lib.lease import Lease, held_leases

_HOLDING = """
import sys, time
from pathlib import Path
from dashboard.lib.lease import Lease
with Lease(Path(sys.argv[1]), "held by a child"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_lease_is_seen_while_it_is_held(tmp_path: Path) -> None:
    folder = tmp_path / "leases"
    assert held_leases(folder) == []
    with Lease(folder, "one\ntwo"), Lease(folder, "three"):
        assert sorted(held_leases(folder)) == ["one\ntwo", "three"]
    assert held_leases(folder) == []
    assert list(folder.iterdir()) == []


def test_a_killed_process_holds_nothing(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _HOLDING, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[3],
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert held_leases(tmp_path) == ["held by a child"]
        child.send_signal(signal.SIGKILL)
    assert held_leases(tmp_path) == []
    assert list(tmp_path.iterdir()) == []
