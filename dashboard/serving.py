"""Getting ready to serve, and serving: what `scrollback serve` does before and around the ASGI server."""

import errno
import gc
import hashlib
import ipaddress
import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NoReturn

from django.conf import settings
from django.contrib.sessions.models import Session
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command
from django.db import DatabaseError, connection, connections
from django.utils import timezone

from dashboard.lib.clock import now_ms
from dashboard.lib.config import own_names
from dashboard.lib.db import explain
from dashboard.lib.errors import Refused
from dashboard.lib.machine import host_name
from dashboard.lib.schema import bring_up_to_date
from sessions_app.actions.terminals import mark_lost

_PORT_PROBLEMS = {
    errno.EADDRINUSE: "Port {port} is taken, by a Scrollback that runs already or by another program. "
    "Stop that one, or choose another: --port {other}.",
    errno.EACCES: "Port {port} needs the rights of root. Choose one above 1023: --port 8765.",
    errno.EADDRNOTAVAIL: "This machine has no address {host}. "
    "Use 127.0.0.1, or 0.0.0.0 for all of its addresses.",
}
_BY_IPV4 = frozenset({"127.0.0.1", "localhost", "console.localhost"})
_BY_IPV6 = frozenset({"[::1]", "localhost", "console.localhost"})
# Which of the loopback names lead to what listens on this address; to what listens on another, none does.
_LOOPBACK_NAMES = {
    "127.0.0.1": _BY_IPV4,
    "localhost": _BY_IPV4,
    "console.localhost": _BY_IPV4,
    "0.0.0.0": _BY_IPV4,  # noqa: S104  a name, not a bind
    "::1": _BY_IPV6,
    "::": _BY_IPV4 | _BY_IPV6,
}
PING_INTERVAL_S = 20
LEAVE_AFTER_S = 3.0
MAX_PORT = 65535


def refuse_taken_port(host: str, port: int) -> None:
    """Raises Refused with what to do when the address cannot be listened on."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise Refused(f"The address {host} is unknown on this machine. Use 127.0.0.1 or 0.0.0.0.") from error
    family, _, _, _, address = found[0]
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As the server will do it: an address whose last connections are still closing is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
            # Two sockets that both allow reuse may be bound at once; only one may listen.
            probe.listen(1)
        except OSError as error:
            problem = _PORT_PROBLEMS.get(error.errno or 0, "Port {port} cannot be listened on: {reason}.")
            other = port + 1 if port < MAX_PORT else port - 1
            raise Refused(problem.format(host=host, port=port, other=other, reason=error.strerror)) from error


def prepare_home(home: Path) -> None:
    """Make the data directory, open to its owner only. Raises Refused."""
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise Refused(f"The data directory {home} cannot be made: {error.strerror}.") from error


def migrate_if_needed(say: Callable[[str], None]) -> None:
    """Bring the schema up to date. Raises Refused when the database is away or newer than this program."""
    try:
        applied = bring_up_to_date()
    except DatabaseError as error:
        raise Refused(explain(error)) from error
    if applied:
        say(f"Database: {applied} migration{'s' if applied > 1 else ''} applied.")


def lose_recorders_before_boot(machine: str) -> None:
    """Recorders of this machine that were not heard of since it booted are gone with it.

    Those that have another data directory than the server may know it by the host's name.
    """
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    if clock is not None:
        booted_ms = now_ms() - int(time.clock_gettime(clock) * 1000)
        for name in {machine, host_name()}:
            mark_lost(name, booted_ms)


def forget_ended_logins() -> None:
    """Each visit leaves a row that nobody reads once it has expired."""
    Session.objects.filter(expire_date__lt=timezone.now()).delete()


def collect_static_files(root: Path) -> bool:
    """Fill `root` with the hashed static files; False when it holds those of the present sources already."""
    root.mkdir(parents=True, exist_ok=True)
    if settings.DEBUG:
        # Served from where they lie.
        return False
    stamp_file = root.parent / "static.stamp"
    stamp = _stamp_of_sources()
    if stamp_file.is_file() and stamp_file.read_text() == stamp:
        return False
    stamp_file.unlink(missing_ok=True)
    try:
        call_command("collectstatic", interactive=False, clear=True, verbosity=0)
    except (OSError, ValueError) as error:
        # ValueError is how the manifest storage reports a stylesheet that names a missing file.
        raise Refused(f"The static files cannot be collected: {error}") from error
    stamp_file.write_text(stamp)
    return True


def _stamp_of_sources() -> str:
    """A hash over name, size and modification time of every source file, and over how they are stored."""
    digest = hashlib.sha256(str(settings.STORAGES["staticfiles"]["BACKEND"]).encode())
    for finder in get_finders():
        for path, storage in sorted(finder.list([]), key=lambda found: found[0]):
            status = os.stat(storage.path(path))
            digest.update(f"\n{path}\0{status.st_size}\0{status.st_mtime_ns}".encode())
    return digest.hexdigest()


def answer_to(host: str) -> None:
    """Accept the Host headers that lead to `host`: the command line has the last word on it."""
    settings.ALLOWED_HOSTS.extend(name for name in own_names(host) if name not in settings.ALLOWED_HOSTS)


def addresses_of(host: str, port: int) -> list[str]:
    """The URLs to print, the first one for this machine."""
    if host in {"0.0.0.0", "::"}:  # noqa: S104  a comparison, not a bind
        names = [name for name in own_names(host) if name not in {"127.0.0.1", "[::1]", "console.localhost"}]
        return [f"http://{name}:{port}/" for name in names]
    return [f"http://{f'[{host}]' if ':' in host else host}:{port}/"]


def local_address(host: str, port: int) -> str:
    """The URL that leads programs of this machine to what listens on `host`, and to nothing else: at a name, such as
    localhost, there may be two, one for each kind of address.
    """
    if host in _LOOPBACK_NAMES:
        host = "::1" if "[::1]" in _LOOPBACK_NAMES[host] and _has_ipv6_loopback() else "127.0.0.1"
    return addresses_of(host, port)[0]


def _has_ipv6_loopback() -> bool:
    """Without it `::` can be listened on all the same, and takes what comes to addresses of IPv4."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def own_origins(host: str, port: int) -> list[str]:
    """Where recorders may have been told to send to so that it comes to what listens on `host`: by any of our names
    that lead there, or through a proxy.
    """
    leading = _LOOPBACK_NAMES.get(host, frozenset())
    names = [name for name in settings.ALLOWED_HOSTS if name in leading or name not in _LOOPBACK_NAMES["::"]]
    return [f"http://{name}:{port}" for name in names] + settings.CSRF_TRUSTED_ORIGINS


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def run_server(host: str, port: int, ready: Callable[[], None]) -> bool:
    """Serve until SIGTERM or SIGINT. False when the port was taken at the last moment."""
    # Installs its reactor as it is imported, and takes a quarter of a second: only a server pays that.
    from daphne.endpoints import build_endpoint_description_strings
    from daphne.server import Server
    from twisted.internet import reactor

    from dashboard.asgi import application

    server = Server(
        application=application,
        endpoints=build_endpoint_description_strings(host=host, port=port),
        ready_callable=ready,
        # A socket lives as long as its page; dead peers are found by pings.
        websocket_timeout=-1,
        ping_interval=PING_INTERVAL_S,
        ping_timeout=PING_INTERVAL_S,
        application_close_timeout=1,
        verbosity=0,
        server_name="scrollback",
    )
    # Whatever holds the reactor up, a server that was told to stop is gone soon after.
    reactor.addSystemEventTrigger("before", "shutdown", _leave_soon)  # type: ignore[attr-defined,arg-type,unused-ignore]
    # Two thirds of all objects are here by now and stay. Looking through them too, the garbage collector would hold up
    # a page in fifty for 110 ms instead of 40.
    gc.freeze()
    server.run()
    return not server.abort_start


def _leave_soon() -> None:
    watchdog = threading.Timer(LEAVE_AFTER_S, leave)
    watchdog.daemon = True
    watchdog.start()


def leave() -> NoReturn:
    """End the process, whatever its threads still wait for.

    A request that is cut off while the server stops leaves a thread that waits for the event loop for ever,
    and Python would wait for that thread. Whatever such a thread had not committed is rolled back.
    """
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def close_connections(stops: Iterable[Callable[[], None]]) -> None:
    """End what runs beside the server, so that the process ends at once and leaves no connection behind."""
    for stop in stops:
        stop()
    connections.close_all()
    close_pool = getattr(connection, "close_pool", None)
    if close_pool is not None:
        close_pool()
