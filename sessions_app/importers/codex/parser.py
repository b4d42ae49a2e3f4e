"""Reads one rollout: what each line is, and who takes it."""

from typing import Any

from sessions_app.drafts import Draft, Place, SkipLine, UnknownLine
from sessions_app.importers.codex.calls import Calls
from sessions_app.importers.codex.content import read_said
from sessions_app.importers.codex.events import Events
from sessions_app.importers.codex.items import Items
from sessions_app.importers.codex.messages import Messages
from sessions_app.importers.codex.notes import Notes
from sessions_app.importers.codex.prefix import Prefix
from sessions_app.importers.codex.progress import Progress
from sessions_app.importers.codex.thread import Thread, identifier_of
from sessions_app.importers.codex.tokens import TokenMeter
from sessions_app.importers.codex.turns import Turns
from sessions_app.importers.codex.twins import Twins
from sessions_app.importers.codex.vocabulary import SILENT_LINES
from sessions_app.importers.json_lines import decode_object, no_time, stamp_of, text_of


class CodexParser:
    def __init__(self, fallback_id: str, modified_ms: int, state: dict[str, Any]) -> None:
        self.thread = Thread(fallback_id, modified_ms, state.get("thread", {}))
        self.turns = Turns(state.get("turns", {}))
        self.twins = Twins(state.get("twins", []))
        self.progress = Progress(state.get("progress", {}))
        self.meter = TokenMeter(state.get("tokens"))
        self.prefix = Prefix(self.thread, state.get("prefix", {}))
        self.calls = Calls(self.thread, state.get("calls", {}))
        self.messages = Messages(self.thread, self.turns, self.twins, state.get("messages", {}))
        self.notes = Notes(self.thread, self.turns, self.twins, state.get("notes", {}))
        self.items = Items(self.thread, self.turns, self.messages, self.calls, self.notes, self.progress)
        self.events = Events(
            self.thread,
            self.turns,
            self.twins,
            self.messages,
            self.calls,
            self.notes,
            self.progress,
            self.meter,
        )

    @property
    def draft(self) -> Draft:
        return self.thread.draft

    @draft.setter
    def draft(self, draft: Draft) -> None:
        self.thread.draft = draft
        self.calls.close_batch()

    def state(self) -> dict[str, Any]:
        return {
            "thread": self.thread.state(),
            "turns": self.turns.state(),
            "twins": self.twins.state(),
            "progress": self.progress.state(),
            "tokens": self.meter.reached,
            "prefix": self.prefix.state(),
            "calls": self.calls.state(),
            "messages": self.messages.state(),
            "notes": self.notes.state(),
        }

    def feed(self, line: bytes, place: Place) -> None:
        if not line or line.isspace():
            return
        record = decode_object(line)
        kind, payload, stamp = _unwrap(record)
        if stamp is not None:
            self.thread.at_ms = stamp
        elif record.get("timestamp") is not None:
            self.draft.remark(place, no_time(record["timestamp"]))
        if kind == "session_meta":
            self._session_meta(payload, place)
            return
        self.thread.identify()
        if self.prefix.holds(kind, payload):
            if payload.get("type") == "token_count":
                self.meter.skip(payload.get("info"))
            return
        if kind == "event_msg":
            self.events.read(payload, place)
        elif kind == "response_item":
            self.items.read(payload, place)
        elif kind == "turn_context":
            self._turn_context(payload, place)
        elif kind == "compacted":
            self.notes.compacted(payload, place)
        elif kind == "inter_agent_communication":
            self._inter_agent_communication(payload, place)
        elif kind not in SILENT_LINES:
            raise UnknownLine(f"record of the type {kind[:60]}")

    def close_batch(self, *, following: bool) -> None:
        self.calls.close_batch()
        thread, progress = self.thread, self.progress
        if thread.session_id not in thread.draft.sessions:
            return
        status = progress.status(following=following, is_subagent=thread.is_subagent)
        if status is None:
            return
        run = thread.run_draft()
        run.status, run.status_evidence = status, progress.sentence()
        if thread.is_subagent:
            run.ended_ms = progress.at_ms if status in ("completed", "failed", "cancelled") else None
            return
        session = thread.session()
        session.status, session.status_evidence, session.status_ms = (
            status,
            run.status_evidence,
            progress.at_ms,
        )

    def _session_meta(self, payload: dict[str, Any], place: Place) -> None:
        thread = self.thread
        if not thread.id:
            thread.open(payload)
            return
        other = identifier_of(payload.get("id")) or identifier_of(payload.get("session_id"))
        if other == thread.id:
            thread.see_version(payload)
            self.notes.add("session.resumed", "", place)
        elif self.prefix.begin():
            self.notes.add(
                "record.noted", f"Begins with a copy of {other}, which is not repeated here", place
            )
        else:
            raise SkipLine("session_meta of another thread in the midst of this one")

    def _turn_context(self, payload: dict[str, Any], place: Place) -> None:
        self.thread.see_cwd(text_of(payload.get("cwd")))
        if self.turns.context(identifier_of(payload.get("turn_id"))):
            self.events.turn_begun()
        self.notes.model(text_of(payload.get("model")), place)
        self.messages.speaker = None

    def _inter_agent_communication(self, payload: dict[str, Any], place: Place) -> None:
        content = read_said(payload.get("content"), place, self.draft)
        author = text_of(payload.get("author"))
        if content.text and not self.twins.is_twin("agents", content.text, "event", place.line):
            content.text = f"{author}: {content.text}" if author else content.text
            self.messages.add("user", "context", content, place)


def _unwrap(record: dict[str, Any]) -> tuple[str, dict[str, Any], int | None]:
    """Type, payload and time of a record. The first versions wrote items and the session's head bare."""
    payload, stamp = record.get("payload"), stamp_of(record.get("timestamp"))
    if isinstance(payload, dict):
        return text_of(record.get("type")), payload, stamp
    if "payload" in record:
        raise SkipLine("the payload is not an object")
    if record.get("record_type") == "state":
        return "world_state", record, stamp
    if "type" not in record and isinstance(record.get("id"), str) and stamp is not None:
        return "session_meta", record, stamp
    return "response_item", record, stamp
