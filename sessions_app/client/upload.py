"""`scrollback upload`: send what the recorder could not."""

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from sessions_app.client.home import Target, TargetChoice, TargetError, check_choice, find_target, home
from sessions_app.client.naming import NotNamed, NotWaiting, recording_named, session_named
from sessions_app.client.parsing import Parser
from sessions_app.client.spool import EndUnwritten, Spool, finish_interrupted, spools
from sessions_app.client.uploader import Fallback, FinishedRecording, Outcome, Uploader

_PATIENCE_S = 5.0
_UNREMOVED = "the server has all of it, but it cannot be removed here: {}"


def main(argv: Sequence[str]) -> int:
    """Send every spool that the server has not acknowledged in full. 0 all sent, 1 some left, 2 refused."""
    options = _parser().parse_args(argv)
    choice = TargetChoice(options.server, options.token_file)
    directory = home()
    try:
        check_choice(choice)
        target = find_target(choice, directory)
    except TargetError as error:
        return _refuse(str(error))
    if target is None:
        return _refuse("no server with a token for it was found: start `scrollback serve` or name them")
    try:
        chosen = _choose(directory, options.terminals, ignore_missing=options.ignore_missing)
        fallback = _fallback(options.session, choice, directory)
    except (NotNamed, TargetError) as error:
        return _refuse(str(error))
    sent, left = _upload_all(chosen, lambda: find_target(choice, directory), fallback, keep=options.keep)
    if options.json:
        print(json.dumps({"sent": sent, "left": left}))
    elif not chosen:
        print("Nothing to send.")
    else:
        print("".join(f"{terminal} sent\n" for terminal in sent), end="")
        print("".join(f"{terminal} left: {reason}\n" for terminal, reason in left.items()), end="")
    return 1 if left else 0


def _parser() -> Parser:
    parser = Parser(
        prog="scrollback upload",
        description="Send the recordings that the server lacks. Sending one twice changes nothing.",
        epilog="Example: scrollback upload --server https://console.example --token-file ~/recorder.token",
    )
    parser.add_argument(
        "terminals", nargs="*", metavar="ID", help="only these recordings; a piece of the id will do"
    )
    parser.add_argument("--server", metavar="URL", help="where to send (SCROLLBACK_URL; else this machine's)")
    parser.add_argument(
        "--token-file", type=Path, metavar="FILE", help="file with the token (SCROLLBACK_TOKEN)"
    )
    parser.add_argument(
        "--session",
        metavar="ID",
        help="for recordings whose session the server does not have: the one to put them into, or `none`",
    )
    parser.add_argument(
        "--ignore-missing", action="store_true", help="of those named, leave out any that do not wait here"
    )
    parser.add_argument("--keep", action="store_true", help="keep the files of what was sent")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


def _choose(directory: Path, names: Sequence[str], *, ignore_missing: bool) -> list[Spool]:
    """The recordings that were named, or all that are not known to be on the server. Raises NotNamed."""
    waiting = {spool.recording.stem: spool for spool in spools(directory)}
    if not names:
        return [spool for spool in waiting.values() if not _is_complete(spool)]
    found: dict[str, Spool] = {}
    for name in names:
        try:
            terminal = recording_named(name, waiting)
        except NotWaiting:
            if not ignore_missing:
                raise
        else:
            found[terminal] = waiting[terminal]
    return list(found.values())


def _fallback(name: str | None, choice: TargetChoice, directory: Path) -> Fallback | None:
    """Raises NotNamed and TargetError."""
    if name is None:
        return None
    return Fallback(None if name == "none" else session_named(name, choice, directory))


def _is_complete(spool: Spool) -> bool:
    try:
        return spool.load().complete
    except (OSError, ValueError):
        return False


def _upload_all(
    chosen: Sequence[Spool], find: Callable[[], Target | None], fallback: Fallback | None, *, keep: bool
) -> tuple[list[str], dict[str, str]]:
    """Ids that were sent, and for those that were not the reason."""
    sent: list[str] = []
    left: dict[str, str] = {}
    sending = _Sending(find, fallback)
    for number, spool in enumerate(chosen, start=1):
        terminal = spool.recording.stem
        try:
            outcome, reason = sending.upload(spool, _Progress(number, len(chosen)))
        except (OSError, ValueError) as error:
            outcome, reason = Outcome.LEFT, str(error)
        if outcome is not Outcome.COMPLETE:
            left[terminal] = reason
            continue
        if not keep:
            try:
                spool.remove()
            except OSError as error:
                left[terminal] = _UNREMOVED.format(error.strerror)
                continue
        sent.append(terminal)
    return sent, left


class _Sending:
    """Sends one recording after the other, and waits for a server that stays away once, not for each of them.

    Each is tried all the same, as it may have been the one before that the server cannot take.
    """

    def __init__(self, find: Callable[[], Target | None], fallback: Fallback | None) -> None:
        self._find = find
        self._fallback = fallback
        self._is_away = False

    def upload(self, spool: Spool, progress: "_Progress") -> tuple[Outcome, str]:
        """How it ended, and why where it is not COMPLETE. Raises OSError and ValueError."""
        has_end = True
        try:
            if not finish_interrupted(spool):
                return Outcome.LEFT, "it is still being recorded"
        except EndUnwritten:
            has_end = False
        recording = FinishedRecording(
            _PATIENCE_S, lambda: progress.show(uploader, spool), waits=not self._is_away
        )
        uploader = Uploader(spool, self._find, recording, self._fallback)
        if not has_end:
            uploader.end_here()
        outcome = uploader.run()
        self._is_away = recording.gave_up
        progress.clear()
        return outcome, uploader.reason


class _Progress:
    """One line on a terminal, nothing in a pipe."""

    def __init__(self, number: int, total: int) -> None:
        self._shown = sys.stderr.isatty()
        self._prefix = f"{number}/{total}"

    def show(self, uploader: Uploader, spool: Spool) -> None:
        if self._shown:
            share = 100 * uploader.sent_bytes // max(1, spool.recording.stat().st_size)
            print(f"\r\x1b[K{self._prefix} {share:3d} %", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        if self._shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _refuse(reason: str) -> int:
    print(f"scrollback upload: {reason}", file=sys.stderr)
    return 2
