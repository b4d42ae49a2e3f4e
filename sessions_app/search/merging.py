"""Words merged into Postgres's index by a connection beside the one that adds them.

A GIN index keeps new words in a list apart, and whoever fills that list merges it: more than half of what an import
costs the database, while the importer waits for it. Here the list may grow, and another backend merges it meanwhile.
Who looks into the index looks into the list too, so nothing is found later than otherwise.
"""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from django.db import DatabaseError, connection

from dashboard.lib.db import explain, vendor
from sessions_app.search.index import GIN_INDEX

logger = logging.getLogger(__name__)

# A list of this size is merged by whoever adds to it, as one of 4 MB is otherwise.
_LIST_LIMIT: Final = "256MB"
# Merging what a few seconds brought costs half as much as merging all the time: pages of the index that hold common
# words are rewritten once for all that were added meanwhile.
_REST_S: Final = 5.0


@contextmanager
def merging_beside() -> Iterator[None]:
    """For very many words in a row on this connection; outside of any transaction. Nothing on SQLite."""
    if vendor() == "sqlite" or not _may_merge():
        yield
        return
    opened = connection.connection
    _execute("SELECT set_config('gin_pending_list_limit', %s, false)", [_LIST_LIMIT])
    merger = _Merger()
    merger.start()
    try:
        yield
    finally:
        merger.stop()
        # One that was lost meanwhile has taken its setting with it.
        if connection.connection is opened and not opened.closed:
            _execute("RESET gin_pending_list_limit")


def merge() -> int:
    """Merge what waits now; returns how many pages of the list that were."""
    return _execute("SELECT gin_clean_pending_list(%s::regclass)", [GIN_INDEX])


def _may_merge() -> bool:
    """Only the index's owner may; a server whose role may append and no more leaves it to the usual way."""
    sql = "SELECT pg_has_role(relowner, 'USAGE')::int FROM pg_class WHERE oid = %s::regclass"
    return bool(_execute(sql, [GIN_INDEX]))


def _execute(sql: str, parameters: list[str] | None = None) -> int:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        row = cursor.fetchone() if cursor.description else None
        return int(row[0]) if row and isinstance(row[0], int) else 0


class _Merger(threading.Thread):
    """Merges until it is stopped, and once more then."""

    def __init__(self) -> None:
        super().__init__(name="merging-words", daemon=True)
        self._stopping = threading.Event()

    def run(self) -> None:
        try:
            while not self._stopping.wait(_REST_S):
                merge()
            merge()
        except DatabaseError as error:
            # The words are safe in the list, and whoever adds to it or looks after the database merges them.
            logger.warning("Words could not be merged into the index: %s", explain(error))
        finally:
            connection.close()

    def stop(self) -> None:
        self._stopping.set()
        self.join()
