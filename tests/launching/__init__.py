"""Starting `scrollback` from a test: `launch` and `run_program` are to be used like those of `subprocess`.

A start of the program costs up to two seconds of a processor, nearly all of it imports. So it is forked from a process
that has done them (`preloaded.py`), once for each process of pytest. From there on it is the same program: the
installed script runs as `__main__` with the arguments, environment, folder and streams that it is given, and reads
its settings from them. The fixture `installed_program` is for tests of the start itself: they start the script.
"""

import atexit
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from inspect import signature
from pathlib import Path
from typing import Any, Final

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
_PIPES: Final = ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")
# A letter and a number.
_TOLD_BYTES: Final = 5
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


def _is_plain(environment: Mapping[str, str]) -> bool:
    """Django looks at DEBUG and at the engine as it defines models, and no file may have its own word on them."""
    home = environment.get("SCROLLBACK_HOME")
    return (
        home is not None
        and not (Path(home) / "config.toml").exists()
        and not environment.keys() & {"SCROLLBACK_CONFIG", "SCROLLBACK_DEBUG"}
    )


class Source:
    """The process that the program is forked from."""

    def __init__(self, engine: str, environment: Mapping[str, str]) -> None:
        self._control, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, str(_PRELOADED), engine, str(theirs.fileno())],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                # The keyboard's interrupt is for pytest.
                start_new_session=True,
            )
        atexit.register(self.close)

    def close(self) -> None:
        """It ends when nobody can ask it any more."""
        self._control.close()
        try:
            self._process.wait(_END_DEADLINE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def fork(self, request: Mapping[str, Any], streams: list[int]) -> tuple[int, socket.socket]:
        """The number of the new process, and where its end will be told. It is waited for until that is closed."""
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                socket.send_fds(self._control, [b"f"], [theirs.fileno(), *streams])
            with ours.makefile("rwb") as lines:
                lines.write(json.dumps(request).encode() + b"\n")
                lines.flush()
                told = lines.read(_TOLD_BYTES)
        except ConnectionError:
            told = b""
        if not told.startswith(b"b"):
            ours.close()
            raise RuntimeError("the program could not be forked; what was wrong is on standard error")
        return int.from_bytes(told[1:]), ours


def _source(environment: Mapping[str, str]) -> Source:
    read_at_start = {name: value for name, value in environment.items() if name.startswith(_READ_AT_START)}
    engine = "postgresql" if environment.get(_DATABASE_URL, "").startswith("postgres") else "sqlite3"
    key = (engine, *sorted(read_at_start.items()))
    with _lock:
        if key not in _sources:
            # Nothing else of it matters there: the program gets its own environment.
            _sources[key] = Source(engine, {"PATH": os.environ["PATH"], **read_at_start})
        return _sources[key]


class _Forked(subprocess.Popen[Any]):
    """Pipes, `communicate` and all are those of `subprocess`; how a process is made and waited for is not."""

    _end: socket.socket

    def _execute_child(self, *values: Any) -> None:
        given = signature(subprocess.Popen._execute_child).bind(self, *values).arguments  # type: ignore[attr-defined]
        theirs = (given["p2cread"], given["c2pwrite"], given["errwrite"])
        request = {
            "command": given["args"],
            "environment": dict(given["env"]),
            "folder": os.path.abspath(given["cwd"] or os.getcwd()),
            "umask": given["umask"] if given["umask"] >= 0 else _umask(),
            "new_session": given["start_new_session"],
            "process_group": given["process_group"],
        }
        try:
            streams = [stream if handle < 0 else handle for stream, handle in enumerate(theirs)]
            self.pid, self._end = _source(given["env"]).fork(request, streams)
            self._child_created = True
        finally:
            self._close_pipe_fds(*(given[name] for name in _PIPES))  # type: ignore[attr-defined]

    def _try_wait(self, flags: int) -> tuple[int, int]:
        if self._end.fileno() < 0:
            # Another thread was told.
            return 0, 0
        self._end.setblocking(not flags & os.WNOHANG)
        try:
            told = self._end.recv(_TOLD_BYTES)
        except BlockingIOError:
            return 0, 0
        self._end.close()
        if not told:
            raise RuntimeError("the process that the program was forked from is gone")
        return self.pid, int.from_bytes(told[1:])

    def _internal_poll(self, _deadstate: int | None = None, **_: Any) -> int | None:
        if self.returncode is None and self._waitpid_lock.acquire(False):  # type: ignore[attr-defined]
            try:
                process_id, status = self._try_wait(os.WNOHANG)
                if process_id:
                    self._handle_exitstatus(status)  # type: ignore[attr-defined]
            finally:
                self._waitpid_lock.release()  # type: ignore[attr-defined]
        return self.returncode


def _umask() -> int:
    """Of this process; asking `os.umask` would change it for a moment, and for every thread."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("Umask:"):
            return int(line.split()[1], 8)
    raise RuntimeError("the kernel does not tell the umask")
