"""Items of a recording made ready for their rows where they are read, which may be another process."""

from sessions_app.actions.terminals.output import TAIL_BYTES, tail_of
from sessions_app.actions.terminals.stretches import SEGMENT_BYTES, Stretch, in_segments, writes_of
from sessions_app.drafts import PackedItems, PackedStretch, TerminalDraft
from sessions_app.models.blob import pack, sha256_of, unpack


def pack_items(draft: TerminalDraft) -> None:
    """Replace the items by packed ones, where there is enough output to fill a segment."""
    writes: list[tuple[int, bytes]] = []
    events: list[tuple[int, str, int, bytes]] = []
    size = last_us = 0
    for code, time_us, data in draft.items:
        # Whatever wrote the file, the recording's time never steps back.
        last_us = max(last_us, time_us)
        if code != "o":
            events.append((size, code, last_us, data))
        elif data:
            writes.append((last_us, data))
            size += len(data)
    if size < SEGMENT_BYTES:
        return
    stretches = [_packed(stretch) for stretch in in_segments(0, writes)]
    ending = b"".join(tail_of([data for _, data in writes[-TAIL_BYTES:]]))
    draft.items, draft.packed = [], PackedItems(stretches, events, size, last_us, ending)


def unpack_items(packed: PackedItems) -> list[tuple[str, int, bytes]]:
    """The items as they were, but for writes that were divided between two stretches."""
    items: list[tuple[str, int, bytes]] = []
    events = iter(packed.events)
    event = next(events, None)
    offset = 0
    for stretch in packed.stretches:
        plain = unpack(stretch.data, stretch.codec, stretch.size)
        for time_us, data in writes_of(stretch.timing, stretch.first_us, plain):
            # Between two writes, as none was taken apart at an event.
            while event is not None and event[0] <= offset:
                items.append(event[1:])
                event = next(events, None)
            items.append(("o", time_us, data))
            offset += len(data)
    while event is not None:
        items.append(event[1:])
        event = next(events, None)
    return items


def _packed(stretch: Stretch) -> PackedStretch:
    plain = stretch.join()
    codec, data = pack(plain)
    return PackedStretch(
        stretch.offset,
        stretch.size,
        stretch.first_us,
        stretch.last_us,
        stretch.timing(),
        codec,
        data,
        sha256_of(plain),
    )
