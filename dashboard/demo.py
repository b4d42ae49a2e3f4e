"""`scrollback demo`: a console with something on every page, in a data directory of its own.

It runs before Django is set up, because the data directory decides every setting: nothing of the operator's own
console is read or written.
"""

import contextlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Final

from dashboard.lib.config import DEFAULT_PORT, ConfigError
from dashboard.lib.errors import Refused
from sessions_app.client.parsing import Parser

HISTORIES: Final = Path(__file__).with_name("demo_data")
PROGRAM: Final = Path(__file__).with_name("demo_program.py")
MARKER: Final = "this-is-a-demo"
HOST: Final = "127.0.0.1"
_PORTS_TRIED: Final = 50
_START_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 10.0
_ENDED_BY_SIGNAL: Final = 130


class _Stop(Exception):
    """Somebody asked for the end."""


def main(argv: Sequence[str]) -> int:
    """Serve the demo until interrupted: 0 then, 2 when it was refused."""
    options = _parser().parse_args(argv)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)
    try:
        with _home(options.home) as home, contextlib.ExitStack() as stack:
            _choose_surroundings(home)
            _serve(home, options.port, stack, as_json=options.json)
    except _Stop:
        return 0
    except (Refused, ConfigError) as refusal:
        print(f"scrollback demo: {refusal}", file=sys.stderr)
        return 2
    return 0


def _parser() -> Parser:
    parser = Parser(
        prog="scrollback demo",
        description="Serve real sample histories and a program that is being recorded, until Ctrl C. Your own data "
        "is not touched.",
        epilog="Example: scrollback demo --port 9000",
    )
    parser.add_argument(
        "--port", type=int, metavar="N", help=f"default: {DEFAULT_PORT}, or the next free one"
    )
    parser.add_argument("--home", type=Path, metavar="DIR", help="keep the data there; default: thrown away")
    parser.add_argument("--json", action="store_true", help="print one JSON object when it is ready")
    return parser


def _stop(number: int, frame: FrameType | None) -> None:
    # Once is enough: while everything is being put away, more of them must not break that off.
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    raise _Stop


@contextlib.contextmanager
def _home(named: Path | None) -> Iterator[Path]:
    """The data directory: a new one that is removed at the end, or the one that was named. Raises Refused."""
    if named is None:
        home = Path(tempfile.mkdtemp(prefix="scrollback-demo-"))
        try:
            yield home
        finally:
            shutil.rmtree(home, ignore_errors=True)
        return
    home = named.expanduser().absolute()
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        if any(home.iterdir()) and not (home / MARKER).exists():
            raise Refused(f"{home} holds something else already: name a new folder for the demo.")
        (home / MARKER).touch()
    except OSError as error:
        raise Refused(f"{home} cannot be used: {error.strerror}.") from error
    yield home


def _choose_surroundings(home: Path) -> None:
    """Point this process and those it starts at the demo's own data, whatever the operator has set."""
    for name in list(os.environ):
        if name.startswith("SCROLLBACK_"):
            del os.environ[name]
    os.environ["SCROLLBACK_HOME"] = str(home)
    os.environ["SCROLLBACK_SQLITE_SYNCHRONOUS"] = "NORMAL"
    os.environ["SCROLLBACK_LOG_LEVEL"] = "WARNING"
    os.environ["DJANGO_SETTINGS_MODULE"] = "dashboard.settings"


def _serve(home: Path, named_port: int | None, stack: contextlib.ExitStack, *, as_json: bool) -> None:
    import django

    django.setup()
    from dashboard.demo_program import begin
    from dashboard.demo_seed import seed

    port = _free_port(named_port)
    password = secrets.token_urlsafe(9)
    _say("Importing sample histories …", as_json)
    history = home / "make-believe-agent" / f"{uuid.uuid4()}.jsonl"
    begin(history)
    session = seed(HISTORIES, history, password)
    server = _start(stack, home, "serve", "--port", str(port))
    url = f"http://{HOST}:{port}/"
    _wait_until(lambda: _answers(url), server, home)
    _start(stack, home, "watch", str(history.parent))
    command = (sys.executable, "-u", str(PROGRAM), str(history))
    title = ("--title", "House check (make-believe)")
    _start(stack, home, "record", *title, "--session", session, "--", *command)
    _greet(url, password, home, as_json)
    server.wait()
    raise Refused(f"the server ended by itself. What it said is in {_kept_log(home)}")


def _free_port(named: int | None) -> int:
    """The port that was named, or the first free one. Raises Refused."""
    from dashboard.serving import refuse_taken_port

    if named is not None:
        refuse_taken_port(HOST, named)
        return named
    for port in range(DEFAULT_PORT, DEFAULT_PORT + _PORTS_TRIED):
        with contextlib.suppress(Refused):
            refuse_taken_port(HOST, port)
            return port
    raise Refused("no free port was found: name one with --port.")


def _start(stack: contextlib.ExitStack, home: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """Another `scrollback` beside this one, ended with it."""
    with (home / "demo.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "dashboard.cli", *arguments],
            stdin=subprocess.DEVNULL,
            # The others repeat there what they record.
            stdout=log if arguments[0] == "serve" else subprocess.DEVNULL,
            stderr=log,
            # An interrupt at the keyboard is for this process, which ends the others in their order.
            process_group=0,
        )
    stack.callback(_end, process)
    return process


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _wait_until(is_ready: Callable[[], bool], server: subprocess.Popen[bytes], home: Path) -> None:
    ends = time.monotonic() + _START_SECONDS
    while not is_ready():
        if server.poll() is not None or time.monotonic() > ends:
            raise Refused(f"the server did not start. What it said is in {_kept_log(home)}")
        time.sleep(0.05)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}healthz", timeout=2) as answer:  # noqa: S310  our own server
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _kept_log(home: Path) -> Path:
    """A copy of the log that stays when the data directory goes."""
    kept = Path(tempfile.gettempdir()) / f"scrollback-demo-{os.getpid()}.log"
    with contextlib.suppress(OSError):
        shutil.copyfile(home / "demo.log", kept)
    return kept


def _say(text: str, as_json: bool) -> None:
    if not as_json:
        print(text, flush=True)


def _greet(url: str, password: str, home: Path, as_json: bool) -> None:
    if as_json:
        document = {"url": url, "username": "demo", "password": password, "home": str(home)}
        print(json.dumps(document), flush=True)
        return
    print(
        f"\nThe demo is at  {url}\n"
        f"Sign in as      demo\n"
        f"with password   {password}\n"
        f"Its data is in  {home}\n\n"
        "Stop it with Ctrl C.",
        flush=True,
    )
