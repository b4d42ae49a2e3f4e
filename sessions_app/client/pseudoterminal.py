"""A program on a pseudo-terminal of its own."""

import contextlib
import errno
import fcntl
import os
import shutil
import signal
import struct
import termios
import tty
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from sessions_app.terminal.window import MAX_COLS, allowed_size

#: What Python ignores and programs expect to work.
_SIGNALS_TO_RESTORE = (signal.SIGPIPE, signal.SIGXFSZ)
_SIZE = struct.Struct("HHHH")


class LaunchError(Exception):
    """The program could not be started; `status` is the exit status that a shell gives for it."""

    def __init__(self, command: str, error: OSError) -> None:
        found = error.errno not in (errno.ENOENT, errno.ENOTDIR)
        self.status = 126 if found else 127
        super().__init__(f"{command}: {error.strerror if found else 'command not found'}")


@dataclass(frozen=True, slots=True)
class ChildSignal:
    """What our parent let become of SIGCHLD. Where that is ignored nobody learns how a program ended, and where it is
    blocked nobody learns when.
    """

    is_ignored: bool
    is_blocked: bool

    @classmethod
    def taken_over(cls) -> Self:
        """Hear of our children from now on."""
        before = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        blocked = signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])
        return cls(before is signal.SIG_IGN, signal.SIGCHLD in blocked)

    def put_back(self) -> None:
        """In the process that becomes the program."""
        if self.is_ignored:
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        if self.is_blocked:
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])


class Program:
    """A running program: session leader on the pseudo-terminal whose controlling end is `descriptor`."""

    def __init__(
        self,
        command: Sequence[str],
        size: tuple[int, int],
        attributes: list[Any] | None,
        child_signal: ChildSignal | None = None,
    ) -> None:
        """Start `command` in a window of (columns, rows), with the `attributes` of the person's terminal.

        Without attributes nobody types: the terminal does not echo. `child_signal` is as the program shall find it,
        else as it is here. Raises LaunchError and OSError.
        """
        self.descriptor, self.terminal = os.openpty()
        #: Columns and rows of the window that it was started in.
        self.size = size
        set_size(self.descriptor, size)
        if attributes is None:
            attributes = termios.tcgetattr(self.terminal)
            attributes[tty.LFLAG] &= ~termios.ECHO
        termios.tcsetattr(self.terminal, termios.TCSANOW, attributes)
        launched, launch_error = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            _become(command, self.terminal, launch_error, child_signal)
        os.close(launch_error)
        failure = os.read(launched, 16)
        os.close(launched)
        if failure:
            os.waitpid(self.pid, 0)
            number = int(failure)
            raise LaunchError(command[0], OSError(number, os.strerror(number)))
        os.set_blocking(self.descriptor, False)

    def send_signal(self, number: int) -> None:
        """To the program and what it started; an interrupt, as from a key, to what is in the foreground."""
        group = self.pid
        if number in (signal.SIGINT, signal.SIGQUIT):
            with contextlib.suppress(OSError):
                group = os.tcgetpgrp(self.descriptor) or self.pid
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, number)

    def exit_status(self) -> int | None:
        """Exit status as a shell gives it (128 + n for signal n), None while it runs."""
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        if pid == 0:
            return None
        code = os.waitstatus_to_exitcode(status)
        return code if code >= 0 else 128 - code

    def hang_up(self) -> None:
        """Close the terminal; what still runs on it gets SIGHUP."""
        os.close(self.terminal)
        os.close(self.descriptor)


def _become(
    command: Sequence[str], terminal: int, launch_error: int, child_signal: ChildSignal | None
) -> None:
    """What the forked process does: become `command`, or report the errno and end. Never returns."""
    try:
        os.login_tty(terminal)
        for number in _SIGNALS_TO_RESTORE:
            signal.signal(number, signal.SIG_DFL)
        if child_signal:
            child_signal.put_back()
        _execute(list(command))
    except OSError as error:
        os.write(launch_error, str(error.errno).encode())
    finally:
        os._exit(127)


def _execute(command: list[str]) -> None:
    """Become `command`. Raises OSError."""
    try:
        os.execvp(command[0], command)  # noqa: S606  no shell is wanted
    except OSError as error:
        script = shutil.which(command[0])
        if error.errno != errno.ENOEXEC or script is None:
            raise
        # A script without #! is run by the shell, wherever it is started from.
        os.execv("/bin/sh", ["/bin/sh", script, *command[1:]])  # noqa: S606


def get_size(descriptors: Sequence[int], environment: Mapping[str, str]) -> tuple[int, int]:
    """Columns and rows of the first that is a terminal, else of COLUMNS and LINES, else 80 and 24."""
    for descriptor in descriptors:
        with contextlib.suppress(OSError):
            rows, cols, _, _ = _SIZE.unpack(fcntl.ioctl(descriptor, termios.TIOCGWINSZ, bytes(_SIZE.size)))
            if cols and rows:
                return allowed_size(cols, rows)
    return allowed_size(_number(environment.get("COLUMNS"), 80), _number(environment.get("LINES"), 24))


def _number(text: str | None, default: int) -> int:
    return (
        int(text)
        if text and text.isdecimal() and text.isascii() and 0 < int(text[:6]) <= MAX_COLS
        else default
    )


def set_size(descriptor: int, size: tuple[int, int]) -> None:
    """Give the window of a pseudo-terminal this many columns and rows; its program gets SIGWINCH."""
    cols, rows = size
    fcntl.ioctl(descriptor, termios.TIOCSWINSZ, _SIZE.pack(rows, cols, 0, 0))


class PersonsTerminal:
    """Standard input: a terminal that passes every key on while it is raw, or no terminal at all.

    A shell gives its terminal to one job at a time. To another one its keys do not belong, and the kernel stops who
    reads them or changes its modes.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        #: What the program's terminal begins with; None when this is no terminal.
        self.attributes: list[Any] | None = None
        # What is put back, once the terminal has been ours.
        self._before: list[Any] | None = None
        with contextlib.suppress(termios.error):
            self.attributes = termios.tcgetattr(descriptor)
            if self.is_ours():
                self._before = self.attributes
            else:
                self.attributes = _for_lines(self.attributes)

    def is_ours(self) -> bool:
        """Whether what is typed is for us, and not for another job of the shell."""
        if self.attributes is None:
            return True
        try:
            return os.tcgetpgrp(self._descriptor) == os.getpgrp()
        except OSError:
            # No shell has jobs on it, or it has gone away, which a read tells.
            return True

    @contextlib.contextmanager
    def put_back(self) -> Iterator[None]:
        """Whatever happens in the block, it is as it was before after it."""
        try:
            yield
        finally:
            if self._before is not None and self.is_ours():
                # A terminal that has gone away needs nothing put back.
                with contextlib.suppress(termios.error), _refused_to_other_jobs():
                    termios.tcsetattr(self._descriptor, termios.TCSADRAIN, self._before)

    def make_raw(self) -> bool:
        """Raw (again, after the person's shell has put its own mode back), if it is ours; whether it is."""
        if not self.is_ours():
            return False
        if self.attributes is not None:
            with contextlib.suppress(termios.error), _refused_to_other_jobs():
                found = tty.setraw(self._descriptor, termios.TCSANOW)
                self._before = self._before or found
        return True


def _for_lines(attributes: list[Any]) -> list[Any]:
    """The same without what an editor of lines does, as a shell's while it waits for a command."""
    changed = list(attributes)
    changed[tty.IFLAG] |= termios.ICRNL
    changed[tty.OFLAG] |= termios.OPOST | termios.ONLCR
    changed[tty.LFLAG] |= termios.ICANON | termios.ECHO | termios.ISIG | termios.IEXTEN
    return changed


@contextlib.contextmanager
def _refused_to_other_jobs() -> Iterator[None]:
    """Modes of a terminal that was given to another job this very moment are not changed, which stops nobody.

    Only here: what a terminal refuses to be shown (`stty tostop`) would be tried again for ever.
    """
    before = signal.signal(signal.SIGTTOU, lambda _number, _frame: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGTTOU, before)
