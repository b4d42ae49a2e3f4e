"""Starting `scrollback` from a test: `launch` and `run_program` are to be used like those of `subprocess`.

A start of the program costs up to two seconds of a processor, nearly all of it imports. So it is forked from a process
that has done them (`preloaded.py`), once for each process of pytest. From there on it is the same program: the
installed script runs as `__main__` with the arguments, environment, folder and streams that it is given, and reads
its settings from them. The processes in which it draws terminals cost a quarter of a second each, and are forked too.
The fixture `installed_program` is for tests of the start itself: they start the script.
"""

import atexit
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tests.launching.forking import Forked

SCROLLBACK = Path(sys.executable).parent / "scrollback"
_PRELOADED: Final = Path(__file__).with_name("preloaded.py")
# What the interpreter and its libraries read as they start, when the forked program has started already.
_READ_AT_START: Final = (
    "PYTHON",
    "LC_",
    "LANG",
    "TZ",
    "LD_",
    "MALLOC_",
    "GLIBC_",
    "OPENSSL_",
    "SSL_",
    "PSYCOPG_",
)
# Anything else that `subprocess.Popen` can do, it does itself.
_FORKED_OPTIONS: Final = {
    *("args", "stdin", "stdout", "stderr", "env", "cwd", "umask", "process_group", "start_new_session"),
    *("bufsize", "text", "encoding", "errors"),
}
_END_DEADLINE_S: Final = 10.0
_DATABASE_URL: Final = "SCROLLBACK_DATABASE_URL"
# How the end of a process is noticed; elsewhere than on Linux each start is a real one.
_CAN_FORK: Final = hasattr(os, "pidfd_open")

# Only where tests say so: a benchmark measures the start as well.
forks = False
_lock = threading.Lock()
_sources: "dict[tuple[object, ...], Source]" = {}


def launch(*arguments: str, env: Mapping[str, str], **options: Any) -> subprocess.Popen[Any]:
    """`scrollback ARGUMENTS`, as `subprocess.Popen` would start it."""
    command = [str(SCROLLBACK), *arguments]
    if forks and _CAN_FORK and options.keys() <= _FORKED_OPTIONS and _is_plain(env):
        return _Forked(command, env=env, **options)
    return subprocess.Popen(command, env=env, **options)


def run_program(
    *arguments: str, env: Mapping[str, str], timeout: float, stdin: bytes | None = None, **options: Any
) -> subprocess.CompletedProcess[bytes]:
    """The same to its end, with what it printed; killed when it takes too long."""
    given = subprocess.DEVNULL if stdin is None else subprocess.PIPE
    pipe = subprocess.PIPE
    with launch(*arguments, env=env, stdin=given, stdout=pipe, stderr=pipe, **options) as process:
        try:
            output, errors = process.communicate(stdin, timeout)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)


def start_child(command: list[str], **options: Any) -> subprocess.Popen[bytes]:
    """The terminal engine's child, as `sessions_app.terminal.engine.process` starts it."""
    if forks and _CAN_FORK:
        return _ForkedChild(command, **options)
    return subprocess.Popen(command, **options)


def _is_plain(environment: Mapping[str, str]) -> bool:
    """Django looks at DEBUG and at the engine as it defines models, and no file may have its own word on them."""
    home = environment.get("SCROLLBACK_HOME")
    return (
        home is not None
        and not (Path(home) / "config.toml").exists()
        and not environment.keys() & {"SCROLLBACK_CONFIG", "SCROLLBACK_DEBUG"}
    )


class Source:
    """The process that the program is forked from, or, for what it forks itself, the engine's child."""

    def __init__(self, what: str, environment: Mapping[str, str], *others: "Source") -> None:
        self.control, theirs = socket.socketpair()
        with theirs:
            handles = [theirs.fileno(), *(other.control.fileno() for other in others)]
            self._process = subprocess.Popen(
                [sys.executable, str(_PRELOADED), what, *map(str, handles)],
                # Nothing else of it matters there: what is forked gets its own environment.
                env={"PATH": os.environ["PATH"], **_read_at_start(environment)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=handles,
                # The keyboard's interrupt is for pytest.
                start_new_session=True,
            )
        atexit.register(self.close)

    def close(self) -> None:
        """It ends when nobody can ask it any more."""
        self.control.close()
        try:
            self._process.wait(_END_DEADLINE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _source(environment: Mapping[str, str]) -> Source:
    engine = "postgresql" if environment.get(_DATABASE_URL, "").startswith("postgres") else "sqlite3"
    key = (engine, *_read_at_start(environment).items())
    children = _child_source(environment)
    with _lock:
        if key not in _sources:
            _sources[key] = Source(engine, environment, children)
        return _sources[key]


def _child_source(environment: Mapping[str, str]) -> Source:
    key = ("child", *_read_at_start(environment).items())
    with _lock:
        if key not in _sources:
            _sources[key] = Source("child", environment)
        return _sources[key]


def _read_at_start(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: environment[name] for name in sorted(environment) if name.startswith(_READ_AT_START)}


class _Forked(Forked):
    def _control(self, environment: Mapping[str, str]) -> socket.socket:
        return _source(environment).control


class _ForkedChild(Forked):
    def _control(self, environment: Mapping[str, str]) -> socket.socket:
        # What it is given beside this process' environment says where the project is, which is known there.
        return _child_source(os.environ).control
