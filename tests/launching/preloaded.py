"""Imports what `scrollback` imports, and then forks the program again and again, as tests/launching asks for it.

Another one does so with what the terminal engine's child imports, as forked programs ask for it.

A program from here must be the one that a new interpreter would run. So nothing may be kept that a start decides:

- Django's settings are there without those that the environment decides. A module that reads one of them as it is
  imported ends this process. The forked program reads all of them, as ever.
- No thread, no event loop and no file is open at the fork; that is looked at.
- The script runs in the outermost frame of a main module of its own, so that it also ends like any other.
"""

import contextlib
import gc
import importlib
import io
import json
import multiprocessing.process
import os
import pkgutil
import runpy
import select
import socket
import sys
import threading
from pathlib import Path
from typing import Any, NamedTuple, TextIO

# What is told of a program: its number, and then how it ended, as `os.waitpid` would tell it.
BEGUN, ENDED = b"b", b"e"
NUMBER_BYTES = 4
STREAMS = 3
# What else the engine's child is given: its connection, whose end ends it, and memory; behind these, two numbers.
OWN_HANDLES = 3
OWN_NUMBERS = 2
ROOT = Path(__file__).resolve().parents[2]
# The same in every environment, which tests/test_launching.py holds.
CONSTANT_SETTINGS = (
    *("AUTH_USER_MODEL", "DEFAULT_AUTO_FIELD", "INSTALLED_APPS", "LANGUAGE_CODE", "LOGIN_URL", "TIME_ZONE"),
    *("USE_I18N", "USE_TZ"),
)
PACKAGES = (
    *("audit", "sessions_app", "dashboard.audit_commands", "dashboard.lib", "dashboard.management.commands"),
    *("dashboard.templatetags", "django.contrib.auth.migrations", "django.contrib.contenttypes.migrations"),
    "django.contrib.sessions.migrations",
)
MODULES = (
    *("dashboard.context", "whitenoise.middleware", "dashboard.serving", "dashboard.static_storage"),
    *("channels.auth", "channels.routing", "django.core.asgi", "django.contrib.sessions.backends.db"),
    # All of the server but the one module that makes an event loop.
    *("twisted.internet.asyncioreactor", "twisted.internet.endpoints", "twisted.protocols.tls"),
    *("daphne.endpoints", "daphne.http_protocol", "daphne.ws_protocol"),
)
# What is started by itself, or holds when it was imported.
NOT_IMPORTED = ("audit.offline", "sessions_app.terminal.engine.child", "dashboard.metrics")


class ConstantSettings:
    """Stands where Django keeps its settings."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.__dict__.update(values)

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(f"the setting {name} is read while a module is imported, when nobody can know it")


class Request(NamedTuple):
    """A program to be run, in the process that runs it."""

    command: list[str]
    environment: dict[str, str]
    folder: str
    umask: int
    new_session: bool
    process_group: int


class Child:
    """A program that was forked. Its number is given away when its end was told, or nobody is there to be told."""

    def __init__(self, connection: socket.socket, process_id: int) -> None:
        self._connection: socket.socket | None = connection
        self._process_id = process_id
        # Readable when the process has ended.
        self._handle = os.pidfd_open(process_id)

    def watched(self) -> list[int]:
        assert self._connection is not None
        return [self._handle, self._connection.fileno()]

    def notice(self, descriptor: int) -> None:
        """Something happened there; it is not watched any more."""
        if descriptor == self._handle:
            if self._connection is not None:
                self._tell_end(self._connection)
            os.close(self._handle)
            self._handle = -1
        elif self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._handle < 0 and self._connection is None:
            os.waitpid(self._process_id, 0)

    def close(self) -> None:
        """In another process, which has nothing to do with it."""
        if self._handle >= 0:
            os.close(self._handle)
        if self._connection is not None:
            self._connection.close()

    def _tell_end(self, connection: socket.socket) -> None:
        ended = os.waitid(os.P_PID, self._process_id, os.WEXITED | os.WNOWAIT)
        assert ended is not None
        if ended.si_code == os.CLD_EXITED:
            status = ended.si_status << 8
        else:
            status = ended.si_status | (0x80 if ended.si_code == os.CLD_DUMPED else 0)
        with contextlib.suppress(BrokenPipeError):
            connection.sendall(ENDED + status.to_bytes(NUMBER_BYTES))


def preload(engine: str) -> None:
    """Import it all, with an app registry and no environment but the engine of the database, which models look at."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "dashboard.settings"
    import django
    from django.conf import LazySettings, global_settings, settings
    from django.db import connections
    from django.utils.functional import empty

    # Read once for what is constant, on a folder that is never made; the program reads them anew.
    nowhere = {"SCROLLBACK_HOME": "/nonexistent/scrollback", "SCROLLBACK_SECRET_KEY": "k" * 50}
    os.environ.update(nowhere)
    import dashboard.settings as read

    values = {name: value for name, value in vars(global_settings).items() if not hasattr(read, name)}
    values |= {name: getattr(read, name) for name in CONSTANT_SETTINGS}
    # Whoever launches a program sees to these two.
    values["DEBUG"] = False
    values["DATABASES"] = {"default": {"ENGINE": f"django.db.backends.{engine}", "NAME": "nowhere"}}
    forget("dashboard.settings")
    for name in nowhere:
        del os.environ[name]
    LazySettings.__setattr__(settings, "_wrapped", ConstantSettings(values))
    django.apps.apps.populate(values["INSTALLED_APPS"])
    for name in MODULES:
        importlib.import_module(name)
    for name in PACKAGES:
        import_all_of(name)
    if present := [name for name in (*NOT_IMPORTED, "twisted.internet.reactor") if name in sys.modules]:
        raise RuntimeError(f"imported before the fork: {', '.join(present)}")
    if any(each.connection is not None for each in connections.all(initialized_only=True)):
        raise RuntimeError("a database was connected to before the fork")
    LazySettings.__setattr__(settings, "_wrapped", empty)
    del connections["default"], connections.settings
    connections.__dict__["_settings"] = None


def import_all_of(package: str) -> None:
    found = importlib.import_module(package)
    for module in pkgutil.iter_modules(found.__path__, f"{package}."):
        if module.name in NOT_IMPORTED:
            continue
        if module.ispkg:
            import_all_of(module.name)
        else:
            importlib.import_module(module.name)


def forget(module: str) -> None:
    del sys.modules[module]
    package, _, name = module.rpartition(".")
    delattr(sys.modules[package], name)


def require_nothing_open(*known: int) -> None:
    """Raises RuntimeError when a fork would share more than memory."""
    if threading.active_count() > 1 or len(os.listdir("/proc/self/task")) > 1:
        raise RuntimeError("a thread runs before the fork")
    # The last one is that of the folder itself.
    opened = set(map(int, os.listdir("/proc/self/fd"))) - {0, 1, 2, *known}
    if len(opened) > 1:
        raise RuntimeError("a file is open before the fork")


class Order(NamedTuple):
    """What a forked process is there for."""

    request: Request
    connection: socket.socket
    # Its three streams, and what else it is given.
    handles: list[int]


def serve(control: socket.socket) -> Order | None:
    """Fork whenever it is asked for. Returns in each forked process, and with None when nobody can ask any more."""
    children: dict[int, Child] = {}
    events = select.poll()
    events.register(control, select.POLLIN)
    while True:
        for descriptor, _ in events.poll():
            if child := children.pop(descriptor, None):
                events.unregister(descriptor)
                child.notice(descriptor)
                continue
            asked, handles, _, _ = socket.recv_fds(control, 1, 1 + STREAMS + OWN_HANDLES)
            if not asked:
                return None
            connection, given = socket.socket(fileno=handles[0]), handles[1:]
            with connection.makefile("rb") as lines:
                line = lines.readline()
            if not line:
                # Whoever asked was killed meanwhile.
                connection.close()
                for handle in given:
                    os.close(handle)
                continue
            request = Request(**json.loads(line))
            process_id = os.fork()
            if process_id == 0:
                for child in {*children.values()}:
                    child.close()
                control.close()
                return Order(request, connection, given)
            for handle in given:
                os.close(handle)
            child = Child(connection, process_id)
            for watched in child.watched():
                children[watched] = child
                events.register(watched, select.POLLIN)


def become(request: Request, connection: socket.socket, handles: list[int]) -> None:
    """Make this process what a new one would be as it begins with the script, and tell its number."""
    if request.new_session:
        os.setsid()
    if request.process_group >= 0:
        os.setpgid(0, request.process_group)
    os.umask(request.umask)
    os.chdir(request.folder)
    os.environ.clear()
    os.environ.update(request.environment)
    for number, stream in enumerate(handles[:STREAMS]):
        # They lie above 2, where this process has its own.
        os.dup2(stream, number)
        os.close(stream)
    # Standard error stays the object that it is, as Twisted keeps it: it goes to the same number in the same way.
    sys.stdin, sys.stdout = stream_on(0, sys.stdin), stream_on(1, sys.stdout)
    vars(sys).update(__stdin__=sys.stdin, __stdout__=sys.stdout)
    sys.argv = request.command
    sys.path[0] = os.path.dirname(request.command[0])
    # Where processes that this one spawns begin.
    vars(multiprocessing.process).update(ORIGINAL_DIR=request.folder)
    connection.sendall(BEGUN + os.getpid().to_bytes(NUMBER_BYTES))
    connection.close()


def stream_on(number: int, like: TextIO) -> io.TextIOWrapper:
    """As the interpreter made this one, on whatever lies there now."""
    assert isinstance(like, io.TextIOWrapper)
    mode, unbuffered = ("rb", False) if number == 0 else ("wb", like.write_through)
    # Open until the program ends.
    binary = open(number, mode, buffering=0 if unbuffered else -1, closefd=False)  # noqa: SIM115
    return io.TextIOWrapper(
        binary,
        like.encoding,
        like.errors,
        newline=None if number == 0 else "\n",
        line_buffering=binary.isatty() or unbuffered,
        write_through=unbuffered,
    )


def preload_child(control: socket.socket) -> None:
    """Once it is asked for: most tests draw no terminal."""
    select.select([control], [], [])
    child = importlib.import_module("sessions_app.terminal.engine.child")
    child.warm_up()


def fork_children(control: socket.socket) -> None:
    """From here on a program does not start the engine's child, but has it forked there."""
    sys.path.append(str(ROOT))
    forking = importlib.import_module("tests.launching.forking")
    sys.path.remove(str(ROOT))

    class ForkedChild(forking.Forked):  # type: ignore[name-defined, misc]
        def _control(self, environment: object) -> socket.socket:
            return control

    forking.start_children_by(ForkedChild)


def main(what: str, control: socket.socket, children: socket.socket | None) -> Order:
    """Returns in each forked process, with what is to be run there."""
    if children is None:
        preload_child(control)
    else:
        preload(what)
        fork_children(children)
    require_nothing_open(*(each.fileno() for each in (control, children) if each is not None))
    # What is here already is not to be looked through, and so not copied, by each that is forked.
    gc.collect()
    gc.freeze()
    order = serve(control)
    if order is None:
        sys.exit()
    become(*order)
    return order


if __name__ == "__main__":
    own, *others = (socket.socket(fileno=int(handle)) for handle in sys.argv[2:])
    for each in (own, *others):
        # What a program starts has nothing to do with it.
        each.set_inheritable(False)
    order = main(sys.argv[1], own, others[0] if others else None)
    # Out here, so that the program ends as the interpreter ends.
    if others:
        runpy.run_path(order.request.command[0], run_name="__main__")
    else:
        last = order.request.command[-OWN_NUMBERS:]
        child = importlib.import_module("sessions_app.terminal.engine.child")
        sys.exit(child.main([*map(str, order.handles[STREAMS:]), *last]))
