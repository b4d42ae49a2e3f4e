"""Events on their way into a spool, without the secrets in them."""

from collections.abc import Iterable, Mapping

from sessions_app.client.masking import PatientMasker
from sessions_app.client.spool import SpoolWriter
from sessions_app.terminal.asciicast.model import Event


class MaskedWriter:
    """Writes each event as soon as it is known to hold no secret; all of it may raise OSError."""

    def __init__(self, writer: SpoolWriter, masker: PatientMasker | None) -> None:
        self._writer = writer
        self._masker = masker
        self._noted: Mapping[str, int] = {}
        if masker:
            writer.note_masked({})

    @property
    def descriptor(self) -> int:
        """Of the spool."""
        return self._writer.descriptor

    def take(self, event: Event) -> bool:
        """Whether anything was written."""
        return self._write(self._masker.take(event) if self._masker else (event,))

    def pause_due_s(self) -> float | None:
        """How long something may still be held back, None when nothing is."""
        return self._masker.due_s() if self._masker else None

    def pause(self) -> bool:
        """Nothing came: write down what was held back long enough; whether there was anything."""
        return self._write(self._masker.pause()) if self._masker else False

    def close(self) -> None:
        self._writer.close()

    def _write(self, events: Iterable[Event]) -> bool:
        self._note_masked()
        wrote = False
        for event in events:
            self._writer.write(event)
            wrote = True
        return wrote

    def _note_masked(self) -> None:
        """Before what it tells of, so that whoever sends that knows it."""
        if self._masker is None:
            return
        counts = self._masker.counts
        if counts != self._noted:
            self._noted = counts
            self._writer.note_masked(counts)
