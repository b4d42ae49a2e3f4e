"""`scrollback record -- CMD`: run a program on a terminal of its own, write down what it shows, and send it.

The program must never notice: its exit status, its signals, its window and every byte of its output are
passed on as they are, and what fails in the recording is said once on standard error while the program runs
on.
"""

import argparse
import contextlib
import os
import time
from collections.abc import Sequence
from pathlib import Path

from sessions_app.client.background import Ending, UploaderProcess
from sessions_app.client.home import (
    TargetChoice,
    TargetError,
    check_choice,
    find_target,
    home,
    machine_name,
    named_server,
)
from sessions_app.client.identifiers import uuid7
from sessions_app.client.keeper import Handover, KeeperProcess, KeeperStopped, KeeperStuck
from sessions_app.client.markers import VARIABLE, MarkerPipe
from sessions_app.client.masking import MaskingError, PatientMasker, make_detector, read_recorder_policy
from sessions_app.client.naming import NotNamed, session_named
from sessions_app.client.parsing import Parser
from sessions_app.client.pseudoterminal import ChildSignal, LaunchError, PersonsTerminal, Program, get_size
from sessions_app.client.relay import STDERR, STDIN, STDOUT, Relay
from sessions_app.client.ring import EventRing
from sessions_app.client.spool import Metadata, Spool, SpoolWriter
from sessions_app.client.writing import MaskedWriter
from sessions_app.terminal.asciicast.model import Event
from sessions_app.terminal.masking.detector import Detector
from sessions_app.terminal.masking.policy import PolicyError

_SENT_VARIABLES = ("TERM", "COLORTERM", "SHELL", "LANG")


def main(argv: Sequence[str]) -> int:
    """Record a program; gives its exit status, 126 or 127 when it cannot be started, 2 when refused."""
    _open_standard_files()
    child_signal = ChildSignal.taken_over()
    options = _parse(argv)
    choice = TargetChoice(options.server, options.token_file)
    try:
        check_choice(choice)
        metadata = _metadata(options, choice)
        detector = _detector(options)
    except (TargetError, NotNamed, PolicyError, MaskingError) as error:
        _say(str(error))
        return 2
    recorder = Recorder(metadata, choice, quiet=options.quiet, detector=detector)
    return recorder.run(child_signal, record_input=options.input)


def _detector(options: argparse.Namespace) -> Detector | None:
    """What to mask with, None when nothing is to be. Raises PolicyError and MaskingError."""
    policy = read_recorder_policy(home(), os.environ)
    if options.no_mask or not policy.is_on:
        if options.mask_env:
            raise MaskingError("--mask-env asks for what is switched off")
        return None
    return make_detector(policy, home(), options.mask_env, os.environ)


class Recorder:
    """One recording, from the first line that is said about it to the last."""

    def __init__(
        self, metadata: Metadata, choice: TargetChoice, *, quiet: bool, detector: Detector | None
    ) -> None:
        self._command = metadata.command
        self._masker = PatientMasker(detector, metadata.cols) if detector else None
        self._metadata = metadata.masked(detector) if detector else metadata
        self._directory = home()
        self._choice = choice
        self._quiet = quiet
        self._spool = Spool.of(self._directory, metadata.id)
        self._writing: MaskedWriter | None = None
        self._keeper: KeeperProcess | None = None
        self._is_recording = False
        # Whether the keeper is done with what it was given.
        self._is_written = True
        self._uploader: UploaderProcess | None = None

    def run(self, child_signal: ChildSignal, *, record_input: bool) -> int:
        """Run the program, with SIGCHLD as we found it; gives the exit status to end with."""
        person = PersonsTerminal(STDIN)
        self._open_spool()
        markers = self._open_markers()
        try:
            size = (self._metadata.cols, self._metadata.rows)
            program = Program(self._command, size, person.attributes, child_signal)
        except LaunchError as error:
            self._discard()
            _say(str(error))
            return error.status
        except OSError as error:
            self._discard()
            _say(f"no pseudo-terminal can be had: {_reason(error)}")
            return 2
        self._start_keeping(program.descriptor, markers)
        self._chat(f"recording {self._metadata.id}")
        status = Relay(program, person, self, record_input=record_input, markers=markers).run()
        if self._keeper:
            # It holds the terminal too.
            self._keeper.release()
        program.hang_up()
        self._finish_keeping()
        if markers and self._is_written:
            # Else the keeper takes it away: the disk that it waits for would keep us waiting, too.
            markers.close()
        self._finish_sending()
        return status

    def _open_spool(self) -> None:
        try:
            with contextlib.ExitStack() as undoing:
                writer = SpoolWriter.create(self._spool, self._metadata, named_server(self._choice))
                # Else whoever sends what waits finds a recording in which nothing happens.
                undoing.callback(self._spool.remove)
                undoing.callback(writer.close)
                self._writing = MaskedWriter(writer, self._masker)
                undoing.pop_all()
        except OSError as error:
            _say(f"nothing is recorded, the program runs without it: {_reason(error)}")

    def _open_markers(self) -> MarkerPipe | None:
        """Let the program name moments; one that is recorded by nobody must not write to another's pipe."""
        os.environ.pop(VARIABLE, None)
        if self._writing is None:
            return None
        try:
            markers = MarkerPipe(self._spool.markers)
        except OSError:
            # A file system without named pipes; `scrollback mark` then says that nothing is recorded.
            return None
        os.environ[VARIABLE] = str(markers.path)
        return markers

    def _start_keeping(self, terminal: int, markers: MarkerPipe | None) -> None:
        if self._writing is None:
            return
        started_ns = time.monotonic_ns()
        try:
            self._uploader = UploaderProcess(self._spool, lambda: find_target(self._choice, self._directory))
        except OSError as error:
            _say(f"the recording is not sent while the program runs: {_reason(error)}")
        news = self._uploader.news if self._uploader else None
        try:
            held = Handover(terminal, markers, news, started_ns)
            self._keeper = KeeperProcess(self._writing, EventRing(), held)
            self._is_recording = True
        except OSError as error:
            self._discard()
            # It finds nothing to send, and ends.
            self._uploader = None
            _say(f"nothing is recorded, the program runs without it: {_reason(error)}")
        finally:
            if news is not None:
                os.close(news)

    def has_room(self, size: int) -> bool:
        """Whether an output of `size` bytes can be taken without waiting."""
        if self._keeper and self._is_recording:
            try:
                return self._keeper.has_room(size)
            except KeeperStopped as reason:
                self._stopped(reason)
        return True

    def take(self, event: Event) -> None:
        """Have an event written down. Waits only while the keeper is very far behind."""
        if self._keeper and self._is_recording:
            try:
                self._keeper.take(event)
            except KeeperStopped as reason:
                self._stopped(reason)

    def _stopped(self, reason: KeeperStopped) -> None:
        self._is_recording = False
        self._is_written = not isinstance(reason, KeeperStuck)
        _say(f"recording stopped, the program runs on: {reason}")

    def _discard(self) -> None:
        """There was no program: leave no trace of it."""
        if self._writing:
            self._writing.close()
            self._spool.remove()

    def _finish_keeping(self) -> None:
        if self._keeper and self._is_recording:
            try:
                self._is_written = self._keeper.finish()
            except KeeperStopped as reason:
                self._stopped(reason)

    def _finish_sending(self) -> None:
        if self._uploader:
            ending = self._uploader.finish()
            if ending.outcome == "left" and not self._is_written:
                ending = Ending("left", "not all of it is written down yet")
            if ending.outcome == "complete":
                self._chat(f"recorded {self._metadata.id}")
            elif not self._quiet:
                _say(_describe_loss(self._spool, ending))

    def _chat(self, line: str) -> None:
        if not self._quiet and os.isatty(STDERR):
            _say(line)


def _describe_loss(spool: Spool, ending: Ending) -> str:
    if not spool.recording.exists():
        return "the recording is not here any more: another process has sent it, or it was removed"
    if ending.outcome == "unremoved":
        return f"the recording is on the server, but it cannot be removed here: {ending.reason}"
    verb = "was refused" if ending.outcome == "refused" else "is not on the server yet"
    name = spool.recording.stem
    return f"the recording {verb} ({ending.reason}); it is kept, send it with: scrollback upload {name}"


def _metadata(options: argparse.Namespace, choice: TargetChoice) -> Metadata:
    """Raises NotNamed and TargetError for a session that cannot be told."""
    # The server may be asked for it, and meanwhile the window may change.
    session = session_named(options.session, choice, home()) if options.session is not None else None
    cols, rows = get_size((STDIN, STDOUT, STDERR), os.environ)
    return Metadata(
        id=str(uuid7()),
        command=options.command,
        cwd=_working_directory(),
        host=machine_name(home()),
        cols=cols,
        rows=rows,
        started_ms=time.time_ns() // 1_000_000,
        title=options.title,
        session=session,
        input_recorded=options.input,
        env={name: os.environ[name] for name in _SENT_VARIABLES if name in os.environ},
    )


def _working_directory() -> str:
    try:
        return os.getcwd()
    except FileNotFoundError:
        return ""


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    own, separator, command = list(argv), [], []
    if "--" in own:
        at = own.index("--")
        own, separator, command = own[:at], own[at : at + 1], own[at + 1 :]
    parser = _parser()
    options = parser.parse_args(own)
    if separator and options.command:
        parser.error(f"unexpected before --: {options.command[0]}")
    options.command = command or options.command
    if not options.command:
        parser.error("a command to record is missing")
    return options


def _parser() -> Parser:
    parser = Parser(
        prog="scrollback record",
        usage="scrollback record [options] -- CMD [ARGUMENT ...]",
        description="Run a program in a recorded terminal. Its exit status is passed on.",
        epilog='Example: scrollback record --title "nightly build" -- make test',
    )
    parser.add_argument("--title", help="what the recording is called")
    parser.add_argument(
        "--session", metavar="ID", help="the agent session it belongs to; a piece of its id will do"
    )
    parser.add_argument("--input", action="store_true", help="record what is typed, too; passwords included")
    parser.add_argument(
        "--mask-env",
        nargs="+",
        action="extend",
        default=[],
        metavar="NAME",
        help="mask the values of these variables; those named like secrets are masked anyway",
    )
    parser.add_argument("--no-mask", action="store_true", help="record secrets as they are shown")
    parser.add_argument(
        "--server", metavar="URL", help="where to send it (SCROLLBACK_URL; else this machine's)"
    )
    parser.add_argument(
        "--token-file", type=Path, metavar="FILE", help="file with the token (SCROLLBACK_TOKEN)"
    )
    parser.add_argument("--quiet", action="store_true", help="say nothing about the recording")
    parser.add_argument("command", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    return parser


def _open_standard_files() -> None:
    """Whatever is opened next must not become standard input, output or error."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= STDERR:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)


def _reason(error: OSError) -> str:
    return error.strerror or str(error)


def _say(line: str) -> None:
    """One line on standard error, whatever mode the terminal is in."""
    end = b"\r\n" if os.isatty(STDERR) else b"\n"
    with contextlib.suppress(OSError):
        os.write(STDERR, f"scrollback: {line}".encode("utf-8", "replace") + end)
