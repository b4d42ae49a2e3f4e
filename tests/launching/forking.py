"""A process that is forked from one that has done its imports (`preloaded.py`), in place of one that is started.

Both `tests/launching` and the programs that are forked for it use this.
"""

import importlib
import json
import os
import socket
import subprocess
from collections.abc import Callable, Mapping
from inspect import signature
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

# A letter and a number.
_TOLD_BYTES: Final = 5
_PIPES: Final = ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")


def fork(control: socket.socket, request: Mapping[str, Any], handles: list[int]) -> tuple[int, socket.socket]:
    """The number of the new process, and where its end will be told. It is waited for until that is closed.

    `handles` are its three streams, and what else it gets. Several processes may hold the same `control`.
    """
    ours, theirs = socket.socketpair()
    try:
        with theirs:
            socket.send_fds(control, [b"f"], [theirs.fileno(), *handles])
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


class Forked(subprocess.Popen[Any]):
    """Pipes, `communicate` and all are those of `subprocess`; how a process is made and waited for is not."""

    _end: socket.socket

    def _control(self, environment: Mapping[str, str]) -> socket.socket:
        """Of the process to fork from."""
        raise NotImplementedError

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
            self.pid, self._end = fork(self._control(given["env"]), request, [*streams, *given["pass_fds"]])
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


def start_children_by(popen: Callable[..., subprocess.Popen[bytes]]) -> None:
    """From here on this process starts the terminal engine's children so, and programs that are forked from it do."""
    process = importlib.import_module("sessions_app.terminal.engine.process")
    vars(process)["subprocess"] = SimpleNamespace(Popen=popen, DEVNULL=subprocess.DEVNULL)


def _umask() -> int:
    """Of this process; asking `os.umask` would change it for a moment, and for every thread."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("Umask:"):
            return int(line.split()[1], 8)
    raise RuntimeError("the kernel does not tell the umask")
