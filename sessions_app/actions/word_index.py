"""Every word of the searches made again from the rows that hold it, as after they came in from a backup."""

import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from dashboard.lib.errors import CorruptData
from sessions_app.actions.terminals.texts import indexed_text
from sessions_app.actions.titles import keep_all_titles
from sessions_app.models import AgentSession, Blob, Message, SearchEntry, SearchKind, TerminalText, ToolCall
from sessions_app.search import index
from sessions_app.search.words import MAX_INDEXED_CHARS
from sessions_app.terminal.lines import LinesError, decode_runs

# What is put into the index with one statement.
_ENTRIES_AT_ONCE: Final = 200
_CHARS_AT_ONCE: Final = 2_000_000

type Report = Callable[[int], None]


@dataclass
class Indexed:
    """How many entries have their words again, and which texts could not be read for them."""

    entries: int = 0
    errors: list[str] = field(default_factory=list)


def index_everything(report: Report) -> Indexed:
    """Into indexes that are empty, inside the caller's transaction; `report` hears the number of entries done.

    An entry gets all that its row says now: more than it had where a message grew or a call ended later.
    """
    done = Indexed()
    after = -1
    while page := list(SearchEntry.objects.filter(pk__gt=after).order_by("pk")[:_ENTRIES_AT_ONCE]):
        for rows in _in_portions(_with_texts(page, done)):
            index.add_indexable(rows)
        done.entries += len(page)
        report(done.entries)
        after = page[-1].pk
    keep_all_titles()
    return done


def _in_portions(texts: Iterable[tuple[int, str]]) -> Iterator[list[tuple[int, index.Indexable]]]:
    """What the index takes of each text, some at a time."""
    portion: list[tuple[int, index.Indexable]] = []
    held = 0
    for entry, text in texts:
        portion.append((entry, index.indexable(text)))
        held += len(portion[-1][1])
        if held >= _CHARS_AT_ONCE:
            yield portion
            portion, held = [], 0
    if portion:
        yield portion


def _with_texts(page: Sequence[SearchEntry], done: Indexed) -> Iterator[tuple[int, str]]:
    """Each entry whose row is there. One row may have several entries: what it said earlier is not kept."""
    by_object: dict[uuid.UUID, list[int]] = {}
    for entry in page:
        by_object.setdefault(entry.object_id, []).append(entry.pk)
    for kind, texts in _TEXTS.items():
        wanted = list(dict.fromkeys(entry.object_id for entry in page if entry.kind == kind))
        if wanted:
            for identity, text in texts(wanted, done):
                yield from ((entry, text) for entry in by_object[identity])


type _Texts = Iterator[tuple[uuid.UUID, str]]


def _messages(ids: Sequence[uuid.UUID], done: Indexed) -> _Texts:
    rows = Message.objects.filter(pk__in=ids)
    for pk, text, text_blob, reasoning, reasoning_blob in rows.values_list(
        "pk", "text", "text_blob_id", "reasoning", "reasoning_blob_id"
    ):
        said = _whole(text, text_blob, done)
        yield pk, f"{said}\n{_whole(reasoning, reasoning_blob, done)}" if reasoning else said


def _tool_calls(ids: Sequence[uuid.UUID], done: Indexed) -> _Texts:
    rows = ToolCall.objects.filter(pk__in=ids)
    for pk, name, given, given_blob, output, output_blob in rows.values_list(
        "pk", "name", "input", "input_blob_id", "output", "output_blob_id"
    ):
        yield pk, f"{name}\n{_whole(given, given_blob, done)}\n{_whole(output, output_blob, done)}"


def _sessions(ids: Sequence[uuid.UUID], _: Indexed) -> _Texts:
    for pk, title, prompt in AgentSession.objects.filter(pk__in=ids).values_list(
        "pk", "title", "first_prompt"
    ):
        yield pk, f"{title}\n{prompt}"


def _terminals(ids: Sequence[uuid.UUID], done: Indexed) -> _Texts:
    for block in TerminalText.objects.filter(pk__in=ids).iterator(chunk_size=8):
        try:
            yield block.pk, indexed_text(decode_runs(block.read()))
        except (CorruptData, LinesError) as error:
            done.errors.append(f"Text of terminal {block.terminal_id} cannot be searched: {error}")


_TEXTS: Final[dict[str, Callable[[Sequence[uuid.UUID], Indexed], _Texts]]] = {
    SearchKind.MESSAGE: _messages,
    SearchKind.TOOL_CALL: _tool_calls,
    SearchKind.SESSION: _sessions,
    SearchKind.TERMINAL: _terminals,
}


def _whole(text: str, blob: str | None, done: Indexed) -> str:
    """As much of a body as is indexed; the beginning that its row holds where the rest is damaged."""
    if blob is None:
        return text
    try:
        # One at a time: each may be large.
        return Blob.objects.get(pk=blob).read().decode()[:MAX_INDEXED_CHARS]
    except (CorruptData, UnicodeDecodeError) as error:
        done.errors.append(f"The text {blob[:12]} cannot be searched but for its beginning: {error}")
        return text
