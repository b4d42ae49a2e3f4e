"""The uploader as a process beside the recorder.

A thread would share the interpreter's lock with the loop that copies the program's output, and hold it for
milliseconds while it packs a batch; a process shares nothing, and outlives a recorder that is killed. It then goes on
with the recording itself (guard.py).
"""

import contextlib
import json
import os
import select
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

from sessions_app.client.guard import RELEASED, Guard
from sessions_app.client.home import Target
from sessions_app.client.spool import Place, Spool, finish_interrupted

#: Once the program has ended, its caller waits no longer than this without any progress.
GRACE_S = 2.0
#: A burst of writes goes into one request; far below what a person sees. The first after a rest goes at once.
_COALESCE_S = 0.005
_REST_S = 0.05
#: The program that is recorded comes first on a machine that is busy.
_NICENESS = 5


@dataclass(frozen=True, slots=True)
class Ending:
    """How far the upload came: `outcome` is the value of an Outcome."""

    outcome: str
    reason: str


class UploaderProcess:
    """Handle of the recorder's side."""

    def __init__(
        self, spool: Spool, find_target: Callable[[], Target | None], guard: Guard, terminal: int
    ) -> None:
        """Fork the uploader, which guards this recorder: `terminal` is the program's, whose other end it holds too.

        Call it before any thread is started.
        """
        news_read, self._news = os.pipe()
        self._report, report_write = os.pipe()
        alive_read, self._alive = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            _run_uploader(news_read, report_write, alive_read, terminal, spool, find_target, guard)
        for theirs in (news_read, report_write, alive_read):
            os.close(theirs)
        os.set_blocking(self._news, False)

    def release(self) -> None:
        """The program has ended, or its terminal may be hung up: nothing is taken over any more."""
        with contextlib.suppress(BrokenPipeError):
            os.write(self._alive, RELEASED)
        os.close(self._alive)

    def nudge(self) -> None:
        """Say that there is more in the spool. Never waits."""
        # A full pipe holds nudges enough; a broken one means that the uploader has given up.
        with contextlib.suppress(BlockingIOError, BrokenPipeError):
            os.write(self._news, b".")

    def finish(self, grace_s: float = GRACE_S) -> Ending:
        """Say that the spool has its end, and wait for the rest to be sent as long as there is progress.

        An uploader that is still waiting for an answer then goes on by itself, and gives up soon if none
        comes.
        """
        os.close(self._news)
        report = b""
        deadline = time.monotonic() + grace_s
        while (remaining_s := deadline - time.monotonic()) > 0:
            if not select.select([self._report], [], [], remaining_s)[0]:
                break
            said = os.read(self._report, 65536)
            if not said:
                os.waitpid(self._pid, 0)
                return _read_report(report)
            report = (report + said)[-65536:]
            deadline = time.monotonic() + grace_s
        return Ending("left", "the server did not answer in time")


def _read_report(report: bytes) -> Ending:
    """The last line of the report; the lines before it are progress."""
    try:
        return Ending(**json.loads(report.rpartition(b"\n")[2]))
    except (ValueError, TypeError):
        return Ending("left", "the uploader was killed")


class _LiveRecording:
    """What the uploader knows of the recorder: news while its end of the pipe is open, and then no more, unless the
    guard goes on with its work."""

    def __init__(self, news: int, report: int, spool: Spool, guard: Guard) -> None:
        self._news = news
        self._report = report
        self._spool = spool
        self._guard = guard
        self._is_guarded = False
        self._give_up_at: float | None = None
        self._end_written = False
        self._news_at = 0.0
        os.set_blocking(report, False)

    def wait_for_news(self, place: Place) -> bool:
        """Wait for the recorder to write more; when it was killed, write the end in its place."""
        if self._give_up_at is not None:
            # All that the recorder wrote has been read, and its end was not there.
            return self._write_end(place)
        if self._is_guarded:
            if not self._guard.wait_for_news():
                self._give_up_at = time.monotonic() + GRACE_S
            time.sleep(_COALESCE_S)
            return True
        if os.read(self._news, 65536):
            now = time.monotonic()
            if now - self._news_at < _REST_S:
                time.sleep(_COALESCE_S)
            self._news_at = now
        else:
            self._recorder_ended()
        return True

    def _recorder_ended(self) -> None:
        self._is_guarded = self._guard.has_taken_over()
        if not self._is_guarded:
            self._give_up_at = time.monotonic() + GRACE_S

    def wait_to_retry(self, seconds: float, *, hopeful: bool) -> bool:
        """Wait, at once over when the program ends; from then on only for the time of grace."""
        now = time.monotonic()
        if self._give_up_at is not None:
            if now >= self._give_up_at or not hopeful:
                return False
            time.sleep(min(seconds, self._give_up_at - now))
            return True
        if self._is_guarded:
            deadline = now + seconds
            while (remaining_s := deadline - time.monotonic()) > 0 and self._give_up_at is None:
                if not self._guard.wait_for_news(remaining_s):
                    self._give_up_at = time.monotonic() + GRACE_S
            return True
        closed = select.poll()
        # News does not matter now, and must not wake us; that the pipe is closed is always reported.
        closed.register(self._news, 0)
        if closed.poll(seconds * 1000):
            self._recorder_ended()
        return True

    def progressed(self) -> None:
        """Tell the recorder, which may be waiting for the end."""
        if self._give_up_at is not None:
            self._give_up_at = time.monotonic() + GRACE_S
        with contextlib.suppress(BlockingIOError, BrokenPipeError):
            os.write(self._report, b"\n")

    def _write_end(self, place: Place) -> bool:
        """End the recording of a killed recorder; False when somebody else took it over."""
        if self._end_written:
            return False
        self._end_written = True
        # When a recorder is killed, the pipe may be closed before the lock is.
        deadline = time.monotonic() + GRACE_S
        while not finish_interrupted(self._spool, place):
            if time.monotonic() > deadline:
                return False
            time.sleep(_COALESCE_S)
        return True


def _run_uploader(
    news: int,
    report: int,
    alive: int,
    terminal: int,
    spool: Spool,
    find_target: Callable[[], Target | None],
    guard: Guard,
) -> None:
    """Body of the forked process; never returns."""
    try:
        news, report, alive, terminal = _detach(news, report, alive, terminal)
        guard.start(alive, terminal)
        # Imported here: the recorder itself has no use for HTTP and should start at once.
        from sessions_app.client.uploader import Uploader

        uploader = Uploader(spool, find_target, _LiveRecording(news, report, spool, guard))
        ending = Ending(uploader.run().value, uploader.reason)
        if ending.outcome == "complete":
            spool.remove()
    except BaseException as error:
        ending = Ending("left", f"the uploader failed: {error!r}")
    os.set_blocking(report, True)
    with contextlib.suppress(BrokenPipeError):
        os.write(report, json.dumps({"outcome": ending.outcome, "reason": ending.reason[:500]}).encode())
    os.close(report)
    # One that has nothing to send any more still holds the program's terminal.
    guard.join()
    os._exit(0)


def _detach(*descriptors: int) -> list[int]:
    """Let go of the terminal and the recorder's files, but for these: who waits for their end must not wait for us."""
    os.setsid()
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.nice(_NICENESS)
    null = os.open(os.devnull, os.O_RDWR)
    # They first go where neither the standard files nor each other are.
    kept = [os.dup2(os.dup(descriptor), 200 + n) for n, descriptor in enumerate(descriptors)]
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    os.closerange(3, 200)
    os.closerange(200 + len(kept), os.sysconf("SC_OPEN_MAX"))
    return kept
