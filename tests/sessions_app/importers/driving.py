"""Drives a parser as the pipeline does, and puts batches together as the writer does, without a database."""

import copy
import json
import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from sessions_app.drafts import (
    CallResult,
    Draft,
    EventDraft,
    Format,
    MessageDraft,
    MessageGrowth,
    Parser,
    Place,
    RunDraft,
    SessionDraft,
    SkipLine,
    SourceFacts,
    TimelineDraft,
    Tokens,
    ToolCallDraft,
    UnknownLine,
)

# Added up over batches; every other fact of a session or run is replaced by a later one that is not blank.
_ADDED = {"turns", "spent"}
_COUNTS = (
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "cache_write_1h_tokens",
)
_NO_FACTS = {"rows", "growths", "results", "runs"}
MODIFIED_MS = 1_790_000_000_000


@dataclass
class WrittenSession:
    """One session as it would stand after everything was written."""

    facts: SessionDraft
    runs: dict[str, RunDraft] = field(default_factory=dict)
    rows: list[TimelineDraft] = field(default_factory=list)
    # Tokens of the messages of each run, where the format counts them per message.
    spent: dict[str, Tokens] = field(default_factory=dict)

    def messages(self, **wanted: object) -> list[MessageDraft]:
        return [row for row in self.rows if isinstance(row, MessageDraft) and _matches(row, wanted)]

    def calls(self, **wanted: object) -> list[ToolCallDraft]:
        return [row for row in self.rows if isinstance(row, ToolCallDraft) and _matches(row, wanted)]

    def events(self, **wanted: object) -> list[EventDraft]:
        return [row for row in self.rows if isinstance(row, EventDraft) and _matches(row, wanted)]

    @property
    def tokens(self) -> Tokens:
        """The session's sums, over all runs."""
        total = Tokens()
        for tokens in (
            self.spent.values()
            if self.facts.tokens_from_messages
            else [run.tokens for run in self.runs.values()]
        ):
            total.add(tokens)
        return total


@dataclass
class Outcome:
    """What was written of any number of files."""

    sessions: dict[str, WrittenSession] = field(default_factory=dict)
    skipped: list[tuple[Place, str]] = field(default_factory=list)
    unknown: list[tuple[Place, str]] = field(default_factory=list)
    # The parser's state at the end of the newest file, after a trip through JSON.
    state: dict[str, Any] = field(default_factory=dict)
    _known: dict[tuple[type, str, int], TimelineDraft] = field(default_factory=dict)

    @property
    def only(self) -> WrittenSession:
        [session] = self.sessions.values()
        return session

    def write(self, batch: Draft) -> None:
        self.skipped += batch.skipped
        self.unknown += batch.unknown
        for draft in batch.sessions.values():
            self._write_session(copy.deepcopy(draft))

    def _write_session(self, draft: SessionDraft) -> None:
        session = self.sessions.setdefault(
            draft.external_id, WrittenSession(SessionDraft(draft.external_id, draft.agent))
        )
        _lay_on(session.facts, draft)
        for key, run in draft.runs.items():
            _lay_on(session.runs.setdefault(key, RunDraft(key)), run)
        for row in draft.rows:
            if self._known.setdefault((type(row), row.key, row.at_ms), row) is row:
                session.rows.append(row)
                if isinstance(row, MessageDraft):
                    _spend(session.spent.setdefault(row.run, Tokens()), row)
        for growth in draft.growths:
            self._grow(session, growth)
        for result in draft.results:
            self._end(result)
        started = {run.spawned_by: run.key for run in session.runs.values() if run.spawned_by}
        for call in session.calls():
            call.child_run = call.child_run or started.get(call.call_id, "")

    def _grow(self, session: WrittenSession, growth: MessageGrowth) -> None:
        message = self._known[MessageDraft, growth.key, growth.at_ms]
        assert isinstance(message, MessageDraft)
        stands = (len(message.text), len(message.reasoning), message.output_tokens)
        if growth.stood is not None and growth.stood != stands:
            return
        message.text = "\n\n".join(filter(None, (message.text, growth.text)))
        message.reasoning = "\n\n".join(filter(None, (message.reasoning, growth.reasoning)))
        message.stop_reason = growth.stop_reason or message.stop_reason
        message.attachments += growth.attachments
        for name in _COUNTS:
            setattr(message, name, getattr(message, name) + getattr(growth, name))
        _spend(session.spent.setdefault(growth.run, Tokens()), growth)

    def _end(self, result: CallResult) -> None:
        call = self._known[ToolCallDraft, result.key, result.at_ms]
        assert isinstance(call, ToolCallDraft)
        call.status, call.output, call.ended_ms = result.status, result.output, result.ended_ms
        call.exit_status = call.exit_status if result.exit_status is None else result.exit_status
        call.result_place = result.place or call.result_place
        call.child_run = result.child_run or call.child_run


def drive(
    known: Format,
    content: bytes,
    path: str = "/home/dev/history.jsonl",
    *,
    cuts: Collection[int] = (),
    companions: dict[str, bytes] | None = None,
    following: bool = False,
    outcome: Outcome | None = None,
    modified_ms: int = MODIFIED_MS,
    on_batch: Callable[[Draft], object] = lambda batch: None,
) -> Outcome:
    """Read `content` as one file; after the lines in `cuts` a batch closes and a new parser goes on."""
    outcome = outcome if outcome is not None else Outcome()

    def close() -> dict[str, Any]:
        parser.close_batch(following=following)
        batch, parser.draft = parser.draft, Draft()
        on_batch(batch)
        outcome.write(batch)
        state: dict[str, Any] = json.loads(json.dumps(parser.state()))
        return state

    facts = SourceFacts(path=path, companions=companions or {}, modified_ms=modified_ms)
    parser = known.parser(facts, {})
    offset = 0
    whole_lines = [content] if known.is_document else re.findall(rb"[^\n]*\n|[^\n]+\Z", content)
    for number, line in enumerate(whole_lines, start=1):
        feed(parser, line.removesuffix(b"\n"), Place(offset, len(line), number))
        offset += len(line)
        if number in cuts:
            parser = known.parser(facts, close())
    outcome.state = close()
    return outcome


def drive_file(known: Format, path: Path, **options: Any) -> Outcome:
    """Read a file with its companions, as the pipeline would."""
    companions = {
        Path(name).name: Path(name).read_bytes()
        for name in known.companions(str(path))
        if Path(name).exists()
    }
    return drive(known, path.read_bytes(), str(path), **{"companions": companions, **options})


def feed(parser: Parser, line: bytes, place: Place) -> None:
    try:
        parser.feed(line, place)
    except UnknownLine as reason:
        parser.draft.remark(place, str(reason))
    except SkipLine as reason:
        parser.draft.skip(place, str(reason))


def lines(records: Iterable[object]) -> bytes:
    """Records as a JSON Lines file."""
    return b"".join(json.dumps(record, separators=(",", ":")).encode() + b"\n" for record in records)


def _lay_on(stands: SessionDraft | RunDraft, draft: SessionDraft | RunDraft) -> None:
    for name in (entry.name for entry in fields(draft)):
        value = getattr(draft, name)
        if name in _NO_FACTS or value is None or value == "":
            continue
        if name == "spent":
            assert isinstance(stands, RunDraft)
            for model, tokens in value.items():
                stands.spent_with(model).add(tokens)
        elif name in _ADDED:
            setattr(stands, name, getattr(stands, name) + value)
        elif name == "started_ms" and stands.started_ms is not None:
            stands.started_ms = min(stands.started_ms, value)
        elif name == "last_activity_ms" and stands.last_activity_ms is not None:
            stands.last_activity_ms = max(stands.last_activity_ms, value)
        elif name in ("cwd", "first_prompt") and getattr(stands, name):
            continue
        else:
            setattr(stands, name, value)


def _spend(tokens: Tokens, row: MessageDraft | MessageGrowth) -> None:
    total = row.input_tokens + row.output_tokens + row.cache_read_tokens + row.cache_write_tokens
    counts = (row.input_tokens, row.output_tokens, row.cache_read_tokens, row.cache_write_tokens)
    tokens.add(Tokens(*counts, total, row.cache_write_1h_tokens))


def _matches(row: object, wanted: dict[str, object]) -> bool:
    return all(getattr(row, name) == value for name, value in wanted.items())
