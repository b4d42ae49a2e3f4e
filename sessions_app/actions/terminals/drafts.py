"""Secrets out of the items of an imported recording, where they are read, which may be another process."""

from collections import Counter
from collections.abc import Iterator
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
        # The width that output is drawn in; unknown before the first batch.
        self._cols = int(state["cols"]) if "cols" in state else None
        for code in "oi":
            tail = state.get(code, "").encode(_ENCODING)
            self._maskers[code] = Masker(detector, width=self._cols if code == "o" else None)
            self._maskers[code].resume(tail)
            self._tails[code] = tail

    @classmethod
    def make(cls, state: dict[str, str]) -> Self | None:
        """None when masking is switched off."""
        detector = server_detector()
        return cls(detector, state) if detector else None

    def state(self) -> dict[str, str]:
        """The masked ends of what was read, and the width of the window at its end."""
        state = {code: tail.decode(_ENCODING) for code, tail in self._tails.items()}
        return state if self._cols is None else state | {"cols": str(self._cols)}

    def mask(self, draft: TerminalDraft) -> None:
        """Mask the items of a batch in place."""
        counts: Counter[str] = Counter()
        for masker in self._maskers.values():
            masker.counts.clear()
        for cols, places in self._stretches(draft):
            # Nothing is held here that this would give out.
            self._maskers["o"].set_width(cols)
            self._mask_writes(draft, "o", places)
        self._mask_writes(draft, "i", [index for index, item in enumerate(draft.items) if item[0] == "i"])
        for masker in self._maskers.values():
            counts += masker.counts
        for index, (code, time_us, data) in enumerate(draft.items):
            if code == "m":
                label, masked = mask_text(self._detector, data.decode("utf-8", "replace"))
                draft.items[index] = (code, time_us, label.encode()) if masked else (code, time_us, data)
                draft.is_masked |= bool(masked)
                counts += masked
        draft.masked = dict(counts)

    def _stretches(self, draft: TerminalDraft) -> Iterator[tuple[int, list[int]]]:
        """The window's width and the places of the output that was drawn in it."""
        cols = draft.cols if self._cols is None else self._cols
        places: list[int] = []
        for index, (code, _, data) in enumerate(draft.items):
            if code == "o":
                places.append(index)
            elif code == "r" and (new := int(data.partition(b"x")[0])) != cols:
                yield cols, places
                cols, places = new, []
        self._cols = cols
        yield cols, places

    def _mask_writes(self, draft: TerminalDraft, code: str, places: list[int]) -> None:
        if not places:
            return
        writes = [draft.items[index][2] for index in places]
        masked = mask_output(self._maskers[code], writes, server_sieve())
        if masked is not writes:
            draft.is_masked = True
            for index, data in zip(places, masked, strict=True):
                draft.items[index] = (code, draft.items[index][1], data)
        tail = b"".join(masked[-TAIL_BYTES:]) if len(masked) > 1 else masked[0]
        self._tails[code] = (self._tails[code] + tail)[-TAIL_BYTES:]
