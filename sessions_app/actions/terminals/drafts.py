"""Secrets out of the items of an imported recording, where they are read, which may be another process."""

from collections import Counter
from typing import Self

from sessions_app.actions.terminals.detecting import server_detector, server_sieve
from sessions_app.actions.terminals.masking import TAIL_BYTES
from sessions_app.drafts import TerminalDraft
from sessions_app.terminal.masking.detector import Detector
from sessions_app.terminal.masking.events import mask_output, mask_text
from sessions_app.terminal.masking.masker import Masker

_ENCODING = "latin-1"


class DraftMasker:
    """Masks one recording batch by batch. `state()` of one, given to a new one, goes on behind its last batch."""

    def __init__(self, detector: Detector, state: dict[str, str]) -> None:
        self._detector = detector
        self._maskers: dict[str, Masker] = {}
        self._tails: dict[str, bytes] = {}
        for code in "oi":
            tail = state.get(code, "").encode(_ENCODING)
            self._maskers[code] = Masker(detector)
            self._maskers[code].resume(tail)
            self._tails[code] = tail

    @classmethod
    def make(cls, state: dict[str, str]) -> Self | None:
        """None when masking is switched off."""
        detector = server_detector()
        return cls(detector, state) if detector else None

    def state(self) -> dict[str, str]:
        """The masked ends of what was read."""
        return {code: tail.decode(_ENCODING) for code, tail in self._tails.items()}

    def mask(self, draft: TerminalDraft) -> None:
        """Mask the items of a batch in place."""
        counts: Counter[str] = Counter()
        for code, masker in self._maskers.items():
            masker.counts.clear()
            self._mask_stream(draft, code, masker)
            counts += masker.counts
        for index, (code, time_us, data) in enumerate(draft.items):
            if code == "m":
                label, masked = mask_text(self._detector, data.decode("utf-8", "replace"))
                draft.items[index] = (code, time_us, label.encode()) if masked else (code, time_us, data)
                draft.is_masked |= bool(masked)
                counts += masked
        draft.masked = dict(counts)

    def _mask_stream(self, draft: TerminalDraft, code: str, masker: Masker) -> None:
        if code == "o":
            masker.set_width(draft.cols)
        places = [index for index, item in enumerate(draft.items) if item[0] == code]
        if not places:
            return
        writes = [draft.items[index][2] for index in places]
        masked = mask_output(masker, writes, server_sieve())
        if masked is not writes:
            draft.is_masked = True
            for index, data in zip(places, masked, strict=True):
                draft.items[index] = (code, draft.items[index][1], data)
        tail = b"".join(masked[-TAIL_BYTES:]) if len(masked) > 1 else masked[0]
        self._tails[code] = (self._tails[code] + tail)[-TAIL_BYTES:]
