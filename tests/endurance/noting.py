"""`python -m tests.endurance.noting SESSION AUTHOR`: adds notes to a session until it is killed."""

import contextlib
import itertools
import os
import sys
import uuid

import django


def main(session_id: str, author_id: str) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")
    django.setup()
    from django.db import OperationalError

    from sessions_app.actions.sessions import add_note
    from sessions_app.actors import actor_of
    from sessions_app.models import Person

    author = Person.objects.get(pk=author_id)
    actor = actor_of(author)
    for number in itertools.count():
        text = f"note {number} of process {os.getpid()}"
        # SQLite lets nobody queue: of so many on a busy machine one may wait in vain for all of its time.
        with contextlib.suppress(OperationalError):
            add_note(uuid.UUID(session_id), text, author=author, actor=actor)


if __name__ == "__main__":
    main(*sys.argv[1:])
