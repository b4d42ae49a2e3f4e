"""The uploader as a process beside the recorder.

A thread would share the interpreter's lock with the loop that copies the program's output, and hold it for
milliseconds while it packs a batch; a process shares nothing, and outlives a recorder that is killed.
"""

import contextlib
import json
import os
import select
import time
from collections.abc import Callable
from dataclasses import dataclass

from sessions_app.client.detaching import detach
from sessions_app.client.home import Target
from sessions_app.client.spool import Place, Spool, finish_interrupted

#: Once the program has ended, its caller waits no longer than this without any progress.
GRACE_S = 2.0
#: A burst of writes goes into one request; far below what a person sees. The first after a rest goes at once.
_COALESCE_S = 0.005
_REST_S = 0.05


@dataclass(frozen=True, slots=True)
class Ending:
    """How far the upload came: `outcome` is the value of an Outcome, or "unremoved" where the spool could not be."""

    outcome: str
    reason: str


class UploaderProcess:
    """Handle of the recorder's side."""

    def __init__(self, spool: Spool, find_target: Callable[[], Target | None]) -> None:
        """Fork the uploader. `news` is the pipe by which it is told that there is more in the spool, and by its end
        that there will be no more. Call it before any thread is started. Raises OSError.
        """
        news_read, self.news = os.pipe()
        self._report, report_write = os.pipe()
        try:
            self._pid = os.fork()
        except OSError:
            for descriptor in (news_read, self.news, self._report, report_write):
                os.close(descriptor)
            raise
        if self._pid == 0:
            _run_uploader(news_read, report_write, spool, find_target)
        for theirs in (news_read, report_write):
            os.close(theirs)

    def finish(self, grace_s: float = GRACE_S) -> Ending:
        """Nobody writes the spool any more: wait for the rest to be sent as long as there is progress.

        An uploader that is still waiting for an answer then goes on by itself, and gives up soon if none
        comes.
        """
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
    """What the uploader knows of the keeper: news while its end of the pipe is open, and then no more."""

    def __init__(self, news: int, report: int, spool: Spool) -> None:
        self._news = news
        self._report = report
        self._spool = spool
        self._give_up_at: float | None = None
        self._end_written = False
        self._news_at = 0.0
        os.set_blocking(report, False)

    def wait_for_news(self, place: Place) -> bool:
        """Wait for the keeper to write more; when it was killed, write the end in its place. Raises EndUnwritten."""
        if self._give_up_at is not None:
            # All that the keeper wrote has been read, and its end was not there.
            return self._write_end(place)
        if os.read(self._news, 65536):
            now = time.monotonic()
            if now - self._news_at < _REST_S:
                time.sleep(_COALESCE_S)
            self._news_at = now
        else:
            self._give_up_at = time.monotonic() + GRACE_S
        return True

    def wait_to_retry(self, seconds: float, *, hopeful: bool) -> bool:
        """Wait, at once over when the program ends; from then on only for the time of grace."""
        now = time.monotonic()
        if self._give_up_at is not None:
            if now >= self._give_up_at or not hopeful:
                return False
            time.sleep(min(seconds, self._give_up_at - now))
            return True
        closed = select.poll()
        # News does not matter now, and must not wake us; that the pipe is closed is always reported.
        closed.register(self._news, 0)
        if closed.poll(seconds * 1000):
            self._give_up_at = time.monotonic() + GRACE_S
        return True

    def progressed(self) -> None:
        """Tell the recorder, which may be waiting for the end."""
        if self._give_up_at is not None:
            self._give_up_at = time.monotonic() + GRACE_S
        with contextlib.suppress(BlockingIOError, BrokenPipeError):
            os.write(self._report, b"\n")

    def _write_end(self, place: Place) -> bool:
        """End a recording that was not finished; False when somebody else took it over. Raises EndUnwritten."""
        if self._end_written:
            return False
        self._end_written = True
        # When a keeper is killed, the pipe may be closed before the lock is.
        deadline = time.monotonic() + GRACE_S
        while not finish_interrupted(self._spool, place):
            if time.monotonic() > deadline:
                return False
            time.sleep(_COALESCE_S)
        return True


def _run_uploader(news: int, report: int, spool: Spool, find_target: Callable[[], Target | None]) -> None:
    """Body of the forked process; never returns."""
    try:
        detach(news, report)
        # Imported here: the recorder itself has no use for HTTP and should start at once.
        from sessions_app.client.uploader import Uploader

        uploader = Uploader(spool, find_target, _LiveRecording(news, report, spool))
        ending = Ending(uploader.run().value, uploader.reason)
        if ending.outcome == "complete":
            ending = _remove(spool, ending)
    except BaseException as error:
        ending = Ending("left", f"the uploader failed: {error!r}")
    os.set_blocking(report, True)
    with contextlib.suppress(BrokenPipeError):
        os.write(report, json.dumps({"outcome": ending.outcome, "reason": ending.reason[:500]}).encode())
    os._exit(0)


def _remove(spool: Spool, ending: Ending) -> Ending:
    """The server has all of it."""
    try:
        spool.remove()
    except OSError as error:
        return Ending("unremoved", error.strerror or str(error))
    return ending
