"""The state of reading one transcript: which session and run a record belongs to, and their drafts."""

from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from sessions_app.drafts import (
    MAIN_RUN,
    Draft,
    EventDraft,
    Place,
    RunDraft,
    SessionDraft,
    SkipLine,
    SourceFacts,
)
from sessions_app.importers.claude_code.layout import layout_of, sidecar_of
from sessions_app.importers.claude_code.memory import (
    HELD_LIMIT,
    SEEN_LIMIT,
    FileMemory,
    RunMemory,
    SessionMemory,
    Whereabouts,
    remember,
)
from sessions_app.importers.claude_code.records import Record, plain, stamp
from sessions_app.importers.json_lines import MAX_LINE_BYTES, brief, no_time, text_of, whole_of

AGENT = "claude-code"
# Of files beside the transcript a batch takes so much, and one of them gives no more: what a line could hold.
ROOM_BYTES = MAX_LINE_BYTES
# In the fixtures of some versions a subagent's records name it behind the parent's id.
_AGENT_MARK = "#agent-"
_LONGEST_ID = 160


@dataclass(slots=True)
class Entry:
    """One record's place in everything."""

    session: SessionMemory
    draft: SessionDraft
    run: RunMemory
    run_draft: RunDraft
    key: str
    at_ms: int
    place: Place

    def event(self, kind: str, text: str, document: str = "", key: str = "") -> None:
        self.draft.rows.append(
            EventDraft(
                key=key or self.key, run=self.run.key, at_ms=self.at_ms, kind=kind, text=brief(text, 500),
                place=self.place, turn=self.session.turn, document=document,
            )
        )  # fmt: skip


def bounded(identity: str) -> str:
    """The id itself, or a digest of it when it is too long to be one."""
    return identity if len(identity) <= _LONGEST_ID else digest(identity.encode("utf-8", "surrogatepass"))


def digest(content: bytes) -> str:
    return blake2b(content, digest_size=12).hexdigest()


class Reading:
    """Shared by everything that reads records of one file."""

    def __init__(self, facts: SourceFacts, state: dict[str, Any]) -> None:
        self.facts = facts
        self.draft = Draft()
        self.memory = FileMemory.restored(state)
        self.layout = layout_of(facts.path)
        self.sidecar = sidecar_of(facts) if self.layout.agent else {}
        # How much this batch may still take of them.
        self.room = ROOM_BYTES

    def forget_batch(self) -> None:
        """Let go of what belongs to the batch that is handed over."""
        self.memory.forget_batch()
        self.room = ROOM_BYTES

    def enter(self, record: Record, place: Place) -> Entry | None:
        """Where this record belongs; None when a record of this uuid was read before. Raises SkipLine."""
        uuid = plain(record.uuid)
        seen = self.memory.seen
        if uuid and uuid in seen:
            return None
        session = self.session_of(record)
        at_ms = self.time_of(record.timestamp, place) or session.last_ms or self.facts.modified_ms
        key = bounded(uuid) if uuid else f"{session.external_id}@{place.offset}"
        run = session.run(self._run_key(record, session, key))
        session.last_ms = at_ms
        self.memory.current = session.external_id
        if uuid:
            remember(seen, uuid, (session.external_id, run.key), SEEN_LIMIT)
            if session.summaries and uuid in session.summaries:
                self.offer_title(session, 1, session.summaries.pop(uuid))
        draft = session.draft or self.begin(session, at_ms)
        run_draft = run.draft or self._open_run(session, draft, run)
        run.touch(at_ms)
        self._keep_facts(record, session, draft, run)
        return Entry(session, draft, run, run_draft, key, at_ms, place)

    def time_of(self, value: object, place: Place) -> int | None:
        """The time that a record gives. One that cannot be is remarked on."""
        found = stamp(value)
        if found is None and value is not None:
            self.draft.remark(place, no_time(value))
        return found

    def remark_lost(self, lost: int, place: Place) -> None:
        """So many blocks of a message's content are none."""
        if lost:
            plural = "" if lost == 1 else "s"
            self.draft.remark(place, f"{lost} block{plural} of its content cannot be read")

    def session_of(self, record: Record) -> SessionMemory:
        """Raises SkipLine when neither the record nor the file says which session this is."""
        named = plain(record.session_id).partition(_AGENT_MARK)[0]
        named = named or self.memory.current or self.layout.session
        found = self.memory.sessions.get(named)
        if found is not None:
            return found
        if not named:
            raise SkipLine("names no session")
        if len(named) > 200:
            raise SkipLine("the session's id is longer than 200 characters")
        return self._new_session(named, record)

    def _new_session(self, external_id: str, record: Record) -> SessionMemory:
        session = SessionMemory(external_id)
        where = self.memory.seen.get(plain(record.parent_uuid))
        if where is not None and where[0] != external_id:
            session.parent = where[0]
        elif self.memory.sessions and external_id == self.layout.session:
            session.parent = next(iter(self.memory.sessions))
        if session.parent:
            session.waiting["parent_external_id"] = session.parent
        for leaf, title in self.memory.summaries:
            session.summaries[leaf] = title
        self.memory.sessions[external_id] = session
        return session

    def begin(self, session: SessionMemory, at_ms: int) -> SessionDraft:
        """The session's draft in this batch; what came before its first record goes in now."""
        draft = session.draft = self.draft.session(AGENT, session.external_id)
        draft.tokens_from_messages = True
        draft.run(MAIN_RUN)
        if not session.has_begun:
            session.has_begun = True
            for name, value in session.waiting.items():
                setattr(draft, name, value)
            session.waiting = {}
            for key, held_ms, kind, text, document, place in self.memory.held:
                draft.rows.append(
                    EventDraft(key, MAIN_RUN, held_ms or at_ms, kind, text, Place(*place), 0, document)
                )
            self.memory.held = []
        return draft

    def hold(self, event: EventDraft) -> None:
        """Keep an event until a record says which session this is. Raises SkipLine when too many wait."""
        if len(self.memory.held) >= HELD_LIMIT or len(event.document) > 65_536:
            raise SkipLine("comes before any record that names its session")
        place = event.place or Place(0, 0, 0)
        self.memory.held.append([event.key, event.at_ms, event.kind, event.text, event.document, list(place)])

    def state_fact(self, session: SessionMemory, name: str, value: str) -> None:
        """Set a fact of the session, at once or as soon as the session has begun."""
        if session.has_begun:
            setattr(session.draft or self.begin(session, session.last_ms), name, value)
        else:
            session.waiting[name] = value

    def offer_title(self, session: SessionMemory, rank: int, title: str) -> None:
        """Ranks: 3 given by a person, 2 made by the program, 1 a summary's."""
        if title.strip() and rank >= session.title_rank:
            session.title_rank = rank
            self.state_fact(session, "title", brief(title))
            if rank == 1:
                self.state_fact(session, "summary", title)

    def _run_key(self, record: Record, session: SessionMemory, key: str) -> str:
        agent = plain(record.agent_id) or plain(record.session_id).partition(_AGENT_MARK)[2]
        if agent and (self.layout.agent or record.is_sidechain is not False):
            return bounded(agent)
        if self.layout.agent:
            return bounded(self.layout.agent)
        if record.is_sidechain is not True:
            return MAIN_RUN
        parent = plain(record.parent_uuid)
        if parent:
            where: Whereabouts | None = self.memory.seen.get(parent)
            if where is None and session.sidechain:
                # Fallen out of memory: records of one sidechain mostly follow each other.
                return session.sidechain
            if where is not None and where[0] == session.external_id and where[1] != MAIN_RUN:
                session.sidechain = where[1]
                return where[1]
        session.sidechain = key
        return key

    def _open_run(self, session: SessionMemory, draft: SessionDraft, run: RunMemory) -> RunDraft:
        run_draft = run.draft = draft.run(run.key)
        if not run.is_placed and run.key != MAIN_RUN and not self.layout.agent:
            run.is_placed = True
            run_draft.parent = MAIN_RUN
        if self.layout.agent and run.key == bounded(self.layout.agent):
            self._apply_sidecar(run, run_draft)
        return run_draft

    def _apply_sidecar(self, run: RunMemory, run_draft: RunDraft) -> None:
        facts = self.sidecar
        run_draft.spawned_by = bounded(text_of(facts.get("toolUseId")))
        run_draft.title = brief(text_of(facts.get("description")))
        run_draft.agent_name = brief(text_of(facts.get("name")) or text_of(facts.get("agentType")), 120)
        if self.layout.workflow and not run_draft.agent_name:
            run_draft.agent_name = "workflow"
        parent = bounded(text_of(facts.get("parentAgentId")))
        if parent:
            run_draft.parent = parent
        elif not run.is_linked and (whole_of(facts.get("spawnDepth")) or 1) <= 1:
            # Once only: the caller's own transcript knows better and may be read in between.
            run_draft.parent = MAIN_RUN
        run.is_linked = True

    def _keep_facts(
        self, record: Record, session: SessionMemory, draft: SessionDraft, run: RunMemory
    ) -> None:
        if not session.has_cwd and type(record.cwd) is str and record.cwd:
            session.has_cwd = True
            draft.cwd = record.cwd
        if run.key == MAIN_RUN:
            if record.version != session.version and type(record.version) is str:
                session.version = draft.agent_version = record.version[:60]
            if record.git_branch != session.branch and type(record.git_branch) is str:
                session.branch = draft.branch = record.git_branch[:200]
        if record.forked_from is not None and not session.parent and isinstance(record.forked_from, dict):
            origin = text_of(record.forked_from.get("sessionId"))
            if origin and origin != session.external_id and len(origin) <= 200:
                session.parent = draft.parent_external_id = origin
