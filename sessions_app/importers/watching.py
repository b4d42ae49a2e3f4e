"""Follows the places where agents write: new lines are imported as they come."""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence

import watchfiles
from django.db import InterfaceError, OperationalError

from audit.actors import Actor
from dashboard.lib.db import explain
from sessions_app.actions.imports import GATHER_S
from sessions_app.importers.claude_code.layout import is_outputs_folder
from sessions_app.importers.finding import SUFFIXES
from sessions_app.importers.leases import settle, watch_lease
from sessions_app.importers.pipeline import Importer
from sessions_app.importers.registry import default_roots
from sessions_app.importers.report import Report

logger = logging.getLogger(__name__)

# A burst of writes is gathered for this long; a single line waits for the first of the two only.
QUIET_MS = 20
BURST_MS = 120
# Without any change, the folders are looked through again this often: new places appear, and a change
# that the system did not report is found.
RESCAN_SECONDS = 30.0
# The first look after the system has begun to watch comes this soon: it finds what was written in between.
IDLE_MS = 400
RETRY_SECONDS = 2.0


class Watcher:
    """Imports what is there, then follows. `on_report` is told of each pass, `on_idle` a few times a second that
    there was none.
    """

    def __init__(
        self,
        actor: Actor,
        paths: Sequence[str],
        on_report: Callable[[Report], None],
        on_idle: Callable[[], None] = lambda: None,
    ) -> None:
        self._actor = actor
        self._importer = Importer(actor)
        self._paths = [os.path.abspath(os.path.expanduser(path)) for path in paths]
        self._on_report = on_report
        self._on_idle = on_idle
        self._stop = threading.Event()

    def stop(self) -> None:
        self._stop.set()

    def run(self) -> None:
        """Follow until stopped. A database that goes away is waited for; nothing is lost meanwhile."""
        self._when_possible(self._settle)
        # What is there already was written by somebody who may be long gone: an open turn in it is not running.
        self._import(self._roots())
        self._importer.following = True
        try:
            while not self._stop.is_set():
                roots = self._roots()
                if roots:
                    with watch_lease(roots):
                        self._follow(roots)
                else:
                    self._stop.wait(RETRY_SECONDS)
        finally:
            self._importer.record_growth()
            self._settle()

    def _record_growth(self) -> None:
        self._importer.record_growth(after_s=GATHER_S)

    def _settle(self) -> None:
        settle(self._importer.host, actor=self._actor)

    def _follow(self, roots: list[str]) -> None:
        """Until stopped, or until other places are to be watched."""
        due = 0.0
        for changed in self._changes(roots):
            self._when_possible(self._record_growth)
            if changed:
                # Agents write other files beside their histories: nobody asked for those.
                self._import(sorted(changed), are_named=False)
                continue
            self._on_idle()
            if time.monotonic() >= due:
                self._import(self._roots())
                due = time.monotonic() + RESCAN_SECONDS
                if self._roots() != roots:
                    return

    def _roots(self) -> list[str]:
        """Where links lead to, as sources are known by that."""
        roots = [path for path in self._paths if os.path.exists(path)] if self._paths else default_roots()
        return [os.path.realpath(path) for path in roots]

    def _changes(self, roots: list[str]) -> Iterator[set[str]]:
        """Paths that changed, or an empty set after a while without any."""
        batches = watchfiles.watch(
            *roots,
            watch_filter=_is_candidate,
            debounce=BURST_MS,
            step=QUIET_MS,
            stop_event=self._stop,
            rust_timeout=IDLE_MS,
            yield_on_timeout=True,
            raise_interrupt=True,
            # A folder that is removed while it is watched must not end the watch.
            ignore_permission_denied=True,
        )
        for changes in batches:
            yield {_owner(path) for _, path in changes}

    def _import(self, paths: Sequence[str], *, are_named: bool = True) -> None:
        def work() -> None:
            there = [path for path in paths if os.path.exists(path)]
            self._on_report(self._importer.import_paths(there, are_named=are_named))

        self._when_possible(work)

    def _when_possible(self, work: Callable[[], object]) -> None:
        """Do it now, or as soon as the database is there again."""
        while not self._stop.is_set():
            try:
                work()
                return
            except (OperationalError, InterfaceError) as error:
                self._on_report(Report(errors={"database": explain(error)}))
                self._stop.wait(RETRY_SECONDS)
            except Exception as error:
                # The agents go on whatever happens here, and so does following them.
                logger.exception("a pass over the histories failed")
                self._on_report(Report(errors={"this pass": f"{type(error).__name__}: {error}"}))
                return


def _is_candidate(change: watchfiles.Change, path: str) -> bool:
    if is_outputs_folder(path) or is_outputs_folder(os.path.dirname(path)):
        return False
    # What is written into a new folder before the system watches it is not reported: the folder itself is.
    return path.endswith(SUFFIXES) or (change == watchfiles.Change.added and os.path.isdir(path))


def _owner(path: str) -> str:
    """The file to read again when `path` changed: a sidecar speaks for the file beside it."""
    if path.endswith(".meta.json"):
        owner = path.removesuffix(".meta.json") + ".jsonl"
        if os.path.exists(owner):
            return owner
    return path if os.path.exists(path) else os.path.dirname(path)
